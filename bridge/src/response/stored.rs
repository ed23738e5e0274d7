//! Stores a part of a response in a temporary file, because its client is slow.
//!
//! `overflow` decides when to store something. This file writes it, and limits how much disk space all responses of the
//! process use.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;

use crate::pipe::Weight;
use crate::response::sink::{Pieces, read_piece};

/// All responses of a process together may store this many times the limit of one response.
const MOST_FULL_SPOOLS: u64 = 16;

/// The most memory, in bytes, for all complete bodies that are larger than a response buffer. Further ones are stored
/// on disk.
const MOST_IN_MEMORY: usize = 64 * 1024 * 1024;

/// Bytes on disk, of all responses of this process.
static STORED: AtomicU64 = AtomicU64::new(0);

/// Bytes in memory, of all complete bodies.
static IN_MEMORY: AtomicUsize = AtomicUsize::new(0);

/// A part of a temporary file. It replaces the bytes that were written there.
#[derive(Debug)]
pub struct Stored {
    file: Arc<SpoolFile>,
    offset: u64,
    length: u64,
}

impl Pieces for Stored {
    fn left(&self) -> u64 {
        self.length
    }

    fn next_piece(&mut self, most: u64) -> io::Result<Option<Bytes>> {
        read_piece(&self.file.file, &mut self.offset, &mut self.length, most)
    }
}

/// An item of a pipe that may be stored.
pub trait Storable: Weight + Sized {
    /// The bytes to store.
    fn bytes(&self) -> Option<&Bytes>;

    /// The part that was stored before, if the item is one.
    ///
    /// # Errors
    /// The item itself, if it is something else.
    fn into_stored(self) -> Result<Stored, Self>;

    /// The item for a stored part.
    fn from_stored(stored: Stored) -> Self;
}

/// A piece of a response body on its way to a socket.
#[derive(Debug)]
pub enum Piece {
    /// In memory.
    Bytes(Bytes),
    /// In a file.
    Stored(Stored),
}

impl Weight for Piece {
    fn weight(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Stored(_) => 0,
        }
    }
}

impl Storable for Piece {
    fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Stored(_) => None,
        }
    }

    fn into_stored(self) -> Result<Stored, Self> {
        match self {
            Self::Stored(stored) => Ok(stored),
            Self::Bytes(_) => Err(self),
        }
    }

    fn from_stored(stored: Stored) -> Self {
        Self::Stored(stored)
    }
}

/// A temporary file without a name, and how many bytes of the disk are counted for it.
#[derive(Debug)]
struct SpoolFile {
    file: File,
    counted: AtomicU64,
}

impl SpoolFile {
    fn create() -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, counted: AtomicU64::new(0) })
    }

    /// Counts `size` bytes for this file. Returns `false` if all files together would exceed `most`.
    fn grow_to(&self, size: u64, most: u64) -> bool {
        let more = size.saturating_sub(self.counted.load(Ordering::Relaxed));
        let within = |stored: u64| stored.checked_add(more).filter(|sum| *sum <= most);
        let grown = STORED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok();
        if grown {
            self.counted.fetch_add(more, Ordering::Relaxed);
        }
        grown
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        STORED.fetch_sub(*self.counted.get_mut(), Ordering::Relaxed);
    }
}

/// Nothing was stored.
#[derive(Debug)]
pub struct NotStored<T> {
    /// The items, unchanged.
    pub items: VecDeque<T>,
    /// The error of the disk. `None` if a limit was reached.
    pub error: Option<io::Error>,
}

/// The temporary file of one response. It is created when something is stored.
#[derive(Debug)]
pub struct Spool {
    limit: u64,
    file: Option<Arc<SpoolFile>>,
    written: u64,
}

impl Spool {
    /// Stores at most `limit` bytes at a time. With 0, stores nothing.
    pub fn new(limit: u64) -> Self {
        Self { limit, file: None, written: 0 }
    }

    /// Whether the client has not read yet everything that was stored.
    pub fn is_behind(&self) -> bool {
        self.file.as_ref().is_some_and(|file| Arc::strong_count(file) > 1)
    }

    /// Writes the bytes of `items` to the file. Returns the items that replace them. Blocks for the disk.
    ///
    /// # Errors
    /// When a limit is reached or the disk fails. The items are returned unchanged.
    pub fn store<T: Storable>(&mut self, items: VecDeque<T>) -> Result<VecDeque<T>, NotStored<T>> {
        let chunks: Vec<&Bytes> = items.iter().filter_map(T::bytes).collect();
        match self.append(&chunks) {
            Ok(Some(stored)) => Ok(replaced(items, stored)),
            Ok(None) => Err(NotStored { items, error: None }),
            Err(error) => {
                // Another attempt would fail in the same way, at the same cost.
                self.limit = 0;
                Err(NotStored { items, error: Some(error) })
            }
        }
    }

