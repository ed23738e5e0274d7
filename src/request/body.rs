//! The request body on its way from the connection to an application: limit, buffering, back-pressure, replay.
//!
//! Kept apart from the gateways because both read bodies under the same limits. A body that breaks off is an error at
//! every step; it never looks like a short whole one.
//!
//! Spec: RFC 9112 6, 7; RFC 9110 10.1.1 (`100 Continue` goes out when the body is first asked for).

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rsgi_bridge::error::BodyError;
use rsgi_bridge::pipe::{PipeReader, PipeWriter, pipe};
use rsgi_bridge::request::source::BodySource;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::metrics::RouteSeries;
use crate::request::body_copy::BodyCopy;
use crate::wire::DataRate;

/// What a body kept in memory may grow to before it goes to a temporary file, in bytes.
const SPOOL_MEMORY: usize = 1024 * 1024;

/// What is on its way to a temporary file at a time, in bytes.
const SPOOL_BUFFER: usize = 256 * 1024;

/// How often a connection is asked for the rest of a body that should be here.
const READ_TURNS: usize = 2;

/// A request body that is still (partly) on the connection.
#[derive(Debug)]
pub struct RequestBody {
    /// Bytes that were read already and are to be read again.
    replay: Option<BodySource>,
    incoming: RawBody,
    limit: Option<u64>,
    received: u64,
    /// Where there is a body.
    fate: Option<Arc<BodyFate>>,
    /// Where its bytes are counted, if they are.
    series: Option<Arc<RouteSeries>>,
    /// Where they are copied, if they are.
    copy: Option<Arc<BodyCopy>>,
}

/// Where the bytes of a body come from.
#[derive(Debug)]
pub enum RawBody {
    /// There are none.
    Empty,
    /// They came with the head.
    Whole(Option<Bytes>),
    /// An HTTP/1 connection, which keeps the time, and says why the body breaks off.
    Http1(PipeReader<Bytes>),
    /// A stream of an HTTP/2 connection, with a clock of its own.
    Http2(Incoming, Box<DataRate>),
}

impl RawBody {
    /// Whether nothing more comes.
    pub fn is_end(&self) -> bool {
        match self {
            Self::Empty | Self::Whole(None) => true,
            Self::Whole(Some(_)) => false,
            Self::Http1(reader) => reader.is_finished(),
            Self::Http2(incoming, _) => incoming.is_end_stream(),
        }
    }

    /// The next bytes, perhaps none of them; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let (incoming, data_rate) = match self {
            Self::Empty => return Ok(None),
            Self::Whole(bytes) => return Ok(bytes.take()),
            Self::Http1(reader) => return poll_fn(|context| reader.poll_next(context)).await.transpose(),
            Self::Http2(incoming, data_rate) => (incoming, data_rate),
        };
        let frame = match data_rate.wait() {
            None => incoming.frame().await,
            Some(deadline) => {
                let frame = tokio::time::timeout_at(deadline, incoming.frame()).await;
                frame.map_err(|_| BodyError::TooSlow("the request body came too slowly".into()))?
            }
        };
        data_rate.moved(frame.iter().flatten().filter_map(Frame::data_ref).map(Bytes::len).sum());
        let frame = frame.transpose().map_err(|_| BodyError::Disconnected)?;
        // Trailers reach no application: neither interface has a place for them.
        Ok(frame.map(|frame| frame.into_data().unwrap_or_default()))
    }
}

/// What became of a body, for whoever answers the request.
#[derive(Debug, Default)]
pub struct BodyFate(OnceLock<BodyError>);

impl BodyFate {
    /// Why it was refused, if it was: what an application made of half a body is no answer.
    pub fn failure(&self) -> Option<&BodyError> {
        self.0.get()
    }
}

impl RequestBody {
    /// The body of one request, of at most `limit` bytes.
    pub fn new(incoming: RawBody, limit: Option<u64>, series: Option<Arc<RouteSeries>>) -> Self {
        let fate = (!incoming.is_end()).then(Arc::default);
        Self { replay: None, incoming, limit, received: 0, fate, series, copy: None }
    }

    /// Copies the bytes, as they are read.
    pub fn copied(self, copy: Option<Arc<BodyCopy>>) -> Self {
        Self { copy, ..self }
    }

    /// Where it is said what becomes of the body; `None` when there is none.
    pub fn fate(&self) -> Option<Arc<BodyFate>> {
        self.fate.clone()
    }

    /// Whether there is no body at all, or nothing is left.
    pub fn is_end(&self) -> bool {
        self.replay.is_none() && self.incoming.is_end()
    }

