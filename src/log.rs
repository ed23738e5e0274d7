//! Lines for the operator on standard error, written from threads that never touch Python.
//!
//! Kept apart so that there is one form. What applications do wrong goes through Python's `logging` instead
//! (`rsgi_bridge::report`).

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether `--log-level` is debug.
static DEBUG: AtomicBool = AtomicBool::new(false);

/// What stands before each line of a process that is one of several.
static NAME: OnceLock<String> = OnceLock::new();

/// Writes one line; a closed standard error is nobody's concern.
pub fn line(text: std::fmt::Arguments<'_>) {
    let name = NAME.get().map_or("", String::as_str);
    let _closed = writeln!(std::io::stderr().lock(), "{name}{text}");
}

/// `1 call`, `2 calls`.
pub fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Puts `name` before every line from now on. Only the first call counts.
pub fn name_process(name: String) {
    let _named_before = NAME.set(name);
}

/// Has lines of [`debug`] written.
pub fn show_debug() {
    DEBUG.store(true, Ordering::Relaxed);
}

/// Writes a line for who looks closely.
pub fn debug(text: std::fmt::Arguments<'_>) {
    if DEBUG.load(Ordering::Relaxed) {
        line(format_args!("debug: {text}"));
    }
}
