//! PEP 3333 and ASGI 3.0 as Python objects: what an application gets of a request, and what it may answer.
//!
//! Two callers use it: the server's WSGI gateway, which feeds a call from a socket, and `rsgi.WsgiToAsgi`, which feeds
//! it from another server's `receive`. Nothing here names a socket, hyper or tokio.
//!
//! Reading order, in the order of a WSGI request:
//!
//! 1. [`request`]: the head of a request becomes the `environ` dictionary, or an ASGI scope. The body becomes
//!    `wsgi.input`.
//! 2. [`pool`]: the call waits in a bounded queue for a thread.
//! 3. [`call`]: the application runs. What it returns is always closed.
//! 4. [`response`]: status and header fields are checked where the application can see the error. Then they are sent
//!    with the body.
//!
//! [`pipe`] brings bytes from one thread to another. [`spare`] keeps the objects of a call for the next one.
//! [`gil_lock`] is for what only the thread with the GIL touches.
//! [`process`] ends a child process that the application has forked when it returns from its call. [`report`] and
//! [`log`] tell the application's developer what failed.
//!
//! [`host`] is the second caller: the bridge inside another server.
//!
//! The GIL rule: a function that touches Python takes `py` first and is not `async`.

pub mod call;
pub mod error;
pub mod gil_lock;
pub mod host;
pub mod latin1;
pub mod log;
pub mod pipe;
pub mod pool;
pub mod process;
pub mod report;
pub mod request;
pub mod response;
pub mod spare;
