//! The bridge inside another server: `rsgi.WsgiToAsgi`, with the loop and the messages of that server.
//!
//! [`wsgi_to_asgi`] is the ASGI callable.

pub mod awaitable;
pub mod events;
pub mod foreign_loop;
pub mod future_waker;
pub mod main_loop;
pub mod scope_request;
pub mod wsgi_pool;
pub mod wsgi_to_asgi;
