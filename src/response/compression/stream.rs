//! Compresses a body while it is sent.
//!
//! Three things must hold:
//!
//! - Bytes of the application never wait for later ones: when no more bytes are ready, the compressor is flushed.
//! - The driving thread is not held up: one of tokio's blocking threads compresses large pieces, one piece at a time.
//! - A body that breaks off never looks complete: the end of the coding is never written.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use rsgi_bridge::pipe::PipeReader;
use rsgi_bridge::response::sink::FileBody;
use tokio::task::JoinHandle;

use super::encoder::Encoder;
use crate::request::body_copy::BodyCopy;
use crate::response::file_stream::{FileStream, SpooledStream, broken_off};

/// Bytes that one poll compresses on the driving thread. Larger pieces go to a blocking thread.
pub const AT_ONCE: usize = 16 * 1024;
/// The largest piece that a blocking thread compresses at once, in bytes.
const PIECE: usize = 256 * 1024;
/// Compressed bytes that are collected before they are sent, unless no more input is ready.
const ENOUGH: usize = 32 * 1024;

/// Where the plain bytes come from.
#[derive(Debug)]
pub enum Source {
    /// All of them are here.
    Whole(Bytes),
    /// The application sends them.
    Stream(PipeReader<Bytes>),
    /// The application sends them, and parts of them come from a file if the client is slow.
    Spooled(SpooledStream),
    /// They are in a file.
    File(Box<FileStream<FileBody>>),
}

impl Source {
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match self {
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
            }
            Self::Stream(reader) => reader.poll_next(context).map(|next| next.map(|chunk| chunk.map_err(broken_off))),
            Self::Spooled(stream) => stream.poll_chunk(context),
            Self::File(file) => file.poll_chunk(context),
        }
    }

    /// Whether the input may pause, so that earlier bytes must be flushed meanwhile.
    fn is_live(&self) -> bool {
        matches!(self, Self::Stream(_) | Self::Spooled(_))
    }
}

/// A body that is compressed while it is sent. See the top of this file.
#[derive(Debug)]
pub struct CompressedStream {
    source: Source,
    /// Bytes that have arrived and are not compressed yet.
    rest: Bytes,
    work: Work,
    /// Some bytes were compressed but not flushed.
    unflushed: bool,
    /// Takes the fields that follow the body, when the application has sent them.
    pub trailers: Option<crate::response::trailers::Trailers>,
    /// Gets a copy of the plain bytes, if they are copied.
    copy: Option<Arc<BodyCopy>>,
}

#[derive(Debug)]
enum Work {
    Here(Encoder),
    /// A blocking thread has the encoder.
    Away(JoinHandle<io::Result<Encoder>>),
    /// The last bytes, and the error that ends the body after them.
    Ending(Vec<u8>, Option<io::Error>),
}

impl CompressedStream {
    /// Compresses what `source` delivers.
    pub fn new(source: Source, encoder: Encoder, trailers: Option<crate::response::trailers::Trailers>) -> Self {
        Self { source, rest: Bytes::new(), work: Work::Here(encoder), unflushed: false, trailers, copy: None }
    }

    /// Copies the plain bytes into `copy` as they arrive.
    pub fn copied(&mut self, copy: Option<Arc<BodyCopy>>) {
        self.copy = copy;
    }

    /// Calls `tell` once if the body is given up because its client takes nothing.
    pub fn on_given_up(&self, tell: impl FnOnce() + Send + 'static) {
        if let Source::Spooled(stream) = &self.source {
            stream.on_given_up(tell);
        }
    }

    /// Tells the sender that the client may have left.
    pub fn doubt(&self) {
        match &self.source {
            Source::Stream(reader) => reader.doubt(),
            Source::Spooled(stream) => stream.doubt(),
            Source::Whole(_) | Source::File(_) => {}
        }
    }

    /// The fields that follow the body. They are returned once.
    pub fn take_trailers(&mut self) -> Option<HeaderMap> {
        let trailers = self.trailers.as_ref()?;
        trailers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }

    /// The next compressed piece; `None` at the end.
    pub fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut budget = AT_ONCE;
        loop {
            let encoder = match &mut self.work {
                Work::Here(encoder) => encoder,
                Work::Away(task) => {
                    let back = ready!(Pin::new(task).poll(context)).map_err(io::Error::other);
                    self.work = match back.and_then(|back| back) {
                        Ok(encoder) => Work::Here(encoder),
                        Err(error) => Work::Ending(Vec::new(), Some(error)),
                    };
                    continue;
                }
                Work::Ending(last, error) => {
                    let last = std::mem::take(last);
                    return Poll::Ready(if last.is_empty() { error.take().map(Err) } else { Some(Ok(last.into())) });
                }
            };
            if encoder.ready() >= ENOUGH {
                return Poll::Ready(Some(Ok(encoder.take().into())));
            }
            if !self.rest.is_empty() {
                if let Err(error) = self.compress(&mut budget) {
                    self.work = Work::Ending(Vec::new(), Some(error));
                }
                continue;
            }
            match self.source.poll_chunk(context) {
                Poll::Ready(Some(Ok(chunk))) => {
                    if let Some(copy) = &self.copy {
                        copy.push(&chunk);
                    }
                    self.rest = chunk;
                }
                Poll::Ready(end) => self.end(end.and_then(Result::err)),
                Poll::Pending => return self.poll_flushed(),
            }
        }
    }

    /// Compresses the next piece of the input.
    fn compress(&mut self, budget: &mut usize) -> io::Result<()> {
        let Work::Here(encoder) = &mut self.work else { return Ok(()) };
        self.unflushed = true;
        if let Some(left) = budget.checked_sub(self.rest.len()) {
            *budget = left;
            return encoder.write(&std::mem::take(&mut self.rest));
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        let Work::Here(mut encoder) = std::mem::replace(&mut self.work, Work::Ending(Vec::new(), None)) else {
            return Ok(());
        };
        self.work = Work::Away(tokio::task::spawn_blocking(move || encoder.write(&piece).map(|()| encoder)));
        Ok(())
    }

    /// No more input is ready, so flush what was compressed.
    fn poll_flushed(&mut self) -> Poll<Option<io::Result<Bytes>>> {
        let Work::Here(encoder) = &mut self.work else { return Poll::Pending };
        if !self.unflushed || !self.source.is_live() {
            return Poll::Pending;
        }
        self.unflushed = false;
        if let Err(error) = encoder.flush() {
            self.work = Work::Ending(Vec::new(), None);
            return Poll::Ready(Some(Err(error)));
        }
        let flushed = encoder.take();
        if flushed.is_empty() { Poll::Pending } else { Poll::Ready(Some(Ok(flushed.into()))) }
    }

    /// The source has ended or broken off. If it has broken off, flush the earlier bytes, but do not write the end of
    /// the coding.
    fn end(&mut self, broken: Option<io::Error>) {
        if let Some(copy) = self.copy.as_ref().filter(|_| broken.is_none()) {
            copy.end();
        }
        let Work::Here(mut encoder) = std::mem::replace(&mut self.work, Work::Ending(Vec::new(), None)) else { return };
        let last = match &broken {
            None => encoder.finish(),
            Some(_) => encoder.flush().map(|()| encoder.take()),
        };
        self.work = match last {
            Ok(last) => Work::Ending(last, broken),
            Err(error) => Work::Ending(Vec::new(), Some(error)),
        };
    }

    /// Whether all of it was taken.
    pub fn is_finished(&self) -> bool {
        self.trailers.is_none() && matches!(&self.work, Work::Ending(last, None) if last.is_empty())
    }
}
