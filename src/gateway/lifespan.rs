//! Lifespan: startup and shutdown of each ASGI application, and its `state`.
//!
//! It runs once per application and process. A failed startup stops the server.
//!
//! Spec: ASGI Lifespan 2.0.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_bridge::error::short;
use rsgi_bridge::host::awaitable::{Awaitable, Sent};
use rsgi_bridge::log::LogContext;
use rsgi_bridge::report::log_failure;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::asgi::AsgiGateway;
use super::message::{typed, unexpected};
use crate::config::choice::LifespanSupport;
use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;
use crate::runtime::event_loop::LoopEvent;

/// How far the lifespan of an application is, as the application reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum LifespanStage {
    Starting,
    Started,
    StartFailed(String),
    Stopped,
    StopFailed(String),
    /// The application's call has ended, with the exception if it raised one.
    Ended(Option<String>),
}

/// A lifespan that has started.
#[derive(Debug)]
pub struct Lifespan {
    gateway: Arc<AsgiGateway>,
    shared: Arc<LifespanState>,
    stage: watch::Receiver<LifespanStage>,
    task: JoinHandle<()>,
    timeout: Duration,
}

#[derive(Debug)]
struct LifespanState {
    stage: watch::Sender<LifespanStage>,
    messages: Mutex<LifespanMessages>,
}

#[derive(Debug, Default)]
struct LifespanMessages {
    startup_told: bool,
    shutdown_asked: bool,
    shutdown_told: bool,
    waker: Option<Waker>,
}

/// Starts the application's lifespan and waits for its startup. Returns `None` if the application has no lifespan.
///
/// # Errors
/// When the startup fails or takes too long, or when a lifespan is required and the application has none.
pub async fn start(gateway: &Arc<AsgiGateway>, settings: &Settings) -> Result<Option<Lifespan>, StartupError> {
    if settings.lifespan == LifespanSupport::Off {
        return Ok(None);
    }
    let (stage_sender, mut stage) = watch::channel(LifespanStage::Starting);
    let lifespan = Arc::new(LifespanState { stage: stage_sender, messages: Mutex::default() });
    let task = tokio::spawn(run(Arc::clone(gateway), Arc::clone(&lifespan)));
    let timeout = settings.lifespan_timeout.0;
    let name = &gateway.name;
    let decided = async { stage.wait_for(|stage| *stage != LifespanStage::Starting).await.map(|stage| stage.clone()) };
    let outcome = match tokio::time::timeout(timeout, decided).await {
        Ok(decided) => decided.unwrap_or(LifespanStage::Ended(None)),
        Err(_) => {
            return Err(StartupError::new(
                format!("the startup of `{name}` did not end within {} seconds", timeout.as_secs_f64()),
                "raise `--lifespan-timeout`, or switch it off with `--lifespan off`",
            ));
        }
    };
    match outcome {
        LifespanStage::StartFailed(message) => Err(failed(name, &message)),
        LifespanStage::Ended(reason) if settings.lifespan == LifespanSupport::On => Err(failed(
            name,
            &reason.unwrap_or_else(|| "it returned without saying that its startup is complete".to_owned()),
        )),
        // An application without lifespan support raises or returns at once.
        LifespanStage::Ended(_) => {
            *gateway.state.lock().unwrap_or_else(PoisonError::into_inner) = None;
            Ok(None)
        }
        _ => Ok(Some(Lifespan { gateway: Arc::clone(gateway), shared: lifespan, stage, task, timeout })),
    }
}

fn failed(name: &str, message: &str) -> StartupError {
    let message = if message.is_empty() { "no reason given" } else { message };
    StartupError::new(
        format!("the startup of `{name}` failed: {message}"),
        "the application says so in its lifespan; its log has more",
    )
}

impl Lifespan {
    /// Asks the application to shut down, and waits until it has.
    pub async fn stop(mut self) {
        let waker = {
            let mut messages = self.shared.messages.lock().unwrap_or_else(PoisonError::into_inner);
            messages.shutdown_asked = true;
            messages.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        let name = &self.gateway.name;
        let ended = self.stage.wait_for(|stage| !matches!(stage, LifespanStage::Starting | LifespanStage::Started));
        match tokio::time::timeout(self.timeout, ended).await {
            Err(_) => crate::log::line(format_args!("error: the shutdown of `{name}` did not end in time")),
            Ok(Ok(stage)) => match &*stage {
                LifespanStage::StopFailed(message) => {
                    crate::log::line(format_args!("error: the shutdown of `{name}` failed: {message}"));
                }
                LifespanStage::Ended(Some(reason)) => {
                    crate::log::line(format_args!("error: the lifespan of `{name}` failed: {reason}"));
                }
                _ => {}
            },
            Ok(Err(_)) => {}
        }
        // The call may go on after its last message. Wait at most a second for its end.
        let _late = tokio::time::timeout(Duration::from_secs(1), self.task).await;
    }
}

/// Runs the application's lifespan call in the loop, and records how it ended.
async fn run(gateway: Arc<AsgiGateway>, lifespan: Arc<LifespanState>) {
    let (sender, receiver) = oneshot::channel();
    let event_loop = Arc::clone(&gateway.event_loop);
    let call = {
        let (gateway, lifespan) = (Arc::clone(&gateway), Arc::clone(&lifespan));
        move |py: Python<'_>| {
            let started = call_app(py, &gateway, &lifespan);
            // The server may have given up in the meantime.
            let _unheard = sender.send(started.map_err(|error| describe(py, &error)));
        }
    };
    event_loop.submit(LoopEvent::Run(Box::new(call)));
    let reason = match receiver.await {
        Err(_) => None,
        Ok(Err(reason)) => Some(reason),
        Ok(Ok(running)) => match running.await {
            Ok(_) => None,
            Err(error) => {
                let (sender, receiver) = oneshot::channel();
                let started = *lifespan.stage.borrow() != LifespanStage::Starting;
                let name = Arc::clone(&gateway.name);
                event_loop.submit(LoopEvent::Run(Box::new(move |py| {
                    // An exception during the startup means that the application has no lifespan. After the startup it
                    // is a failure.
                    if started {
                        log_failure(py, LogContext::lifespan(&name), &error);
                    }
                    let _unheard = sender.send(describe(py, &error));
                })));
                receiver.await.ok()
            }
        },
    };
    lifespan.stage.send_if_modified(|stage| {
        let open = matches!(stage, LifespanStage::Starting | LifespanStage::Started);
        if open {
            *stage = LifespanStage::Ended(reason);
        }
        open
    });
}

