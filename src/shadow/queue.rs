//! The requests that wait to be sent to the second application.
//!
//! Apart because it has a limit of its own: what is too much is dropped, and no request waits for it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::capture::CopiedRequest;
use super::counters::Dropped;
use super::record::Record;
use super::rules::Rules;

/// A request that has its response.
#[derive(Debug)]
pub struct Waiting {
    /// The rules that it goes by, and the place of its own.
    pub rule: (Arc<Rules>, usize),
    /// What its result is grouped by.
    pub label: String,
    /// The request.
    pub request: CopiedRequest,
    /// The place of the application that answered the client.
    pub app: usize,
    /// Its response.
    pub primary: Record,
    /// Since when it waits.
    pub since: Instant,
}

/// See the top of this file.
#[derive(Debug)]
pub struct Queue {
    sender: Sender<Box<Waiting>>,
    receiver: Mutex<Option<Receiver<Box<Waiting>>>>,
}

impl Queue {
    /// Room for `most` requests.
    pub fn new(most: usize) -> Self {
        let (sender, receiver) = channel(most.max(1));
        Self { sender, receiver: Mutex::new(Some(receiver)) }
    }

    /// Adds one. Never waits.
    ///
    /// # Errors
    /// Why it was dropped.
    pub fn push(&self, waiting: Box<Waiting>) -> Result<(), Dropped> {
        self.sender.try_send(waiting).map_err(|error| match error {
            TrySendError::Full(_) => Dropped::Queue,
            TrySendError::Closed(_) => Dropped::Stopping,
        })
    }

    /// For the one who sends them.
    pub fn take_receiver(&self) -> Option<Receiver<Box<Waiting>>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
