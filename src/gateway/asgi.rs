//! The ASGI gateway: one HTTP request as `receive` and `send` of one application task.
//!
//! Kept apart from the event loop, which runs tasks and knows no messages.
//!
//! Spec: ASGI HTTP 2.5 ("Request", "Response Start", "Response Body", "Disconnected client").

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::Either;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rsgi_bridge::awaitable::{Awaitable, PollFn, Sent};
use rsgi_bridge::error::{ClientDisconnected, Disconnected};
use rsgi_bridge::exchange::Ended;
use rsgi_bridge::process::Process;
use rsgi_bridge::report::{log_failure, log_length};
use rsgi_bridge::scope::{Extensions, ScopeKind, ScopeTemplate};
use rsgi_bridge::spare::has_only;
use tokio::sync::oneshot;

use super::extensions::{offered, only_if};
use super::in_time::{self, AnswerTime};
use super::leaving::{put_off, raise_after_listeners};
use super::message::{disconnect_message, says, typed, unexpected};
use super::probe::Witness;
use super::request_messages::RequestMessages;
use super::response_messages::{
    Ending, GoneState, Progress, ResponseMessages, Room, TellOnDrop, body_part, response_head,
};
use super::waiters::Waiters;
use super::{Call, file_message, trailers, zero_copy};
use crate::body::{Leftover, Recorder};
use crate::calls::{AppCalls, CallHandle, RunningCall};
use crate::error::RequestError;
use crate::event_loop::conversation::Conversation;
use crate::event_loop::coroutine::AppCoroutine;
use crate::event_loop::{EventLoop, LoopEvent};
use crate::head::RequestHead;
use crate::outbox::{Outbox, Responder};
use crate::response::AppResponse;
use crate::settings::Settings;
use crate::wire::SpareAlarm;

/// A body up to this length that has arrived with its head is read before the application is called, so that `receive()` need
/// not wait. In bytes.
const SMALL_BODY: u64 = 64 * 1024;

/// How many turns of the loop a head waits for its body: middleware that hands messages from task to task takes one or two.
const FLUSH_TURNS: u32 = 3;

/// One ASGI application.
#[derive(Debug)]
pub struct AsgiGateway {
    /// Its name.
    pub name: Arc<str>,
    /// The callable.
    pub app: Py<PyAny>,
    /// The loop that runs it.
    pub event_loop: Arc<EventLoop>,
    /// What its scopes have in common.
    pub scopes: ScopeTemplate,
    /// The lifespan's `state`; `None` when the application has no lifespan.
    pub state: Mutex<Option<Py<PyDict>>>,
    /// Takes the answers back.
    pub outbox: Arc<Outbox>,
    /// Its calls that run.
    pub calls: Arc<AppCalls>,
    request_buffer: usize,
    extensions: Extensions,
    /// Bytes of an answer that wait for the client.
    pub response_buffer: usize,
    /// How long it may take until its answer begins.
    pub limit: Option<Duration>,
}

impl AsgiGateway {
    /// A gateway to `app`, whose tasks run in `event_loop`.
    pub fn new(
        name: Arc<str>,
        app: Py<PyAny>,
        event_loop: Arc<EventLoop>,
        scopes: ScopeTemplate,
        (outbox, calls): (Arc<Outbox>, Arc<AppCalls>),
        settings: &Settings,
        limit: Option<Duration>,
    ) -> Self {
        Self {
            name,
            app,
            event_loop,
            scopes,
            state: Mutex::new(None),
            outbox,
            calls,
            request_buffer: settings.request_buffer,
            extensions: offered(settings),
            response_buffer: settings.response_buffer,
            limit,
        }
    }

    /// A response of which nothing was said yet; `call` ends with it.
    pub(super) fn response(&self, responder: Responder, call: Option<RunningCall>) -> ResponseMessages {
        ResponseMessages::new(responder, Arc::clone(&self.outbox), self.response_buffer, call)
    }

