//! What a WSGI thread does if its client is slow: it waits a moment, then writes to a file, and waits again only if
//! that is not possible.
//!
//! All sinks use it, so this rule is the same for all responses. A slow client must not hold a thread that another
//! request needs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::error::Disconnected;
use crate::pipe::PipeWriter;
use crate::pool::JobHandle;
use crate::response::stored::{NotStored, Spool, Storable};

/// How long a thread waits before it uses the file. A client that reads half a response buffer in this time is fast
/// enough.
const MOMENT: Duration = Duration::from_millis(200);

/// How often a waiting thread checks whether another request needs it. If so, it waits only this long.
const LOOK: Duration = Duration::from_millis(10);

/// The same for a response that cannot be stored.
const LONG_LOOK: Duration = Duration::from_millis(50);

/// Access to the pipe of a response.
pub trait Outlet<T: Storable> {
    /// Calls `act` with the pipe.
    ///
    /// # Errors
    /// [`Disconnected`] if the pipe has gone.
    fn with<R>(&self, act: impl FnOnce(&PipeWriter<T>) -> R) -> Result<R, Disconnected>;
}

impl<T: Storable> Outlet<T> for PipeWriter<T> {
    fn with<R>(&self, act: impl FnOnce(&PipeWriter<T>) -> R) -> Result<R, Disconnected> {
        Ok(act(self))
    }
}

/// Whether more of the body may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum More {
    /// More may follow.
    Comes,
    /// The declared length was reached.
    Ends,
}

/// Stores the part of a response that exceeds its buffer.
#[derive(Debug)]
pub struct Overflow(Spool);

impl Overflow {
    /// Stores at most `limit` bytes at a time. With 0, nothing is stored, and the thread waits.
    pub fn new(limit: u64) -> Self {
        Self(Spool::new(limit))
    }

    /// Waits until the full pipe has room, or makes room in it. Blocks, without the GIL.
    ///
    /// # Errors
    /// [`Disconnected`] if the client has gone, or was given up because other requests need the thread.
    pub fn make_room<T: Storable>(
        &mut self,
        outlet: &impl Outlet<T>,
        job_handle: &JobHandle,
        more: More,
    ) -> Result<(), Disconnected> {
        // No second wait if the client has not read yet what was stored before.
        if !self.0.is_behind() && waited_a_moment(outlet, job_handle)? {
            return Ok(());
        }
        if self.store(outlet, job_handle)? || more == More::Ends {
            return Ok(());
        }
        wait_stalled(outlet, job_handle)
    }

    /// Stores what is in the pipe. Returns `false` if that is not possible.
    fn store<T: Storable>(&mut self, outlet: &impl Outlet<T>, job_handle: &JobHandle) -> Result<bool, Disconnected> {
        let items: VecDeque<T> = outlet.with(PipeWriter::take_back)??;
        let (items, stored) = match self.0.store(items) {
            Ok(items) => (items, true),
            Err(NotStored { items, error }) => {
                if let Some(error) = error {
                    job_handle.remark(format!("the response cannot be stored for its slow client: {error}"));
                }
                (items, false)
            }
        };
        outlet.with(|writer| writer.put_back(items))??;
        Ok(stored)
    }
}

/// Waits a moment for room. While other requests need the thread, the moment is shorter. Returns whether there is room.
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

/// Waits for room until other requests need the thread.
fn wait_stalled<T: Storable>(outlet: &impl Outlet<T>, job_handle: &JobHandle) -> Result<(), Disconnected> {
    let stall = job_handle.stall();
    while !room_within(LONG_LOOK, outlet)? {
        if stall.is_given_up() {
            job_handle.remark(
                "its client reads the response too slowly, and requests wait for a thread: the response was cut off"
                    .into(),
            );
            outlet.with(PipeWriter::give_up)?;
            return Err(Disconnected);
        }
    }
    Ok(())
}

/// Waits for room for at most `timeout`. Returns whether there is room.
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
