//! Sets of bytes that contain letters and digits. Each request has many bytes that must be in one of them.
//!
//! A look into a table takes fewer steps than comparisons with every range of the set.

/// A set of bytes.
#[derive(Debug)]
pub struct ByteTable([bool; 256]);

impl ByteTable {
    /// The set of all ASCII letters, all digits, and `others`.
    pub const fn of(others: &[u8]) -> Self {
        let mut table = [false; 256];
        let mut byte = 0_u8;
        while byte < 0x80 {
            #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler; a byte indexes 256 entries")]
            {
                table[byte as usize] = byte.is_ascii_alphanumeric();
            }
            byte += 1;
        }
        let mut rest = others;
        while let [byte, tail @ ..] = rest {
            #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler; a byte indexes 256 entries")]
            {
                table[*byte as usize] = true;
            }
            rest = tail;
        }
        Self(table)
    }

    /// Whether a byte is in the set.
    #[inline]
    pub const fn has(&self, byte: u8) -> bool {
        #[expect(clippy::indexing_slicing, reason = "a byte indexes 256 entries")]
        self.0[byte as usize]
    }
}
