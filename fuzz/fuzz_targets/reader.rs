//! Bytes of a connection, in pieces: the strict reader and the slow one must read the same.
//!
//! The first byte says how many cuts follow it, each a byte; the rest is what the client sends.

#![no_main]

use libfuzzer_sys::fuzz_target;

// The reader knows no other part of the server, so that it needs no interpreter here.
#[allow(dead_code, unused_imports, reason = "only the reader is tried")]
#[path = "../../src/wire/mod.rs"]
mod wire;

fuzz_target!(|data: &[u8]| {
    let Some((&count, rest)) = data.split_first() else { return };
    let (cuts, bytes) = rest.split_at(usize::from(count % 8).min(rest.len()));
    let mut at = 0;
    let cuts: Vec<usize> = cuts
        .iter()
        .map(|&step| {
            at += usize::from(step);
            at
        })
        .collect();
    wire::comparison::compare(bytes, &cuts);
});
