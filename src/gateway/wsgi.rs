//! The WSGI gateway: brings one call to the thread pool, and its response back.
//!
//! Kept apart from `rsgi_bridge::call`, which runs it: this side knows the connection, that one knows Python.
//!
//! Spec: PEP 3333; RFC 9110 10.2.3 (`Retry-After`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::executor::block_on;
use futures::future::poll_fn;
use pyo3::prelude::*;
use rsgi_bridge::call::run;
use rsgi_bridge::environ::EnvironTemplate;
use rsgi_bridge::error::{BodyError, Disconnected};
use rsgi_bridge::input::Input;
use rsgi_bridge::pipe::{PipeWriter, pipe};
use rsgi_bridge::pool::{Job, Pool};
use rsgi_bridge::report::{log_failure, report_call};
use rsgi_bridge::response_head::ResponseHead;
use rsgi_bridge::sink::{FileBody, ResponseSink};
use rsgi_bridge::source::BodySource;
use rsgi_bridge::start_response::Exchange;
use tokio::sync::oneshot;

use super::Call;
use crate::body::RequestBody;
use crate::error::RequestError;
use crate::head::RequestHead;
use crate::outbox::{Outbox, Responder};
use crate::response::AppResponse;
use crate::settings::Settings;

/// How much of a request body is here before the application is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buffering {
    /// All of it, or a buffer's worth: a slow client holds no thread.
    Auto,
    /// All of it.
    Full,
    /// None of it.
    Off,
}

/// One WSGI application.
#[derive(Debug)]
pub struct WsgiGateway {
    name: Arc<str>,
    app: Py<PyAny>,
    environ: EnvironTemplate,
    pool: Arc<Pool>,
    outbox: Arc<Outbox>,
    buffering: Buffering,
    response_buffer: usize,
}

impl WsgiGateway {
    /// A gateway to `app`, whose calls run in `pool`.
    pub fn new(
        name: Arc<str>,
        app: Py<PyAny>,
        environ: EnvironTemplate,
        pool: Arc<Pool>,
        outbox: Arc<Outbox>,
        settings: &Settings,
    ) -> Self {
        let buffering = match settings.wsgi_request_buffering.as_str() {
            "full" => Buffering::Full,
            "off" => Buffering::Off,
            _ => Buffering::Auto,
        };
        Self { name, app, environ, pool, outbox, buffering, response_buffer: settings.response_buffer }
    }
}

/// Calls the application in the pool.
///
/// # Cancel safety
/// A call that waits in the queue is given up when the future is dropped; one that runs sees that the client has gone.
pub async fn call(gateway: &Arc<WsgiGateway>, call: Call<'_>) -> AppResponse {
    let Call { head, body, settings } = call;
    let prepared = prepare(gateway.buffering, &head, body, settings.request_buffer).await;
    let (source, content_length) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return AppResponse::Error(error.into()),
    };
    let (responder, response) = oneshot::channel();
    let ticket = Ticket::default();
    let job = WsgiJob { gateway: Arc::clone(gateway), head, source, content_length, responder, ticket: ticket.clone() };
    if gateway.pool.submit(Box::new(job)).is_err() {
        return AppResponse::Error(RequestError::busy("too many requests wait for a thread; try again"));
    }
    let waiting = WithdrawOnDrop(ticket);
    answer(response, &waiting.0, settings.queue_timeout.0).await
}

async fn answer(mut response: oneshot::Receiver<AppResponse>, ticket: &Ticket, patience: Duration) -> AppResponse {
    // No answer at all: the thread dropped the call, which is a panic of ours.
    let lost = |_| AppResponse::Error(RequestError::application_failed());
    match tokio::time::timeout(patience, &mut response).await {
        Ok(response) => response.unwrap_or_else(lost),
        Err(_) if ticket.withdraw() => {
            AppResponse::Error(RequestError::busy("no thread became free in time; try again"))
        }
        Err(_) => response.await.unwrap_or_else(lost),
    }
}

