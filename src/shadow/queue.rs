//! The requests that wait to be sent to the second application.
//!
//! The queue has a limit. Further requests are dropped, and no live request waits for the queue.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::copied_request::CopiedRequest;
use super::counters::Dropped;
use super::exchanges::Exchange;
use super::record::ShadowRecord;
use super::rules::Rules;
use crate::request::app_load::AppLoad;

/// A request whose response is complete.
#[derive(Debug)]
pub struct QueuedRequest {
    /// The rules, and the index of its own rule, if a second application gets the request.
    pub rule: Option<(Arc<Rules>, usize)>,
    /// The group of its result.
    pub label: String,
    /// The request.
    pub request: Arc<CopiedRequest>,
    /// The application that answered the client.
    pub app: Arc<AppLoad>,
    /// Its response.
    pub primary: Arc<ShadowRecord>,
}

impl QueuedRequest {
    /// The exchange of a request that is only recorded.
    pub fn recorded(&self) -> Exchange {
        let (request, primary) = (Arc::clone(&self.request), Arc::clone(&self.primary));
        Exchange { label: self.label.clone(), request, app: Arc::clone(&self.app.name), primary, second: None }
    }
}

/// The queue of sampled requests.
#[derive(Debug)]
pub struct Queue {
    sender: Sender<Box<QueuedRequest>>,
    receiver: Mutex<Option<Receiver<Box<QueuedRequest>>>>,
}

impl Queue {
    /// A queue for at most `most` requests.
    pub fn new(most: usize) -> Self {
        let (sender, receiver) = channel(most.max(1));
        Self { sender, receiver: Mutex::new(Some(receiver)) }
    }

    /// Adds a request. Never waits.
    ///
    /// # Errors
    /// The reason why it was dropped.
    pub fn push(&self, waiting: Box<QueuedRequest>) -> Result<(), Dropped> {
        self.sender.try_send(waiting).map_err(|error| match error {
            TrySendError::Full(_) => Dropped::Queue,
            TrySendError::Closed(_) => Dropped::Stopping,
        })
    }

    /// The receiving end, once, for the runner.
    pub fn take_receiver(&self) -> Option<Receiver<Box<QueuedRequest>>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
