//! Keeps Python objects of one call for the next call.
//!
//! An object is used again only if nobody else has a reference to it. Then nobody can tell it from a new one. If an
//! application has kept the object, it is not used again.
#![expect(unsafe_code, reason = "how many references there are to an object is seen through the C API only")]

use pyo3::ffi;
use pyo3::prelude::*;

use crate::gil_lock::GilLock;

/// The most objects that are kept. Calls that find none make a new one.
const MOST: usize = 4;

/// Spare objects of one kind (or tuples of objects that belong together).
#[derive(Debug)]
pub struct Spare<T>(GilLock<Vec<T>>);

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Spare<T> {
    /// Starts without objects.
    pub const fn new() -> Self {
        Self(GilLock::new(Vec::new()))
    }

    /// Takes a spare object, if there is one.
    pub fn take(&self, py: Python<'_>) -> Option<T> {
        self.0.try_lock(py)?.pop()
    }

    /// Keeps an object that nobody else has.
    pub fn give_back(&self, py: Python<'_>, object: T) {
        let Some(mut kept) = self.0.try_lock(py) else { return };
        let one_too_many = if kept.len() < MOST {
            kept.push(object);
            None
        } else {
            Some(object)
        };
        // Dropped after the guard, because destructors can run any Python code.
        drop(kept);
        drop(one_too_many);
    }
}

/// Whether an object has exactly this number of references, and no weak ones.
pub fn has_only(object: &Bound<'_, PyAny>, references: isize) -> bool {
    references_to(object) == references && !has_weak_references(object)
}

/// The number of references to an object.
pub fn references_to(object: &Bound<'_, PyAny>) -> isize {
    // SAFETY: the object is alive, and this thread holds the GIL.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) }
}

fn has_weak_references(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object is alive. If its type has a list of weak references, the pointer to the first one is at this
    // offset from the object, and null if there is none. (This is so in every CPython, see
    // `PyObject_GET_WEAKREFS_LISTPTR`.)
    unsafe {
        let offset = (*ffi::Py_TYPE(object.as_ptr())).tp_weaklistoffset;
        offset != 0 && !object.as_ptr().byte_offset(offset).cast::<*mut ffi::PyObject>().read().is_null()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_is_seen() {
        Python::initialize();
        Python::attach(|py| {
            let context = py.import("contextvars").unwrap().getattr("Context").unwrap().call0().unwrap();
            assert!(has_only(&context, 1));
            let second = context.clone();
            assert!(!has_only(&context, 1) && has_only(&context, 2));
            drop(second);
            let weak = py.import("weakref").unwrap().call_method1("ref", (&context,)).unwrap();
            assert!(!has_only(&context, 1));
            drop(weak);
            assert!(has_only(&context, 1));
        });
    }

    #[test]
    fn an_object_without_weak_references_has_none() {
        Python::initialize();
        Python::attach(|py| {
            let list = pyo3::types::PyList::empty(py);
            assert!(has_only(list.as_any(), 1));
        });
    }

    #[test]
    fn few_are_kept() {
        Python::initialize();
        Python::attach(|py| {
            let spare = Spare::default();
            for number in 0..=MOST {
                spare.give_back(py, number);
            }
            assert_eq!(std::iter::from_fn(|| spare.take(py)).count(), MOST);
        });
    }
}
