//! What an application gets: `environ`, `wsgi.input` and the ASGI scope, as Python objects.
//!
//! [`environ`] and [`scope`] are built for each request, from its [`fields`] among others. [`memo`] and [`repeated`] keep the objects that repeat. [`input`] reads the body from a [`source`].

pub mod environ;
pub mod fields;
pub mod input;
pub mod memo;
pub mod repeated;
pub mod scope;
pub mod source;
pub mod spool;
pub mod text;
pub mod tls;
