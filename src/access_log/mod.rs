//! The access log: one line per request, to standard output or to a file. A separate thread writes it.
//!
//! A slow terminal or disk must not slow down the server. So finished requests wait in a bounded queue. If the queue is
//! full, lines are dropped, and their number is logged.
//!
//! Reading order: `format` is compiled once. `line` is one request, with `basic_user`. `notation` writes its values as
//! text or JSON. `writer` is the thread.

mod basic_user;
mod format;
mod line;
mod notation;
mod writer;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

pub use self::format::{LineFormat, NeededValues};
pub use self::line::{LogEntry, Outcome, kept};

use self::writer::{Target, Told, WriterMessage};
use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;

/// How many lines may wait to be written.
const QUEUE: usize = 4096;

/// Takes finished requests. It is cheap to clone.
#[derive(Debug, Clone)]
pub struct AccessLog {
    queue: SyncSender<WriterMessage>,
    told: Arc<Told>,
    format: Arc<LineFormat>,
}

impl AccessLog {
    /// Opens the file, if there is one, and starts the writing thread. When the last clone is dropped, the thread
    /// writes what is queued and ends. Returns `None` if the log is off.
    ///
    /// # Errors
    /// When the format is wrong, the file cannot be opened, or the thread cannot be started.
    pub fn start(settings: &Settings) -> Result<Option<(Self, std::thread::JoinHandle<()>)>, StartupError> {
        let format = Arc::new(LineFormat::compile(&settings.access_log_format)?);
        if !settings.access_log && settings.access_log_file.is_none() {
            return Ok(None);
        }
        let target = Target::open(settings.access_log_file.as_deref())?;
        let started = Self::spawn(target, format);
        started
            .map(Some)
            .map_err(|error| StartupError::new(format!("cannot start the thread of the access log: {error}"), ""))
    }

    fn spawn(target: Target, format: Arc<LineFormat>) -> io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (queue, messages) = sync_channel(QUEUE);
        let told = Arc::new(Told::default());
        let thread = std::thread::Builder::new().name("rsgi-access-log".into());
        let (of_thread, lines) = (Arc::clone(&told), Arc::clone(&format));
        let thread = thread.spawn(move || writer::write(&messages, target, &of_thread, &lines))?;
        Ok((Self { queue, told, format }, thread))
    }

    /// What the format needs from a request.
    pub fn wanted(&self) -> &NeededValues {
        &self.format.wanted
    }

    /// Queues the line of one finished request.
    pub fn write(&self, entry: Box<LogEntry>) {
        if self.queue.try_send(WriterMessage::Line(entry)).is_err() {
            self.told.lost();
        }
    }

    /// Makes the thread open the file again by its name, for log rotation.
    pub fn reopen(&self) {
        self.told.reopen();
        // If the queue is full, the thread is awake and will see the flag.
        let _full = self.queue.try_send(WriterMessage::Wake);
    }
}
