//! Reads the header blocks of HTTP/2, to find what hyper drops: a path with a fragment, and pseudo-fields among
//! trailers.
//!
//! hyper decodes every block and keeps the dynamic table of the connection. This reader keeps the same table, but only
//! names, the lengths of values, and paths with a fragment. If a block is invalid, hyper refuses it and this reader
//! stops.
//!
//! Spec: RFC 7541 (2.3, 4, 5, 6, Appendix A and B); RFC 9113 8.1, 8.3.1.

use std::borrow::Cow;
use std::collections::VecDeque;

/// The largest dynamic table. The server's settings allow no other.
const MOST_TABLE: usize = 4096;
/// What an entry counts in addition to its bytes.
const OVERHEAD: usize = 32;
/// Larger lengths and indexes are refused.
const MOST_INTEGER: usize = 1 << 24;

/// The lengths of the names in the static table. The first 14 are pseudo-fields.
const STATIC_NAMES: [u8; 61] = [
    10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27, 3, 5, 13, 13, 19, 16, 16, 14, 16, 13, 12, 6, 4,
    4, 6, 7, 4, 4, 8, 17, 13, 8, 19, 13, 4, 8, 12, 18, 19, 5, 7, 7, 11, 6, 10, 25, 17, 10, 4, 3, 16,
];
const STATIC_PATHS: std::ops::RangeInclusive<usize> = 4..=5;
const STATIC_PSEUDO: std::ops::RangeInclusive<usize> = 1..=14;

/// The bytes are not a valid header block.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// What one header block contains.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct BlockFields {
    /// Whether there is a pseudo-field.
    pub(super) pseudo: bool,
    /// The path, if it contains a `#`.
    pub(super) fragment: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug)]
enum FieldKind {
    Path,
    OtherPseudo,
    Field,
}

