//! Where the response of a WSGI call goes: in the server to a socket, in the bridge to another server's `send`.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use bytes::Bytes;
use pyo3::PyErr;

use crate::error::Disconnected;
use crate::pipe::Capacity;
use crate::response::response_head::ResponseHead;

/// A part of an open file. It is sent without going through Python.
#[derive(Debug)]
pub struct FileBody {
    /// A file that was opened only for this response.
    pub file: File,
    /// Where to start, in bytes.
    pub offset: u64,
    /// How many bytes to send.
    pub length: u64,
    /// The path of the file, according to the application.
    pub path: Option<PathBuf>,
    /// The state of the file when its length was read, if it must not change while it is sent.
    pub stamp: Option<Stamp>,
}

/// Identifies the state of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The size, in bytes.
    pub size: u64,
    /// The modification time, in seconds since 1970.
    pub seconds: i64,
    /// The nanoseconds of the modification time.
    pub nanoseconds: i64,
}

impl Stamp {
    /// The state in this metadata.
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self { size: metadata.len(), seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() }
    }

    /// Whether the content may have changed between this state and `later`. A file that only grows, such as a log,
    /// keeps its content.
    pub fn is_broken_by(self, later: Self) -> bool {
        later.size < self.size || (later.size == self.size && later != self)
    }
}

/// Something that is read piece by piece.
pub trait Pieces: Send + 'static {
    /// How many bytes are left.
    fn left(&self) -> u64;

    /// The next piece, of at most `most` bytes; `None` at the end. Blocks for the disk.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file got shorter, because the body must not look complete then.
    fn next_piece(&mut self, most: u64) -> std::io::Result<Option<Bytes>>;
}

impl Pieces for FileBody {
    fn left(&self) -> u64 {
        self.length
    }

    fn next_piece(&mut self, most: u64) -> std::io::Result<Option<Bytes>> {
        let piece = read_piece(&self.file, &mut self.offset, &mut self.length, most)?;
        // If the file has changed, the last piece is not sent, because the pieces may not belong together.
        if self.length == 0
            && let Some(stamp) = self.stamp
            && stamp.is_broken_by(Stamp::of(&self.file.metadata()?))
        {
            return Err(std::io::Error::other("the file changed while it was sent"));
        }
        Ok(piece)
    }
}

/// Reads the next piece of `file`, and advances `offset` and `length`.
///
/// # Errors
/// `UnexpectedEof` if the file got shorter.
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

/// The size that files in `/sys` report.
const PAGE: u64 = 4096;

/// Returns the file, or a temporary copy if its size says nothing about its content. The kernel generates some files
/// when they are read: files in `/proc` report a size of 0, those in `/sys` one page.
///
/// # Errors
/// When the file cannot be read, or the copy cannot be written.
pub fn of_known_length(mut file: File) -> std::io::Result<File> {
    let metadata = file.metadata()?;
    if metadata.blocks() > 0 || metadata.len() > PAGE {
        return Ok(file);
    }
    let mut copy = tempfile::tempfile()?;
    let copied = std::io::copy(&mut file, &mut copy)?;
    // If the size was right, no copy is needed.
    Ok(if copied == metadata.len() { file } else { copy })
}

/// Takes one response: either a whole one, or `start`, any number of `write`s, and an end.
pub trait ResponseSink: Send {
    /// Sends a complete response. Nothing may follow except an end. The caller has compared the length of `body` with
    /// the declared one. May block for the disk if the body is large, never for the client.
    fn complete(&mut self, head: ResponseHead, body: Bytes);

    /// Sends a response whose body is a file. May block, without the GIL, while the client is slow.
    ///
    /// # Errors
    /// `BrokenPipe` if the client has gone. Any other error if the file cannot be read to its end.
    fn file(&mut self, head: ResponseHead, body: FileBody) -> std::io::Result<()>;

    /// Sends the head of a response whose body follows in pieces.
    fn start(&mut self, head: ResponseHead);

    /// Sends one piece, which is not empty. Never blocks. Returns whether there is room for another.
    ///
    /// # Errors
    /// [`Disconnected`] if the client has gone.
    fn write(&mut self, chunk: Bytes) -> Result<Capacity, Disconnected>;

    /// Whether the client has gone, as far as this is known. After the whole response was sent, it is not known.
    fn is_gone(&self) -> bool;

    /// Blocks, without the GIL, until there is room.
    ///
    /// # Errors
    /// [`Disconnected`] if the client has gone, or was given up.
    fn wait(&mut self) -> Result<(), Disconnected>;

    /// Ends the body: it is complete.
    fn finish(&mut self);

    /// Breaks off the body, so that the client cannot take it for a complete one.
    fn abort(&mut self);

    /// Called if the application failed before anything was sent.
    fn fail(&mut self);

    /// Called if the application replaced its head because of this error.
    fn replaced(&mut self, _error: PyErr) {}
}
