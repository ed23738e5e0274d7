//! Python objects that one call has given to an application, and that the next may give again.
//!
//! Kept apart because it is the one place that knows when that can be: while nobody else has an object, nobody can tell it from a
//! new one. What an application has kept stays its own.
#![expect(unsafe_code, reason = "how many references there are to an object is seen through the C API only")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::ffi;
use pyo3::prelude::*;

/// So many calls at once find what they need; more than that make it.
const MOST: usize = 4;

/// Objects of one kind, or what belongs together of several.
#[derive(Debug)]
pub struct Spare<T>(Mutex<Vec<T>>);

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Spare<T> {
    /// None yet.
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that nobody has.
    pub fn take(&self) -> Option<T> {
        self.lock().pop()
    }

    /// Gives one back that nobody else has.
    pub fn give_back(&self, object: T) {
        let mut kept = self.lock();
        let one_too_many = if kept.len() < MOST {
            kept.push(object);
            None
        } else {
            Some(object)
        };
        // What dies is Python's: not while others wait.
        drop(kept);
        drop(one_too_many);
    }
}

/// Whether there are so many references to an object, and no weak ones.
pub fn has_only(object: &Bound<'_, PyAny>, references: isize) -> bool {
    references_to(object) == references && !has_weak_references(object)
}

/// How many references there are to an object.
pub fn references_to(object: &Bound<'_, PyAny>) -> isize {
    // SAFETY: the object is alive, and the interpreter is ours.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) }
}

fn has_weak_references(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object is alive. Where its type says that it has a list of weak references, the pointer to the first of them is
    // that far from its beginning; it is null where there are none. (So it is in each CPython, `PyObject_GET_WEAKREFS_LISTPTR`.)
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
        let spare = Spare::default();
        for number in 0..=MOST {
            spare.give_back(number);
        }
        assert_eq!(std::iter::from_fn(|| spare.take()).count(), MOST);
    }
}
