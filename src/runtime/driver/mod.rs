//! Which thread drives tokio: an I/O thread, the asyncio loop, or the threads of the WSGI pool.
//!
//! This is the border between I/O and applications. There is one current-thread runtime. One thread at a time drives it.
//! The best driver is the thread that will run the application. Then a request goes from the socket to the application,
//! and its response back, without a hand-over between threads.

mod busy_poll;
pub mod fallback;
pub mod selector;
pub mod wake_flag;
mod watched;

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use self::busy_poll::BusyPoll;
use self::wake_flag::WakeFlag;
use crate::config::choice::{IoKind, LoopKind};
use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;
use crate::runtime::response_queue::ResponseQueue;

/// Threads that read and write files, of which a request needs one at a time and for a moment only.
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
    /// The word of the setting.
    pub fn name(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::Loop => "loop",
            Self::Pool => "pool",
        }
    }

    /// Who drives for these settings: whether all applications are ASGI, and whether there are WSGI threads.
    ///
    /// # Errors
    /// When the setting does not fit the applications.
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

/// The runtime, and the lock of who drives it.
#[derive(Debug)]
pub struct Driver {
    /// Empty when the server has ended.
    runtime: Mutex<Option<Runtime>>,
    handle: Handle,
    response_queue: Arc<ResponseQueue>,
    interrupts: WakeFlag,
    busy_poll: Option<Arc<BusyPoll>>,
}

impl Driver {
    /// A runtime that nobody drives yet; who does delivers what is in `response_queue`, too, and looks for `busy_poll` before it sleeps.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn new(response_queue: Arc<ResponseQueue>, busy_poll: Duration) -> Result<Self, StartupError> {
        let runtime =
            Builder::new_current_thread().max_blocking_threads(FILE_THREADS).enable_all().build().map_err(|error| {
                StartupError::new(format!("cannot start the runtime: {error}"), "the process may be out of descriptors")
            })?;
        let handle = runtime.handle().clone();
        let busy_poll = (!busy_poll.is_zero()).then(|| BusyPoll::new(busy_poll));
        if let Some(busy_poll) = &busy_poll {
            handle.spawn(Arc::clone(busy_poll).look());
        }
        Ok(Self {
            runtime: Mutex::new(Some(runtime)),
            handle,
            response_queue,
            interrupts: WakeFlag::default(),
            busy_poll,
        })
    }

    /// Starts a task, which runs whenever somebody drives.
    pub fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.handle.spawn(task)
    }

    /// Does something that needs the runtime's context, such as to watch a descriptor.
    pub fn enter<T>(&self, act: impl FnOnce() -> T) -> T {
        let _context = self.handle.enter();
        act()
    }

    /// Waits for the runtime lock, and drives until `over` is ready; `None` when the server has ended.
    pub fn drive<T>(&self, over: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        let held = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        self.drive_from(&held, over)
    }

    /// Drives until `over` is ready, unless another thread does; `None` then, and when the server has ended.
    pub fn try_drive<T>(&self, over: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
        let held = match self.runtime.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        self.drive_from(&held, over)
    }

    /// Has the one who drives ask whether it is over. Never blocks, from any thread.
    pub fn interrupt(&self) {
        self.interrupts.notify();
    }

    fn drive_from<T>(
        &self,
        held: &MutexGuard<'_, Option<Runtime>>,
        mut over: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        let runtime = held.as_ref()?;
        let result = runtime.block_on(poll_fn(|context| {
            self.interrupts.listen(context.waker());
            self.response_queue.deliver(context.waker());
            if let Some(busy_poll) = &self.busy_poll {
                busy_poll.active();
            }
            over(context)
        }));
        // Before the runtime lock is free: who takes it delivers first, and asks whether it is over.
        self.response_queue.suppress();
        self.interrupts.suppress();
        Some(result)
    }

    /// Ends every task that is left. Waits for who drives.
    pub fn end(&self) {
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}
