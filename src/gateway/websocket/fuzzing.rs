//! What the fuzz target `websocket` does: tungstenite gets the frames of the client, changed only in their first byte.

use std::sync::Arc;

use super::frame_filter::{Coding, FilteredStream, Seen};
use crate::wire::fuzzing::{Pieces, all_of, cuts};

/// Whether compression is agreed on, then frames, in pieces.
///
/// # Panics
/// When it depends on the pieces, or a second reading changes other bytes.
pub fn websocket(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    let (compressed, (cuts, bytes)) = (first % 2 == 1, cuts(data));
    let (expected, codings) = slowly(bytes, compressed);
    let every: Vec<usize> = (0..bytes.len()).collect();
    for cuts in [&[][..], &cuts, &every] {
        let seen = Arc::new(Seen::default());
        let (passed, failed) = all_of(FilteredStream::new(Pieces::new(bytes, cuts), Arc::clone(&seen), compressed));
        assert!(!failed);
        assert_eq!(passed, expected, "{} cut at {cuts:?}", bytes.escape_ascii());
        let found: Vec<Coding> = codings.iter().map(|_| seen.next_coding()).collect();
        assert_eq!(found, codings, "{}", bytes.escape_ascii());
        assert_eq!(seen.next_coding(), Coding::Plain);
    }
}

/// The same frame by frame, with all bytes at hand.
fn slowly(bytes: &[u8], compressed: bool) -> (Vec<u8>, Vec<Coding>) {
    let (mut passed, mut codings, mut at) = (bytes.to_vec(), Vec::new(), 0);
    while let Some(first) = bytes.get(at).copied() {
        let (opcode, marked) = (first & 0x0F, first & 0x40 != 0);
        let rest = &bytes[at + 1..];
        match opcode {
            8 => match code(rest) {
                Ok(Some(1014)) => passed[at] = first & 0xF0 | 0xA,
                Ok(_) => {}
                Err(()) => {
                    passed.truncate(at);
                    break;
                }
            },
            1 | 2 if compressed => {
                codings.push(match (opcode, marked) {
                    (1, true) => Coding::DeflatedText,
                    (2, true) => Coding::DeflatedBinary,
                    _ => Coding::Plain,
                });
                if marked {
                    passed[at] = first & 0xB0 | 2;
                }
            }
            _ => {}
        }
        let Some(length) = length(rest) else { break };
        at = at.saturating_add(1).saturating_add(length);
    }
    (passed, codings)
}

/// The code of a close frame; an error while it is not there.
fn code(rest: &[u8]) -> Result<Option<u16>, ()> {
    let length = *rest.first().ok_or(())?;
    if !(0x82..=0xFD).contains(&length) {
        return Ok(None);
    }
    match rest {
        [_, a, b, _, _, c, d, ..] => Ok(Some(u16::from_be_bytes([a ^ c, b ^ d]))),
        _ => Err(()),
    }
}

/// How many bytes of a frame follow its first one.
fn length(rest: &[u8]) -> Option<usize> {
    let second = rest.first()?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (head, length) = match second & 0x7F {
        126 => (3, u64::from(u16::from_be_bytes(rest.get(1..3)?.try_into().ok()?))),
        127 => (9, u64::from_be_bytes(rest.get(1..9)?.try_into().ok()?)),
        short => (1, u64::from(short)),
    };
    usize::try_from(length.saturating_add(mask).saturating_add(head)).ok()
}