    /// The scope of one request or WebSocket.
    ///
    /// # Errors
    /// When Python is out of memory.
    pub fn scope<'py>(&self, py: Python<'py>, head: &RequestHead, kind: ScopeKind<'_>) -> PyResult<Bound<'py, PyDict>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = state.as_ref().map(|state| state.bind(py).clone());
        super::scope(py, &self.scopes, head, kind, state.as_ref())
    }
}

/// What is kept of a request that another application may get, too.
#[derive(Debug)]
pub struct Asked {
    /// Keeps the body.
    pub recorder: Recorder,
    /// Sees what a router writes into the scope.
    pub witness: Arc<Witness>,
}

/// Calls the application as a task of the loop. Not `async`: while the application answers, nothing is kept but where its answer
/// comes.
///
/// # Cancel safety
/// When the future is dropped the application sees `http.disconnect`.
pub fn call<'a>(gateway: &'a Arc<AsgiGateway>, call: Call<'a>) -> impl Future<Output = AppResponse> {
    let Call { head, mut body, alarm, .. } = call;
    if body.is_end() {
        return Either::Left(submit(gateway, head, RequestMessages::Whole(Bytes::new()), None, alarm));
    }
    let with_body = async move {
        let waits = head.expects_continue();
        let small = head.content_length().is_some_and(|length| length <= SMALL_BODY) && !waits;
        let first = if small { body.collect_ready().await } else { Ok(None) };
        let request = match first {
            Err(error) => return AppResponse::Error(error.into()),
            Ok(Some(whole)) if body.is_end() => RequestMessages::Whole(whole),
            Ok(first) => RequestMessages::Coming(body.pump(gateway.request_buffer, waits, first, None).0),
        };
        submit(gateway, head, request, None, alarm).await
    };
    Either::Right(with_body.boxed())
}

/// Calls the application for a request that another may get, too: what is left of the body is enough for that.
///
/// # Cancel safety
/// As [`call`].
pub async fn ask(gateway: &Arc<AsgiGateway>, call: Call<'_>, asked: Asked) -> (AppResponse, Leftover) {
    let Call { head, body, alarm, .. } = call;
    let (request, leftover) = if body.is_end() {
        (RequestMessages::Whole(Bytes::new()), Leftover::Untouched(body))
    } else {
        let waits = head.expects_continue();
        let (reader, leftover) = body.pump(gateway.request_buffer, waits, None, Some(asked.recorder));
        (RequestMessages::Coming(reader), leftover)
    };
    (submit(gateway, head, request, Some(asked.witness), alarm).await, leftover)
}

fn submit<'a>(
    gateway: &Arc<AsgiGateway>,
    head: Box<RequestHead>,
    body: RequestMessages,
    witness: Option<Arc<Witness>>,
    alarm: &'a SpareAlarm,
) -> impl Future<Output = AppResponse> + use<'a> {
    let (responder, response) = oneshot::channel();
    let call = gateway.calls.begin(&head);
    let time =
        gateway.limit.map(|limit| AnswerTime { limit, reading: body.reading(), call: call.handle(), wear: None });
    let event_loop = time.as_ref().map(|_| Arc::clone(&gateway.event_loop));
    let request = Arc::new(HttpRequest { gone: GoneState::default(), head, witness, gateway: Arc::clone(gateway) });
    let told = TellOnDrop(Arc::clone(&request));
    let start = HttpStart { request, body, responder, call };
    gateway.event_loop.submit(LoopEvent::Http(Box::new(start)));
    let response = match time.zip(event_loop) {
        None => Either::Left(response),
        Some((time, event_loop)) => Either::Right(in_time::of_task(response, time, event_loop, alarm).boxed()),
    };
    async move {
        let _told = told;
        response.await.unwrap_or_else(|_| AppResponse::Error(RequestError::application_failed()))
    }
}

/// One request, as long as anybody has to do with it.
#[derive(Debug)]
struct HttpRequest {
    gone: GoneState,
    head: Box<RequestHead>,
    witness: Option<Arc<Witness>>,
    gateway: Arc<AsgiGateway>,
}

