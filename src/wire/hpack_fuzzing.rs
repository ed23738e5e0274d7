//! What the fuzz target `hpack` does: a slow encoder makes blocks, and the reader must find in them what was put in.
//!
//! The encoder has its own dynamic table, a plain list of whole fields. So a reader that forgets or keeps an entry too
//! long finds another field under an index. Bytes that no encoder makes are read as well.
//!
//! Spec: RFC 7541 2.3, 4, 6.

use super::{BlockFields, CODES, DynamicTable, MOST_TABLE, OVERHEAD, huffman};

const NAMES: [&[u8]; 6] = [b":path", b":method", b"x", b":", b"cookie", b"a-name-that-is-longer-than-the-others"];

/// The fields that are in the table, newest first.
#[derive(Default)]
struct BlockEncoder {
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    limit: usize,
}

impl BlockEncoder {
    fn insert(&mut self, name: &[u8], value: &[u8]) {
        self.entries.insert(0, (name.to_vec(), value.to_vec()));
        self.evict();
    }

    fn evict(&mut self) {
        let size = |entries: &[(Vec<u8>, Vec<u8>)]| {
            entries.iter().map(|(name, value)| name.len() + value.len() + OVERHEAD).sum::<usize>()
        };
        while size(&self.entries) > self.limit {
            self.entries.pop();
        }
    }

    /// Writes one field as `how` says, and notes what the reader must find.
    fn field(&mut self, how: u8, value: &[u8], block: &mut Vec<u8>, expected: &mut BlockFields) {
        let known = usize::from(how >> 4) % (self.entries.len() + 1);
        let entry = known.checked_sub(1).and_then(|place| self.entries.get(place)).cloned();
        if let (0, Some((name, value))) = (how % 4, &entry) {
            integer(block, 0x80, 7, 61 + known);
            note(name, value, expected);
            return;
        }
        let kept = how % 4 == 1;
        let (first, prefix) = if kept { (0x40, 6) } else { (0, 4) };
        let name = if let Some((name, _)) = entry {
            integer(block, first, prefix, 61 + known);
            name
        } else {
            let name = NAMES[usize::from(how >> 4) % NAMES.len()];
            block.push(first);
            text(block, name, how & 8 != 0);
            name.to_vec()
        };
        text(block, value, how & 4 != 0);
        if kept {
            self.insert(&name, value);
        }
        note(&name, value, expected);
    }
}

fn note(name: &[u8], value: &[u8], expected: &mut BlockFields) {
    expected.pseudo |= name.starts_with(b":");
    if name == b":path" && value.contains(&b'#') {
        expected.fragment = Some(value.to_vec());
    }
}

fn integer(block: &mut Vec<u8>, first: u8, prefix: u32, mut value: usize) {
    let most = (1 << prefix) - 1;
    if value < most {
        block.push(first | value as u8);
        return;
    }
    block.push(first | most as u8);
    value -= most;
    while value >= 128 {
        block.push(0x80 | (value % 128) as u8);
        value /= 128;
    }
    block.push(value as u8);
}

fn text(block: &mut Vec<u8>, text: &[u8], coded: bool) {
    let text = if coded { huffman_coded(text) } else { text.to_vec() };
    integer(block, if coded { 0x80 } else { 0 }, 7, text.len());
    block.extend_from_slice(&text);
}

/// The bits of each symbol one after the other, in the slowest way.
fn huffman_coded(text: &[u8]) -> Vec<u8> {
    let mut bits = Vec::new();
    for byte in text {
        let place = CODES.symbols.iter().position(|symbol| *symbol == u16::from(*byte)).unwrap_or_default();
        let (length, code) = CODES
            .lengths
            .iter()
            .enumerate()
            .filter(|(_, (first, after, begins))| place >= *begins && place - begins < (after - first) as usize)
            .map(|(length, (first, _, begins))| (length, first + (place - begins) as u32))
            .next()
            .unwrap_or_default();
        bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
    }
    while bits.len() % 8 != 0 {
        bits.push(true);
    }
    bits.chunks(8).map(|eight| eight.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
}

/// Reads `data` as a block, and as instructions for the encoder.
///
/// # Panics
/// When the reader finds something else than the encoder has written.
pub fn check_blocks(data: &[u8]) {
    let mut table = DynamicTable::default();
    for block in data.chunks(64) {
        if table.read(block).is_err() {
            break;
        }
        assert!(table.size <= table.limit && table.limit <= MOST_TABLE);
        assert_eq!(table.size, table.entries.iter().map(super::TableEntry::size).sum::<usize>());
    }
    let mut decoded = Vec::new();
    let coded = huffman_coded(data);
    assert_eq!(huffman(&coded, |byte| decoded.push(byte)), Ok(()));
    assert_eq!(decoded, data);

    let (mut table, mut encoder) =
        (DynamicTable::default(), BlockEncoder { limit: MOST_TABLE, ..BlockEncoder::default() });
    let (mut block, mut expected, mut rest) = (Vec::new(), BlockFields::default(), data);
    while let [how, length, after @ ..] = rest {
        let (value, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        match how {
            // The block ends here.
            0xF0.. => {
                assert_eq!(table.read(&block), Ok(std::mem::take(&mut expected)), "{}", block.escape_ascii());
                block.clear();
                if *how > 0xF7 {
                    encoder.limit = usize::from(*length) * 16;
                    encoder.evict();
                    integer(&mut block, 0x20, 5, encoder.limit);
                }
            }
            how => encoder.field(*how, value, &mut block, &mut expected),
        }
    }
    assert_eq!(table.read(&block), Ok(expected), "{}", block.escape_ascii());
}