    /// The next chunk, `None` at the end.
    ///
    /// # Errors
    /// Why the body broke off.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let next = self.next_chunk().await;
        if let (Some(fate), Err(error)) = (&self.fate, &next)
            && !matches!(error, BodyError::Disconnected)
        {
            // The first reason stays.
            let _earlier = fate.0.set(error.clone());
        }
        next
    }

    async fn next_chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        if let Some(source) = self.replay.take() {
            let (source, chunk) = read_blocking(source).await?;
            if chunk.is_some() {
                self.replay = Some(source);
                return Ok(chunk);
            }
        }
        while let Some(data) = self.incoming.next().await? {
            if !data.is_empty() {
                return self.count(data).map(Some);
            }
        }
        if let Some(copy) = &self.copy {
            copy.end();
        }
        Ok(None)
    }

    fn count(&mut self, data: Bytes) -> Result<Bytes, BodyError> {
        self.received += data.len() as u64;
        if let Some(series) = &self.series {
            series.received(data.len());
        }
        if let Some(copy) = &self.copy {
            copy.push(&data);
            if self.incoming.is_end() {
                copy.end();
            }
        }
        match self.limit {
            Some(limit) if self.received > limit => Err(BodyError::TooLarge { limit }),
            _ => Ok(data),
        }
    }

    /// Reads the whole body, which is known to be at most a buffer's worth.
    ///
    /// # Errors
    /// Why the body broke off.
    pub async fn collect(&mut self) -> Result<Bytes, BodyError> {
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        if self.is_end() {
            return Ok(first);
        }
        let mut whole = BytesMut::from(first);
        while let Some(chunk) = self.next().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// Reads what has arrived already, and waits for nothing: an application may answer before the body is complete, and a
    /// client may wait for that answer.
    ///
    /// # Errors
    /// Why the body broke off.
    pub async fn collect_ready(&mut self) -> Result<Option<Bytes>, BodyError> {
        let mut parts: Option<BytesMut> = None;
        let mut turns = 0;
        while !self.is_end() && turns < READ_TURNS {
            match self.next().now_or_never() {
                Some(Ok(Some(chunk))) => match &mut parts {
                    None if self.is_end() => return Ok(Some(chunk)),
                    None => parts = Some(BytesMut::from(chunk)),
                    Some(parts) => parts.extend_from_slice(&chunk),
                },
                Some(Ok(None)) => break,
                Some(Err(error)) => return Err(error),
                None => {
                    turns += 1;
                    next_turn().await;
                }
            }
        }
        Ok(parts.map(BytesMut::freeze))
    }

    /// Reads the whole body into memory or, when it is large, a temporary file. Gives its length too.
    ///
    /// # Errors
    /// Why the body broke off, or that the file failed.
    pub async fn spool(mut self) -> Result<(BodySource, u64), BodyError> {
        let mut spool = Spool::default();
        while let Some(chunk) = self.next().await? {
            spool.push(&chunk).await?;
        }
        let length = spool.length;
        Ok((spool.into_source().await?, length))
    }

    /// Hands the body on through a pipe of `capacity` bytes, as the reader takes it; `recorder` keeps a copy.
    ///
    /// With `wait` nothing is read from the connection before the reader asks, so that no `100 Continue` is sent either.
    pub fn pump(
        self,
        capacity: usize,
        wait: bool,
        first: Option<Bytes>,
        recorder: Option<Recorder>,
    ) -> (PipeReader<Bytes>, Leftover) {
        let (writer, reader) = pipe(capacity);
        if let Some(first) = first {
            // The reader is in our hands: it cannot have gone.
            let _open = writer.push(first);
        }
        let stop = Arc::new(Notify::new());
        let task = tokio::spawn(run_pump(self, writer, wait, recorder, Arc::clone(&stop)));
        (reader, Leftover::Pumping { stop, task })
    }
}

