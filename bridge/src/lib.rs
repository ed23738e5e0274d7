//! PEP 3333 and ASGI 3.0 as Python objects: what an application sees of a request, and what it may answer.
//!
//! Kept apart from the server because two callers need it: the server's WSGI gateway, which feeds a call from a socket,
//! and `rsgi.WsgiToAsgi`, which feeds it from another server's `receive`. Nothing here names a socket, hyper or tokio.
//!
//! Reading order, as one WSGI request meets the modules:
//!
//! 1. [`environ`]: a request head becomes the `environ` dictionary ([`scope`] does the same for ASGI). What [`repeated`] and [`memo`]
//!    have of it from other requests is not made again; nor are the objects that a call gives to its application and that are
//!    [`spare`] after it.
//! 2. [`pool`]: the call waits in a bounded queue for a thread.
//! 3. [`call`]: the application runs; its iterable is sent on ([`async_body`] where that takes a loop) and always closed.
//! 4. [`input`]: what the application reads, over a [`source`] of bytes; [`pipe`] brings them from another thread.
//! 5. [`start_response`]: status and headers are checked where the application can see the error ([`response_head`], and
//!    [`given_fields`], which knows those that come again).
//! 6. [`sink`]: where head and body go; [`length`] keeps them to the declared `Content-Length`. When the client is slow,
//!    [`overflow`] says how long the thread waits for it, and what is [`stored`] in a file instead.
//!
//! [`main_loop`] says where `async_to_sync` of a call leads to; [`process`] ends a child that the application has forked, and that comes back from its call.
//!
//! [`wsgi_to_asgi`] is the second caller of all that: [`scope_request`] reads a foreign host's scope, [`spool`] keeps a body
//! whole, [`wsgi_pool`] is the pool as Python sees it, [`events`] become the messages to send, [`foreign_loop`] wakes the host's
//! loop.
//!
//! The GIL rule: a function that touches Python takes `py` first and is not `async`.

pub mod async_body;
pub mod awaitable;
pub mod call;
pub mod environ;
pub mod error;
pub mod events;
pub mod exchange;
pub mod file_wrapper;
pub mod foreign_loop;
pub mod given_fields;
pub mod input;
pub mod latin1;
pub mod length;
pub mod main_loop;
pub mod memo;
pub mod overflow;
pub mod pipe;
pub mod pool;
pub mod process;
pub mod repeated;
pub mod report;
pub mod response_head;
pub mod scope;
pub mod scope_request;
pub mod sink;
pub mod source;
pub mod spare;
pub mod spool;
pub mod start_response;
pub mod stored;
pub mod text;
pub mod tls;
pub mod wsgi_pool;
pub mod wsgi_to_asgi;
