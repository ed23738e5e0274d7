//! Calls applications: WSGI, ASGI, and WebSockets of ASGI applications.
//!
//! In reading order: `app` chooses between the gateways, `call` and `client_state` are what they get, and `pending_call` is how a connection
//! waits for the response. `wsgi` uses `socket_sink` and `pools`. `asgi` uses `http_exchange`, which is `receive` and
//! `send` of one request (`request_messages`, `response_messages`, `body_messages`). `websocket/` is for WebSockets, `lifespan` for
//! startup and shutdown, `probe` for the mode that asks the ASGI application first.

pub mod app;
pub mod asgi;
mod body_messages;
pub mod call;
pub mod client_state;
mod disconnect;
mod early_hint;
mod extensions;
mod file_message;
pub mod http_exchange;
mod in_time;
mod leaving;
pub mod lifespan;
pub mod message;
pub mod overload;
pub mod pending_call;
pub mod pools;
pub mod probe;
mod request_messages;
mod response_messages;
mod scope_observer;
mod socket_sink;
pub mod spare_exchange;
mod trailers;
mod waiters;
pub mod websocket;
pub mod wsgi;
mod zero_copy;
