//! Lines for the operator on standard error, from threads that never touch Python.
//!
//! All of them have one format. Errors of applications go through Python's `logging` instead (`rsgi_bridge::report`).
//! Who writes here may drive the sockets, so a reader that has stopped (a full pipe) costs lines and not the service.

pub mod timestamp;

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use self::timestamp::timestamp;

/// Whether `--log-level` is debug.
static DEBUG: AtomicBool = AtomicBool::new(false);

/// The prefix of each line, if this process is one of several.
static NAME: OnceLock<String> = OnceLock::new();

/// Whether each line is a JSON object.
static JSON: AtomicBool = AtomicBool::new(false);

/// How long a line waits for standard error at first; when a line was lost, the next do not wait.
const WRITE_TIMEOUT: Duration = Duration::from_millis(100);

/// Lines that standard error did not take.
static LOST: AtomicUsize = AtomicUsize::new(0);

/// Writes one line. Errors are ignored, for example if standard error is closed.
pub fn line(text: std::fmt::Arguments<'_>) {
    if !takes_a_line() {
        LOST.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let lost = LOST.swap(0, Ordering::Relaxed);
    if lost > 0 {
        let lines = counted(lost, "line");
        write(format_args!("warning: {lines} of this log were lost, because standard error took none"));
    }
    write(text);
}

/// Whether standard error can be written without waiting for long. A pipe can if it has room for a line of the usual length.
fn takes_a_line() -> bool {
    let timeout = if LOST.load(Ordering::Relaxed) == 0 { WRITE_TIMEOUT } else { Duration::ZERO };
    let stderr = std::io::stderr();
    let mut polled = [PollFd::new(&stderr, PollFlags::OUT)];
    let timeout = Timespec::try_from(timeout).ok();
    // What cannot be asked is written to, as a closed one is.
    !matches!(poll(&mut polled, timeout.as_ref()), Ok(0))
}

fn write(text: std::fmt::Arguments<'_>) {
    let line = if JSON.load(Ordering::Relaxed) {
        format!("{}\n", object(&text.to_string()))
    } else {
        let name = NAME.get().map_or("", String::as_str);
        format!("{name}{text}\n")
    };
    // In one write, because Python and other processes write to it too.
    let _closed = std::io::stderr().lock().write_all(line.as_bytes());
}

/// A line as a JSON object, in the format of `console.py`.
fn object(text: &str) -> String {
    let levels = ["error", "warning", "hint", "debug"];
    let found = levels.iter().find_map(|level| Some((*level, text.strip_prefix(level)?.strip_prefix(": ")?)));
    let (level, message) = found.unwrap_or(("info", text));
    let (time, process) = (timestamp(SystemTime::now()), std::process::id());
    format!(
        "{{\"time\": \"{time}\", \"level\": \"{level}\", \"process\": {process}, \"message\": {}}}",
        json_text(message)
    )
}

/// `text` as a JSON string, with quotes.
pub fn json_text(text: &str) -> String {
    // It cannot fail for a string.
    serde_json::to_string(text).unwrap_or_default()
}

/// Makes each line a JSON object from now on.
pub fn write_json() {
    JSON.store(true, Ordering::Relaxed);
}

/// `1 call`, `2 calls`.
pub fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Puts `name` before every line from now on. Only the first call counts.
pub fn name_process(name: String) {
    let _named_before = NAME.set(name);
}

/// Enables the lines of [`debug`].
pub fn show_debug() {
    DEBUG.store(true, Ordering::Relaxed);
}

/// Writes a line if `--log-level` is debug.
pub fn debug(text: std::fmt::Arguments<'_>) {
    if DEBUG.load(Ordering::Relaxed) {
        line(format_args!("debug: {text}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_has_the_level_and_the_message() {
        let ends = |text: &str, end: &str| assert!(object(text).ends_with(end), "{}", object(text));
        ends("error: a \"b\"\n", "\"message\": \"a \\\"b\\\"\\n\"}");
        ends("listening", "\"message\": \"listening\"}");
        assert!(object("warning: x").contains("\"level\": \"warning\""));
        assert!(object("errors: x").contains("\"level\": \"info\""));
    }
}
