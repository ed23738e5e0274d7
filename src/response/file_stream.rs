//! Response bodies from a file: one that the application named, or the part of a response that was spooled for a slow
//! client.
//!
//! The driving thread must not wait for a disk, so tokio's blocking threads read the pieces.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rsgi_bridge::error::BodyError;
use rsgi_bridge::pipe::PipeReader;
use rsgi_bridge::response::sink::Pieces;
use rsgi_bridge::response::stored::{Piece, Stored};
use tokio::task::JoinHandle;

/// How much of a file is read at once, in bytes.
const FILE_CHUNK: u64 = 256 * 1024;

/// A file that tokio's blocking threads read piece by piece.
#[derive(Debug)]
pub struct FileStream<F> {
    left: u64,
    source: FileSource<F>,
}

#[derive(Debug)]
enum FileSource<F> {
    Here(F),
    /// A blocking thread has the file, and returns it with the piece that it has read.
    Reading(JoinHandle<(F, io::Result<Option<Bytes>>)>),
    /// Reading failed.
    Lost,
}

impl<F: Pieces + Unpin> FileStream<F> {
    /// Reads `body`.
    pub fn new(body: F) -> Self {
        Self { left: body.left(), source: FileSource::Here(body) }
    }

    /// How many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next piece; `None` at the end.
    pub fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut reading = match std::mem::replace(&mut self.source, FileSource::Lost) {
            FileSource::Here(mut body) => tokio::task::spawn_blocking(move || {
                let piece = body.next_piece(FILE_CHUNK);
                (body, piece)
            }),
            FileSource::Reading(reading) => reading,
            FileSource::Lost => return Poll::Ready(None),
        };
        let Poll::Ready(read) = Pin::new(&mut reading).poll(context) else {
            self.source = FileSource::Reading(reading);
            return Poll::Pending;
        };
        let piece = match read {
            Ok((body, piece)) => {
                self.left = body.left();
                self.source = FileSource::Here(body);
                piece
            }
            Err(panicked) => Err(io::Error::other(panicked)),
        };
        Poll::Ready(piece.transpose())
    }
}

/// A body that comes through a pipe, with parts of it in a file.
#[derive(Debug)]
pub struct SpooledStream {
    reader: PipeReader<Piece>,
    stored: Option<FileStream<Stored>>,
}

impl SpooledStream {
    /// Reads from `reader`.
    pub fn new(reader: PipeReader<Piece>) -> Self {
        Self { reader, stored: None }
    }

    /// Whether all of it was taken.
    pub fn is_finished(&self) -> bool {
        self.stored.as_ref().is_none_or(|stored| stored.left() == 0) && self.reader.is_finished()
    }

    /// Calls `tell` once if the body is given up because its client takes nothing.
    pub fn on_given_up(&self, tell: impl FnOnce() + Send + 'static) {
        self.reader.on_given_up(tell);
    }

    /// Tells the sender that the client may have left.
    pub fn doubt(&self) {
        self.reader.doubt();
    }

    /// The next piece; `None` at the end.
    pub fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if let Some(stored) = &mut self.stored {
                if let Some(piece) = ready!(stored.poll_chunk(context)) {
                    return Poll::Ready(Some(piece));
                }
                self.stored = None;
            }
            match ready!(self.reader.poll_next(context)) {
                None => return Poll::Ready(None),
                Some(Ok(Piece::Bytes(bytes))) => return Poll::Ready(Some(Ok(bytes))),
                Some(Ok(Piece::Stored(stored))) => self.stored = Some(FileStream::new(stored)),
                Some(Err(error)) => return Poll::Ready(Some(Err(broken_off(error)))),
            }
        }
    }
}

/// The error of a body that breaks off.
pub fn broken_off(error: BodyError) -> io::Error {
    io::Error::other(format!("the response is incomplete: {error}"))
}
