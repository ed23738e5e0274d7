//! Responses on their way from application threads to their connections, with one wake per batch.
//!
//! This is the border on this side, as the queue of the event loop is on the other. Waking a tokio task from another
//! thread costs a system call each time. Here responses queue up. The first one wakes the driving thread. While it is
//! busy, further ones cost nothing.

use std::task::Waker;

use crossbeam_queue::SegQueue;
use tokio::sync::oneshot;

use crate::response::app_response::AppResponse;
use crate::runtime::driver::wake_flag::WakeFlag;

/// Where a response goes to.
pub type Responder = oneshot::Sender<AppResponse>;

/// The queue in front of one runtime.
#[derive(Debug, Default)]
pub struct ResponseQueue {
    ready: SegQueue<(Responder, AppResponse)>,
    wake_flag: WakeFlag,
}

impl ResponseQueue {
    /// Hands a response over. Never blocks, from any thread.
    pub fn send(&self, responder: Responder, response: AppResponse) {
        self.ready.push((responder, response));
        self.wake_flag.notify();
    }

    /// Delivers what is there, on the thread that drives; `driver` is woken when more comes.
    pub fn deliver(&self, driver: &Waker) {
        self.wake_flag.listen(driver);
        while let Some((responder, response)) = self.ready.pop() {
            // The client may have gone.
            let _unsent = responder.send(response);
        }
    }

    /// Nobody drives; who does next delivers first.
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
                let pairs: Vec<_> = (0..500).map(|_| oneshot::channel()).collect();
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
