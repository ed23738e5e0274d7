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
use rsgi_bridge::pipe::PipeReader;
use rsgi_bridge::request::source::BodySource;

use crate::metrics::RouteSeries;
use crate::request::body_copy::BodyCopy;
use crate::request::spool::Spool;
use crate::wire::DataRate;

/// How many times the connection gets a turn to deliver the rest of a body that should have arrived.
const READ_TURNS: usize = 2;

/// A request body that is still (partly) on the connection.
#[derive(Debug)]
pub struct RequestBody {
    /// Bytes that were read already and must be read again.
    pub(super) replay: Option<BodySource>,
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

    /// A body that is here already: all its bytes, which `series` counts. Empty for any other.
    pub fn into_whole(self, series: Option<&RouteSeries>) -> Bytes {
        let Self::Whole(Some(bytes)) = self else { return Bytes::new() };
        if let Some(series) = series {
            series.received(bytes.len());
        }
        bytes
    }

    /// The next bytes, which may be empty. `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let (incoming, data_rate) = match self {
            Self::Empty => return Ok(None),
            Self::Whole(bytes) => return Ok(bytes.take()),
            Self::Http1(reader) => return poll_fn(|context| reader.poll_next(context)).await.transpose(),
            Self::Http2(incoming, data_rate) => (incoming, data_rate),
        };
        let frame = loop {
            let Some(deadline) = data_rate.wait() else { break incoming.frame().await };
            match tokio::time::timeout_at(deadline, incoming.frame()).await {
                Ok(frame) => break frame,
                // It is a later one if the server did not run for a while.
                Err(_) if data_rate.wait() > Some(deadline) => {}
                Err(_) => return Err(BodyError::TooSlow("the request body came too slowly".into())),
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
