//! What a supervisor knows about its workers, including those that have ended.
//!
//! The policy is in Python (`python/rsgi/process/workers/supervisor.py`). Each worker is asked for its numbers every
//! second, and at each scrape. If a worker does not reply in time, its last numbers are shown, and it is marked. If a
//! worker is killed, only the counts after its last reply are lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{Notify, mpsc, watch};

use super::ended::EndedWorkers;
use super::line::{self, WorkerReply};
use super::process::Readiness;
use super::relay::{self, ToWorker};
use super::stage::{SupervisorPhase, WorkerStage};
use super::status::Report;
use crate::config::live_shares::SetShare;
use crate::dashboard::MapCell;
use crate::rollback::Judge;

/// How often workers are asked if no client asks.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How long a scrape waits for the replies of workers.
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// The most open questions of a worker. Further ones would not get a reply sooner.
const MOST_OPEN: usize = 2;

/// The usual reasons to replace workers. Their counters start at 0, so that monitoring sees the first increase.
const REASONS: [&str; 2] = ["died", "replaced"];

/// How long the supervisor reads what a worker wrote before its end.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// All workers.
#[derive(Debug)]
pub struct Workers {
    state: Mutex<WorkerState>,
    /// Notified when a worker has replied.
    replied: Notify,
    /// The list of routes that a worker has sent last.
    pub(super) map: MapCell,
}

#[derive(Debug, Default)]
pub(super) struct WorkerState {
    phase: SupervisorPhase,
    pub(super) wanted: usize,
    /// Workers by their number, which is the lowest that was free.
    pub(super) workers: BTreeMap<usize, Worker>,
    pub(super) ended: EndedWorkers,
    /// The live shares, also for new workers.
    pub(super) shares: Vec<SetShare>,
    /// Decides about rollbacks.
    pub(super) judge: Judge,
    pub(super) restarts: BTreeMap<String, usize>,
    /// Whether clients may be held.
    holds: bool,
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) stage: WorkerStage,
    questions: mpsc::Sender<u64>,
    /// Takes published items.
    pub(super) items: ToWorker,
    /// The numbers of the last question and the last reply.
    sent: u64,
    replied: u64,
    /// It has sent its last reply.
    over: bool,
    pub(super) last: Option<Report>,
}

impl Worker {
    /// Whether it can be asked: it has started and not ended.
    pub(super) fn is_reachable(&self) -> bool {
        !self.over && (self.stage != WorkerStage::Starting || self.last.is_some())
    }

    /// Asks it. Returns the number of the question to wait for.
    pub(super) fn ask(&mut self) -> u64 {
        // Sending fails if two questions are open, or if the worker has just ended.
        if self.sent - self.replied < MOST_OPEN as u64 && self.questions.try_send(self.sent + 1).is_ok() {
            self.sent += 1;
        }
        self.sent
    }
}

/// A worker's place among the others, from its start to its end.
#[derive(Debug)]
pub struct WorkerSlot {
    workers: Arc<Workers>,
    number: usize,
    ended: watch::Sender<bool>,
}

impl Default for Workers {
    fn default() -> Self {
        let restarts = REASONS.map(|reason| (reason.to_owned(), 0)).into();
        let state = Mutex::new(WorkerState { restarts, ..WorkerState::default() });
        Self { state, replied: Notify::new(), map: MapCell::default() }
    }
}

impl Workers {
    pub(super) fn lock(&self) -> MutexGuard<'_, WorkerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how far the supervisor is.
    pub fn at(&self, phase: SupervisorPhase) {
        self.lock().phase = phase;
    }

    /// Clients may be held.
    pub fn hold(&self) {
        self.lock().holds = true;
    }

    /// Whether clients may be held.
    pub fn holds(&self) -> bool {
        self.lock().holds
    }

    /// Sets how many workers there should be.
    pub fn wanted(&self, number: usize) {
        self.lock().wanted = number;
    }

    /// Counts a worker that was replaced. `reason` is one of a few words of the supervisor.
    pub fn restarted(&self, reason: &str) {
        *self.lock().restarts.entry(reason.to_owned()).or_default() += 1;
    }

    /// Makes a slot for a worker that is about to start and answers on `stream`. Call it where tasks can be spawned.
    pub fn slot(self: &Arc<Self>, stream: std::os::unix::net::UnixStream) -> WorkerSlot {
        let (questions, to_send) = mpsc::channel(MOST_OPEN);
        let (items, published) = ToWorker::new();
        let worker =
            Worker { stage: WorkerStage::Starting, questions, items, sent: 0, replied: 0, over: false, last: None };
        let mut state = self.lock();
        line::greet(&stream, &state.shares);
        // Among one more number than there are workers, one is free.
        let number = (1..=state.workers.len() + 1).find(|number| !state.workers.contains_key(number)).unwrap_or(0);
        state.workers.insert(number, worker);
        drop(state);
        let (ended, over) = watch::channel(false);
        tokio::spawn(Arc::clone(self).follow(number, stream, (to_send, published), over));
        WorkerSlot { workers: Arc::clone(self), number, ended }
    }