fn describe(py: Python<'_>, error: &PyErr) -> String {
    let kind = error.get_type(py).name().map_or_else(|_| "error".to_owned(), |name| name.to_string());
    format!("{kind}: {}", error.value(py))
}

fn call_app(
    py: Python<'_>,
    gateway: &Arc<AsgiGateway>,
    lifespan: &Arc<LifespanState>,
) -> PyResult<impl Future<Output = PyResult<Py<PyAny>>> + Send + use<>> {
    let state = PyDict::new(py);
    *gateway.state.lock().unwrap_or_else(PoisonError::into_inner) = Some(state.clone().unbind());
    let asgi = PyDict::new(py);
    asgi.set_item("version", "3.0")?;
    asgi.set_item("spec_version", "2.0")?;
    let scope = PyDict::new(py);
    scope.set_item("type", "lifespan")?;
    scope.set_item("asgi", asgi)?;
    scope.set_item("state", state)?;
    let exchange = LifespanExchange { gateway: Arc::clone(gateway), lifespan: Arc::clone(lifespan) };
    let exchange = Bound::new(py, exchange)?;
    let arguments = (gateway.app.bind(py), scope, exchange.getattr("receive")?, exchange.getattr("send")?);
    let coroutine = py.import("rsgi.process.loops")?.call_method1("call_application", arguments)?;
    gateway.event_loop.await_from_tokio(py, coroutine)
}

/// `receive` and `send` of one lifespan.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
struct LifespanExchange {
    gateway: Arc<AsgiGateway>,
    lifespan: Arc<LifespanState>,
}

#[pymethods]
impl LifespanExchange {
    /// Returns `lifespan.startup`, and `lifespan.shutdown` when the server stops.
    fn receive(slf: &Bound<'_, Self>) -> Awaitable {
        let exchange = slf.clone().unbind();
        let handle = Arc::clone(&slf.get().gateway.event_loop);
        Awaitable::waiting(handle, Box::new(move |py, context| exchange.get().poll_receive(py, context)))
    }

    fn send(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let (message, kind) = typed(message)?;
        let kind = kind.to_str()?;
        let (next, expected) = match kind {
            "lifespan.startup.complete" => (LifespanStage::Started, LifespanStage::Starting),
            "lifespan.startup.failed" => (LifespanStage::StartFailed(reason(message)?), LifespanStage::Starting),
            "lifespan.shutdown.complete" => (LifespanStage::Stopped, LifespanStage::Started),
            "lifespan.shutdown.failed" => (LifespanStage::StopFailed(reason(message)?), LifespanStage::Started),
            other => {
                let known = "'lifespan.startup.complete', 'lifespan.startup.failed', 'lifespan.shutdown.complete' or \
                             'lifespan.shutdown.failed'";
                return Err(unexpected(other, known));
            }
        };
        let mut before = None;
        self.lifespan.stage.send_if_modified(|stage| {
            let fits = *stage == expected;
            if fits {
                *stage = next;
            } else {
                before = Some(stage.clone());
            }
            fits
        });
        if let Some(before) = before {
            return Err(PyRuntimeError::new_err(format!("'{kind}' was sent {}", when(&before))));
        }
        Sent::instance(py)
    }
}

/// The application's reason for a failed startup or shutdown.
fn reason(message: &Bound<'_, PyDict>) -> PyResult<String> {
    let Some(reason) = message.get_item(intern!(message.py(), "message"))? else { return Ok(String::new()) };
    reason.extract().map_err(|_| PyTypeError::new_err(format!("'message' must be str, not {}", short(&reason))))
}

/// When a misplaced message was sent, for the error text.
fn when(stage: &LifespanStage) -> &'static str {
    match stage {
        LifespanStage::Starting => "before the startup was complete",
        LifespanStage::Started => "after the startup was complete",
        LifespanStage::StartFailed(_) => "after the startup had failed",
        LifespanStage::Stopped | LifespanStage::StopFailed(_) | LifespanStage::Ended(_) => "after the shutdown",
    }
}

impl LifespanExchange {
    fn poll_receive(&self, py: Python<'_>, context: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let mut messages = self.lifespan.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = if !std::mem::replace(&mut messages.startup_told, true) {
            "lifespan.startup"
        } else if messages.shutdown_asked && !messages.shutdown_told {
            messages.shutdown_told = true;
            "lifespan.shutdown"
        } else {
            messages.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        drop(messages);
        let message = PyDict::new(py);
        Poll::Ready(message.set_item("type", kind).map(|()| message.into_any().unbind()))
    }
}
