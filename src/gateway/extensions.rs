//! Which extensions of ASGI an HTTP application is offered.
//!
//! Kept apart from the messages because it is the operator's to say. These extensions change which messages an application sends,
//! and middleware around it sees them: what knows only `http.response.body` breaks. So none is offered unless it is asked for.
//!
//! Spec: ASGI "Extensions".

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rsgi_bridge::request::scope::Extensions;

use crate::config::settings::Settings;

/// The extensions that the settings name.
pub(super) fn offered(settings: &Settings) -> Extensions {
    let named = |name| settings.asgi_extensions.iter().any(|each| each == name);
    Extensions {
        path_send: named("pathsend"),
        zero_copy_send: named("zerocopysend"),
        trailers: named("trailers"),
        early_hint: named("early_hint"),
    }
}

/// What was not offered is not taken either.
///
/// # Errors
/// That say how it is offered.
pub(super) fn only_if(offered: bool, name: &str) -> PyResult<()> {
    if offered {
        return Ok(());
    }
    Err(PyValueError::new_err(format!(
        "'http.response.{name}' is not in scope['extensions']; `--asgi-extensions {name}` offers it"
    )))
}
