//! Tests `src/runtime/reply.rs` in every order in which two threads can use it.
//!
//! A crate of its own, because the libraries of the server cannot run under loom.

#[cfg(all(test, loom))]
#[allow(dead_code, reason = "the tests do not use all of it")]
#[path = "../../src/runtime/reply.rs"]
mod reply;

#[cfg(all(test, loom))]
mod tests {
    use loom::future::block_on;
    use loom::thread;

    use super::reply::{NoReply, channel};

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
}