/// Brings as much of the body here as the setting asks for. Gives the length too where no header told it.
async fn prepare(
    buffering: Buffering,
    head: &RequestHead,
    mut body: RequestBody,
    buffer: usize,
) -> Result<(BodySource, Option<u64>), BodyError> {
    if body.is_end() {
        return Ok((BodySource::Empty, None));
    }
    let declared = head.content_length();
    // The application decides whether the client may send at all.
    if head.expects_continue() {
        return Ok((BodySource::Pipe(body.pump(buffer, true, None, None).0), None));
    }
    let fits = declared.is_some_and(|length| length <= buffer as u64);
    match (buffering, declared) {
        (Buffering::Off, _) => Ok((BodySource::Pipe(body.pump(buffer, false, None, None).0), None)),
        (Buffering::Auto, Some(_)) if fits => Ok((BodySource::Bytes(body.collect().await?), None)),
        (Buffering::Auto, Some(_)) => {
            let (reader, _) = body.pump(buffer, false, None, None);
            poll_fn(|context| reader.poll_filled(context)).await?;
            Ok((BodySource::Pipe(reader), None))
        }
        // A chunked body is kept whole, so that the application gets the CONTENT_LENGTH that many need.
        (Buffering::Auto, None) | (Buffering::Full, _) => {
            body.spool().await.map(|(source, length)| (source, Some(length)))
        }
    }
}

/// Whether a call still waits in the queue; exactly one side takes it out.
#[derive(Debug, Clone, Default)]
struct Ticket(Arc<AtomicU8>);

const WAITING: u8 = 0;
const TAKEN: u8 = 1;

impl Ticket {
    /// The thread begins; `false` when the call was given up.
    fn begin(&self) -> bool {
        self.take()
    }

    /// The client gives up; `false` when a thread has begun.
    fn withdraw(&self) -> bool {
        self.take()
    }

    fn take(&self) -> bool {
        self.0.compare_exchange(WAITING, TAKEN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

struct WithdrawOnDrop(Ticket);

impl Drop for WithdrawOnDrop {
    fn drop(&mut self) {
        self.0.withdraw();
    }
}

/// One call in the queue of the pool.
struct WsgiJob {
    gateway: Arc<WsgiGateway>,
    head: RequestHead,
    source: BodySource,
    content_length: Option<u64>,
    responder: Responder,
    ticket: Ticket,
}

impl Job for WsgiJob {
    fn run(self: Box<Self>, py: Python<'_>) {
        let Self { gateway, head, source, content_length, responder, ticket } = *self;
        if !ticket.begin() {
            return;
        }
        let outbox = Arc::clone(&gateway.outbox);
        let sink = SocketSink { responder: Some(responder), outbox, writer: None, capacity: gateway.response_buffer };
        let exchange = Exchange::new(Box::new(sink), head.is_head());
        let target = head.target();
        let environ = Bound::new(py, Input::new(source)).and_then(|input| {
            let environ = gateway.environ.build(py, &head.view(&target, content_length), input.clone().into_any())?;
            Ok((environ, input))
        });
        let subject = head.subject(&gateway.name);
        match environ {
            Ok((environ, input)) => {
                let report = run(py, gateway.app.bind(py), environ, &exchange, None);
                // What an application raises because its body broke off is the client's doing.
                if input.get().failure().is_none() {
                    report_call(py, subject, report);
                }
            }
            Err(error) => {
                exchange.fail();
                log_failure(py, subject, &error);
            }
        }
    }
}

/// Sends the response of one call to its connection.
struct SocketSink {
    responder: Option<Responder>,
    outbox: Arc<Outbox>,
    writer: Option<PipeWriter<Bytes>>,
    capacity: usize,
}

impl SocketSink {
    fn respond(&mut self, response: AppResponse) {
        if let Some(responder) = self.responder.take() {
            self.outbox.send(responder, response);
        }
    }
}

impl ResponseSink for SocketSink {
    fn complete(&mut self, head: ResponseHead, body: Bytes) {
        self.respond(AppResponse::Whole(head, body));
    }

    fn file(&mut self, head: ResponseHead, body: FileBody) -> Result<(), (ResponseHead, FileBody)> {
        self.respond(AppResponse::File(head, body));
        Ok(())
    }

    fn start(&mut self, head: ResponseHead) {
        let (writer, reader) = pipe(self.capacity);
        self.writer = Some(writer);
        self.respond(AppResponse::Stream(head, reader));
    }

    fn write(&mut self, chunk: Bytes) -> Result<(), Disconnected> {
        let writer = self.writer.as_ref().ok_or(Disconnected)?;
        writer.push(chunk)?;
        if writer.has_room() {
            return Ok(());
        }
        block_on(poll_fn(|context| writer.poll_ready(context)))
    }

    fn finish(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.finish();
        }
    }

    fn abort(&mut self) {
        // Dropped before its end, the pipe fails.
        self.writer = None;
    }

    fn fail(&mut self) {
        self.respond(AppResponse::Error(RequestError::application_failed()));
    }
}
