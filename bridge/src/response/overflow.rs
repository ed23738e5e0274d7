//! What a WSGI thread does when its client does not keep up: it waits a moment, then goes on into a file, and only then waits.
//!
//! Kept apart from the sinks, which know where a response goes: how long a thread may wait for a client is one rule for all
//! of them. The client of one response must not hold a thread that another request needs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::error::Disconnected;
use crate::pipe::PipeWriter;
use crate::pool::JobHandle;
use crate::response::stored::{NotStored, Spool, Storable};

/// Who takes half a response buffer in this time keeps up: the application waits for them, and the disk is left alone.
const MOMENT: Duration = Duration::from_millis(200);

/// Who waits looks so often whether another request needs the thread. One look is all the time it has then.
const LOOK: Duration = Duration::from_millis(10);

/// The same for a response that cannot be stored.
const LONG_LOOK: Duration = Duration::from_millis(50);

/// The pipe of a response, wherever it is kept.
pub trait Outlet<T: Storable> {
    /// Gives it to `act`.
    ///
    /// # Errors
    /// [`Disconnected`] when there is none any more.
    fn with<R>(&self, act: impl FnOnce(&PipeWriter<T>) -> R) -> Result<R, Disconnected>;
}

impl<T: Storable> Outlet<T> for PipeWriter<T> {
    fn with<R>(&self, act: impl FnOnce(&PipeWriter<T>) -> R) -> Result<R, Disconnected> {
        Ok(act(self))
    }
}

/// Whether more of a response comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum More {
    /// It may.
    Comes,
    /// This was its declared length.
    Ends,
}

/// What of one response goes over its buffer.
#[derive(Debug)]
pub struct Overflow(Spool);

impl Overflow {
    /// Stores at most `limit` bytes at a time; with 0 the thread waits instead.
    pub fn new(limit: u64) -> Self {
        Self(Spool::new(limit))
    }

    /// Waits until the full pipe has room, or makes room in it. Blocks, with the interpreter detached.
    ///
    /// # Errors
    /// [`Disconnected`] when the client has gone, or is given up because other requests need the thread.
    pub fn make_room<T: Storable>(
        &mut self,
        outlet: &impl Outlet<T>,
        job_handle: &JobHandle,
        more: More,
    ) -> Result<(), Disconnected> {
        // A client that has not taken yet what was stored has had its moment.
        if !self.0.is_behind() && waited_a_moment(outlet, job_handle)? {
            return Ok(());
        }
        if self.store(outlet, job_handle)? || more == More::Ends {
            return Ok(());
        }
        wait_stalled(outlet, job_handle)
    }

    /// Stores what waits in the pipe; `false` when it cannot be.
    fn store<T: Storable>(&mut self, outlet: &impl Outlet<T>, job_handle: &JobHandle) -> Result<bool, Disconnected> {
        let items: VecDeque<T> = outlet.with(PipeWriter::take_back)??;
        let (items, stored) = match self.0.store(items) {
            Ok(items) => (items, true),
            Err(NotStored { items, error }) => {
                if let Some(error) = error {
                    job_handle.remark(format!("the answer cannot be stored for its slow client: {error}"));
                }
                (items, false)
            }
        };
        outlet.with(|writer| writer.put_back(items))??;
        Ok(stored)
    }
}

/// Whether there was room within a moment; a shorter one while other requests need the thread.
fn waited_a_moment<T: Storable>(outlet: &impl Outlet<T>, job_handle: &JobHandle) -> Result<bool, Disconnected> {
    let until = Instant::now() + MOMENT;
    loop {
        if room_within(LOOK, outlet)? {
            return Ok(true);
        }
        if Instant::now() >= until || job_handle.is_needed() {
            return Ok(false);
        }
    }
}

/// Waits for room for as long as the thread can be spared.
fn wait_stalled<T: Storable>(outlet: &impl Outlet<T>, job_handle: &JobHandle) -> Result<(), Disconnected> {
    let stall = job_handle.stall();
    while !room_within(LONG_LOOK, outlet)? {
        if stall.is_given_up() {
            job_handle.remark(
                "its client takes the answer too slowly, and requests wait for a thread: the answer was cut".into(),
            );
            outlet.with(PipeWriter::give_up)?;
            return Err(Disconnected);
        }
    }
    Ok(())
}

/// Whether the pipe has room within `timeout`.
fn room_within<T: Storable>(timeout: Duration, outlet: &impl Outlet<T>) -> Result<bool, Disconnected> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let until = Instant::now() + timeout;
    loop {
        if let Poll::Ready(room) = outlet.with(|writer| writer.poll_ready(&mut context))? {
            return room.map(|()| true);
        }
        let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
            return Ok(false);
        };
        std::thread::park_timeout(left);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
