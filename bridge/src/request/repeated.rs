//! Caches dictionaries with the values that many requests of an application have in common. Each request gets a copy.
//!
//! `environ` and `scope` are both made this way. Python copies a whole dictionary in less time than it sets four
//! values.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::gil_lock::GilLock;
use crate::request::environ::RequestView;
use crate::request::scope::UnixPath;
use crate::request::tls::{CommonSession, TlsSession};

/// The most dictionaries that are cached. A client that invents methods replaces them all the time.
const MOST: usize = 8;

/// The dictionaries of one application.
#[derive(Debug, Default)]
pub struct Repeated(GilLock<RepeatedValue>);

#[derive(Debug, Default)]
struct RepeatedValue {
    list: Vec<(Common, Py<PyDict>)>,
    /// Which dictionary is replaced next.
    oldest: usize,
}

/// The values that requests have in common.
#[derive(Debug)]
struct Common {
    method: Box<str>,
    script_name: Box<[u8]>,
    protocol: Box<str>,
    scheme: Box<str>,
    server: Option<(Box<str>, u16)>,
    unix: Option<Box<str>>,
    tls: Option<CommonSession>,
}

impl Common {
    fn of(request: &RequestView<'_>, unix: Option<UnixPath<'_>>) -> Self {
        Self {
            method: request.method.into(),
            script_name: (&*request.script_name).into(),
            protocol: request.protocol.into(),
            scheme: request.scheme.into(),
            server: request.server.map(|(name, port)| (name.into(), port)),
            unix: unix.map(|UnixPath(path)| path.into()),
            tls: request.tls.map(TlsSession::common),
        }
    }

    fn is_of(&self, request: &RequestView<'_>, unix: Option<UnixPath<'_>>) -> bool {
        *self.method == *request.method
            && *self.script_name == *request.script_name
            && *self.protocol == *request.protocol
            && *self.scheme == *request.scheme
            && self.server.as_ref().map(|(name, port)| (&**name, *port)) == request.server
            && self.unix.as_deref() == unix.map(|UnixPath(path)| path)
            && self.is_of_session(request.tls)
    }

    fn is_of_session(&self, session: Option<&TlsSession>) -> bool {
        match (&self.tls, session) {
            (Some(common), Some(session)) => common.is_of(session),
            (common, session) => common.is_none() && session.is_none(),
        }
    }
}

impl Repeated {
    /// A new dictionary with the values that `request` has in common with others. `make` makes the dictionary to copy,
    /// if none is cached.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn copy<'py>(
        &self,
        py: Python<'py>,
        request: &RequestView<'_>,
        unix: Option<UnixPath<'_>>,
        make: impl FnOnce() -> PyResult<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        if let Some(kept) = self.find(py, request, unix) {
            return kept.copy();
        }
        let new = make()?;
        self.keep(py, Common::of(request, unix), new.clone().unbind());
        new.copy()
    }

    fn find<'py>(
        &self,
        py: Python<'py>,
        request: &RequestView<'_>,
        unix: Option<UnixPath<'_>>,
    ) -> Option<Bound<'py, PyDict>> {
        let kept = self.0.try_lock(py)?;
        let (_, found) = kept.list.iter().find(|(common, _)| common.is_of(request, unix))?;
        Some(found.bind(py).clone())
    }

    fn keep(&self, py: Python<'_>, common: Common, new: Py<PyDict>) {
        let Some(mut kept) = self.0.try_lock(py) else { return };
        if kept.list.len() < MOST {
            return kept.list.push((common, new));
        }
        let oldest = kept.oldest;
        kept.oldest = (oldest + 1) % MOST;
        let before = kept.list.get_mut(oldest).map(|place| std::mem::replace(place, (common, new)));
        // Dropped after the guard, because destructors can run any Python code.
        drop(kept);
        drop(before);
    }
}

/// Prepares a template: adds `keys`, which every copy will have, and makes room for more. With `extra` more keys,
/// Python uses the next larger table. So a copy need not be enlarged, and Python copies a table with few gaps at once.
///
/// # Errors
/// When Python is out of memory.
pub fn make_room(template: &Bound<'_, PyDict>, keys: &[&str], extra: usize) -> PyResult<()> {
    let py = template.py();
    for key in keys {
        template.set_item(PyString::intern(py, key), py.None())?;
    }
    // A table grows when keys are added, and does not shrink when they are removed.
    for key in 0..extra {
        template.set_item(key.to_string(), py.None())?;
    }
    for key in 0..extra {
        template.del_item(key.to_string())?;
    }
    Ok(())
}
