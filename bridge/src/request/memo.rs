//! A cache of Python objects for values that repeat: header fields, paths, addresses.
//!
//! `environ` and `scope` both use it. Most parts of a request are the same as in earlier requests, and immutable
//! objects can be used again. A value gets a place only when it comes for the second time, and only if few other values
//! have wanted the same place in between. So a client that sends new values all the time makes others lose their places
//! at most.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::gil_lock::GilLock;
use crate::latin1::latin1;

/// The number of places.
const PLACES: usize = 128;

/// The longest cached value, in bytes.
const LONGEST: usize = 512;

/// A cache for one kind of values.
pub struct Memo<T> {
    places: GilLock<Vec<Place<T>>>,
    hash: RandomState,
}

/// A place for two values, the newer one first.
struct Place<T> {
    /// The hashes of the two values that wanted this place last.
    wanted: [u64; 2],
    kept: [Option<(u64, T)>; 2],
}

/// The result of a lookup.
pub enum Recalled<R> {
    /// The value is cached.
    Kept(R),
    /// The value is not cached. If it should be, this is the number for [`Memo::keep`].
    New(Option<u64>),
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        let empty = || Place { wanted: [0; 2], kept: [None, None] };
        let places = std::iter::repeat_with(empty).take(PLACES).collect();
        Self { places: GilLock::new(places), hash: RandomState::default() }
    }
}

impl<T> Memo<T> {
    /// Looks up the value with the key `parts`. `of` checks a cached value, and returns the result if it is the right
    /// one. It must not run Python code.
    pub fn recall<R>(&self, py: Python<'_>, parts: [&[u8]; 2], of: impl Fn(&T) -> Option<R>) -> Recalled<R> {
        let [first, second] = parts;
        if first.len() + second.len() > LONGEST {
            return Recalled::New(None);
        }
        let mut hasher = self.hash.build_hasher();
        hasher.write(first);
        hasher.write(second);
        let hash = hasher.finish();
        let Some(mut places) = self.places.try_lock(py) else { return Recalled::New(None) };
        let Some(place) = place(&mut places, hash) else { return Recalled::New(None) };
        for (same, kept) in place.kept.iter().flatten() {
            if *same == hash
                && let Some(found) = of(kept)
            {
                return Recalled::Kept(found);
            }
        }
        let [latest, before] = place.wanted;
        if hash == latest || hash == before {
            return Recalled::New(Some(hash));
        }
        place.wanted = [hash, latest];
        Recalled::New(None)
    }

    /// Caches a value under the number from [`Memo::recall`].
    pub fn keep(&self, py: Python<'_>, number: u64, object: T) {
        let Some(mut places) = self.places.try_lock(py) else { return };
        let before = place(&mut places, number).and_then(|place| {
            let [latest, before] = &mut place.kept;
            std::mem::replace(before, latest.replace((number, object)))
        });
        // Dropped after the guard, because destructors can run any Python code.
        drop(places);
        drop(before);
    }
}

fn place<T>(places: &mut [Place<T>], hash: u64) -> Option<&mut Place<T>> {
    places.get_mut(usize::try_from(hash % PLACES as u64).ok()?)
}

/// A cache of texts in which each code point is a byte.
#[derive(Default)]
pub struct Texts(Memo<Py<PyString>>);

impl Texts {
    /// The native string of `bytes`.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn latin1<'py>(&self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
        if bytes.len() < 2 {
            return latin1(py, bytes);
        }
        let known = |text: &Py<PyString>| is_same(text.bind(py), bytes).then(|| text.bind(py).clone());
        match self.0.recall(py, [bytes, b""], known) {
            Recalled::Kept(text) => Ok(text),
            Recalled::New(number) => {
                let text = latin1(py, bytes)?;
                if let Some(number) = number.filter(|_| bytes.is_ascii()) {
                    self.0.keep(py, number, text.clone().unbind());
                }
                Ok(text)
            }
        }
    }

    /// The text of UTF-8 `bytes`. Invalid bytes are replaced.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn utf8<'py>(&self, py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
        if bytes.is_ascii() { self.latin1(py, bytes) } else { Ok(PyString::new(py, &String::from_utf8_lossy(bytes))) }
    }
}

/// A cache of byte strings.
#[derive(Default)]
pub struct Octets(Memo<Py<PyBytes>>);

impl Octets {
    /// `bytes` as a Python object.
    pub fn get<'py>(&self, py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyBytes> {
        // Python itself keeps objects for these.
        if bytes.len() < 2 {
            return PyBytes::new(py, bytes);
        }
        let known = |kept: &Py<PyBytes>| (kept.as_bytes(py) == bytes).then(|| kept.bind(py).clone());
        match self.0.recall(py, [bytes, b""], known) {
            Recalled::Kept(kept) => kept,
            Recalled::New(number) => {
                let new = PyBytes::new(py, bytes);
                if let Some(number) = number {
                    self.0.keep(py, number, new.clone().unbind());
                }
                new
            }
        }
    }
}

/// Whether an ASCII text has these bytes.
fn is_same(text: &Bound<'_, PyString>, bytes: &[u8]) -> bool {
    text.to_str().is_ok_and(|text| text.as_bytes() == bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_a_second_time_is_kept() {
        Python::initialize();
        Python::attach(|py| {
            let texts = Texts::default();
            let first = texts.latin1(py, b"gzip, br").unwrap();
            let second = texts.latin1(py, b"gzip, br").unwrap();
            let third = texts.latin1(py, b"gzip, br").unwrap();
            assert!(!first.is(&second) && second.is(&third));
            assert_eq!(third, "gzip, br");
        });
    }

    #[test]
    fn what_is_not_ascii_is_never_taken_for_something_else() {
        Python::initialize();
        Python::attach(|py| {
            let (texts, long) = (Texts::default(), vec![b'x'; LONGEST + 1]);
            for bytes in [b"\xc3\xa9".as_slice(), b"\xc3\x83\xc2\xa9", b"\xe9\xe9", &long] {
                for _ in 0..3 {
                    let text = texts.latin1(py, bytes).unwrap();
                    assert_eq!(crate::latin1::latin1_bytes(text.to_str().unwrap()).as_deref(), Some(bytes));
                }
            }
            for _ in 0..3 {
                assert_eq!(texts.utf8(py, b"/caf\xc3\xa9").unwrap(), "/caf\u{e9}");
            }
        });
    }

    #[test]
    fn byte_strings_are_told_apart() {
        Python::initialize();
        Python::attach(|py| {
            let octets = Octets::default();
            for number in 0..2_000_u32 {
                let bytes = number.to_be_bytes();
                for _ in 0..3 {
                    assert_eq!(octets.get(py, &bytes).as_bytes(), bytes);
                }
            }
        });
    }
}