impl AsRef<GoneState> for HttpRequest {
    fn as_ref(&self) -> &GoneState {
        &self.gone
    }
}

/// One request on its way to the loop's thread.
#[derive(Debug)]
pub struct HttpStart {
    request: Arc<HttpRequest>,
    body: RequestMessages,
    responder: Responder,
    call: RunningCall,
}

impl HttpStart {
    /// Builds scope, `receive` and `send`, and starts the task. Runs on the loop's thread.
    pub fn start(self, py: Python<'_>) {
        let Self { request, body, responder, call } = self;
        let gateway = Arc::clone(&request.gateway);
        request.head.called();
        let mut extensions = gateway.extensions;
        extensions.trailers = extensions.trailers && trailers::accepted(&request.head);
        let scope = gateway.scope(py, &request.head, ScopeKind::Http { extensions });
        if let (Some(witness), Ok(scope)) = (&request.witness, &scope) {
            witness.watch(scope);
        }
        let state = State { body, flushing: false, response: gateway.response(responder, Some(call)), request };
        let started = scope.and_then(|scope| {
            let given = Given::new(py, &gateway.event_loop, state)?;
            let conversation = Conversation::Http(given.exchange.clone().unbind());
            let functions = (given.receive.clone(), given.send.clone());
            AppCoroutine::start(&gateway.event_loop, gateway.app.bind(py), scope, functions, conversation)?;
            given.give_back(&gateway.event_loop);
            Ok(())
        });
        if let Err(error) = started {
            error.write_unraisable(py, None);
        }
    }
}

#[derive(Debug)]
struct State {
    body: RequestMessages,
    response: ResponseMessages,
    /// The head is on its way out by itself.
    flushing: bool,
    request: Arc<HttpRequest>,
}

/// `receive` and `send` of one request, which may serve another when it is over.
#[pyclass(frozen, module = "rsgi")]
#[derive(Debug)]
pub struct HttpExchange {
    state: Mutex<State>,
    /// The application's own task is running, not one that it has started.
    stepping: AtomicBool,
    waiters: Arc<Waiters>,
    process: Process,
}

/// An exchange and its two methods, as the application gets them.
struct Given<'py> {
    exchange: Bound<'py, HttpExchange>,
    receive: Bound<'py, PyAny>,
    send: Bound<'py, PyAny>,
}

/// One that nobody has.
#[derive(Debug)]
pub struct SpareExchange {
    exchange: Py<HttpExchange>,
    receive: Py<PyAny>,
    send: Py<PyAny>,
}

impl<'py> Given<'py> {
    fn new(py: Python<'py>, event_loop: &EventLoop, state: State) -> PyResult<Self> {
        if let Some(SpareExchange { exchange, receive, send }) = event_loop.exchanges.take() {
            let exchange = exchange.into_bound(py);
            let before = std::mem::replace(&mut *exchange.get().lock(), state);
            drop(before);
            return Ok(Self { exchange, receive: receive.into_bound(py), send: send.into_bound(py) });
        }
        let (stepping, waiters) = (AtomicBool::new(false), Arc::default());
        let exchange =
            Bound::new(py, HttpExchange { state: Mutex::new(state), stepping, waiters, process: Process::this() })?;
        let method = |name| exchange.as_any().getattr(name);
        let (receive, send) = (method(intern!(py, "receive"))?, method(intern!(py, "send"))?);
        Ok(Self { exchange, receive, send })
    }

    /// The call has begun. If it is over, and the application has kept nothing of it, it all serves another.
    fn give_back(self, event_loop: &EventLoop) {
        let Self { exchange, receive, send } = self;
        // Each method has a reference to what it is a method of.
        if has_only(&receive, 1)
            && has_only(&send, 1)
            && has_only(&exchange, 3)
            && Arc::strong_count(&exchange.get().waiters) == 1
        {
            let spare = SpareExchange { exchange: exchange.unbind(), receive: receive.unbind(), send: send.unbind() };
            event_loop.exchanges.give_back(spare);
        }
    }
}

