//! Tests what two threads share in every order in which they can use it: the slot of a response
//! (`src/runtime/reply.rs`), and the flag that saves wakes (`src/runtime/driver/wake_flag.rs`).
//!
//! A crate of its own, because the libraries of the server cannot run under loom.

#[cfg(all(test, loom))]
#[allow(dead_code, reason = "the tests do not use all of it")]
#[path = "../../src/runtime/reply.rs"]
mod reply;

#[cfg(all(test, loom))]
#[path = "../../src/runtime/driver/wake_flag.rs"]
mod wake_flag;

#[cfg(all(test, loom))]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use loom::future::block_on;
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::thread;

    use super::reply::{NoReply, channel};
    use super::wake_flag::WakeFlag;

    #[test]
    fn a_reply_wakes_the_receiver() {
        loom::model(|| {
            let (sender, receiver) = channel();
            let thread = thread::spawn(move || sender.send(1));
            assert_eq!(block_on(receiver), Ok(1));
            thread.join().unwrap();
        });
    }

    #[test]
    fn a_dropped_sender_wakes_the_receiver() {
        loom::model(|| {
            let (sender, receiver) = channel::<u8>();
            let thread = thread::spawn(move || drop(sender));
            assert_eq!(block_on(receiver), Err(NoReply));
            thread.join().unwrap();
        });
    }

    #[test]
    fn a_slot_is_used_again_by_one_request_at_a_time() {
        loom::model(|| {
            let (sender, mut receiver) = channel();
            let thread = thread::spawn(move || sender.send(1));
            assert_eq!(block_on(&mut receiver), Ok(1));
            let (sender, receiver) = receiver.reuse();
            let other = thread::spawn(move || sender.send(2));
            assert_eq!(block_on(receiver), Ok(2));
            thread.join().unwrap();
            other.join().unwrap();
        });
    }

    #[test]
    fn a_receiver_may_be_dropped_at_any_time() {
        loom::model(|| {
            let (sender, receiver) = channel();
            let thread = thread::spawn(move || {
                let _may_be_closed = sender.is_closed();
                sender.send(loom::sync::Arc::new(1));
            });
            drop(receiver);
            thread.join().unwrap();
        });
    }

    /// A queue that only counts, and the flag of its receiver.
    #[derive(Default)]
    struct Queue {
        items: AtomicUsize,
        flag: WakeFlag,
    }

    impl Queue {
        fn push(&self) {
            self.items.fetch_add(1, Ordering::AcqRel);
            self.flag.notify();
        }

        /// Takes `items` of them, as the driving thread does.
        async fn take(&self, mut items: usize) {
            poll_fn(|context| {
                self.flag.listen(context.waker());
                items -= self.items.swap(0, Ordering::AcqRel);
                if items == 0 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }

    #[test]
    fn an_item_wakes_a_receiver_that_listens() {
        loom::model(|| {
            let queue = Arc::new(Queue::default());
            let sender = Arc::clone(&queue);
            let thread = thread::spawn(move || {
                sender.push();
                sender.push();
            });
            // Never ends if a wake is lost.
            block_on(queue.take(2));
            thread.join().unwrap();
        });
    }

    #[test]
    fn an_item_is_found_by_a_receiver_that_was_busy() {
        loom::model(|| {
            let queue = Arc::new(Queue::default());
            let sender = Arc::clone(&queue);
            let thread = thread::spawn(move || sender.push());
            queue.flag.suppress();
            block_on(queue.take(1));
            thread.join().unwrap();
        });
    }
}
