//! What the filter passes on, wherever the bytes are divided.

use super::*;

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..65536 => {
            frame.push(0xFE);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0xFF);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(*b"mask");
    frame.extend(payload);
    frame
}

/// What tungstenite gets of `sent` in pieces of `size`, and the coding of the messages in it.
fn adapted(sent: &[u8], size: usize, compressed: bool) -> (Vec<u8>, Vec<Coding>) {
    let (mut passed, mut held, mut codings, mut scan) = (Vec::new(), Vec::new(), Vec::new(), Scan::default());
    for piece in sent.chunks(size) {
        held.extend_from_slice(piece);
        let count = scan.adapt(&mut held, compressed, |found| {
            if let FrameStart::Message(coding) = found {
                codings.push(coding);
            }
        });
        passed.extend(held.drain(..count));
    }
    (passed, codings)
}

#[test]
fn a_close_with_1014_is_a_pong_wherever_the_bytes_are_divided() {
    let close = |code: u16| [&code.to_be_bytes(), b"why".as_slice()].concat();
    // The mask of these frames.
    let mask = b"mask".iter().cycle();
    let masked = |payload: &[u8]| payload.iter().zip(mask.clone()).map(|(a, b)| a ^ b).collect::<Vec<_>>();
    for (code, first) in [(1013, 0x88), (1014, 0x8A), (1015, 0x88)] {
        let sent = [frame(0x81, b"text"), frame(0x88, &masked(&close(code)))].concat();
        let expected = [frame(0x81, b"text"), frame(first, &masked(&close(code)))].concat();
        for size in 1..=sent.len() {
            assert_eq!(adapted(&sent, size, false).0, expected, "{code} in pieces of {size}");
        }
    }
    for short in [frame(0x88, b""), frame(0x88, b"1"), frame(0xC8, &masked(&close(1000)))] {
        assert_eq!(adapted(&short, 1, true).0, short);
    }
}

#[test]
fn a_pong_that_waits_is_not_taken_for_the_close_behind_it() {
    let seen = Arc::new(Seen::default());
    let mut filter = FilteredStream::new(tokio::io::empty(), Arc::clone(&seen), false);
    let masked = |payload: &[u8]| payload.iter().zip(b"mask".iter().cycle()).map(|(a, b)| a ^ b).collect::<Vec<_>>();
    let mut sent = [frame(0x8A, &masked(&BAD_GATEWAY)), frame(0x88, &masked(&BAD_GATEWAY))].concat();
    assert_eq!(filter.adapt(&mut sent), sent.len());
    assert_eq!(seen.closed_with(&BAD_GATEWAY), None);
    assert_eq!(seen.closed_with(&BAD_GATEWAY), Some(b"".as_slice()));
}

#[test]
fn marks_are_taken_off_wherever_the_bytes_are_divided() {
    // Payloads full of bytes that look like marked frames.
    let long = vec![0xC1; 70_000];
    let frames: &[(u8, u8, &[u8])] = &[
        (0x81, 0x81, b"plain"),
        (0xC1, 0x82, &[0xC1; 200]),
        (0xC2, 0x82, b""),
        (0x41, 0x02, &long),
        (0x89, 0x89, b"ping between"),
        (0xC9, 0xC9, b"a ping may not be marked"),
        (0xC0, 0xC0, b"nor may a later fragment"),
        (0x80, 0x80, b"end"),
        (0xE1, 0xA2, b"other reserved bits stay"),
    ];
    let sent: Vec<u8> = frames.iter().flat_map(|(first, _, payload)| frame(*first, payload)).collect();
    let expected: Vec<u8> = frames.iter().flat_map(|(_, first, payload)| frame(*first, payload)).collect();
    for size in [1, 2, 3, 7, 4096, sent.len()] {
        let (bytes, codings) = adapted(&sent, size, true);
        assert!(bytes == expected, "in pieces of {size}");
        let text = Coding::DeflatedText;
        assert_eq!(codings, [Coding::Plain, text, Coding::DeflatedBinary, text, text], "in pieces of {size}");
    }
}
