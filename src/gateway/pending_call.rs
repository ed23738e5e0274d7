//! How a connection waits for the response of a call.
//!
//! Both gateways wait in the same way. [`PendingCall`] is a type and not a boxed future, because nearly every request
//! waits like this: the connection polls it directly. Parts of it are kept in the [`ClientState`] for the next request.
//!
//! Spec: RFC 9112 9.6 (a client that closes its sending side); RFC 9110 15.6.4 (503).

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rsgi_bridge::pool::JobHandle;
use tokio::time::Instant;

use super::client_state::{CallWait, ClientState};
use super::disconnect::{DisconnectState, NotifyOnDrop};
use crate::request::error::RequestError;
use crate::response::app_response::AppResponse;
use crate::runtime::reply::{NoReply, ReplyReceiver};
use crate::wire::Timer;

/// See the top of this file. If it is dropped before there is a response, the application sees that the client has
/// left.
pub struct PendingCall {
    /// Where the response arrives. `None` after that.
    wait: Option<CallWait>,
    callee: Callee,
    /// When a thread must have taken the call.
    deadline: Option<Instant>,
    timeout: Duration,
    /// The call was told that the client may have left.
    told: bool,
}

/// A request that can be told that its client may have left.
pub(super) type DisconnectTarget = dyn AsRef<DisconnectState> + Send + Sync;

/// Where the call runs.
pub(super) enum Callee {
    /// In a thread of the pool.
    Thread(LeaveOnDrop),
    /// In the event loop.
    Task(NotifyOnDrop<DisconnectTarget>),
}

impl PendingCall {
    /// Waits for a call in the pool. A thread must take it within `timeout` after `since`.
    pub(super) fn of_thread(wait: CallWait, job_handle: JobHandle, since: Instant, timeout: Duration) -> Self {
        let (responded, withdrawn) = (AtomicBool::new(false), AtomicBool::new(false));
        let callee = Callee::Thread(LeaveOnDrop { job_handle, responded, withdrawn });
        let deadline = since.checked_add(timeout);
        Self { wait: Some(wait), callee, deadline, timeout, told: false }
    }

    /// Waits for a task of the event loop.
    pub(super) fn of_task(wait: CallWait, request: Arc<DisconnectTarget>) -> Self {
        let callee = Callee::Task(NotifyOnDrop(request));
        Self { wait: Some(wait), callee, deadline: None, timeout: Duration::ZERO, told: false }
    }

    /// Its parts, for a call with a time limit, which is waited for in another way.
    pub(super) fn into_parts(self) -> (Option<ReplyReceiver<AppResponse>>, Callee) {
        (self.wait.map(|wait| wait.reply), self.callee)
    }

    /// Ready when the response is in `response`. The connection polls again when the client closes its sending side.
    pub fn poll(&mut self, context: &mut Context<'_>, client: &ClientState, response: &mut AppResponse) -> Poll<()> {
        let mut reply = self.poll_reply(context);
        if reply.is_pending() && !self.told && client.half_closed.is_set() {
            self.told = true;
            self.callee.doubt();
            // Polled again, because that may have caused a response.
            reply = self.poll_reply(context);
        }
        if reply.is_pending() && self.is_too_late(context) {
            *response = AppResponse::Error(RequestError::no_thread());
            return Poll::Ready(());
        }
        let reply = ready!(reply);
        if let (Some(wait), Ok(_)) = (self.wait.take(), &reply) {
            client.keep(wait);
        }
        *response = self.callee.responded(reply);
        Poll::Ready(())
    }

    /// [`PendingCall::poll`] as a future.
    pub async fn response(mut self, client: &ClientState) -> AppResponse {
        let mut response = AppResponse::failed();
        poll_fn(|context| self.poll(context, client, &mut response)).await;
        response
    }

    fn poll_reply(&mut self, context: &mut Context<'_>) -> Poll<Result<AppResponse, NoReply>> {
        self.wait.as_mut().map_or(Poll::Ready(Err(NoReply)), |wait| Pin::new(&mut wait.reply).poll(context))
    }

    /// Whether no thread has taken the call in time. Then it is removed from the queue.
    fn is_too_late(&mut self, context: &mut Context<'_>) -> bool {
        let (Some(deadline), Some(wait)) = (self.deadline, &mut self.wait) else { return false };
        let timer = wait.timer.get_or_insert_with(|| Box::new(Timer::new(self.timeout)));
        if !timer.poll(context, Some(deadline)) {
            return false;
        }
        // If a thread has the call already, there is no deadline any more.
        self.deadline = None;
        self.callee.refuse()
    }
}

impl Callee {
    /// The client may have left.
    pub(super) fn doubt(&self) {
        match self {
            Self::Thread(call) => call.leave(),
            Self::Task(told) => (*told.0).as_ref().doubt(),
        }
    }

    /// Removes a call from the queue of the pool. Returns whether it was still there.
    fn refuse(&self) -> bool {
        let Self::Thread(call) = self else { return false };
        let refused = call.job_handle.refuse();
        call.responded.fetch_or(refused, Ordering::Relaxed);
        refused
    }

    /// The response for the client.
    #[inline]
    pub(super) fn responded(&self, response: Result<AppResponse, NoReply>) -> AppResponse {
        if let Self::Thread(call) = self {
            call.responded.store(true, Ordering::Relaxed);
        }
        match response {
            Ok(response) => response,
            Err(NoReply) => AppResponse::Error(self.no_reply()),
        }
    }

    /// The response after the thread or the task dropped the call. If the call was not withdrawn, dropping it means that our
    /// code panicked.
    fn no_reply(&self) -> RequestError {
        match self {
            Self::Thread(call) if call.withdrawn.load(Ordering::Relaxed) => RequestError::no_thread(),
            Self::Thread(_) | Self::Task(_) => RequestError::application_failed(),
        }
    }
}

/// Marks the client as gone if it is dropped before there is a response.
pub(super) struct LeaveOnDrop {
    pub(super) job_handle: JobHandle,
    responded: AtomicBool,
    withdrawn: AtomicBool,
}

impl LeaveOnDrop {
    /// The client has left, or seems to have. A call in the queue is dropped, and its response is a 503. A running call
    /// still sends its response.
    fn leave(&self) {
        self.withdrawn.fetch_or(self.job_handle.leave(), Ordering::Relaxed);
    }
}

impl Drop for LeaveOnDrop {
    fn drop(&mut self) {
        if !*self.responded.get_mut() {
            self.job_handle.leave();
        }
    }
}

impl std::fmt::Debug for PendingCall {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { deadline, told, .. } = self;
        formatter.debug_struct("PendingCall").field("deadline", deadline).field("told", told).finish_non_exhaustive()
    }
}