    /// Sends questions to a worker and reads its replies, until it has ended.
    async fn follow(
        self: Arc<Self>,
        number: usize,
        stream: std::os::unix::net::UnixStream,
        (mut questions, mut items): (mpsc::Receiver<u64>, mpsc::Receiver<String>),
        mut over: watch::Receiver<bool>,
    ) {
        if let Ok(stream) = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream)) {
            let (reading, mut writing) = stream.into_split();
            let asking = async {
                loop {
                    let text = tokio::select! {
                        question = questions.recv() => match question {
                            Some(question) => line::question(question, &self.lock().shares),
                            None => return,
                        },
                        Some(items) = items.recv() => items,
                    };
                    // If the worker has ended, `hear` notices it.
                    let _gone = writing.write_all(text.as_bytes()).await;
                }
            };
            let ended = async {
                // An error means that the slot was dropped.
                let _gone = over.wait_for(|over| *over).await.is_err();
                tokio::time::sleep(LAST_WORDS).await;
            };
            tokio::select! {
                () = self.hear(number, reading) => {}
                () = asking => {}
                () = ended => {}
            }
        }
        let _gone = over.wait_for(|over| *over).await.is_err();
        let mut state = self.lock();
        let last = state.workers.remove(&number).and_then(|worker| worker.last);
        state.ended.keep(last);
        drop(state);
        self.replied.notify_waiters();
    }

    async fn hear(&self, number: usize, reading: OwnedReadHalf) {
        let mut replies = BufReader::new(reading).lines();
        while let Ok(Some(line)) = replies.next_line().await {
            if let Some(items) = relay::read(&line) {
                self.relay(items, Some(number));
                continue;
            }
            let Ok(WorkerReply { to, report, map }) = serde_json::from_str(&line) else { continue };
            if let Some(map) = map {
                self.map.set(&map);
            }
            let mut state = self.lock();
            state.forget_changed(number, &report);
            state.judge.hear(&report.watched, Instant::now());
            if let Some(worker) = state.workers.get_mut(&number) {
                worker.last = Some(report);
                worker.replied = to.map_or(worker.replied, |to| worker.replied.max(to));
                worker.over |= to.is_none();
            }
            drop(state);
            self.replied.notify_waiters();
        }
        if let Some(worker) = self.lock().workers.get_mut(&number) {
            worker.over = true;
        }
        self.replied.notify_waiters();
    }

    /// Asks all workers every second, so that few counts are lost if one is killed.
    pub async fn keep_asking(&self) {
        loop {
            tokio::time::sleep(ASK_EVERY).await;
            for worker in self.lock().workers.values_mut().filter(|worker| worker.is_reachable()) {
                worker.ask();
            }
        }
    }

    /// Asks all workers, and waits for a limited time. Returns the numbers of those that have not replied.
    pub(super) async fn ask_all(&self) -> Vec<usize> {
        let mut open: Vec<(usize, u64)> = {
            let mut state = self.lock();
            let reachable = state.workers.iter_mut().filter(|(_, worker)| worker.is_reachable());
            reachable.map(|(number, worker)| (*number, worker.ask())).collect()
        };
        let replying = async {
            loop {
                let mut next = std::pin::pin!(self.replied.notified());
                next.as_mut().enable();
                {
                    let state = self.lock();
                    let waits = |worker: &Worker, question| !worker.over && worker.replied < question;
                    open.retain(|(number, question)| {
                        state.workers.get(number).is_some_and(|worker| waits(worker, *question))
                    });
                }
                if open.is_empty() {
                    return;
                }
                next.await;
            }
        };
        let _late = tokio::time::timeout(REPLY_TIMEOUT, replying).await;
        open.into_iter().map(|(number, _)| number).collect()
    }

    /// Whether the server accepts requests.
    pub fn readiness(&self) -> Readiness {
        let state = self.lock();
        match state.phase {
            SupervisorPhase::Draining => Readiness::Draining,
            SupervisorPhase::Serving if state.workers.values().any(|worker| worker.stage == WorkerStage::Serving) => {
                Readiness::Ready
            }
            SupervisorPhase::Serving | SupervisorPhase::Starting => Readiness::Starting,
        }
    }

    /// The state in one word.
    pub fn state(&self) -> &'static str {
        match self.readiness() {
            Readiness::Starting => "starting",
            Readiness::Ready => "serving",
            Readiness::Draining => "draining",
        }
    }
}

impl WorkerSlot {
    /// Sets how far the worker is.
    pub fn at(&self, stage: WorkerStage) {
        if let Some(worker) = self.workers.lock().workers.get_mut(&self.number) {
            worker.stage = stage;
        }
    }

    /// The process has ended. Its last report stays counted.
    pub fn ended(&self) {
        // The task may have ended with the runtime.
        let _gone = self.ended.send(true);
    }
}
