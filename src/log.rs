//! Lines for the operator on standard error, written from threads that never touch Python.
//!
//! Kept apart so that there is one form. What applications do wrong goes through Python's `logging` instead
//! (`rsgi_bridge::report`).

use std::io::Write;

/// Writes one line; a closed standard error is nobody's concern.
pub fn line(text: std::fmt::Arguments<'_>) {
    let _closed = writeln!(std::io::stderr().lock(), "{text}");
}
