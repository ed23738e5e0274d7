//! The drain: what the server waits for, for how long, what it logs meanwhile, and what it cuts.
//!
//! `shutdown.rs` tells connections about the phases. `server.rs` continues with the lifespans after the drain. A
//! connection may end long before its application's call, or the other way round. The drain waits for both.
//!
//! Spec: ASGI Lifespan 2.0 (shutdown comes after the last request), ASGI HTTP 2.5 "Disconnect".

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::settings::Settings;
use crate::log::{self, counted};
use crate::runtime::calls::{Calls, Count};
use crate::runtime::event_loop::{EventLoop, LoopEvent};
use crate::runtime::shutdown::{Phase, Shutdown};

/// If the drain takes longer than this, it is logged.
const SAY_AFTER: Duration = Duration::from_millis(500);

/// After that, it is logged at this interval.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// How long connections and calls may take to end after the cut.
const AFTERMATH: Duration = Duration::from_secs(1);

/// At most this many unfinished calls are named in the log.
const MOST_NAMED: usize = 20;

/// What a drain waits for, and how long.
#[derive(Debug)]
pub struct Drain<'a> {
    /// Knows when all connections have ended.
    pub shutdown: &'a Shutdown,
    /// Knows when all calls have ended.
    pub calls: &'a Arc<Calls>,
    /// Runs the calls of ASGI applications.
    pub event_loop: &'a Arc<EventLoop>,
    /// How long requests are still accepted before the drain (`--drain-delay`).
    pub delay: Duration,
    /// How long the drain may take (`--grace`).
    pub grace: Duration,
    /// How long responses without a length may go on (`--stream-grace`).
    pub stream_grace: Duration,
}

impl<'a> Drain<'a> {
    /// A drain with these settings.
    pub fn new(
        shutdown: &'a Shutdown,
        calls: &'a Arc<Calls>,
        event_loop: &'a Arc<EventLoop>,
        settings: &Settings,
    ) -> Self {
        let Settings { drain_delay: delay, grace, stream_grace, .. } = settings;
        Self { shutdown, calls, event_loop, delay: delay.0, grace: grace.0, stream_grace: stream_grace.0 }
    }

    /// Waits for the signal to stop, and then serves for `--drain-delay`, so that load balancers notice.
    pub async fn begun(&self) {
        self.shutdown.guard().reached(Phase::Leaving).await;
        if !self.delay.is_zero() {
            let seconds = self.delay.as_secs_f64();
            log::line(format_args!("stopping: requests are served for {seconds} s more (`--drain-delay`)"));
            tokio::time::sleep(self.delay).await;
        }
        self.shutdown.advance(Phase::Draining);
    }

    /// Waits until connections and calls have ended, but not longer than `--grace`. Then cuts the rest.
    pub async fn run(self) {
        let began = Instant::now();
        let waiting = async {
            // Without connections, no new call can start.
            self.shutdown.emptied().await;
            self.calls.ended().await;
        };
        tokio::select! {
            () = waiting => return,
            () = self.end_streams() => {}
            () = self.say_so(began) => {}
            () = tokio::time::sleep(self.grace) => {}
        }
        self.say_what_is_left();
        self.cut().await;
    }

    /// Ends responses without a length after `--stream-grace`. They might never end by themselves.
    async fn end_streams(&self) {
        tokio::time::sleep(self.stream_grace).await;
        self.calls.end_streams();
        pending::<()>().await;
    }

    /// Logs what the drain waits for, after half a second and then every five seconds.
    async fn say_so(&self, began: Instant) {
        tokio::time::sleep(SAY_AFTER.min(self.grace)).await;
        loop {
            let left = self.grace.saturating_sub(began.elapsed());
            let what = waited_for(self.calls.count());
            log::line(format_args!(
                "stopping: {what}; up to {:.0} s more (`--grace`), a second signal ends at once",
                left.as_secs_f64().ceil()
            ));
            tokio::time::sleep(SAY_EVERY).await;
        }
    }

    fn say_what_is_left(&self) {
        let left = self.calls.list();
        let grace = self.grace.as_secs_f64();
        if left.is_empty() {
            log::line(format_args!(
                "warning: responses that clients were still reading after {grace} s (`--grace`) were cut"
            ));
            return;
        }
        let calls = counted(left.len(), "call");
        log::line(format_args!("warning: {calls} still ran after {grace} s (`--grace`) and will be cut:"));
        for call in left.iter().take(MOST_NAMED) {
            let (app, request, age) = (&call.app, &call.request, call.age.as_secs_f64());
            log::line(format_args!("warning:   app `{app}`: {request}, for {age:.1} s"));
        }
        if left.len() > MOST_NAMED {
            log::line(format_args!("warning:   and {} more", left.len() - MOST_NAMED));
        }
    }

    /// Cuts connections first, so that applications can see it. Then cancels the ASGI calls that still run.
    async fn cut(&self) {
        self.shutdown.advance(Phase::Cut);
        let gone = async {
            self.shutdown.emptied().await;
            self.calls.ended().await;
        };
        if tokio::time::timeout(AFTERMATH, gone).await.is_ok() {
            return;
        }
        let event_loop = Arc::clone(self.event_loop);
        self.event_loop.submit(LoopEvent::Run(Box::new(move |py| event_loop.cancel_calls(py))));
        // A WSGI call cannot be cancelled. It gets another second, and is then abandoned.
        let _late = tokio::time::timeout(AFTERMATH, self.calls.ended()).await;
    }
}

fn waited_for(count: Count) -> String {
    if count.calls == 0 {
        return "clients still read their responses".to_owned();
    }
    let verb = if count.calls == 1 { "runs" } else { "run" };
    let age = count.oldest.as_secs_f64();
    format!("{} still {verb}, the oldest for {age:.1} s", counted(count.calls, "call"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_said_in_words() {
        let count = |calls| waited_for(Count { calls, oldest: Duration::from_millis(1234) });
        assert_eq!(count(0), "clients still read their responses");
        assert_eq!(count(1), "1 call still runs, the oldest for 1.2 s");
        assert_eq!(count(12), "12 calls still run, the oldest for 1.2 s");
    }
}
