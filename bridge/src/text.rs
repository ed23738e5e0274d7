//! Words of a request as Python objects that are there already, the caches of header names, and percent-decoding.
//!
//! Kept apart because `environ` and `scope` both need them.
//!
//! Spec: RFC 3986 2.1; RFC 3875 4.1.18.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use foldhash::fast::RandomState;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString};

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

/// Header name → Python object, made once per name; nothing for a name that applications do not see.
struct NameCache<T>(Mutex<HashMap<Box<str>, Option<Py<T>>, RandomState>>);

impl<T> NameCache<T> {
    fn get<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        make: impl FnOnce(Python<'py>, &str) -> Option<Bound<'py, T>>,
    ) -> Option<Bound<'py, T>> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name) {
            return known.as_ref().map(|object| object.bind(py).clone());
        }
        let object = make(py, name);
        if names.len() < CACHED_NAMES && name.len() <= 64 {
            names.insert(name.into(), object.clone().map(Bound::unbind));
        }
        object
    }
}

static ENVIRON_KEYS: PyOnceLock<NameCache<PyString>> = PyOnceLock::new();
static SCOPE_NAMES: PyOnceLock<NameCache<PyBytes>> = PyOnceLock::new();

/// `accept-encoding` → `HTTP_ACCEPT_ENCODING` (`Content-Type` and `Content-Length` have no prefix).
///
/// `None` for what no application is to see: `Proxy` would become the `HTTP_PROXY` that HTTP clients obey, and an underscore is how
/// a client imitates a proxy's field (`X_User` would overwrite `X-User`).
pub fn environ_key<'py>(py: Python<'py>, name: &str) -> Option<Bound<'py, PyString>> {
    ENVIRON_KEYS.get_or_init(py, || NameCache(Mutex::default())).get(py, name, |py, name| {
        if name == "proxy" || name.contains('_') {
            return None;
        }
        let prefix = if matches!(name, "content-type" | "content-length") { "" } else { "HTTP_" };
        let mut key = String::with_capacity(prefix.len() + name.len());
        key.push_str(prefix);
        key.extend(name.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_uppercase() }));
        Some(PyString::intern(py, &key))
    })
}

/// A lower-case header name as `bytes`; `None` for one with an underscore, as in an `environ`.
pub fn scope_name<'py>(py: Python<'py>, name: &str) -> Option<Bound<'py, PyBytes>> {
    SCOPE_NAMES
        .get_or_init(py, || NameCache(Mutex::default()))
        .get(py, name, |py, name| (!name.contains('_')).then(|| PyBytes::new(py, name.as_bytes())))
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
}