#[pymethods]
impl HttpExchange {
    /// The next message of the request.
    fn receive(slf: &Bound<'_, Self>) -> Awaitable {
        let py = slf.py();
        let this = slf.get();
        if let Poll::Ready(message) = this.poll_receive(py, &mut Context::from_waker(&this.waiters.waker())) {
            return Awaitable::finished(message);
        }
        let exchange = slf.clone().unbind();
        let poll = this.waiters.join(move |py, context| exchange.get().poll_receive(py, context));
        Awaitable::waiting(this.event_loop() as _, poll)
    }

    /// Takes a message of the response.
    fn send(slf: &Bound<'_, Self>, message: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let this = slf.get();
        this.process.check()?;
        let poll = match Self::take_message(slf, message) {
            Ok(Room::Yes) => return Sent::instance(py),
            Ok(Room::No) => Self::wait_for_room(slf),
            Err(error) => this.hold_back(py, error)?,
        };
        Ok(Py::new(py, Awaitable::waiting(this.event_loop() as _, poll))?.into_any())
    }
}

impl HttpExchange {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request(&self) -> Arc<HttpRequest> {
        Arc::clone(&self.lock().request)
    }

    fn event_loop(&self) -> Arc<EventLoop> {
        Arc::clone(&self.lock().request.gateway.event_loop)
    }

    fn poll_receive(&self, py: Python<'_>, context: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        let mut state = self.lock();
        match state.body.poll_next(py, context) {
            Some(message) => message,
            None => state.response.poll_over(context, &state.request.gone).map(|()| disconnect_message(py)),
        }
    }

    fn wait_for_room(slf: &Bound<'_, Self>) -> PollFn {
        let (exchange, told) = (slf.clone().unbind(), slf.clone().unbind());
        let room: PollFn = Box::new(move |py, context| exchange.get().poll_room(py, context));
        slf.get().waiters.join(put_off(room, move |py, error| told.get().hold_back(py, error)))
    }

    /// That the client has left, `send` says after those who listen have heard of it, or would if they had begun to.
    ///
    /// # Errors
    /// Whatever else it says, it says at once.
    fn hold_back(&self, py: Python<'_>, error: PyErr) -> PyResult<PollFn> {
        if !error.is_instance_of::<ClientDisconnected>(py) {
            return Err(error);
        }
        self.lock().response.progress = Progress::Left;
        // The connection may not have come to it yet.
        self.waiters.waker().wake();
        Ok(raise_after_listeners(&self.event_loop(), error))
    }

    fn poll_room(&self, py: Python<'_>, context: &mut Context<'_>) -> Poll<PyResult<Py<PyAny>>> {
        self.lock().response.poll_room(context).map_ok(|()| py.None())
    }

    fn take_message(slf: &Bound<'_, Self>, message: &Bound<'_, PyAny>) -> PyResult<Room> {
        let (message, kind) = typed(message)?;
        match kind.to_str()? {
            "http.response.start" => Self::start_response(slf, message),
            "http.response.body" => slf.get().send_body(slf.py(), message),
            "http.response.pathsend" => slf.get().send_file(slf.py(), message),
            "http.response.zerocopysend" => slf.get().send_piece(slf.py(), message),
            "http.response.trailers" => slf.get().lock().response.take_trailers(slf.py(), message).map(|()| Room::Yes),
            other => Err(unexpected(
                other,
                "'http.response.start', 'http.response.body', 'http.response.pathsend', 'http.response.zerocopysend' or \
                 'http.response.trailers'",
            )),
        }
    }

    fn start_response(slf: &Bound<'_, Self>, message: &Bound<'_, PyDict>) -> PyResult<Room> {
        let (py, this) = (slf.py(), slf.get());
        let promises = says(message, intern!(py, "trailers"))?;
        let head = response_head(py, message, promises)?;
        let mut state = this.lock();
        let State { response, request, .. } = &mut *state;
        if promises {
            only_if(request.gateway.extensions.trailers, "trailers")?;
        }
        let trailers = promises.then(|| trailers::promised(&head, &request.head)).transpose()?;
        response.start(head, &request.gone)?;
        if let Some(trailers) = trailers {
            response.promise(trailers);
        }
        drop(state);
        if !this.stepping.load(Ordering::Relaxed) {
            // A task that the application has started sent it: nobody will say when that one waits.
            Self::suspended(slf.as_unbound(), py);
        }
        Ok(Room::Yes)
    }

