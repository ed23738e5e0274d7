//! `--request-timeout`: limits the time until the response of an application begins.
//!
//! Both gateways and the handshake of a WebSocket use the same rules. The time starts when the application gets the
//! request, and ends with the start of its response. The wait for a thread does not count. The time starts again while
//! the application waits for more of the request body, or takes it. A response that has begun is never cut.
//!
//! Spec: RFC 9110 15.6.5 (504).

use std::sync::Arc;
use std::time::{Duration, Instant};

use rsgi_bridge::pipe::Reading;
use rsgi_bridge::pool::JobHandle;

use crate::log;
use crate::request::error::RequestError;
use crate::response::app_response::AppResponse;
use crate::runtime::calls::CallHandle;
use crate::runtime::event_loop::EventLoop;
use crate::runtime::reply::{NoReply, ReplyReceiver};
use crate::runtime::wear::Wear;
use crate::wire::SpareTimer;

/// The response of an application, or an error if there is none.
pub type CallResponse = Result<AppResponse, NoReply>;

/// The time limit of one call.
#[derive(Debug)]
pub struct ResponseTimeout {
    /// How long it may take.
    pub limit: Duration,
    /// How its request body is read, if the body is still arriving.
    pub reading: Option<Arc<dyn Reading>>,
    /// The handle of the call.
    pub call: CallHandle,
    /// Gets a message when all threads hang. `None` for calls that run in the event loop.
    pub wear: Option<Arc<Wear>>,
}

impl ResponseTimeout {
    /// Whether the application has taken some of the body since the last check, or waits for more of it.
    fn reads_on(&self, taken: &mut u64) -> bool {
        let Some(reading) = &self.reading else { return false };
        let before = std::mem::replace(taken, reading.taken());
        reading.waits() || *taken != before
    }

    /// Logs that the time is over, and returns the response. `then` says what happens to the call.
    fn over(&self, then: &str) -> AppResponse {
        let limit = self.limit.as_secs_f64();
        log::line(format_args!(
            "warning: {} had no response after {limit} s (`--request-timeout`): the client got 504, {then}",
            self.description()
        ));
        AppResponse::Error(RequestError::timed_out())
    }

    /// Requests a replacement of the process if all threads hang.
    fn say_if_all_hang(&self, job_handle: &JobHandle) {
        let Some(wear) = self.wear.as_ref().filter(|_| job_handle.all_hang()) else { return };
        let app = self.call.describe().map_or_else(String::new, |call| format!(" of app `{}`", call.app));
        if !wear.tell(format!("all WSGI threads{app} hang in calls that took too long")) {
            log::line(format_args!(
                "error: all WSGI threads{app} hang in calls that took too long, and no more are started: restart the server \
                 (with `--workers` a worker in this state is replaced)"
            ));
        }
    }

    fn description(&self) -> String {
        match self.call.describe() {
            Some(call) => format!("app `{}`: {}", call.app, call.request),
            None => "a call".to_owned(),
        }
    }
}

/// The response of a task. If it does not begin in time, the task is cancelled, and the response is a 504.
pub async fn of_task(
    mut response: ReplyReceiver<AppResponse>,
    time: ResponseTimeout,
    event_loop: Arc<EventLoop>,
    timer: &SpareTimer,
) -> CallResponse {
    let mut taken = 0;
    loop {
        if let Some(response) = timer.in_time(time.limit, &mut response).await {
            return response;
        }
        if !time.reads_on(&mut taken) {
            return Ok(cancelled(time, &event_loop));
        }
    }
}

/// Cancels a task that has taken too long, and returns the response.
pub fn cancelled(time: ResponseTimeout, event_loop: &Arc<EventLoop>) -> AppResponse {
    let response = time.over("its task is cancelled");
    let description = time.description();
    event_loop.cancel(time.call, description);
    response
}

/// The response of a call in a pool. If no thread takes the call within `timeout`, the call is dropped, and the
/// response is a 503. If the response does not begin in time, the thread is given up, and the response is a 504.
pub async fn of_thread(
    mut response: ReplyReceiver<AppResponse>,
    time: ResponseTimeout,
    job_handle: &JobHandle,
    (timeout, timer): (Duration, &SpareTimer),
) -> CallResponse {
    let submitted = Instant::now();
    let (mut taken, mut wait) = (0, time.limit.min(timeout));
    loop {
        if let Some(response) = timer.in_time(wait, &mut response).await {
            return response;
        }
        let Some(begun) = job_handle.taken() else {
            if submitted.elapsed() >= timeout && job_handle.refuse() {
                return Ok(AppResponse::Error(RequestError::no_thread()));
            }
            // A thread that takes the call after this check still gets the whole limit.
            let left = timeout.saturating_sub(submitted.elapsed());
            wait = if left.is_zero() { time.limit } else { time.limit.min(left) };
            continue;
        };
        wait = time.limit.saturating_sub(begun.at.elapsed());
        if wait.is_zero() {
            if time.reads_on(&mut taken) {
                wait = time.limit;
            } else if job_handle.give_up(time.description()) {
                let response = time.over("its thread is given up");
                time.say_if_all_hang(job_handle);
                return Ok(response);
            } else {
                // The response is on its way.
                return response.await;
            }
        }
    }
}
