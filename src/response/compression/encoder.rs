//! Compresses one stream of bytes with any of the codings.
//!
//! It gives the three libraries one interface, and chooses levels and windows: fast levels, and windows that are small
//! enough for many slow streams at a time.
//!
//! Spec: RFC 1952 (gzip), RFC 7932 (Brotli), RFC 8878 and 9659 (Zstandard and its window).

use std::io::{self, Write};

use crate::response::encoding::Encoding;

/// Of 9. This level saves about two thirds of what level 9 saves, in a fraction of the time.
const GZIP_LEVEL: u32 = 5;
/// Of 11.
const BROTLI_LEVEL: u32 = 4;
/// Of 22.
const ZSTD_LEVEL: i32 = 3;
/// The binary logarithm of the window size: 2^18 bytes are 256 KiB.
const WINDOW: u32 = 18;

/// Takes plain bytes and collects the compressed ones.
pub enum Encoder {
    /// `gzip`.
    Gzip(Box<flate2::write::GzEncoder<Vec<u8>>>),
    /// `br`.
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    /// `zstd`.
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Encoder")
    }
}

impl Encoder {
    /// Starts a stream. `size` is the number of plain bytes, if it is known.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new(encoding: Encoding, size: Option<u64>) -> io::Result<Self> {
        Ok(match encoding {
            Encoding::Gzip => {
                Self::Gzip(Box::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL))))
            }
            Encoding::Brotli => {
                Self::Brotli(Box::new(brotli::CompressorWriter::new(Vec::new(), 4096, BROTLI_LEVEL, WINDOW)))
            }
            Encoding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.window_log(WINDOW)?;
                encoder.set_pledged_src_size(size)?;
                Self::Zstd(Box::new(encoder))
            }
        })
    }

    /// Takes plain bytes.
    ///
    /// # Errors
    /// When the library fails.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Brotli(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    /// Compresses everything that was taken, so that the client can decode all of it.
    ///
    /// # Errors
    /// When the library fails.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Brotli(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }

    /// Ends the stream and returns its last bytes.
    ///
    /// # Errors
    /// When the library fails.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }

    /// How many compressed bytes can be taken out.
    pub fn ready(&self) -> usize {
        match self {
            Self::Gzip(encoder) => encoder.get_ref().len(),
            Self::Brotli(encoder) => encoder.get_ref().len(),
            Self::Zstd(encoder) => encoder.get_ref().len(),
        }
    }

    /// Takes out the compressed bytes.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        })
    }
}

/// Compresses all of `bytes`.
///
/// # Errors
/// When the library fails.
pub fn compressed(encoding: Encoding, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = Encoder::new(encoding, Some(bytes.len() as u64))?;
    encoder.write(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot compress should fail")]
    use std::io::Read;

    use super::*;

    fn read(encoding: Encoding, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        match encoding {
            Encoding::Gzip => flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain),
            Encoding::Brotli => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut plain),
            Encoding::Zstd => zstd::stream::read::Decoder::new(bytes)?.read_to_end(&mut plain),
        }
        .map(|_| plain)
    }

    #[test]
    fn what_is_flushed_can_be_read_and_what_is_not_finished_is_not_whole() {
        for encoding in [Encoding::Gzip, Encoding::Brotli, Encoding::Zstd] {
            let mut encoder = Encoder::new(encoding, None).unwrap();
            encoder.write(b"first ").unwrap();
            encoder.flush().unwrap();
            let mut sent = encoder.take();
            assert!(!sent.is_empty(), "{encoding:?}");
            assert!(read(encoding, &sent).is_err(), "{encoding:?}");
            encoder.write(b"second").unwrap();
            sent.extend(encoder.finish().unwrap());
            assert_eq!(read(encoding, &sent).unwrap(), b"first second", "{encoding:?}");
            assert_eq!(read(encoding, &compressed(encoding, b"all").unwrap()).unwrap(), b"all", "{encoding:?}");
        }
    }
}
