//! The access log: one line per request, to standard output or to a file. A separate thread writes it.
//!
//! A slow terminal or disk must not slow down the server. So finished lines wait in memory. If there are too many, lines
//! are dropped, and their number is logged.
//!
//! Reading order: `format` is compiled once. `line` is one request, with `basic_user`. `notation` writes its values as
//! text or JSON. `lines` is where they wait. `writer` is the thread.

mod basic_user;
mod format;
mod line;
mod lines;
mod notation;
mod writer;

use std::io;
use std::sync::Arc;

pub use self::format::{LineFormat, NeededValues};
pub use self::line::{LogEntry, Outcome, kept};

use self::lines::WaitingLines;
use self::writer::Target;
use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;

/// Takes finished requests. It is cheap to clone.
#[derive(Debug, Clone)]
pub struct AccessLog(Arc<OpenLog>);

/// Ends the thread when it is dropped.
#[derive(Debug)]
struct OpenLog {
    lines: Arc<WaitingLines>,
    format: LineFormat,
}

impl Drop for OpenLog {
    fn drop(&mut self) {
        self.lines.end();
    }
}

impl AccessLog {
    /// Opens the file, if there is one, and starts the writing thread. When the last clone is dropped, the thread
    /// writes what is queued and ends. Returns `None` if the log is off.
    ///
    /// # Errors
    /// When the format is wrong, the file cannot be opened, or the thread cannot be started.
    pub fn start(settings: &Settings) -> Result<Option<(Self, std::thread::JoinHandle<()>)>, StartupError> {
        let format = LineFormat::compile(&settings.access_log_format)?;
        if !settings.access_log && settings.access_log_file.is_none() {
            return Ok(None);
        }
        let target = Target::open(settings.access_log_file.as_deref())?;
        let started = Self::spawn(target, format);
        started
            .map(Some)
            .map_err(|error| StartupError::new(format!("cannot start the thread of the access log: {error}"), ""))
    }

    fn spawn(target: Target, format: LineFormat) -> io::Result<(Self, std::thread::JoinHandle<()>)> {
        let lines = Arc::new(WaitingLines::default());
        let thread = std::thread::Builder::new().name("rsgi-access-log".into());
        let of_thread = Arc::clone(&lines);
        let thread = thread.spawn(move || writer::write(&of_thread, target))?;
        Ok((Self(Arc::new(OpenLog { lines, format })), thread))
    }

    /// What the format needs from a request.
    pub fn wanted(&self) -> &NeededValues {
        &self.0.format.wanted
    }

    /// Adds the line of one finished request.
    pub fn write(&self, entry: &LogEntry) {
        self.0.lines.add(|line, clock| entry.write(&self.0.format, clock, line));
    }

    /// Makes the thread open the file again by its name, for log rotation.
    pub fn reopen(&self) {
        self.0.lines.reopen();
    }
}
