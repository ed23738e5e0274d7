//! The thread that writes the access log.
//!
//! It opens and reopens the file, and handles write errors.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::format::LineFormat;
use super::line::LogEntry;
use crate::config::startup_error::StartupError;
use crate::log;
use crate::log::timestamp::Clock;

/// The most bytes of one write: as many as a pipe takes in one piece (`PIPE_BUF`). So lines of several processes do not
/// mix.
const BATCH: usize = 4096;

/// With this many lines at once, the server is busy. Then the thread waits a moment for more lines, because to wake it
/// for each line takes longer than to write the line.
const BUSY: usize = 8;

/// How long the thread waits then.
const MOMENT: Duration = Duration::from_millis(2);

/// A message to the thread.
#[derive(Debug)]
pub enum WriterMessage {
    /// A finished request.
    Line(Box<LogEntry>),
    /// A flag of `Told` has changed.
    Wake,
}

/// Messages to the thread that do not need a place in the queue.
#[derive(Debug, Default)]
pub struct Told {
    lost: AtomicU64,
    reopen: AtomicBool,
}

impl Told {
    /// Counts a line that found no place in the queue.
    pub fn lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks to open the file again.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
    }
}

/// Where lines go.
#[derive(Debug)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file, with its absolute path, because an application may change the current folder.
    File(PathBuf, File),
}

impl Target {
    /// Opens the file at `path`. Without a path, or with `-`, the target is standard output.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: Option<&str>) -> Result<Self, StartupError> {
        let Some(path) = path.filter(|path| *path != "-") else { return Ok(Self::Stdout) };
        let opened = std::path::absolute(path).and_then(|path| Ok((append(&path)?, path)));
        opened.map(|(file, path)| Self::File(path, file)).map_err(|error| {
            let hint = "the folder must exist, and the user of the server needs write permission in it";
            StartupError::new(format!("cannot open the access log `{path}`: {error}"), hint)
        })
    }

    /// Opens the file again. If that fails, the old file stays in use.
    fn reopen(&mut self) {
        let Self::File(path, file) = self else { return };
        match append(path) {
            Ok(opened) => *file = opened,
            Err(error) => log::line(format_args!(
                "error: cannot reopen the access log `{}`, the old file stays in use: {error}",
                path.display()
            )),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut output = io::stdout().lock();
                output.write_all(bytes).and_then(|()| output.flush())
            }
            Self::File(_, file) => file.write_all(bytes),
        }
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Collects lines, and writes them to the target.
struct LineOutput {
    target: Target,
    batch: Vec<u8>,
    lines: u64,
    /// How many lines could not be written since the last success.
    failed: u64,
}

impl LineOutput {
    fn push(&mut self, line: &str) {
        if self.batch.len() + line.len() > BATCH {
            self.flush();
        }
        self.batch.extend_from_slice(line.as_bytes());
        self.lines += 1;
    }

    /// Writes whole lines only. Logs the first failed write, and after the next successful one, how many lines were
    /// lost.
    fn flush(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        if lines == 0 {
            return;
        }
        let written = self.target.write(&self.batch);
        self.batch.clear();
        match written {
            Ok(()) => {
                let failed = std::mem::take(&mut self.failed);
                if failed > 0 {
                    log::line(format_args!("the access log is written again; {failed} lines of it were lost"));
                }
            }
            Err(error) => {
                if self.failed == 0 {
                    log::line(format_args!("error: cannot write the access log, lines are lost: {error}"));
                }
                self.failed += lines;
            }
        }
    }
}

/// Writes lines until all senders are gone.
pub fn write(messages: &Receiver<WriterMessage>, target: Target, told: &Told, format: &LineFormat) {
    let mut output = LineOutput { target, batch: Vec::with_capacity(BATCH), lines: 0, failed: 0 };
    let (mut clock, mut line) = (Clock::default(), String::new());
    while let Ok(first) = messages.recv() {
        let mut written = 0;
        for message in std::iter::once(first).chain(messages.try_iter()) {
            if told.reopen.swap(false, Ordering::AcqRel) {
                output.flush();
                output.target.reopen();
            }
            if let WriterMessage::Line(entry) = message {
                line.clear();
                entry.write(format, &mut clock, &mut line);
                output.push(&line);
                written += 1;
            }
        }
        output.flush();
        let lost = told.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            log::line(format_args!("warning: {lost} lines of the access log were lost: its output is too slow"));
        }
        if written >= BUSY {
            std::thread::sleep(MOMENT);
        }
    }
}
