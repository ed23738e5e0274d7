//! Checks the header fields of a response: pairs of text or of bytes.
//!
//! Applications name their fields with the same few objects, which are constants in their code, and many give them the
//! same values. So the results for these objects are cached and not parsed again. A cached object is kept alive, so its
//! address cannot become that of another object.
//!
//! Spec: RFC 9110 5.1, 5.5, 7.6.1.

use std::borrow::Cow;

use http::header::{HeaderName, HeaderValue};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::error::{short, wrong_type};
use crate::gil_lock::GilLock;
use crate::latin1::latin1_bytes;

/// The size of the cache.
const PLACES: usize = 64;

/// After this many changes of a value, it is not cached any more.
const CHANGES: u8 = 4;

/// The longest cached value, in bytes.
const LONGEST: usize = 512;

/// The name of a field, and what the server does with such a field.
#[derive(Debug, Clone)]
pub struct FieldName {
    /// The name in lower case.
    pub name: HeaderName,
    /// What the server does with it.
    pub purpose: Purpose,
}

/// What the server does with a field of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It passes it on.
    Any,
    /// It is the length of the body.
    Length,
    /// It describes the connection, which belongs to the server.
    Connection,
    /// It announces trailers. Without trailers, it belongs to the server.
    Trailer,
}

impl From<HeaderName> for FieldName {
    fn from(name: HeaderName) -> Self {
        let purpose = match name.as_str() {
            "content-length" => Purpose::Length,
            "trailer" => Purpose::Trailer,
            "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade" => Purpose::Connection,
            _ => Purpose::Any,
        };
        Self { name, purpose }
    }
}

/// A cache for the objects of one kind: text or bytes.
pub struct GivenFields {
    kind: TextKind,
    known: GilLock<[Option<Known>; PLACES]>,
}

/// The type of names and values.
#[derive(Debug, Clone, Copy)]
pub enum TextKind {
    /// Native strings, as in WSGI.
    Text,
    /// Byte strings, as in ASGI.
    Bytes,
}

struct Known {
    object: Py<PyAny>,
    name: FieldName,
    value: Option<HeaderValue>,
    /// How many times the value has changed.
    changes: u8,
}

impl GivenFields {
    /// An empty cache.
    pub const fn of(kind: TextKind) -> Self {
        Self { kind, known: GilLock::new([const { None }; PLACES]) }
    }

    /// The field of a `(name, value)` pair.
    ///
    /// # Errors
    /// `TypeError` and `ValueError` that say which part is wrong and what was expected.
    pub fn field(&self, pair: &Bound<'_, PyAny>) -> PyResult<(FieldName, HeaderValue)> {
        let (object, value) = pair_of(pair)?;
        let (name, last) = match self.find(&object) {
            Some(known) => known,
            None => (named(&self.kind.bytes_of("a header name", &object)?)?.into(), None),
        };
        let value = self.kind.bytes_of("a header value", &value)?;
        if let Some(same) = last.filter(|same| same.as_bytes() == &*value) {
            return Ok((name, same));
        }
        let value = checked(&name.name, &value)?;
        self.keep(&object, &name, &value);
        Ok((name, value))
    }

    /// The cached name and value of `object`, if there are any.
    fn find(&self, object: &Bound<'_, PyAny>) -> Option<(FieldName, Option<HeaderValue>)> {
        let known = self.known.try_lock(object.py())?;
        let known = known.get(place(object))?.as_ref().filter(|known| known.object.is(object))?;
        Some((known.name.clone(), known.value.clone()))
    }

    /// Caches the name of `object`, and the value that came with it.
    fn keep(&self, object: &Bound<'_, PyAny>, name: &FieldName, value: &HeaderValue) {
        let Some(mut known) = self.known.try_lock(object.py()) else { return };
        let Some(place) = known.get_mut(place(object)) else { return };
        if let Some(same) = place.as_mut().filter(|same| same.object.is(object)) {
            same.changes = same.changes.saturating_add(1);
            same.value = (same.changes < CHANGES && value.len() <= LONGEST).then(|| value.clone());
            return;
        }
        let kept = (value.len() <= LONGEST).then(|| value.clone());
        let new = Known { object: object.clone().unbind(), name: name.clone(), value: kept, changes: 0 };
        let before = place.replace(new);
        // Dropped after the guard, because destructors can run any Python code.
        drop(known);
        drop(before);
    }
}

fn named(name: &[u8]) -> PyResult<HeaderName> {
    HeaderName::from_bytes(name)
        .map_err(|_| PyValueError::new_err(format!("{:?} is not a header name", String::from_utf8_lossy(name))))
}

fn checked(field: &HeaderName, value: &[u8]) -> PyResult<HeaderValue> {
    HeaderValue::from_bytes(trim(value)).map_err(|_| {
        PyValueError::new_err(format!(
            "the value of header {field:?} has a control character: {:?}",
            String::from_utf8_lossy(value)
        ))
    })
}

fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    value.get(start..end).unwrap_or_default()
}

fn pair_of<'py>(pair: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    if let Ok(tuple) = pair.cast::<PyTuple>()
        && tuple.len() == 2
    {
        return Ok((tuple.get_item(0)?, tuple.get_item(1)?));
    }
    if let Ok(list) = pair.cast::<PyList>()
        && list.len() == 2
    {
        return Ok((list.get_item(0)?, list.get_item(1)?));
    }
    Err(PyTypeError::new_err(format!("each header must be a (name, value) pair, not {}", short(pair))))
}

impl TextKind {
    fn bytes_of<'a>(self, what: &str, object: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, [u8]>> {
        match self {
            Self::Text => {
                let text = object.cast::<PyString>().map_err(|_| wrong_type(what, "str", object))?;
                latin1_bytes(text.to_str()?)
                    .ok_or_else(|| PyValueError::new_err(format!("{what} must be latin-1 text, not {}", short(object))))
            }
            Self::Bytes => {
                let bytes = object.cast::<PyBytes>().map_err(|_| wrong_type(what, "bytes", object))?;
                Ok(Cow::Borrowed(bytes.as_bytes()))
            }
        }
    }
}

/// The place of an object in the cache. Addresses of objects are multiples of 16.
fn place(object: &Bound<'_, PyAny>) -> usize {
    (object.as_ptr().addr() >> 4) % PLACES
}
