//! What the guard and the connection's service tell each other.
//!
//! Apart because both hold it while hyper owns the guard. Requests are counted on either side: several heads may lie in
//! hyper's buffer, so "the refused one" and "the one in flight" only mean something as numbers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use http::HeaderName;
use tokio::time::Instant;

use super::Refusal;
use super::order::NextOrder;

/// Shared by a [`Guard`](super::Guard) and the service of its connection.
#[derive(Debug)]
pub struct WireState {
    created: Instant,
    started: AtomicU64,
    ended: AtomicU64,
    /// So many requests are in hyper's hands from their first to their last byte.
    arrived: AtomicU64,
    /// When the latest request ended, in microseconds since `created`.
    ended_at: AtomicU64,
    upgraded: AtomicBool,
    resting: AtomicBool,
    leaving: AtomicBool,
    /// The number of the stand-in request; 0 is none.
    refused: AtomicU64,
    refusal: Mutex<Option<(Refusal, Vec<u8>)>>,
    /// The number of the request whose body broke off; 0 is none.
    failed: AtomicU64,
    failure: Mutex<Option<Refusal>>,
    parked: AtomicBool,
    waker: Mutex<Option<Waker>>,
    order: NextOrder,
}

impl Default for WireState {
    fn default() -> Self {
        Self {
            created: Instant::now(),
            started: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            arrived: AtomicU64::new(0),
            ended_at: AtomicU64::new(0),
            upgraded: AtomicBool::new(false),
            resting: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            refusal: Mutex::new(None),
            failed: AtomicU64::new(0),
            failure: Mutex::new(None),
            parked: AtomicBool::new(false),
            waker: Mutex::new(None),
            order: NextOrder::default(),
        }
    }
}

/// For the service.
impl WireState {
    /// The service was called. Once per request, before anything else.
    pub fn request_started(&self) {
        self.started.fetch_add(1, Ordering::AcqRel);
    }

    /// The request is over, its response body included. Once per request.
    pub fn request_ended(&self) {
        let micros = u64::try_from(self.created.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.ended_at.store(micros, Ordering::Release);
        self.ended.fetch_add(1, Ordering::SeqCst);
        if self.parked.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    /// If the request just started stands in for a head that was refused: why, and the first line of that head. The answer must
    /// close the connection.
    pub fn take_refusal(&self) -> Option<(Refusal, Vec<u8>)> {
        let number = self.refused.load(Ordering::Acquire);
        if number == 0 || number != self.started.load(Ordering::Acquire) {
            return None;
        }
        lock(&self.refusal).take()
    }

    /// If the body of the request just started broke off by the client's fault: why. The answer must close the
    /// connection.
    pub fn body_failure(&self) -> Option<Refusal> {
        let number = self.failed.load(Ordering::Acquire);
        if number == 0 || number != self.started.load(Ordering::Acquire) {
            return None;
        }
        lock(&self.failure).clone()
    }

    /// Whether hyper has all of the body of the request just started.
    pub fn body_arrived(&self) -> bool {
        self.arrived.load(Ordering::Acquire) >= self.started.load(Ordering::Acquire)
    }

    /// The names of the fields of the response that the service is about to give, in the order in which they are to leave. Told
    /// in the same turn, for a head that hyper's map would put in another.
    pub fn order_fields(&self, names: Vec<HeaderName>) {
        self.order.tell(names);
    }

    /// Since when there is no request; `None` while there is one. The second is whether there ever was one.
    pub fn idle_since(&self) -> (Option<Instant>, bool) {
        let started = self.started.load(Ordering::Acquire);
        (self.all_ended(started).then(|| self.ended_at()), started > 0)
    }

    /// Whether the connection has lain idle for a moment, and nothing is kept that is on its way.
    pub fn rests(&self) -> bool {
        self.resting.load(Ordering::Acquire)
    }

    /// The client has said something.
    pub fn speak(&self) {
        self.resting.store(false, Ordering::Release);
    }

    /// The server ends soon: each answer from now on is to be the connection's last.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// Whether the connection ends with the next answer.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// The answer will be a 101: what the client sends from now on is not HTTP.
    pub fn upgraded(&self) {
        self.upgraded.store(true, Ordering::SeqCst);
        self.wake();
    }
}

/// For the guard.
impl WireState {
    pub(super) fn created(&self) -> Instant {
        self.created
    }

    /// The order of the head that hyper writes next, once, if it was told.
    pub(super) fn take_order(&self) -> Option<Vec<HeaderName>> {
        self.order.take()
    }

    /// There is nothing to do, and has not been for a moment.
    pub(super) fn rest(&self) {
        self.resting.store(true, Ordering::Release);
    }

    pub(super) fn is_upgraded(&self) -> bool {
        self.upgraded.load(Ordering::Acquire)
    }

    /// Whether all of the first `heads` requests are over.
    pub(super) fn all_ended(&self, heads: u64) -> bool {
        self.ended.load(Ordering::SeqCst) >= heads
    }

    /// When the latest request ended.
    pub(super) fn ended_at(&self) -> Instant {
        self.created + Duration::from_micros(self.ended_at.load(Ordering::Acquire))
    }

    /// hyper has all of the first `heads` requests.
    pub(super) fn arrived(&self, heads: u64) {
        self.arrived.store(heads, Ordering::Release);
    }

    /// Request `number` stands in for a refused head that began with `line`.
    pub(super) fn refuse(&self, number: u64, refusal: Refusal, line: Vec<u8>) {
        *lock(&self.refusal) = Some((refusal, line));
        self.refused.store(number, Ordering::Release);
    }

    /// The body of request `number` will not come to its end.
    pub(super) fn fail(&self, number: u64, refusal: Refusal) {
        *lock(&self.failure) = Some(refusal);
        self.failed.store(number, Ordering::Release);
    }

    /// Asks to be woken when a request ends or the connection is upgraded. Ask before looking.
    pub(super) fn park(&self, waker: &Waker) {
        *lock(&self.waker) = Some(waker.clone());
        self.parked.store(true, Ordering::SeqCst);
    }

    pub(super) fn unpark(&self) {
        self.parked.store(false, Ordering::SeqCst);
        *lock(&self.waker) = None;
    }

    fn wake(&self) {
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_for_one_request_only() {
        let state = WireState::default();
        state.refuse(2, Refusal::malformed("no"), b"GET".to_vec());
        state.request_started();
        assert_eq!(state.take_refusal(), None);
        state.request_started();
        assert_eq!(state.take_refusal(), Some((Refusal::malformed("no"), b"GET".to_vec())));
        assert_eq!(state.take_refusal(), None);
    }

    #[test]
    fn a_failure_is_for_one_request_only_and_stays() {
        let state = WireState::default();
        state.fail(1, Refusal::malformed("no"));
        assert_eq!(state.body_failure(), None);
        state.request_started();
        assert!(state.body_failure().is_some() && state.body_failure().is_some());
    }

    #[test]
    fn ends_are_counted() {
        let state = WireState::default();
        assert!(state.all_ended(0) && !state.all_ended(1));
        state.request_ended();
        assert!(state.all_ended(1));
        assert!(state.ended_at() >= state.created());
    }
}
