//! The tokio runtime, and which thread drives it: an I/O thread, the asyncio loop, or the threads of the WSGI pool.
//!
//! There is one current-thread runtime. One thread at a time drives it. The best driver is the thread that will run the
//! application. Then a request goes from the socket to the application, and its response back, without a hand-over
//! between threads.

pub mod beside_loop;
mod busy_poll;
mod caller;
pub mod deferred_wake;
pub mod fallback;
mod loop_load;
mod pause;
mod second_processor;
pub mod selector;
pub mod wake_flag;
mod watched;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use self::busy_poll::BusyPoll;
use self::deferred_wake::DeferredWake;
use self::pause::{DriverPauses, WaitingCalls};
use self::wake_flag::WakeFlag;
use crate::config::choice::{IoKind, LoopKind};
use crate::config::settings::{PollTime, Settings};
use crate::config::startup_error::StartupError;
use crate::runtime::event_loop::EventLoop;
use crate::runtime::response_queue::ResponseQueue;

/// The most threads for file I/O. A request needs one at a time, and only for a moment.
const FILE_THREADS: usize = 8;

/// Who drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Io {
    /// A thread that does nothing else.
    Thread,
    /// The asyncio loop, inside its `select()`.
    Loop,
    /// The threads of the WSGI pool, while they have no call.
    Pool,
}

impl Io {
    /// The value of `--io` for this.
    pub fn name(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::Loop => "loop",
            Self::Pool => "pool",
        }
    }

    /// Chooses who drives. `all_asgi`: all applications are ASGI. `pool`: there are WSGI threads.
    ///
    /// # Errors
    /// When `--io` does not fit the applications.
    pub fn choose(settings: &Settings, all_asgi: bool, pool: bool) -> Result<Self, StartupError> {
        let Settings { io, r#loop: event_loop, .. } = settings;
        match io {
            IoKind::Loop if !all_asgi => Err(StartupError::new(
                "the event loop cannot drive the sockets of a WSGI application",
                "remove `--io`: a blocked loop would delay every WSGI request",
            )),
            IoKind::Loop if *event_loop == LoopKind::Uvloop => {
                Err(StartupError::new("uvloop cannot drive the sockets", "use `--loop asyncio`, or remove `--io`"))
            }
            IoKind::Loop => Ok(Self::Loop),
            IoKind::Pool if !pool => Err(StartupError::new(
                "no WSGI threads can drive the sockets: every application is ASGI",
                "use `--io loop`, or remove `--io`",
            )),
            IoKind::Pool => Ok(Self::Pool),
            IoKind::Auto if pool => Ok(Self::Pool),
            IoKind::Auto if all_asgi && *event_loop != LoopKind::Uvloop => Ok(Self::Loop),
            IoKind::Thread | IoKind::Auto => Ok(Self::Thread),
        }
    }
}

/// The runtime, and the runtime lock.
#[derive(Debug)]
pub struct Driver {
    /// The mutex is the runtime lock. `None` when the server has ended.
    runtime: Mutex<Option<Runtime>>,
    handle: Handle,
    response_queue: Arc<ResponseQueue>,
    interrupts: WakeFlag,
    busy_poll: Option<Arc<BusyPoll>>,
    /// The wakes of the loop that gets requests from the driving thread, if it runs in another one.
    loop_wakes: OnceLock<Arc<DeferredWake>>,
}

impl Driver {
    /// A runtime that no thread drives yet. The driving thread also delivers what is in `response_queue`, and polls as
    /// `busy_poll` says before it sleeps.
    ///
    /// # Errors
    /// When the process has no file descriptors left.
    pub fn new(response_queue: Arc<ResponseQueue>, busy_poll: PollTime) -> Result<Self, StartupError> {
        let runtime =
            Builder::new_current_thread().max_blocking_threads(FILE_THREADS).enable_all().build().map_err(|error| {
                StartupError::new(format!("cannot start the runtime: {error}"), "the process may be out of descriptors")
            })?;
        let handle = runtime.handle().clone();
        let busy_poll = BusyPoll::new(busy_poll);
        if let Some(busy_poll) = &busy_poll {
            handle.spawn(Arc::clone(busy_poll).look());
        }
        Ok(Self {
            runtime: Mutex::new(Some(runtime)),
            handle,
            response_queue,
            interrupts: WakeFlag::default(),
            busy_poll,
            loop_wakes: OnceLock::new(),
        })
    }