    /// Writes the pieces. `None` if that would exceed a limit.
    fn append(&mut self, chunks: &[&Bytes]) -> io::Result<Option<Stored>> {
        let length = chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        if length > self.limit {
            return Ok(None);
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(Arc::new(SpoolFile::create()?)),
        };
        // If everything was read, the file is used from its beginning again.
        let offset = if Arc::get_mut(file).is_some() { 0 } else { self.written };
        let end = offset.saturating_add(length);
        if end > self.limit || !file.grow_to(end, self.limit.saturating_mul(MOST_FULL_SPOOLS)) {
            return Ok(None);
        }
        match chunks {
            [chunk] => file.file.write_all_at(chunk, offset)?,
            chunks => file.file.write_all_at(&joined(chunks, length)?, offset)?,
        }
        self.written = end;
        Ok(Some(Stored { file: Arc::clone(file), offset, length }))
    }
}

/// Joins the pieces for a single write, because an application may send single bytes.
fn joined(chunks: &[&Bytes], length: u64) -> io::Result<Vec<u8>> {
    let mut whole = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
    for chunk in chunks {
        whole.extend_from_slice(chunk);
    }
    Ok(whole)
}

/// Replaces the bytes in `items` by `stored`.
fn replaced<T: Storable>(items: VecDeque<T>, stored: Stored) -> VecDeque<T> {
    let mut left = VecDeque::with_capacity(2);
    let mut whole = stored;
    for item in items {
        match item.into_stored() {
            // A part that was stored before ends where this one begins, so both become one.
            Ok(earlier) => whole = Stored { length: earlier.length + whole.length, ..earlier },
            Err(item) if item.bytes().is_some() => {}
            Err(item) => left.push_back(item),
        }
    }
    left.push_back(T::from_stored(whole));
    left
}

/// A complete body.
#[derive(Debug)]
pub enum Kept {
    /// In memory.
    InMemory(Bytes),
    /// On disk, because the limit for memory was reached.
    Stored(Stored),
}

/// Keeps a large body until its client has read it: in memory, or in a file of at most `limit` bytes. Blocks for the
/// disk.
pub fn keep(body: Bytes, limit: u64) -> Kept {
    let size = body.len();
    let within = |held: usize| held.checked_add(size).filter(|sum| *sum <= MOST_IN_MEMORY);
    let fits = IN_MEMORY.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok();
    if !fits {
        // If the disk fails, the body stays in memory, so that it is not lost.
        if let Ok(Some(stored)) = Spool::new(limit).append(&[&body]) {
            return Kept::Stored(stored);
        }
        IN_MEMORY.fetch_add(size, Ordering::Relaxed);
    }
    Kept::InMemory(Bytes::from_owner(Counted(body)))
}

/// A body that counts for `IN_MEMORY` while anybody has a part of it.
struct Counted(Bytes);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        IN_MEMORY.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static [u8]) -> Piece {
        Piece::Bytes(Bytes::from_static(text))
    }

    fn read(items: VecDeque<Piece>) -> Vec<u8> {
        let mut all = Vec::new();
        for item in items {
            match item {
                Piece::Bytes(bytes) => all.extend_from_slice(&bytes),
                Piece::Stored(mut stored) => {
                    while let Some(piece) = stored.next_piece(3).unwrap() {
                        all.extend_from_slice(&piece);
                    }
                }
            }
        }
        all
    }

    #[test]
    fn what_is_stored_comes_out_in_order_and_in_one_part() {
        let mut spool = Spool::new(100);
        let mut items = spool.store(VecDeque::from([bytes(b"abc"), bytes(b"de")])).unwrap();
        items.push_back(bytes(b"fgh"));
        let items = spool.store(items).unwrap();
        assert_eq!(items.len(), 1);
        assert!(spool.is_behind());
        assert_eq!(read(items), b"abcdefgh");
        assert!(!spool.is_behind());
    }

    #[test]
    fn a_full_spool_gives_everything_back_and_is_empty_once_all_was_taken() {
        let mut spool = Spool::new(5);
        let first = spool.store(VecDeque::from([bytes(b"abc")])).unwrap();
        let NotStored { items, error } = spool.store(VecDeque::from([bytes(b"def")])).unwrap_err();
        assert!(error.is_none());
        assert_eq!((read(first), read(items)), (b"abc".to_vec(), b"def".to_vec()));
        let again = spool.store(VecDeque::from([bytes(b"ghijk")])).unwrap();
        assert_eq!(read(again), b"ghijk");
    }

    #[test]
    fn no_limit_is_no_file() {
        let mut spool = Spool::new(0);
        assert!(spool.store(VecDeque::from([bytes(b"a")])).is_err());
        assert!(spool.file.is_none());
    }
}