/// Lets the connection take one more look at its socket.
async fn next_turn() {
    let mut waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn read_blocking(mut source: BodySource) -> Result<(BodySource, Option<Bytes>), BodyError> {
    if let Some(chunk) = source.ready_chunk() {
        return Ok((source, Some(chunk)));
    }
    if source.is_empty() {
        return Ok((source, None));
    }
    let read = tokio::task::spawn_blocking(move || source.next_chunk().map(|chunk| (source, chunk)));
    read.await.map_err(|error| BodyError::Storage(error.to_string()))?
}

/// What is left of a request body when an application has had it: perhaps enough to start over with another.
#[derive(Debug)]
pub enum Leftover {
    /// Nothing was taken: there was no body.
    Untouched(RequestBody),
    /// A pump hands it on.
    Pumping {
        /// Ends the pump.
        stop: Arc<Notify>,
        /// Gives back what the pump has.
        task: JoinHandle<Pumped>,
    },
}

/// The body as a pump leaves it.
#[derive(Debug)]
pub struct Pumped {
    body: RequestBody,
    recorder: Option<Recorder>,
}

impl Leftover {
    /// The body from its first byte, if all that was handed on was kept.
    ///
    /// # Errors
    /// When the temporary file fails.
    pub async fn rewind(self) -> Result<Option<RequestBody>, BodyError> {
        let (stop, task) = match self {
            Self::Untouched(body) => return Ok(Some(body)),
            Self::Pumping { stop, task } => (stop, task),
        };
        stop.notify_one();
        let Pumped { mut body, recorder } = task.await.map_err(|error| BodyError::Storage(error.to_string()))?;
        let Some(recorder) = recorder.filter(|recorder| !recorder.overflowed) else { return Ok(None) };
        body.replay = Some(recorder.spool.into_source().await?);
        Ok(Some(body))
    }
}

async fn run_pump(
    mut body: RequestBody,
    writer: PipeWriter<Bytes>,
    wait: bool,
    mut recorder: Option<Recorder>,
    stop: Arc<Notify>,
) -> Pumped {
    let mut asked = !wait;
    loop {
        let ready = async {
            if !asked {
                poll_fn(|context| writer.poll_wanted(context)).await?;
            }
            poll_fn(|context| writer.poll_ready(context)).await
        };
        let open = tokio::select! {
            ready = ready => ready.is_ok(),
            () = stop.notified() => false,
        };
        asked = true;
        if !open {
            break;
        }
        let next = tokio::select! {
            next = body.next() => next,
            () = poll_fn(|context| writer.poll_closed(context)) => break,
            () = stop.notified() => break,
        };
        match next {
            Ok(Some(chunk)) => {
                if let Some(recorder) = &mut recorder
                    && let Err(error) = recorder.push(&chunk).await
                {
                    writer.fail(error);
                    poll_fn(|context| writer.poll_closed(context)).await;
                    break;
                }
                if writer.push(chunk).is_err() {
                    break;
                }
            }
            Ok(None) => {
                writer.finish();
                break;
            }
            Err(error) => {
                // The connection would be given up if its body were dropped before there is an answer.
                writer.fail(error);
                poll_fn(|context| writer.poll_closed(context)).await;
                break;
            }
        }
    }
    Pumped { body, recorder }
}

/// Keeps what a first application read of a body, up to a limit.
#[derive(Debug)]
pub struct Recorder {
    spool: Spool,
    limit: u64,
    overflowed: bool,
}

impl Recorder {
    /// Keeps at most `limit` bytes; after more there is no way back.
    pub fn new(limit: u64) -> Self {
        Self { spool: Spool::default(), limit, overflowed: false }
    }

    async fn push(&mut self, chunk: &Bytes) -> Result<(), BodyError> {
        if self.overflowed || self.spool.length + chunk.len() as u64 > self.limit {
            self.overflowed = true;
            self.spool = Spool::default();
            return Ok(());
        }
        self.spool.push(chunk).await
    }
}

/// Bytes in memory, or in a temporary file once they are many.
#[derive(Debug, Default)]
struct Spool {
    memory: BytesMut,
    file: Option<File>,
    length: u64,
}

impl Spool {
    async fn push(&mut self, chunk: &[u8]) -> Result<(), BodyError> {
        self.length += chunk.len() as u64;
        if let Some(file) = &mut self.file {
            return file.write_all(chunk).await.map_err(storage);
        }
        self.memory.extend_from_slice(chunk);
        if self.memory.len() > SPOOL_MEMORY {
            let file = tokio::task::spawn_blocking(tempfile::tempfile).await;
            let file = file.map_err(std::io::Error::other).and_then(|file| file).map_err(storage)?;
            let mut file = File::from_std(file);
            file.set_max_buf_size(SPOOL_BUFFER);
            file.write_all(&self.memory).await.map_err(storage)?;
            self.memory = BytesMut::new();
            self.file = Some(file);
        }
        Ok(())
    }

    async fn into_source(self) -> Result<BodySource, BodyError> {
        let Some(mut file) = self.file else {
            return Ok(if self.memory.is_empty() {
                BodySource::Empty
            } else {
                BodySource::Bytes(self.memory.freeze())
            });
        };
        file.flush().await.map_err(storage)?;
        file.rewind().await.map_err(storage)?;
        Ok(BodySource::File(file.into_std().await))
    }
}

fn storage(error: std::io::Error) -> BodyError {
    BodyError::Storage(error.to_string())
}
