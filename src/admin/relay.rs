//! Published items between processes: from the admin listener or from one worker to all workers.
//!
//! `workers.rs` collects numbers. Items go the same way, in lines of their own, and wait for no reply.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use super::workers::Workers;
use crate::grip::parse_items;
use crate::log::line;

/// What the line of an item begins with. A question begins with a digit, a reply with a brace.
const MARK: char = '+';

/// So many lines wait for a worker. One that is so far behind has other troubles, and gets no more.
pub(super) const MOST_WAITING: usize = 4096;

/// The line with items in JSON, or `None` if they cannot be in one.
pub(super) fn written(items: &str) -> Option<String> {
    // JSON may have line ends between its tokens, and nowhere else.
    let document: serde_json::Value = serde_json::from_str(items).ok()?;
    Some(format!("{MARK}{document}\n"))
}

/// The items of a line, if it has some.
pub(super) fn read(line: &str) -> Option<&str> {
    line.strip_prefix(MARK)
}

/// The way of items to one worker.
#[derive(Debug)]
pub(super) struct ToWorker {
    lines: mpsc::Sender<String>,
    /// It has been said that some were lost.
    said: AtomicBool,
}

impl ToWorker {
    pub(super) fn new() -> (Self, mpsc::Receiver<String>) {
        let (lines, receiver) = mpsc::channel(MOST_WAITING);
        (Self { lines, said: AtomicBool::new(false) }, receiver)
    }

    fn send(&self, number: usize, text: &str) {
        match self.lines.try_send(text.to_owned()) {
            Err(mpsc::error::TrySendError::Full(_)) if !self.said.swap(true, Ordering::Relaxed) => {
                line(format_args!("warning: worker {number} does not take published items; some are lost"));
            }
            Ok(()) => self.said.store(false, Ordering::Relaxed),
            // It has ended.
            Err(_) => {}
        }
    }
}

impl Workers {
    /// Publishes items in JSON to all workers.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn publish(&self, items: &str) -> Result<(), String> {
        parse_items(items.as_bytes())?;
        self.relay(items, None);
        Ok(())
    }

    /// Takes items to all workers but one, which has published them.
    pub(super) fn relay(&self, items: &str, but: Option<usize>) {
        let Some(text) = written(items) else { return };
        for (number, worker) in &self.lock().workers {
            if Some(*number) != but {
                worker.items.send(*number, &text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_one_line() {
        let text = written("{\"items\":\n [\"a\\nb\"]}").unwrap_or_default();
        assert_eq!(text.matches('\n').count(), 1);
        assert_eq!(read(text.trim_end()), Some("{\"items\":[\"a\\nb\"]}"));
        assert_eq!(read("7 []"), None);
        assert_eq!(written("{"), None);
    }
}
