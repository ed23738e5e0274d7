//! A request from its head to the last byte of its response, and the permit that it holds meanwhile.
//!
//! The connection starts it. Responses and WebSockets carry it on and end it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use http::{HeaderMap, HeaderValue};

use crate::access_log::{AccessLog, LogEntry, Outcome, kept};
use crate::metrics::{Counted, DecidedBy, Event, RouteSeries, Routing};
use crate::request::activity::Activity;
use crate::request::app_load::AppLoad;
use crate::request::error::RequestError;
use crate::response::app_response::AppResponse;
use crate::response::decision_fields::DecisionFields;
use crate::response::follower::Follower;
use crate::response::stream_clock::StreamClock;
use crate::route::Reason;

/// A request from its head to the last byte of its response. When this is dropped, the access log gets its line, the
/// permit is free, and the connection may become idle.
#[derive(Debug)]
pub struct InFlight {
    /// The result, for the access log and the metrics.
    pub record: RequestRecord,
    /// The header fields of the response that depend on the decision, if there are any.
    pub decision: Option<Box<DecisionFields>>,
    /// Watches the request, if shadow traffic or a recording does.
    pub follower: Option<Box<dyn Follower>>,
    /// `None` after the permit was freed or given to a WebSocket.
    permit: Option<RequestPermit>,
    log: Option<Logged>,
    /// `None` if no metrics are kept.
    counted: Option<Counted>,
}

/// The result of a request.
#[derive(Debug)]
pub struct RequestRecord {
    /// When its head was complete.
    pub started: Instant,
    /// The status of the response; 0 if there was none.
    pub status: u16,
    /// Body bytes that were handed to the connection.
    pub bytes: u64,
    /// The response broke off.
    pub broken: bool,
    /// The application that answered, if that is logged.
    app: Option<Arc<str>>,
}

/// A request that gets a line in the access log.
#[derive(Debug)]
pub struct Logged {
    /// The log that gets the line.
    pub log: AccessLog,
    /// The data of the line.
    pub entry: Box<LogEntry>,
}

/// What a request occupies until this is dropped: its connection is not idle, and it counts for the limit of its
/// application.
#[derive(Debug)]
pub struct RequestPermit {
    /// The counter of an HTTP/2 connection's requests.
    activity: Option<Arc<Activity>>,
    running: Option<Arc<AppLoad>>,
    /// It belongs to a WebSocket that was accepted.
    websocket: bool,
    /// The stream of a WebSocket over HTTP/2. It is reset if it has not ended.
    stream: Option<Arc<StreamClock>>,
}

impl RequestPermit {
    fn take(activity: Option<Arc<Activity>>) -> Self {
        if let Some(activity) = &activity {
            activity.request_started();
        }
        Self { activity, running: None, websocket: false, stream: None }
    }

    /// Counts the request for `app`. Returns `false` if `app` already has as many as its limit.
    fn enter(&mut self, app: &Arc<AppLoad>) -> bool {
        let before = app.in_flight.fetch_add(1, Ordering::AcqRel);
        leave(self.running.replace(Arc::clone(app)));
        app.limit.is_none_or(|limit| before < limit)
    }
}

