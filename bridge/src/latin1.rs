//! Converts native strings of PEP 3333 (text whose code points are bytes), in both directions.
//!
//! It is unsafe code, because `PyO3` makes text from UTF-8 only. That way, each header value would be scanned three
//! times: whether it is ASCII, whether it is UTF-8, and by Python.
//!
//! Spec: PEP 3333 "A Note On String Types".
#![expect(unsafe_code, reason = "PyO3 has no safe way to Python's latin-1 decoder")]

use std::borrow::Cow;

use pyo3::ffi::PyUnicode_DecodeLatin1;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// A native string with these bytes as code points.
///
/// # Errors
/// When Python is out of memory.
pub fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    // Many values are empty. Python has one object for all of them.
    if bytes.is_empty() {
        return Ok(intern!(py, "").clone());
    }
    // A slice is never longer than `isize::MAX`.
    let length = bytes.len().cast_signed();
    // SAFETY: the decoder reads `length` bytes and keeps none. It returns a new reference, or null with the error set.
    let text = unsafe {
        Bound::from_owned_ptr_or_err(py, PyUnicode_DecodeLatin1(bytes.as_ptr().cast(), length, std::ptr::null()))
    };
    Ok(text?.cast_into()?)
}

/// The bytes of a native string. `None` if it has a code point above 255.
pub fn latin1_bytes(text: &str) -> Option<Cow<'_, [u8]>> {
    if text.is_ascii() {
        return Some(Cow::Borrowed(text.as_bytes()));
    }
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect::<Option<Vec<u8>>>().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_its_code_point() {
        let bytes: Vec<u8> = (0..=255).collect();
        Python::initialize();
        Python::attach(|py| {
            let text = latin1(py, &bytes).unwrap();
            assert_eq!(latin1_bytes(text.to_str().unwrap()).as_deref(), Some(&*bytes));
            assert_eq!(latin1(py, b"").unwrap(), "");
        });
    }

    #[test]
    fn latin1_bytes_refuses_what_is_not_latin1() {
        assert_eq!(latin1_bytes("é").as_deref(), Some(&b"\xe9"[..]));
        assert_eq!(latin1_bytes("€"), None);
    }
}
