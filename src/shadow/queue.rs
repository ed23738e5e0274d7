//! The requests that wait to be sent to the second application.
//!
//! Apart because it has a limit of its own: what is too much is dropped, and no request waits for it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::copied_request::CopiedRequest;
use super::counters::Dropped;
use super::exchanges::Exchange;
use super::record::ShadowRecord;
use super::rules::Rules;
use crate::request::app_load::AppLoad;

/// A request that has its response.
#[derive(Debug)]
pub struct QueuedRequest {
    /// The rules that it goes by and the place of its own, if a second application gets it.
    pub rule: Option<(Arc<Rules>, usize)>,
    /// What its result is grouped by.
    pub label: String,
    /// The request.
    pub request: Arc<CopiedRequest>,
    /// The application that answered the client.
    pub app: Arc<AppLoad>,
    /// Its response.
    pub primary: Arc<ShadowRecord>,
}

impl QueuedRequest {
    /// The request with its response alone, which is recorded.
    pub fn recorded(&self) -> Exchange {
        let (request, primary) = (Arc::clone(&self.request), Arc::clone(&self.primary));
        Exchange { label: self.label.clone(), request, app: Arc::clone(&self.app.name), primary, second: None }
    }
}

/// See the top of this file.
#[derive(Debug)]
pub struct Queue {
    sender: Sender<Box<QueuedRequest>>,
    receiver: Mutex<Option<Receiver<Box<QueuedRequest>>>>,
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
    pub fn push(&self, waiting: Box<QueuedRequest>) -> Result<(), Dropped> {
        self.sender.try_send(waiting).map_err(|error| match error {
            TrySendError::Full(_) => Dropped::Queue,
            TrySendError::Closed(_) => Dropped::Stopping,
        })
    }

    /// For the one who sends them.
    pub fn take_receiver(&self) -> Option<Receiver<Box<QueuedRequest>>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
