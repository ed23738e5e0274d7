//! Makes Python objects of the header fields of a request, most of which are cached. Also decodes percent-encoding.
//!
//! Spec: RFC 3986 2.1; RFC 3875 4.1.18.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use foldhash::fast::RandomState;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::latin1::latin1;
use crate::request::memo::{Memo, Recalled};

/// Decodes percent-encoding. An escape without two hexadecimal digits stays as it is.
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

/// A header field as an entry of an `environ`.
struct Variable {
    name: Box<[u8]>,
    raw: Box<[u8]>,
    key: Py<PyString>,
    value: Py<PyString>,
}

static VARIABLES: LazyLock<Memo<Variable>> = LazyLock::new(Memo::default);
static FIELDS: LazyLock<Memo<Py<PyTuple>>> = LazyLock::new(Memo::default);

/// Key and value of a field in an `environ`: `accept-encoding` → `HTTP_ACCEPT_ENCODING`.
///
/// `None` for fields that applications must not see.
///
/// # Errors
/// When Python is out of memory.
pub fn environ_field<'py>(
    py: Python<'py>,
    name: &[u8],
    value: &[u8],
) -> PyResult<Option<(Bound<'py, PyString>, Bound<'py, PyString>)>> {
    let known = |kept: &Variable| {
        (*kept.name == *name && *kept.raw == *value).then(|| (kept.key.bind(py).clone(), kept.value.bind(py).clone()))
    };
    let number = match VARIABLES.recall(py, [name, value], known) {
        Recalled::Kept(field) => return Ok(Some(field)),
        Recalled::New(number) => number,
    };
    let Some(key) = environ_key(py, name) else { return Ok(None) };
    let (raw, text) = (value, latin1(py, value)?);
    if let Some(number) = number {
        let (key, value) = (key.clone().unbind(), text.clone().unbind());
        VARIABLES.keep(py, number, Variable { name: name.into(), raw: raw.into(), key, value });
    }
    Ok(Some((key, text)))
}

/// A field in a scope: a tuple of the name in lower case and the value. `None` for a name with an underscore, as in an
/// `environ`.
///
/// # Errors
/// When Python is out of memory.
pub fn scope_field<'py>(py: Python<'py>, name: &[u8], value: &[u8]) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let known = |kept: &Py<PyTuple>| {
        let pair = kept.bind(py);
        is_pair_of(pair, name, value).then(|| pair.clone())
    };
    let number = match FIELDS.recall(py, [name, value], known) {
        Recalled::Kept(pair) => return Ok(Some(pair)),
        Recalled::New(number) => number,
    };
    let Some(key) = scope_name(py, name) else { return Ok(None) };
    let pair = PyTuple::new(py, [key, PyBytes::new(py, value)])?;
    if let Some(number) = number {
        FIELDS.keep(py, number, pair.clone().unbind());
    }
    Ok(Some(pair))
}

fn is_pair_of(pair: &Bound<'_, PyTuple>, name: &[u8], value: &[u8]) -> bool {
    let [kept_name, kept_value] = pair.as_slice() else { return false };
    let same =
        |kept: &Bound<'_, PyAny>, bytes: &[u8]| kept.cast::<PyBytes>().is_ok_and(|kept| kept.as_bytes() == bytes);
    same(kept_value, value) && same(kept_name, name)
}

/// The most cached names. If a client invents more, they cost time, but no memory.
const CACHED_NAMES: usize = 512;

/// Header name → Python object, made once per name; nothing for a name that applications do not see.
struct NameCache<T>(Mutex<ObjectsByName<T>>);

type ObjectsByName<T> = HashMap<Box<[u8]>, Option<Py<T>>, RandomState>;

impl<T> NameCache<T> {
    fn get<'py>(
        &self,
        py: Python<'py>,
        name: &[u8],
        make: impl FnOnce(Python<'py>, &[u8]) -> Option<Bound<'py, T>>,
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
fn environ_key<'py>(py: Python<'py>, name: &[u8]) -> Option<Bound<'py, PyString>> {
    ENVIRON_KEYS.get_or_init(py, || NameCache(Mutex::default())).get(py, name, |py, name| {
        if name == b"proxy" || name.contains(&b'_') {
            return None;
        }
        let prefix = if matches!(name, b"content-type" | b"content-length") { "" } else { "HTTP_" };
        let mut key = String::with_capacity(prefix.len() + name.len());
        key.push_str(prefix);
        key.extend(name.iter().map(|&byte| if byte == b'-' { '_' } else { char::from(byte.to_ascii_uppercase()) }));
        Some(PyString::intern(py, &key))
    })
}

/// A lower-case header name as `bytes`; `None` for one with an underscore, as in an `environ`.
fn scope_name<'py>(py: Python<'py>, name: &[u8]) -> Option<Bound<'py, PyBytes>> {
    SCOPE_NAMES
        .get_or_init(py, || NameCache(Mutex::default()))
        .get(py, name, |py, name| (!name.contains(&b'_')).then(|| PyBytes::new(py, name)))
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
