//! `rsgi._rsgi`: a server that speaks WSGI and ASGI from one process and one port.
//!
//! # The life of a request
//!
//! Read the modules in this order and you have followed one request from the socket to the application and back:
//!
//! 1. [`binding`] binds addresses ([`unix_path`] socket files) before anything runs. [`server`] starts the threads, and [`running`] sees to their end; [`startup`] is what comes before the first request, [`drain`] says
//!    when it ends, [`shutdown`] tells everybody. [`heartbeat`] and [`wear`] tell a supervisor how the process is.
//! 2. [`listener`] accepts a connection (from sockets that a supervisor may have bound: [`worker`]; [`back_off`] waits when there are no descriptors) if [`admission`] has room; [`protocol`] finds out what it speaks, with [`tls`] if it is encrypted; [`proxy_protocol`] hears from a proxy who is there.
//! 3. [`wire`] reads its bytes: what is not to the letter is refused. [`http1`] is a connection on top of it ([`half_closed`], [`early_hints`], [`upgrade`]: what goes beside its requests); [`http2`] runs hyper (and [`activity`]
//!    counts), and both bring their requests to [`connection`], which has what all share from [`service`]. [`forwarded`] puts in what a proxy says of the client.
//! 4. [`in_flight`] follows each request to its end. [`health`] answers probes, [`static_files`] with files ([`encoding`] says which copy). [`route`] decides which application answers ([`head`] is what it looks at; [`explain`] asks it from Python; [`live_shares`] changes shares). [`decision_fields`] adds header fields about the decision.
//! 5. [`gateway`] is the one `match` between WSGI and ASGI ([`overload`] says when there is no room). [`body`] brings the request body.
//! 6. [`calls`] knows which calls of applications run. [`event_loop`] takes an ASGI call to the asyncio thread; `rsgi_bridge` runs a WSGI call in its pool ([`pools`]).
//! 7. [`outbox`] brings the answer back to who drives tokio ([`driver`]). [`response`] sends head and body (out of a file: [`file_stream`]; compressed, if that is asked for: [`compression`]); [`access_log`] says so.
//!
//! Beside all of them, [`metrics`] counts and [`admin`] shows it, when somebody wants to know.
//!
//! # Which thread may touch what
//!
//! Who drives tokio never waits for the interpreter meanwhile; Python objects are made on the asyncio thread and on the
//! pool's threads only. A function that touches Python takes `py` first and is not `async`.

mod access_log;
mod activity;
mod admin;
mod admission;
mod allocator;
mod back_off;
mod binding;
mod body;
mod calls;
mod compression;
mod connection;
mod decision_fields;
mod drain;
mod driver;
mod early_hints;
mod encoding;
mod error;
mod event_loop;
mod explain;
mod file_stream;
mod forwarded;
mod gateway;
mod half_closed;
mod head;
mod health;
mod heartbeat;
mod http1;
mod http2;
mod identity;
mod in_flight;
mod listener;
mod live_shares;
mod log;
mod metrics;
mod outbox;
mod overload;
mod own_fields;
mod plan;
mod pools;
mod protocol;
mod proxy_protocol;
mod replayed;
mod response;
mod rollback;
pub mod route;
mod running;
mod server;
mod service;
mod settings;
mod shutdown;
mod startup;
mod static_files;
mod timestamp;
mod tls;
mod unix_path;
mod upgrade;
mod wear;
mod wire;
mod worker;

/// The extension module.
///
/// It has not been shown to be right without the GIL, so a free-threaded interpreter keeps its own for it.
#[pyo3::pymodule(gil_used = true)]
mod _rsgi {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::admin::{Admin, AdminLine, metrics};
    #[pymodule_export]
    use crate::driver::selector::LoopDriver;
    #[pymodule_export]
    use crate::explain::{Explanation, PlanRouter};
    #[pymodule_export]
    use crate::server::Server;
    #[pymodule_export]
    use crate::worker::{Listeners, adopt_orphans, check_access_log_format, name_process, write_json};
    #[pymodule_export]
    use rsgi_bridge::async_body::AsyncBody;
    #[pymodule_export]
    use rsgi_bridge::error::{ClientDisconnected, RequestBodyError};
    #[pymodule_export]
    use rsgi_bridge::events::StoredBody;
    #[pymodule_export]
    use rsgi_bridge::input::Input;
    #[pymodule_export]
    use rsgi_bridge::scope_request::{BridgeRequest, build_environ};
    #[pymodule_export]
    use rsgi_bridge::spool::BodySpool;
    #[pymodule_export]
    use rsgi_bridge::wsgi_pool::WsgiPool;
    #[pymodule_export]
    use rsgi_bridge::wsgi_to_asgi::{BridgeCall, WsgiBridge};

    /// The version of the package.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::allocator::give_back_soon();
        rsgi_bridge::process::count_forks(module)?;
        module.add("SETTINGS", crate::settings::names())
    }
}