impl FieldKind {
    fn of(name: &[u8]) -> Self {
        match name {
            b":path" => Self::Path,
            [b':', ..] => Self::OtherPseudo,
            _ => Self::Field,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Name {
    kind: FieldKind,
    length: usize,
}

#[derive(Debug)]
struct TableEntry {
    name: Name,
    value: usize,
    fragment: Option<Vec<u8>>,
}

impl TableEntry {
    fn size(&self) -> usize {
        self.name.length + self.value + OVERHEAD
    }
}

/// The dynamic table of a connection, newest entry first.
#[derive(Debug)]
pub(super) struct DynamicTable {
    entries: VecDeque<TableEntry>,
    size: usize,
    limit: usize,
}

impl Default for DynamicTable {
    fn default() -> Self {
        Self { entries: VecDeque::new(), size: 0, limit: MOST_TABLE }
    }
}

impl DynamicTable {
    /// Reads one whole header block.
    pub(super) fn read(&mut self, mut block: &[u8]) -> Result<BlockFields, Broken> {
        let mut said = BlockFields::default();
        while let Some(&first) = block.first() {
            match first {
                0x80.. => self.indexed(integer(&mut block, 7)?, &mut said)?,
                0x40.. => {
                    let entry = self.literal(&mut block, 6, true, &mut said)?;
                    self.insert(entry);
                }
                0x20.. => {
                    self.limit = integer(&mut block, 5)?;
                    if self.limit > MOST_TABLE {
                        return Err(Broken);
                    }
                    self.evict();
                }
                _ => drop(self.literal(&mut block, 4, false, &mut said)?),
            }
        }
        Ok(said)
    }

    fn indexed(&self, index: usize, said: &mut BlockFields) -> Result<(), Broken> {
        let name = self.name(index)?;
        let entry = index.checked_sub(STATIC_NAMES.len() + 1).and_then(|index| self.entries.get(index));
        said.note(name.kind, entry.and_then(|entry| entry.fragment.as_ref()));
        Ok(())
    }

    fn name(&self, index: usize) -> Result<Name, Broken> {
        let place = index.checked_sub(1).ok_or(Broken)?;
        if let Some(&length) = STATIC_NAMES.get(place) {
            let kind = match index {
                index if STATIC_PATHS.contains(&index) => FieldKind::Path,
                index if STATIC_PSEUDO.contains(&index) => FieldKind::OtherPseudo,
                _ => FieldKind::Field,
            };
            return Ok(Name { kind, length: usize::from(length) });
        }
        self.entries.get(place - STATIC_NAMES.len()).map(|entry| entry.name).ok_or(Broken)
    }

    /// Reads a literal field. The length of its value matters only if the field is `kept` in the table.
    fn literal(
        &self,
        block: &mut &[u8],
        prefix: u32,
        kept: bool,
        said: &mut BlockFields,
    ) -> Result<TableEntry, Broken> {
        let name = match integer(block, prefix)? {
            0 => {
                let name = EncodedText::read(block)?.decoded()?;
                Name { kind: FieldKind::of(&name), length: name.len() }
            }
            index => self.name(index)?,
        };
        let text = EncodedText::read(block)?;
        let (value, fragment) = match name.kind {
            FieldKind::Path => {
                let path = text.decoded()?;
                (path.len(), path.contains(&b'#').then(|| path.into_owned()))
            }
            _ if kept => (text.decoded_length()?, None),
            _ => (0, None),
        };
        said.note(name.kind, fragment.as_ref());
        Ok(TableEntry { name, value, fragment })
    }

    fn insert(&mut self, entry: TableEntry) {
        self.size += entry.size();
        self.entries.push_front(entry);
        self.evict();
    }

    fn evict(&mut self) {
        while self.size > self.limit
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.size();
        }
    }
}

impl BlockFields {
    fn note(&mut self, kind: FieldKind, fragment: Option<&Vec<u8>>) {
        self.pseudo |= !matches!(kind, FieldKind::Field);
        if let Some(path) = fragment {
            self.fragment = Some(path.clone());
        }
    }
}

fn integer(block: &mut &[u8], prefix: u32) -> Result<usize, Broken> {
    let most = (1_usize << prefix) - 1;
    let (&first, mut rest) = block.split_first().ok_or(Broken)?;
    let mut value = usize::from(first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (&byte, after) = rest.split_first().ok_or(Broken)?;
            rest = after;
            value += usize::from(byte & 0x7F) << shift;
            if value > MOST_INTEGER || shift > 21 {
                return Err(Broken);
            }
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
        }
    }
    *block = rest;
    Ok(value)
}

/// A name or a value as it was sent.
enum EncodedText<'a> {
    Plain(&'a [u8]),
    Huffman(&'a [u8]),
}

impl<'a> EncodedText<'a> {
    fn read(block: &mut &'a [u8]) -> Result<Self, Broken> {
        let huffman = block.first().is_some_and(|byte| byte & 0x80 != 0);
        let length = integer(block, 7)?;
        let (text, rest) = block.split_at_checked(length).ok_or(Broken)?;
        *block = rest;
        Ok(if huffman { Self::Huffman(text) } else { Self::Plain(text) })
    }

    fn decoded(&self) -> Result<Cow<'a, [u8]>, Broken> {
        match self {
            Self::Plain(text) => Ok(Cow::Borrowed(*text)),
            Self::Huffman(coded) => {
                let mut text = Vec::with_capacity(coded.len() * 2);
                huffman(coded, |byte| text.push(byte))?;
                Ok(Cow::Owned(text))
            }
        }
    }

    fn decoded_length(&self) -> Result<usize, Broken> {
        match self {
            Self::Plain(text) => Ok(text.len()),
            Self::Huffman(coded) => {
                let mut length = 0;
                huffman(coded, |_| length += 1)?;
                Ok(length)
            }
        }
    }
}

/// The number of bits in the Huffman code of each byte, and of the end-of-string symbol.
const CODE_LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
    5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
    22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
    22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26, 30,
];
const SHORTEST: usize = 5;
const LONGEST: usize = 30;
const END: u16 = 256;