fn leave(app: Option<Arc<AppLoad>>) {
    if let Some(app) = app {
        app.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for RequestPermit {
    fn drop(&mut self) {
        if let Some(activity) = &self.activity {
            activity.request_ended();
        }
        if let Some(app) = self.running.as_ref().filter(|_| self.websocket) {
            app.websockets.open.fetch_sub(1, Ordering::Relaxed);
        }
        leave(self.running.take());
        if let Some(stream) = &self.stream {
            stream.cut();
        }
    }
}

impl InFlight {
    /// Starts at `began`, with the head. `log` gets its line, and `counted` its numbers.
    pub fn start(
        activity: Option<Arc<Activity>>,
        began: Instant,
        log: Option<Logged>,
        counted: Option<Counted>,
    ) -> Self {
        let permit = Some(RequestPermit::take(activity));
        let record = RequestRecord { started: began, status: 0, bytes: 0, broken: false, app: None };
        Self { record, decision: None, follower: None, permit, log, counted }
    }

    /// Notes what decided which application answers.
    ///
    /// `decided` is only called if metrics are kept.
    pub fn decided_by(&mut self, routing: &Routing, reason: Reason, decided: impl FnOnce() -> Option<DecidedBy>) {
        if let Some(counted) = &mut self.counted
            && let Some(decided) = decided()
        {
            counted.decided_by(routing, &decided);
        }
        if let Some(told) = self.log.as_mut().filter(|told| told.log.wanted().decision) {
            let name = routing.router.name_of(reason).map(str::to_owned);
            if matches!(reason, Reason::Rule(_)) {
                told.entry.rule = name;
            } else {
                told.entry.route = name;
            }
        }
    }

    /// Whether the access log needs fields of the response.
    pub fn logs_fields(&self) -> bool {
        self.log.as_ref().is_some_and(|told| !told.log.wanted().response.is_empty())
    }

    /// Keeps the fields of the response that the access log needs.
    pub fn log_fields(&mut self, headers: &HeaderMap) {
        if let Some(told) = &mut self.log {
            told.entry.response =
                kept(&told.log.wanted().response, |name| headers.get(name).map(HeaderValue::as_bytes));
        }
    }

    /// The counters of its route, if metrics are kept.
    pub fn series(&self) -> Option<Arc<RouteSeries>> {
        self.counted.as_ref().map(Counted::series)
    }

    /// An application has responded. Tells the follower, if there is one.
    pub fn responded(&mut self, response: &mut AppResponse) {
        let Some(follower) = &mut self.follower else { return };
        let app = self.permit.as_ref().and_then(|permit| permit.running.as_ref());
        if !follower.responded(response, app) {
            self.follower = None;
        }
    }

    /// The server answers in the application's place. Counts the event of the error.
    pub fn refused(&mut self, error: &RequestError) {
        if let (Some(counted), Some(event)) = (&mut self.counted, error.event) {
            counted.refused(event);
        }
    }

    /// Notes which application answers.
    fn served_by(&mut self, app: &AppLoad) {
        if self.log.is_some() {
            self.record.app = Some(Arc::clone(&app.name));
        }
        if let Some(counted) = &mut self.counted {
            counted.passed_to(app.index);
        }
        if let Some(decision) = &mut self.decision {
            decision.served_by(&app.name);
        }
    }

    /// Notes that the server itself answers; `name` is for the access log.
    pub fn served_by_server(&mut self, name: &Arc<str>) {
        if self.log.is_some() {
            self.record.app = Some(Arc::clone(name));
        }
    }

    /// Counts the request for `app`, and no longer for another application.
    ///
    /// # Errors
    /// 503 when `app` already has as many requests as its limit.
    pub fn enter(&mut self, app: &Arc<AppLoad>) -> Result<(), RequestError> {
        self.served_by(app);
        let full = self.permit.as_mut().is_some_and(|permit| !permit.enter(app));
        if !full {
            return Ok(());
        }
        app.refusals.add(&app.name, app.limit.unwrap_or_default());
        Err(RequestError::busy(Event::Concurrency, "too many requests at once; try again"))
    }

    /// Frees the permit before the request has ended.
    pub fn leave(&mut self) {
        self.permit = None;
    }

    /// The application that answers, by its place in the plan.
    pub fn app(&self) -> Option<usize> {
        self.permit.as_ref()?.running.as_ref().map(|app| app.index)
    }

    /// The application has done its part: the request is no longer one of those that it may have.
    pub fn stand_aside(&mut self) {
        self.follower = None;
        if let Some(permit) = &mut self.permit {
            leave(permit.running.take());
        }
    }

    /// Takes the permit for the WebSocket that the request becomes.
    pub fn hand_on(&mut self) -> Option<RequestPermit> {
        let mut permit = self.permit.take()?;
        permit.stream = StreamClock::current();
        permit.websocket = true;
        if let Some(app) = &permit.running {
            app.websockets.accepted.fetch_add(1, Ordering::Relaxed);
            app.websockets.open.fetch_add(1, Ordering::Relaxed);
        }
        Some(permit)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.permit = None;
        if let Some(counted) = self.counted.take() {
            let RequestRecord { started, status, bytes, broken, .. } = &self.record;
            counted.end(started.elapsed(), *status, *bytes, *broken);
        }
        if let Some(follower) = self.follower.take() {
            follower.over();
        }
        if let Some(Logged { log, mut entry }) = self.log.take() {
            let RequestRecord { started, status, bytes, app, .. } = &mut self.record;
            let (ended, took) = (SystemTime::now(), started.elapsed());
            entry.outcome = Outcome { ended, took, status: *status, bytes: *bytes, app: app.take() };
            log.write(&entry);
        }
    }
}