    /// From now on, the driving thread wakes a loop, which runs in another thread, once for the requests of a batch.
    pub fn wake_in_batches(&self, wakes: &Arc<DeferredWake>) {
        if self.loop_wakes.set(Arc::clone(wakes)).is_ok() {
            // It ends with the runtime.
            let _running = self.spawn(Arc::clone(wakes).run());
        }
    }

    /// Starts a task. It runs while a thread drives.
    pub fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.handle.spawn(task)
    }

    /// Runs `act` in the context of the runtime, for example to watch a descriptor.
    pub fn enter<T>(&self, act: impl FnOnce() -> T) -> T {
        let _context = self.handle.enter();
        act()
    }

    /// Whether the driving thread wakes a loop that runs in another thread.
    fn wakes_a_loop(&self) -> bool {
        self.loop_wakes.get().is_some()
    }

    /// Waits for the runtime lock, and drives until `over` is ready. `None` if the server has ended.
    pub fn drive<T>(&self, over: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        self.drive_with_pauses(over, || false)
    }

    /// The same for the thread `rsgi-io`, which pauses while many calls wait for `event_loop`.
    pub fn drive_alone<T>(&self, event_loop: &EventLoop, over: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        let mut pauses = DriverPauses::new(|| WaitingCalls::of(event_loop));
        self.drive_with_pauses(over, || pauses.pause())
    }

    fn drive_with_pauses<T>(
        &self,
        over: impl FnMut(&mut Context<'_>) -> Poll<T>,
        pause: impl FnMut() -> bool,
    ) -> Option<T> {
        let held = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        self.drive_from(&held, over, pause)
    }

    /// Drives until `over` is ready. `None` if another thread drives, or the server has ended.
    pub fn try_drive<T>(&self, over: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        self.try_drive_with_pauses(over, || false)
    }

    /// The same, with pauses. `pause` is called before responses are delivered. It sleeps if it wants to, and returns
    /// whether it has slept. Then no response wakes the driving thread until it is called again.
    fn try_drive_with_pauses<T>(
        &self,
        over: impl FnMut(&mut Context<'_>) -> Poll<T>,
        pause: impl FnMut() -> bool,
    ) -> Option<T> {
        let held = match self.runtime.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        self.drive_from(&held, over, pause)
    }

    /// Makes the driving thread poll its `over` again. Never blocks, from any thread.
    pub fn interrupt(&self) {
        self.interrupts.notify();
    }

    fn drive_from<T>(
        &self,
        held: &MutexGuard<'_, Option<Runtime>>,
        mut over: impl FnMut(&mut Context<'_>) -> Poll<T>,
        mut pause: impl FnMut() -> bool,
    ) -> Option<T> {
        let runtime = held.as_ref()?;
        if let Some(busy_poll) = &self.busy_poll {
            busy_poll.resume();
        }
        let putting_off = self.loop_wakes.get().map(|wakes| wakes.put_off());
        // Busy polling is for those who want each response at once.
        let may_pause = self.busy_poll.is_none();
        let mut waited = false;
        let result = runtime.block_on(poll_fn(|context| {
            let paused = may_pause && waited && pause();
            self.interrupts.listen(context.waker());
            self.response_queue.deliver(context.waker());
            if paused {
                self.response_queue.suppress();
                look_again(context);
            }
            if let Some(busy_poll) = self.busy_poll.as_ref().filter(|_| waited) {
                busy_poll.active();
            }
            waited = true;
            over(context)
        }));
        drop(putting_off);
        // Before the runtime lock is released: the next thread that takes it delivers responses and polls `over` first.
        self.response_queue.suppress();
        self.interrupts.suppress();
        Some(result)
    }

    /// Drops all remaining tasks. Waits until no thread drives.
    pub fn end(&self) {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

/// Makes the driving thread poll its `over` again when it has run the tasks that are ready, without sleeping.
fn look_again(context: &mut Context<'_>) {
    let _pending = pin!(tokio::task::yield_now()).poll(context);
}