/// The Huffman code. It is canonical: shorter codes come first, and codes of the same length follow each other in the
/// order of their symbols.
struct Codes {
    /// All symbols, in the order of their codes.
    symbols: [u16; 257],
    /// For each length: the first code, the code after the last one, and the index of the first symbol in `symbols`.
    lengths: [(u32, u32, usize); LONGEST + 1],
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const CODES: Codes = {
    let mut codes = Codes { symbols: [0; 257], lengths: [(0, 0, 0); LONGEST + 1] };
    let (mut code, mut place, mut length) = (0_u32, 0, SHORTEST);
    while length <= LONGEST {
        let (first, begins) = (code, place);
        let mut symbol = 0_u16;
        while symbol <= END {
            if CODE_LENGTHS[symbol as usize] as usize == length {
                codes.symbols[place] = symbol;
                place += 1;
                code += 1;
            }
            symbol += 1;
        }
        codes.lengths[length] = (first, code, begins);
        code <<= 1;
        length += 1;
    }
    codes
};

fn huffman(coded: &[u8], mut take: impl FnMut(u8)) -> Result<(), Broken> {
    let (mut waiting, mut bits, mut length) = (0_u64, 0, SHORTEST);
    for &byte in coded {
        waiting = waiting << 8 | u64::from(byte);
        bits += 8;
        // Only the last `bits` bits of `waiting` are not decoded yet.
        while length <= bits {
            let code = u32::try_from(waiting >> (bits - length) & ((1 << length) - 1)).map_err(|_| Broken)?;
            let &(first, after, place) = CODES.lengths.get(length).ok_or(Broken)?;
            if code < after {
                let offset = usize::try_from(code - first).map_err(|_| Broken)?;
                let symbol = CODES.symbols.get(place + offset).ok_or(Broken)?;
                take(u8::try_from(*symbol).map_err(|_| Broken)?);
                bits -= length;
                length = SHORTEST;
            } else {
                length += 1;
            }
        }
    }
    // The remaining bits are padding: the beginning of the end-of-string code, which is all ones.
    let padding = (1 << bits) - 1;
    if bits < 8 && waiting & padding == padding { Ok(()) } else { Err(Broken) }
}

#[cfg(any(test, fuzzing))]
#[path = "hpack_fuzzing.rs"]
#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "only tests see it")]
pub(super) mod fuzzing;

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// RFC 7541 C.4 and C.3: three requests on one connection, with and without Huffman codes.
    #[test]
    fn the_examples_of_the_specification() {
        for blocks in [
            [
                "828684418cf1e3c2e5f23a6ba0ab90f4ff",
                "828684be5886a8eb10649cbf",
                "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
            ],
            [
                "828684410f7777772e6578616d706c652e636f6d",
                "828684be58086e6f2d6361636865",
                "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
            ],
        ] {
            let mut table = DynamicTable::default();
            for (block, size) in blocks.into_iter().zip([57, 110, 164]) {
                assert_eq!(table.read(&bytes(block)), Ok(BlockFields { pseudo: true, fragment: None }), "{block}");
                assert_eq!(table.size, size, "{block}");
            }
        }
    }

    /// RFC 7541 C.6: longer values, and a table that evicts entries.
    #[test]
    fn entries_are_given_up() {
        let mut table = DynamicTable::default();
        // The first block sets a table of 256 bytes.
        for (block, size) in [
            (
                "3fe101488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
                222,
            ),
            ("4883640effc1c0bf", 222),
        ] {
            table.read(&bytes(block)).unwrap();
            assert_eq!(table.size, size);
        }
    }

    fn literal(first: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
        let length = |text: &[u8]| u8::try_from(text.len()).unwrap();
        [&[first, length(name)], name, &[length(value)], value].concat()
    }

    #[test]
    fn a_fragment_is_found_however_its_path_is_written() {
        let path = b"/a#b?x=1".as_slice();
        let found = || Ok(BlockFields { pseudo: true, fragment: Some(path.to_vec()) });
        let mut table = DynamicTable::default();
        assert_eq!(table.read(&literal(0x00, b":path", path)), found());
        assert_eq!(table.read(&literal(0x40, b":path", path)), found());
        // By its index, and by the index of its name.
        assert_eq!(table.read(&[0x80 + 62]), found());
        assert_eq!(table.read(&[&[0x0F, 62 - 15, 8], path].concat()), found());
        assert_eq!(table.read(&[&[0x04, 8], path].concat()), found());
        assert_eq!(table.read(&[0x84]), Ok(BlockFields { pseudo: true, fragment: None }));
        assert_eq!(table.read(&literal(0x40, b"referer", path)), Ok(BlockFields::default()));
        // `/a#b` in Huffman codes: 011000 00011 111111111010 100011, then ones to the end.
        let coded = [0x04, 0x84, 0b0110_0000, 0b0111_1111, 0b1111_0101, 0b0001_1111];
        assert_eq!(table.read(&coded), Ok(BlockFields { pseudo: true, fragment: Some(b"/a#b".to_vec()) }));
    }

    #[test]
    fn what_is_no_block() {
        for block in ["80", "be", "ff", "40", "0401", "04ff", "3fe21f", "0481fe", "0484ffffffff", "ffffffffffff"] {
            assert_eq!(DynamicTable::default().read(&bytes(block)), Err(Broken), "{block}");
        }
    }
}
