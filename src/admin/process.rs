//! The data of one serving process.
//!
//! A client or the supervisor asks for it. Most of it exists anyway and is only read on request. Nothing here waits for
//! Python, and no lock is held for long.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rsgi_bridge::pool::Pool;

use super::status::{AppStatus, CallStatus, ProcessStatus, Report, ThreadsStatus};
use crate::config::choice::{Choice, InterfaceKind};
use crate::config::live_shares::{LiveShares, ShareStatus};
use crate::dashboard::MapCell;
use crate::gateway::app::{App, Gateway};
use crate::grip::Hub;
use crate::metrics::{Family, Metrics, Sample, Value};
use crate::route::{BUCKETS, Percent};
use crate::runtime::calls::{Calls, PoolStats};
use crate::runtime::event_loop::{EventLoop, LoopEvent};
use crate::runtime::shutdown::{Phase, Shutdown};
use crate::shadow::Counters;

/// At most this many running calls are listed, the oldest ones.
const MOST_CALLS: usize = 50;

/// The most rules with a metric for their share.
const MOST_SHARES: usize = 500;

/// How often the delay of the event loop is measured.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// A serving process and its data.
#[derive(Debug)]
pub struct Process {
    /// Its counters.
    pub metrics: Arc<Metrics>,
    /// Its applications.
    pub apps: Vec<Arc<App>>,
    /// The running calls.
    pub calls: Arc<Calls>,
    /// Its event loop. It runs only if there is an ASGI application.
    pub event_loop: Arc<EventLoop>,
    /// The phase of its shutdown.
    pub shutdown: Arc<Shutdown>,
    /// Whether it accepts connections.
    pub accepting: Arc<AtomicBool>,
    /// When it started.
    pub began: SystemTime,
    /// The delay of the event loop.
    pub lag: Arc<LoopLag>,
    /// The shares of its rules.
    pub shares: Arc<LiveShares>,
    /// All routes of its applications, after Python has listed them.
    pub map: Arc<MapCell>,
    /// The counters of shadow traffic, if there is any.
    pub shadow: Option<Arc<Counters>>,
    /// The clients that are held, if any may be.
    pub hub: Option<Arc<Hub>>,
}

/// Whether the process accepts requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Not yet.
    Starting,
    /// Yes.
    Ready,
    /// Not any more.
    Draining,
}

impl Process {
    /// Whether the process accepts requests.
    pub fn readiness(&self) -> Readiness {
        if self.shutdown.phase() != Phase::Serving {
            Readiness::Draining
        } else if self.accepting.load(Ordering::Acquire) {
            Readiness::Ready
        } else {
            Readiness::Starting
        }
    }

    /// All data of the process, for one response.
    pub fn report(&self) -> Report {
        let mut samples = Vec::new();
        self.metrics.samples(&mut samples);
        let pool_stats = self.calls.stats(MOST_CALLS);
        let threads = self.threads();
        let memory = resident_memory();
        self.app_samples(&pool_stats, &mut samples);
        if let Some(threads) = &threads {
            thread_samples(threads, &mut samples);
        }
        let shares = self.share_list();
        share_samples(&shares, &mut samples);
        self.rule_samples(&mut samples);
        if let Some(shadow) = &self.shadow {
            shadow.samples(&mut samples);
        }
        if let Some((holds, items)) = self.hub.as_ref().map(|hub| hub.counts()) {
            samples.push(Sample::count(Family::Holds, &[], holds));
            samples.push(Sample::new(Family::Published, &[], Value::Count(items)));
        }
        let lag = self.lag.now(&self.event_loop).map(|lag| lag.as_secs_f64());
        samples.extend(lag.map(|lag| Sample::new(Family::LoopLag, &[], Value::Seconds(lag))));
        samples.extend(memory.map(|bytes| Sample::new(Family::Memory, &[], Value::Count(bytes))));
        let began = self.began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        samples.push(Sample::new(Family::Started, &[], Value::Seconds(began.as_secs_f64())));
        samples.push(Sample::count(Family::Info, &[("version", env!("CARGO_PKG_VERSION"))], 1));
        let status = ProcessStatus {
            pid: std::process::id(),
            state: self.state().to_owned(),
            uptime_seconds: self.began.elapsed().unwrap_or_default().as_secs_f64(),
            apps: self.apps.iter().map(|app| app_status(app)).collect(),
            wsgi_threads: threads,
            event_loop_lag_seconds: lag,
            resident_memory_bytes: memory,
            shares,
            calls_running: pool_stats.by_app.iter().map(|(_, count)| count).sum(),
            calls: pool_stats.oldest.into_iter().map(CallStatus::from).collect(),
        };
        Report { samples, status, shadow: self.shadow_summary(), watched: Vec::new() }
    }

    /// The result of the comparison of shadow traffic, as JSON; `None` without shadow traffic.
    pub fn shadow_summary(&self) -> Option<String> {
        self.shadow.as_ref()?.summary()
    }

    /// The rules with a share.
    pub fn share_list(&self) -> Vec<ShareStatus> {
        let name = |app: usize| self.apps.get(app).map(|app| app.name.to_string()).unwrap_or_default();
        self.shares.list(name)
    }

