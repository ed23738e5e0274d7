//! Brings responses from application threads to their connections, with one wake per batch.
//!
//! To wake a tokio task from another thread costs a system call each time. So connections with a response wait in a queue,
//! and so do the tasks of WebSockets with messages for the client. The first one wakes the driving thread, which wakes
//! all of them. While that thread is busy, further responses wake nobody. The queue of the event loop does the same in
//! the other direction.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use crate::response::app_response::AppResponse;
use crate::runtime::driver::wake_flag::WakeFlag;
use crate::runtime::reply::{self, FilledReply};

/// For how many responses the queue keeps memory.
const KEPT: usize = 1024;

/// Where a response goes.
pub type Responder = reply::ReplySender<AppResponse>;

/// The queue of responses to one runtime.
#[derive(Debug, Default)]
pub struct ResponseQueue {
    /// Taken as a whole: that costs less than to take each of them from a queue without a lock.
    ready: Mutex<Vec<Ready>>,
    wake_flag: WakeFlag,
}

/// Who is to be woken.
#[derive(Debug)]
enum Ready {
    /// The connection of this response.
    Response(FilledReply<AppResponse>),
    /// A task that waits for an application.
    Task(Arc<BatchedWaker>),
}

/// Wakes a task of the runtime together with others.
#[derive(Debug)]
struct BatchedWaker {
    queue: Arc<ResponseQueue>,
    task: Waker,
}

impl Wake for BatchedWaker {
    fn wake(self: Arc<Self>) {
        let queue = Arc::clone(&self.queue);
        queue.push(Ready::Task(self));
    }
}

impl ResponseQueue {
    /// Sends a response, or drops it if the client has gone. Never blocks, from any thread.
    pub fn send(&self, responder: Responder, response: AppResponse) {
        if let Some(filled) = responder.fill(response) {
            self.push(Ready::Response(filled));
        }
    }

    /// A waker for `task`, a task of the runtime. Made for what application threads wake.
    pub fn waker(self: &Arc<Self>, task: Waker) -> Waker {
        Waker::from(Arc::new(BatchedWaker { queue: Arc::clone(self), task }))
    }

    fn push(&self, ready: Ready) {
        self.lock().push(ready);
        self.wake_flag.notify();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Ready>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the connections whose responses are there, on the driving thread. From now on, `driver` is woken when more
    /// come.
    pub fn deliver(&self, driver: &Waker) {
        self.wake_flag.listen(driver);
        let mut batch = std::mem::take(&mut *self.lock());
        for ready in batch.drain(..) {
            match ready {
                Ready::Response(filled) => filled.wake(),
                Ready::Task(waker) => waker.task.wake_by_ref(),
            }
        }
        self.keep(batch);
    }

    /// Keeps the memory of a batch for the next one, unless others have come meanwhile.
    fn keep(&self, batch: Vec<Ready>) {
        if batch.capacity() > 0 && batch.capacity() <= KEPT {
            let mut ready = self.lock();
            if ready.capacity() == 0 {
                *ready = batch;
            }
        }
    }

    /// From now on, wakes nobody, because no thread drives. The next driving thread delivers first.
    pub fn suppress(&self) {
        self.wake_flag.suppress();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::error::RequestError;

    #[test]
    fn every_response_arrives_however_many_threads_send() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let response_queue = std::sync::Arc::new(ResponseQueue::default());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (response_queue, mut waiting) = (std::sync::Arc::clone(&response_queue), Vec::new());
                let pairs: Vec<_> = (0..500).map(|_| reply::channel()).collect();
                let (senders, receivers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
                waiting.extend(receivers);
                let thread = std::thread::spawn(move || {
                    for sender in senders {
                        response_queue.send(sender, AppResponse::Error(RequestError::application_failed()));
                    }
                });
                (thread, waiting)
            })
            .collect();
        runtime.block_on(async {
            let all = async {
                for (thread, waiting) in threads {
                    for response in waiting {
                        response.await.unwrap();
                    }
                    thread.join().unwrap();
                }
            };
            let timeout = std::time::Duration::from_secs(20);
            tokio::select! {
                arrived = tokio::time::timeout(timeout, all) => arrived.unwrap(),
                () = std::future::poll_fn(|context| {
                    response_queue.deliver(context.waker());
                    std::task::Poll::Pending
                }) => unreachable!(),
            }
        });
    }
}