    /// What a router has written into the scope is looked at while it is there.
    fn bear_witness(&self, py: Python<'_>) {
        let state = self.lock();
        if let Some(witness) = &state.request.witness {
            let witness = Arc::clone(witness);
            drop(state);
            witness.read(py);
        }
    }

    fn send_body(&self, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<Room> {
        let (body, more) = body_part(py, message)?;
        self.bear_witness(py);
        let mut state = self.lock();
        let State { response, request, .. } = &mut *state;
        // A body that nobody gets has no pipe that would tell.
        if response.is_discarding() && request.head.peer.is_gone() {
            return Err(Disconnected.into());
        }
        let (room, ended) = response.take_body(body, more, request.head.is_head(), &request.gone)?;
        drop(state);
        if ended != Ended::Whole {
            let request = self.request();
            log_length(py, request.head.subject(&request.gateway.name), ended);
        }
        Ok(room)
    }

    fn send_file(&self, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<Room> {
        only_if(self.lock().request.gateway.extensions.path_send, "pathsend")?;
        let body = file_message::open(py, message)?;
        self.bear_witness(py);
        let mut state = self.lock();
        let State { response, request, .. } = &mut *state;
        response.take_file(body, request.head.is_head(), &request.gone).map(|()| Room::Yes)
    }

    fn send_piece(&self, py: Python<'_>, message: &Bound<'_, PyDict>) -> PyResult<Room> {
        only_if(self.lock().request.gateway.extensions.zero_copy_send, "zerocopysend")?;
        let (body, more) = zero_copy::piece(py, message)?;
        self.bear_witness(py);
        let mut state = self.lock();
        let State { response, request, .. } = &mut *state;
        response.take_piece(body, more, request.head.is_head(), &request.gone)
    }

    /// Whether it is about `call`.
    pub fn is_of(&self, call: &CallHandle) -> bool {
        self.lock().response.is_of(call)
    }

    /// The application goes on.
    pub fn resumed(&self) {
        self.stepping.store(true, Ordering::Relaxed);
    }

    /// The application waits for something. A head that it has given goes out soon, whether a body follows or not; what comes
    /// within a few turns of the loop still leaves with it, in one piece.
    pub fn suspended(slf: &Py<Self>, py: Python<'_>) {
        let this = slf.get();
        this.stepping.store(false, Ordering::Relaxed);
        let mut state = this.lock();
        if state.response.is_held() && !state.flushing {
            state.flushing = true;
            let (exchange, event_loop) = (slf.clone_ref(py), Arc::clone(&state.request.gateway.event_loop));
            event_loop.run_later(FLUSH_TURNS, Box::new(move |py| exchange.get().flush(py)));
        }
    }

    fn flush(&self, py: Python<'_>) {
        self.bear_witness(py);
        let mut state = self.lock();
        let State { response, request, .. } = &mut *state;
        if response.is_held() {
            // A client that has left needs no head.
            let _gone = response.take_body(Bytes::new(), true, request.head.is_head(), &request.gone);
        }
    }

    /// The application has returned or raised: whatever is open is ended, and what went wrong is said once.
    pub fn ended(&self, py: Python<'_>, result: PyResult<()>) {
        self.bear_witness(py);
        let mut state = self.lock();
        let State { response, request, body, .. } = &mut *state;
        let body_failed = std::mem::replace(body, RequestMessages::Delivered).has_failed();
        let ending = response.end(py, result, body_failed, &request.gone);
        drop(state);
        match ending {
            Ending::Told => {}
            Ending::ClientLeft => self.event_loop().collect_soon(),
            Ending::Failed(error) => {
                let request = self.request();
                log_failure(py, request.head.subject(&request.gateway.name), &error);
            }
        }
    }
}
