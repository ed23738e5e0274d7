//! Reports why a worker should be replaced: it has had `--max-requests` requests, or stuck calls hold all threads.
//!
//! It only reports this, once. A supervisor replaces the worker. If no limit is set, nothing is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

/// Counts the requests of a process.
#[derive(Debug)]
pub struct Wear {
    /// The most requests of this process.
    limit: Option<u64>,
    requests: AtomicU64,
    /// Where the reason goes. `None` after it was reported.
    told: Mutex<Option<Sender<String>>>,
}

impl Wear {
    /// A new process, and the receiver of the reason for its replacement.
    pub fn new(limit: Option<u64>) -> (Self, Receiver<String>) {
        let (sender, receiver) = channel();
        (Self { limit, requests: AtomicU64::new(0), told: Mutex::new(Some(sender)) }, receiver)
    }

    /// Counts a request.
    pub fn count_request(&self) {
        if let Some(limit) = self.limit
            && self.requests.fetch_add(1, Ordering::Relaxed) + 1 == limit
        {
            self.tell(format!("it has had {limit} requests (`--max-requests`)"));
        }
    }

    /// Reports that the process should be replaced. Only the first reason counts. Returns whether this is the first.
    pub fn tell(&self, why: String) -> bool {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Without a supervisor, nobody listens.
        told.is_some_and(|told| told.send(why).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_requests_are_said_once() {
        let (wear, told) = Wear::new(Some(2));
        wear.count_request();
        assert!(told.try_recv().is_err());
        wear.count_request();
        assert_eq!(told.try_recv().unwrap(), "it has had 2 requests (`--max-requests`)");
        wear.count_request();
        assert!(told.recv().is_err(), "nothing more will be said");
    }

    #[test]
    fn only_the_first_reason_counts() {
        let (wear, told) = Wear::new(None);
        wear.count_request();
        assert!(wear.tell("one".to_owned()));
        assert!(!wear.tell("two".to_owned()));
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["one"]);
    }
}
