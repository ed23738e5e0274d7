//! The thread that writes the access log.
//!
//! It opens and reopens the file, and handles write errors.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lines::{LogWork, WaitingLines};
use crate::config::startup_error::StartupError;
use crate::log;

/// The most bytes of one write: as many as a pipe takes in one piece (`PIPE_BUF`). So lines of several processes do not
/// mix.
const BATCH: usize = 4096;

/// With this many bytes at once, about eight lines, the server is busy. Then the thread waits a moment for more lines,
/// because to wake it for each line takes longer than to write the line.
const BUSY: usize = 640;

/// How long the thread waits then.
const MOMENT: Duration = Duration::from_millis(2);

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

/// Writes lines to the target.
struct LineOutput {
    target: Target,
    /// How many lines could not be written since the last success.
    failed: u64,
}

impl LineOutput {
    /// Writes lines, as many at once as one write takes.
    fn write(&mut self, mut lines: &[u8]) {
        while !lines.is_empty() {
            let (batch, rest) = lines.split_at(batch(lines));
            self.write_batch(batch);
            lines = rest;
        }
    }

    /// Logs the first failed write, and after the next successful one, how many lines were lost.
    fn write_batch(&mut self, lines: &[u8]) {
        match self.target.write(lines) {
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
                self.failed += lines.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
            }
        }
    }
}

/// How many of these bytes are one write: whole lines, up to `BATCH`. A longer line is a write of its own.
fn batch(lines: &[u8]) -> usize {
    let Some(begin) = lines.get(..BATCH) else { return lines.len() };
    let end = memchr::memrchr(b'\n', begin).or_else(|| memchr::memchr(b'\n', lines));
    end.map_or(lines.len(), |end| end + 1)
}

/// Writes lines until nobody adds any.
pub fn write(waiting: &WaitingLines, target: Target) {
    let (mut output, mut work) = (LineOutput { target, failed: 0 }, LogWork::default());
    while !work.ended {
        waiting.take(&mut work);
        output.write(&work.text);
        if work.reopen {
            output.target.reopen();
        }
        if work.lost > 0 {
            let lost = work.lost;
            log::line(format_args!("warning: {lost} lines of the access log were lost: its output is too slow"));
        }
        if work.text.len() >= BUSY && !work.ended {
            std::thread::sleep(MOMENT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_whole_lines_and_no_more_than_a_pipe_takes_at_once() {
        let short = b"a line\n".repeat(1000);
        assert_eq!(batch(&short), BATCH / 7 * 7);
        assert_eq!(batch(b"a line\n"), 7);
        let long = [b"x".repeat(BATCH), b"\n".to_vec()].concat();
        assert_eq!(batch(&[long.as_slice(), &short].concat()), long.len());
        assert_eq!(batch(&long), long.len());
    }
}
