//! Where the response of one WSGI call goes.
//!
//! Kept apart because the server sends it to a socket and the bridge to another server's `send`; the call is the same.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use bytes::Bytes;
use pyo3::PyErr;

use crate::error::Disconnected;
use crate::response::response_head::ResponseHead;

/// A piece of an open file, to be sent without passing through Python.
#[derive(Debug)]
pub struct FileBody {
    /// Opened for this response alone.
    pub file: File,
    /// Where to start, in bytes.
    pub offset: u64,
    /// How many bytes to send.
    pub length: u64,
    /// Where the application says that the file is.
    pub path: Option<PathBuf>,
    /// What the file was when its length was told, where it must not change while it is sent.
    pub stamp: Option<Stamp>,
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Its size, in bytes.
    pub size: u64,
    /// When it was changed, in seconds since 1970.
    pub seconds: i64,
    /// The rest of that.
    pub nanoseconds: i64,
}

impl Stamp {
    /// That of a file whose metadata this is.
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self { size: metadata.len(), seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() }
    }

    /// Whether what was read between this state and `later` may be of both. What grows keeps what it had: a log does.
    pub fn is_broken_by(self, later: Self) -> bool {
        later.size < self.size || (later.size == self.size && later != self)
    }
}

/// What is read piece by piece.
pub trait Pieces: Send + 'static {
    /// How many bytes are left.
    fn left(&self) -> u64;

    /// The next piece, of at most `most` bytes; `None` at the end. Blocks for the disk.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file got shorter: what was sent must not look whole.
    fn next_piece(&mut self, most: u64) -> std::io::Result<Option<Bytes>>;
}

impl Pieces for FileBody {
    fn left(&self) -> u64 {
        self.length
    }

    fn next_piece(&mut self, most: u64) -> std::io::Result<Option<Bytes>> {
        let piece = read_piece(&self.file, &mut self.offset, &mut self.length, most)?;
        // The last piece is kept back when those before it may not belong to it.
        if self.length == 0
            && let Some(stamp) = self.stamp
            && stamp.is_broken_by(Stamp::of(&self.file.metadata()?))
        {
            return Err(std::io::Error::other("the file changed while it was sent"));
        }
        Ok(piece)
    }
}

/// Reads the next piece of `file`, and moves `offset` and `length` on.
///
/// # Errors
/// `UnexpectedEof` when the file got shorter.
pub fn read_piece(file: &File, offset: &mut u64, length: &mut u64, most: u64) -> std::io::Result<Option<Bytes>> {
    if *length == 0 {
        return Ok(None);
    }
    let mut piece = vec![0; usize::try_from((*length).min(most)).map_err(std::io::Error::other)?];
    let read = file.read_at(&mut piece, *offset)?;
    if read == 0 {
        return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file got shorter while it was sent"));
    }
    piece.truncate(read);
    *offset += read as u64;
    *length -= read as u64;
    Ok(Some(piece.into()))
}

/// The length that files in `/sys` have.
const PAGE: u64 = 4096;

/// The file, or a copy of what can be read from it where its length says nothing about that: files that the kernel makes when
/// they are read have nothing on disk, and say 0 (in `/proc`) or a page (in `/sys`).
///
/// # Errors
/// When it cannot be read, or the copy not be written.
pub fn of_known_length(mut file: File) -> std::io::Result<File> {
    let metadata = file.metadata()?;
    if metadata.blocks() > 0 || metadata.len() > PAGE {
        return Ok(file);
    }
    let mut copy = tempfile::tempfile()?;
    let copied = std::io::copy(&mut file, &mut copy)?;
    // It said what there is.
    Ok(if copied == metadata.len() { file } else { copy })
}

/// Whether more may be written at once.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Capacity {
    /// It may.
    More,
    /// Not before the client has taken some.
    Full,
}

/// Takes one response: either one of the whole ones, or `start`, any number of `write`s, and an end.
pub trait ResponseSink: Send {
    /// A response that is complete. Nothing of it follows but, perhaps, an end. `body` may be longer or shorter than declared
    /// only where the caller checked it. May block for the disk where the body is large, never for the client.
    fn complete(&mut self, head: Box<ResponseHead>, body: Bytes);

    /// A response whose body is a file. May block, with the interpreter detached, while the client is slow.
    ///
    /// # Errors
    /// `BrokenPipe` when the client has gone; any other when the file cannot be read to its end.
    fn file(&mut self, head: Box<ResponseHead>, body: FileBody) -> std::io::Result<()>;

    /// The head of a response whose body follows in pieces.
    fn start(&mut self, head: Box<ResponseHead>);

    /// One non-empty piece. Never blocks; says whether there is room for another.
    ///
    /// # Errors
    /// [`Disconnected`] when the client has gone.
    fn write(&mut self, chunk: Bytes) -> Result<Capacity, Disconnected>;

    /// Whether the client has gone, as far as that is known: of an answer that is out in full it is not.
    fn is_gone(&self) -> bool;

    /// Blocks, with the interpreter detached, until there is room.
    ///
    /// # Errors
    /// [`Disconnected`] when the client has gone, or is given up.
    fn wait(&mut self) -> Result<(), Disconnected>;

    /// The pieces are complete.
    fn finish(&mut self);

    /// The body breaks off: the client must not take it for a whole one.
    fn abort(&mut self);

    /// The application failed before anything was sent.
    fn fail(&mut self);

    /// The application replaced its head because of this error, and goes on.
    fn replaced(&mut self, _error: PyErr) {}
}
