//! `rsgi._rsgi`: a server that speaks WSGI and ASGI from one process and one port.
//!
//! # The life of a request
//!
//! The folders, in the order in which a request passes them:
//!
//! 1. [`process`] starts the server and ends it. [`config`] has its settings and the plan of its applications.
//! 2. [`net`] has the sockets, with TLS. [`accept`] accepts a connection, and finds out who the client is and what it speaks.
//! 3. [`wire`] checks each byte of a request. [`http`] has the connections on top of it: HTTP/1 of our own, HTTP/2 of hyper. Both bring
//!    their requests to `http/connection.rs`.
//! 4. [`request`] is the head and the body of a request. [`route`] decides which application answers.
//! 5. [`gateway`] calls the application: WSGI, ASGI, or a WebSocket.
//! 6. [`runtime`] takes an ASGI call to the asyncio thread, and the response back to the thread that runs tokio. `rsgi_bridge` runs
//!    a WSGI call in its pool.
//! 7. [`response`] is the head and the body that go back to the client.
//!
//! Beside them: [`shadow`] sends a sample of the requests to a second application; [`grip`] holds responses and writes to them what
//! is published; [`access_log`], [`log`] and [`metrics`] say what happened, [`admin`] shows it, and [`explain`] asks the router without
//! a server.
//!
//! # Which thread may touch what
//!
//! The driving thread never waits for the GIL while it drives. Python objects are made only on the asyncio thread and
//! on the threads of the pool. A function that touches Python takes `py` first and is not `async`.

mod accept;
mod access_log;
mod admin;
mod config;
mod dashboard;
mod explain;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gateway;
mod grip;
mod http;
mod log;
mod metrics;
mod net;
mod process;
mod request;
mod response;
mod rollback;
pub mod route;
mod runtime;
mod shadow;
mod wire;

/// The extension module.
///
/// It was not tested without the GIL, so a free-threaded interpreter enables the GIL for it.
#[pyo3::pymodule(gil_used = true)]
mod _rsgi {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::admin::{Admin, AdminLine, Dashboard, metrics};
    #[pymodule_export]
    use crate::explain::{Explanation, PlanRouter};
    #[pymodule_export]
    use crate::grip::publish;
    #[pymodule_export]
    use crate::net::listeners::Listeners;
    #[pymodule_export]
    use crate::process::server::Server;
    #[pymodule_export]
    use crate::process::worker::{adopt_orphans, check_access_log_format, name_process, write_json};
    #[pymodule_export]
    use crate::runtime::driver::selector::LoopDriver;
    #[pymodule_export]
    use crate::shadow::ShadowExchanges;
    #[pymodule_export]
    use rsgi_bridge::error::{ClientDisconnected, RequestBodyError};
    #[pymodule_export]
    use rsgi_bridge::host::events::StoredBody;
    #[pymodule_export]
    use rsgi_bridge::host::scope_request::{BridgeRequest, build_environ};
    #[pymodule_export]
    use rsgi_bridge::host::wsgi_pool::WsgiPool;
    #[pymodule_export]
    use rsgi_bridge::host::wsgi_to_asgi::{BridgeCall, WsgiBridge};
    #[pymodule_export]
    use rsgi_bridge::request::input::Input;
    #[pymodule_export]
    use rsgi_bridge::request::spool::BodySpool;
    #[pymodule_export]
    use rsgi_bridge::response::async_body::AsyncBody;

    /// The version of the package.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    /// The libraries that the extension is made of, with their versions.
    #[pymodule_export]
    const LIBRARIES: &str = env!("RSGI_LIBRARIES");

    /// How the extension was built: `release` or `debug`.
    #[pymodule_export]
    const PROFILE: &str = env!("RSGI_PROFILE");

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::process::allocator::give_back_soon();
        rsgi_bridge::process::count_forks(module)?;
        module.add("SETTINGS", crate::config::settings::names())
    }
}
