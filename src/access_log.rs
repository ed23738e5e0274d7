//! The access log: one line per request on standard output, written by a thread of its own.
//!
//! Kept apart because a slow terminal or pipe must not slow the server: lines wait in a bounded queue, and when it is full
//! the number of lost lines is said.
//!
//! The line: time, client, `"method target protocol"`, status, body bytes, duration, application.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What is written at a time: as much as a pipe takes in one piece (`PIPE_BUF`), so that lines of several processes do not mix.
const BATCH: usize = 4096;

/// Lines that may wait to be written.
const QUEUE: usize = 4096;

/// Where finished requests are told; cheap to clone.
#[derive(Debug, Clone)]
pub struct AccessLog {
    lines: SyncSender<String>,
    lost: Arc<AtomicU64>,
}

impl AccessLog {
    /// Starts the writing thread. It ends, everything written, when the last clone is dropped.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start() -> io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (lines, queue) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let lost_lines = Arc::clone(&lost);
        let thread = std::thread::Builder::new().name("rsgi-access-log".into());
        let thread = thread.spawn(move || write_lines(&queue, &lost_lines))?;
        Ok((Self { lines, lost }, thread))
    }

    /// Queues the line of one finished request.
    pub fn write(&self, record: &Record, request: &RequestLine) {
        if self.lines.try_send(record.line(request)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_lines(queue: &Receiver<String>, lost: &AtomicU64) {
    let mut output = BufWriter::with_capacity(BATCH, io::stdout());
    while let Ok(first) = queue.recv() {
        for line in std::iter::once(first).chain(queue.try_iter()) {
            if output.write_all(line.as_bytes()).is_err() {
                return;
            }
        }
        if output.flush().is_err() {
            return;
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            crate::log::line(format_args!(
                "warning: {lost} lines of the access log were lost: standard output is too slow"
            ));
        }
    }
}

/// What the client asked for, kept only when the log is on.
#[derive(Debug)]
pub struct RequestLine {
    /// `address:port`, or `unix`.
    pub client: String,
    /// `GET /path?query HTTP/1.1`.
    pub request: String,
}

/// What became of a request.
#[derive(Debug)]
pub struct Record {
    /// When its head was complete.
    pub started: Instant,
    /// The status of the answer; 0 when there was none.
    pub status: u16,
    /// Body bytes that were handed to the connection.
    pub bytes: u64,
    /// Who answered.
    pub app: Option<Arc<str>>,
}

impl Record {
    fn line(&self, request: &RequestLine) -> String {
        let milliseconds = self.started.elapsed().as_secs_f64() * 1000.0;
        let app = self.app.as_deref().unwrap_or("-");
        let mut line = timestamp(SystemTime::now());
        // Writing to a String cannot fail.
        let _infallible = writeln!(
            line,
            " {} \"{}\" {} {} {milliseconds:.3}ms {app}",
            request.client, request.request, self.status, self.bytes
        );
        line
    }
}

/// A line of a client as it came: what would end the quoted text, and what is no visible ASCII, is written as `\xNN`.
pub fn printable(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for &byte in line {
        if matches!(byte, b'"' | b'\\') || !(b' '..=b'~').contains(&byte) {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "\\x{byte:02x}");
        } else {
            text.push(char::from(byte));
        }
    }
    text
}

/// `2026-01-31T12:00:00.123Z`.
fn timestamp(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil_date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

/// Days since 1970-01-01 → year, month, day of the Gregorian calendar.
fn civil_date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    loop {
        let length = if leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sent_cannot_end_its_place_in_the_line() {
        assert_eq!(printable(b"GET /it's~%22 HTTP/1.1"), "GET /it's~%22 HTTP/1.1");
        assert_eq!(printable(b"GET /\"\\x\xe9\n\x1b"), "GET /\\x22\\x5cx\\xe9\\x0a\\x1b");
    }

    #[test]
    fn timestamps_follow_the_calendar() {
        let at = |seconds| timestamp(UNIX_EPOCH + Duration::from_millis(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_782_400_007), "2000-02-29T00:00:00.007Z");
        assert_eq!(at(1_767_225_599_999), "2025-12-31T23:59:59.999Z");
    }
}
