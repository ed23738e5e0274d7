//! Frames of HTTP/2: `src/fuzzing.rs` says where it is written what must hold.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| _rsgi::fuzzing::http2(data));