    /// The state in one word.
    pub fn state(&self) -> &'static str {
        match self.readiness() {
            Readiness::Starting => "starting",
            Readiness::Ready => "serving",
            Readiness::Draining => "draining",
        }
    }

    /// Requests that the shares of watched rules decided, as metrics.
    fn rule_samples(&self, samples: &mut Vec<Sample>) {
        for (rule, app, sides) in self.shares.totals() {
            let app = self.apps.get(app).map_or("", |app| &*app.name);
            for (side, (requests, failures)) in ["inside", "outside"].iter().zip(sides) {
                for (result, count) in [("ok", requests.saturating_sub(failures)), ("failed", failures)] {
                    let labels = [("app", app), ("rule", rule.as_str()), ("side", side), ("result", result)];
                    samples.push(Sample::new(Family::RuleRequests, &labels, Value::Count(count)));
                }
            }
        }
    }

    fn app_samples(&self, pool_stats: &PoolStats, samples: &mut Vec<Sample>) {
        for app in &self.apps {
            let labels = [("app", &*app.name)];
            let (open, accepted) = (websockets_open(app), app.load.websockets.accepted.load(Ordering::Relaxed));
            let calls = pool_stats.by_app.iter().find(|(name, _)| **name == *app.name).map_or(0, |(_, count)| *count);
            samples.push(Sample::count(Family::InFlight, &labels, requests_in_flight(app)));
            samples.push(Sample::count(Family::Calls, &labels, calls));
            if app.interface == InterfaceKind::Asgi {
                samples.push(Sample::count(Family::WebSockets, &labels, accepted));
                samples.push(Sample::count(Family::WebSocketsOpen, &labels, open));
            }
        }
    }

    /// The threads of all pools together: those of the server, and those of bridged applications.
    fn threads(&self) -> Option<ThreadsStatus> {
        let mut pools: Vec<&Arc<Pool>> = Vec::new();
        for app in &self.apps {
            if let Gateway::Wsgi(gateway) = &app.gateway
                && !pools.iter().any(|pool| Arc::ptr_eq(pool, gateway.pool()))
            {
                pools.push(gateway.pool());
            }
        }
        let mut all = ThreadsStatus::default();
        for pool in &pools {
            let pool_stats = pool.stats();
            all.idle += (pool.threads() + pool_stats.spare).saturating_sub(pool_stats.running);
            all.busy += pool_stats.running.saturating_sub(pool_stats.orphaned + pool_stats.stalled);
            all.orphaned += pool_stats.orphaned;
            all.stalled += pool_stats.stalled;
            all.queue_length += pool_stats.waiting;
        }
        (!pools.is_empty()).then_some(all)
    }

    /// Measures the delay of the event loop every second.
    pub async fn watch_loop(&self) {
        loop {
            self.lag.ask(&self.event_loop);
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

/// Requests in flight. A WebSocket keeps the count of its handshake, so open WebSockets are subtracted.
fn requests_in_flight(app: &App) -> usize {
    app.load.in_flight.load(Ordering::Relaxed).saturating_sub(websockets_open(app))
}

fn websockets_open(app: &App) -> usize {
    app.load.websockets.open.load(Ordering::Relaxed)
}

fn app_status(app: &App) -> AppStatus {
    AppStatus {
        name: app.name.to_string(),
        interface: app.interface.word().to_owned(),
        prefix: app.prefix.to_string(),
        requests_in_flight: requests_in_flight(app),
        websockets_open: websockets_open(app),
    }
}

fn thread_samples(threads: &ThreadsStatus, samples: &mut Vec<Sample>) {
    let ThreadsStatus { idle, busy, orphaned, stalled, queue_length } = *threads;
    for (state, count) in [("idle", idle), ("busy", busy), ("orphaned", orphaned), ("stalled", stalled)] {
        samples.push(Sample::count(Family::Threads, &[("state", state)], count));
    }
    samples.push(Sample::count(Family::QueueLength, &[], queue_length));
}

/// Metrics of shares. [`MOST_SHARES`] limits their number.
fn share_samples(shares: &[ShareStatus], samples: &mut Vec<Sample>) {
    for ShareStatus { rule, app, share, rollback, .. } in shares.iter().take(MOST_SHARES) {
        if let Some(rollback) = rollback {
            let tripped = usize::from(rollback.reason.is_some());
            samples.push(Sample::count(Family::RolledBack, &[("app", app), ("rule", rule)], tripped));
        }
        let buckets = Percent::parse(share).map_or(0, Percent::buckets);
        let part = f64::from(buckets) / f64::from(BUCKETS);
        samples.push(Sample::new(Family::RuleShare, &[("app", app), ("rule", rule)], Value::Seconds(part)));
    }
}

impl From<crate::runtime::calls::CallDescription> for CallStatus {
    fn from(call: crate::runtime::calls::CallDescription) -> Self {
        Self {
            app: call.app.to_string(),
            method: call.method.to_string(),
            route: call.route.unwrap_or_default(),
            seconds: call.age.as_secs_f64(),
        }
    }
}

/// Resident memory in bytes, where `/proc` has it.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// How long the event loop takes until it runs a new callback.
#[derive(Debug, Default)]
pub struct LoopLag {
    /// When the pending question was asked.
    pending: Mutex<Option<Instant>>,
    /// How long the last reply took, in nanoseconds.
    last: AtomicU64,
}

impl LoopLag {
    /// Submits a question to the loop, unless the last one is still pending.
    fn ask(self: &Arc<Self>, event_loop: &EventLoop) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.is_some() || !event_loop.is_attached() {
            return;
        }
        let now = Instant::now();
        *pending = Some(now);
        drop(pending);
        let this = Arc::clone(self);
        event_loop.submit(LoopEvent::Run(Box::new(move |_| {
            this.last.store(u64::try_from(now.elapsed().as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
            *this.pending.lock().unwrap_or_else(PoisonError::into_inner) = None;
        })));
    }

    /// How long the last reply took, or how long the pending one already takes. `None` without a loop.
    fn now(&self, event_loop: &EventLoop) -> Option<Duration> {
        if !event_loop.is_attached() {
            return None;
        }
        let pending = *self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = pending.map_or(Duration::ZERO, |since| since.elapsed());
        Some(waiting.max(Duration::from_nanos(self.last.load(Ordering::Relaxed))))
    }
}
