//! Brings the request body from the connection to an application: limit, buffers, back-pressure, replay.
//!
//! All gateways read bodies with the same limits. A body that breaks off is an error at every step. It never looks like
//! a short complete one.
//!
//! Spec: RFC 9112 6, 7; RFC 9110 10.1.1 (`100 Continue` is sent when the body is first read).

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

/// How large a body may become in memory before it is written to a temporary file, in bytes.
const SPOOL_MEMORY: usize = 1024 * 1024;

/// The buffer for writes to the temporary file, in bytes.
const SPOOL_BUFFER: usize = 256 * 1024;

/// How many times the connection gets a turn to deliver the rest of a body that should have arrived.
const READ_TURNS: usize = 2;

/// A request body that is still (partly) on the connection.
#[derive(Debug)]
pub struct RequestBody {
    /// Bytes that were read already and must be read again.
    replay: Option<BodySource>,
    incoming: RawBody,
    limit: Option<u64>,
    received: u64,
    /// `None` if there is no body.
    fate: Option<Arc<BodyFate>>,
    /// Where the bytes are counted, if metrics count them.
    series: Option<Arc<RouteSeries>>,
    /// Where the bytes are copied, if anything needs a copy.
    copy: Option<Arc<BodyCopy>>,
}

/// Where the bytes of a body come from.
#[derive(Debug)]
pub enum RawBody {
    /// There is no body.
    Empty,
    /// The whole body came with the head.
    Whole(Option<Bytes>),
    /// From an HTTP/1 connection. The connection checks the data rate, and says why the body breaks off.
    Http1(PipeReader<Bytes>),
    /// From a stream of an HTTP/2 connection. Its data rate is checked here.
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

    /// The next bytes, which may be empty. `None` at the end.
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
        // Trailers are dropped, because neither WSGI nor ASGI has a place for them.
        Ok(frame.map(|frame| frame.into_data().unwrap_or_default()))
    }
}

/// Whether a body was refused, for the code that sends the response.
#[derive(Debug, Default)]
pub struct BodyFate(OnceLock<BodyError>);

impl BodyFate {
    /// Why the body was refused, if it was. Then the response of the application is not sent, because it may be based
    /// on half a body.
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

    /// Also copies the bytes, as they are read.
    pub fn copied(self, copy: Option<Arc<BodyCopy>>) -> Self {
        Self { copy, ..self }
    }

    /// Where it is noted if the body is refused. `None` if there is no body.
    pub fn fate(&self) -> Option<Arc<BodyFate>> {
        self.fate.clone()
    }

    /// Whether there is no body, or nothing is left of it.
    pub fn is_end(&self) -> bool {
        self.replay.is_none() && self.incoming.is_end()
    }

    /// The next chunk; `None` at the end.
    ///
    /// # Errors
    /// Why the body broke off.
    ///
    /// # Cancel safety
    /// Nothing is lost if the future is dropped.
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

    /// Reads the whole body. The caller knows that it fits into one buffer.
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

    /// Reads what has arrived already, without waiting. An application may respond before the body is complete, and a
    /// client may wait for that response.
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

    /// Reads the whole body into memory or, if it is large, into a temporary file. Also returns its length.
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

    /// Sends the body through a pipe of `capacity` bytes, while the reader takes it. `recorder` keeps a copy.
    ///
    /// With `wait`, nothing is read from the connection before the reader asks. So `100 Continue` is not sent before
    /// that either.
    pub fn pump(
        self,
        capacity: usize,
        wait: bool,
        first: Option<Bytes>,
        recorder: Option<Recorder>,
    ) -> (PipeReader<Bytes>, Leftover) {
        let (writer, reader) = pipe(capacity);
        if let Some(first) = first {
            // Cannot fail, because we still hold the reader.
            let _open = writer.push(first);
        }
        let stop = Arc::new(Notify::new());
        let task = tokio::spawn(run_pump(self, writer, wait, recorder, Arc::clone(&stop)));
        (reader, Leftover::Pumping { stop, task })
    }
}

/// Gives the connection a turn to read its socket.
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

/// The rest of a request body after an application has read some of it. It may be possible to read it again from the
/// start.
#[derive(Debug)]
pub enum Leftover {
    /// There was no body.
    Untouched(RequestBody),
    /// A pump sends it through a pipe.
    Pumping {
        /// Ends the pump.
        stop: Arc<Notify>,
        /// Returns the body and the recorder of the pump.
        task: JoinHandle<Pumped>,
    },
}

/// What a pump returns when it ends.
#[derive(Debug)]
pub struct Pumped {
    body: RequestBody,
    recorder: Option<Recorder>,
}

impl Leftover {
    /// The body from its first byte, if the recorder has kept everything that was read.
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
                // The body is kept until the reader has gone. If it were dropped before there is a response, the
                // connection would be closed.
                writer.fail(error);
                poll_fn(|context| writer.poll_closed(context)).await;
                break;
            }
        }
    }
    Pumped { body, recorder }
}

/// Keeps what the first application has read of a body, up to a limit.
#[derive(Debug)]
pub struct Recorder {
    spool: Spool,
    limit: u64,
    overflowed: bool,
}

impl Recorder {
    /// Keeps at most `limit` bytes. If there are more, the body cannot be read again.
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

/// Bytes in memory, or in a temporary file if there are many.
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
