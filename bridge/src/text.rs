//! Bytes of a request as Python text: latin-1 native strings, percent-decoding, and the caches of header names.
//!
//! Kept apart because `environ` and `scope` both need them.
//!
//! Spec: PEP 3333 "A Note On String Types"; RFC 3986 2.1.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString};

/// A native string whose code points are the bytes (latin-1), as PEP 3333 wants it.
pub fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    // Many values are empty, which Python has an object for.
    match bytes.is_ascii().then(|| std::str::from_utf8(bytes)) {
        Some(Ok("")) => intern!(py, "").clone(),
        Some(Ok(text)) => PyString::new(py, text),
        _ => PyString::new(py, &bytes.iter().map(|&byte| char::from(byte)).collect::<String>()),
    }
}

/// A word that nearly every request has, as the one object that stands for it; any other is interned.
pub fn word<'py>(py: Python<'py>, text: &str) -> Bound<'py, PyString> {
    match text {
        "" => intern!(py, "").clone(),
        "GET" => intern!(py, "GET").clone(),
        "POST" => intern!(py, "POST").clone(),
        "HTTP/1.1" => intern!(py, "HTTP/1.1").clone(),
        "1.1" => intern!(py, "1.1").clone(),
        "http" => intern!(py, "http").clone(),
        "https" => intern!(py, "https").clone(),
        _ => PyString::intern(py, text),
    }
}

/// A text that is mostly the same as the last time, as the object that was made of it then.
#[derive(Debug, Default)]
pub struct LastText(Mutex<Option<(Box<str>, Py<PyString>)>>);

impl LastText {
    /// `text` as Python has it.
    pub fn get<'py>(&self, py: Python<'py>, text: &str) -> Bound<'py, PyString> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((same, object)) = &*last
            && **same == *text
        {
            return object.bind(py).clone();
        }
        let object = PyString::new(py, text);
        *last = Some((text.into(), object.clone().unbind()));
        object
    }
}

/// Makes places in a template for `keys`, which every copy will have, and room for others: `extra` is what the next larger table
/// takes. A copy then needs no table of its own, and Python copies one with few gaps in one go.
///
/// # Errors
/// When Python is out of memory.
pub fn make_room(template: &Bound<'_, PyDict>, keys: &[&str], extra: usize) -> PyResult<()> {
    let py = template.py();
    for key in keys {
        template.set_item(PyString::intern(py, key), py.None())?;
    }
    // A table grows with what is put in, and stays as it is when that is taken out.
    for key in 0..extra {
        template.set_item(key.to_string(), py.None())?;
    }
    for key in 0..extra {
        template.del_item(key.to_string())?;
    }
    Ok(())
}

/// The bytes of a native string; `None` when it has a code point above 255.
pub fn latin1_bytes(text: &str) -> Option<Cow<'_, [u8]>> {
    if text.is_ascii() {
        return Some(Cow::Borrowed(text.as_bytes()));
    }
    text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect::<Option<Vec<u8>>>().map(Cow::Owned)
}

/// Percent-decodes; an escape that is not two hexadecimal digits stays as it is.
pub fn percent_decode(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'%') {
        return Cow::Borrowed(raw);
    }
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%'
            && let [high, low, after @ ..] = tail
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            decoded.push(high << 4 | low);
            rest = after;
        } else {
            decoded.push(byte);
            rest = tail;
        }
    }
    Cow::Owned(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Names that are kept; beyond it a client that invents names costs time, never memory.
const CACHED_NAMES: usize = 512;

/// Header name → Python object, made once per name.
struct NameCache<T>(Mutex<HashMap<Box<str>, Py<T>>>);

impl<T> NameCache<T> {
    fn get<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        make: impl FnOnce(Python<'py>, &str) -> Bound<'py, T>,
    ) -> Bound<'py, T> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(object) = names.get(name) {
            return object.bind(py).clone();
        }
        let object = make(py, name);
        if names.len() < CACHED_NAMES && name.len() <= 64 {
            names.insert(name.into(), object.clone().unbind());
        }
        object
    }
}

static ENVIRON_KEYS: PyOnceLock<NameCache<PyString>> = PyOnceLock::new();
static SCOPE_NAMES: PyOnceLock<NameCache<PyBytes>> = PyOnceLock::new();

/// `accept-encoding` → `HTTP_ACCEPT_ENCODING` (`Content-Type` and `Content-Length` have no prefix).
pub fn environ_key<'py>(py: Python<'py>, name: &str) -> Bound<'py, PyString> {
    ENVIRON_KEYS.get_or_init(py, || NameCache(Mutex::default())).get(py, name, |py, name| {
        let prefix = if matches!(name, "content-type" | "content-length") { "" } else { "HTTP_" };
        let mut key = String::with_capacity(prefix.len() + name.len());
        key.push_str(prefix);
        key.extend(name.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_uppercase() }));
        PyString::intern(py, &key)
    })
}

/// A lower-case header name as `bytes`.
pub fn scope_name<'py>(py: Python<'py>, name: &str) -> Bound<'py, PyBytes> {
    SCOPE_NAMES
        .get_or_init(py, || NameCache(Mutex::default()))
        .get(py, name, |py, name| PyBytes::new(py, name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_decoding_leaves_broken_escapes_alone() {
        assert_eq!(&*percent_decode(b"/a%20b"), b"/a b");
        assert_eq!(&*percent_decode(b"/%E9%2f"), b"/\xe9/");
        assert_eq!(&*percent_decode(b"/%zz%4"), b"/%zz%4");
        assert_eq!(&*percent_decode(b"%"), b"%");
    }

    #[test]
    fn latin1_bytes_refuses_what_is_not_latin1() {
        assert_eq!(latin1_bytes("é").as_deref(), Some(&b"\xe9"[..]));
        assert_eq!(latin1_bytes("€"), None);
    }
}
