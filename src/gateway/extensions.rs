//! Which ASGI extensions rsgi offers to an HTTP application.
//!
//! The operator chooses them with `--asgi-extensions`. By default there are none: an extension changes which messages
//! an application sends, and middleware that knows only `http.response.body` then fails.
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

/// Refuses a message whose extension was not offered.
///
/// # Errors
/// `ValueError` that names the flag which offers the extension.
pub(super) fn only_if(offered: bool, name: &str) -> PyResult<()> {
    if offered {
        return Ok(());
    }
    Err(PyValueError::new_err(format!(
        "'http.response.{name}' is not in scope['extensions']; `--asgi-extensions {name}` offers it"
    )))
}
