//! Turns the response of an application into a head and a body, and makes the error pages of the server.
//!
//! Both kinds of application follow the same rules.
//!
//! Spec: RFC 9110 6.4.1, 8.6, 9.3.2 (HEAD), 10.2.3 (`Retry-After`), 15; RFC 9112 9.3.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use rsgi_bridge::pipe::PipeReader;
use rsgi_bridge::response::response_head::ResponseHead;
use rsgi_bridge::response::sink::FileBody;
use rsgi_bridge::response::stored::Piece;

use crate::request::error::{RequestError, Then};
use crate::response::compression::stream::CompressedStream;
use crate::response::file_stream::{FileStream, SpooledStream, broken_off};
use crate::response::in_flight::InFlight;
use crate::response::stream_clock::{PIECE, StreamClock};
use crate::response::trailers::Trailers;

/// How many fields a response over HTTP/2 gets besides its own: `Server`, the request id, `Date` and `Content-Length`.
const ADDED_FIELDS: usize = 4;

/// The response of an application, or of the server in its place.
#[derive(Debug)]
pub enum AppResponse {
    /// The whole body is here.
    Whole(ResponseHead, Bytes),
    /// The body comes in pieces. The pipe fails if the body breaks off.
    Stream(ResponseHead, PipeReader<Bytes>),
    /// The body comes in pieces. If the client is slow, parts of it come from a file.
    Spooled(ResponseHead, PipeReader<Piece>),
    /// The body comes in pieces, and trailers follow it.
    Trailed(ResponseHead, PipeReader<Bytes>, Trailers),
    /// The body is in a file.
    File(ResponseHead, FileBody),
    /// The body is compressed while it is sent.
    Compressed(ResponseHead, Box<CompressedStream>),
    /// A response of the server itself.
    Error(RequestError),
}

impl AppResponse {
    /// The status that the client will see.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Whole(head, _)
            | Self::Stream(head, _)
            | Self::Spooled(head, _)
            | Self::Trailed(head, _, _)
            | Self::File(head, _)
            | Self::Compressed(head, _) => head.status,
            Self::Error(error) => error.status,
        }
    }

    /// The head, or `None` for a response of the server itself.
    pub fn head_mut(&mut self) -> Option<&mut ResponseHead> {
        match self {
            Self::Whole(head, _)
            | Self::Stream(head, _)
            | Self::Spooled(head, _)
            | Self::Trailed(head, _, _)
            | Self::File(head, _)
            | Self::Compressed(head, _) => Some(head),
            Self::Error(_) => None,
        }
    }

    /// The response while there is no other one.
    pub fn failed() -> Self {
        Self::Error(RequestError::application_failed())
    }

    /// Whether the connection closes after this response.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Error(error) if error.then == Then::Close)
    }

    /// Splits the response into head and body. The body carries `in_flight` until it is dropped.
    pub fn into_parts(self, mut in_flight: InFlight) -> (ResponseHead, ResponseBody) {
        in_flight.record.status = self.status().as_u16();
        if let Self::Error(error) = &self {
            in_flight.refused(error);
        }
        let (mut head, content) = match self {
            Self::Whole(head, body) => (head, Content::Whole(Some(body))),
            Self::Stream(head, reader) => (head, Content::Stream(reader)),
            Self::Spooled(head, reader) => (head, Content::Spooled(SpooledStream::new(reader).into())),
            Self::Trailed(head, reader, trailers) => (head, Content::Trailed(reader, trailers)),
            Self::File(head, file) => (head, Content::File(Box::new(FileStream::new(file)))),
            Self::Compressed(head, stream) => (head, Content::Compressed(stream)),
            Self::Error(error) => error_page(&error),
        };
        if let Some(decision) = in_flight.decision.take() {
            decision.add_to(&mut head);
        }
        (head, ResponseBody::new(content, in_flight))
    }

    /// The response for hyper's HTTP/2. The body of a response without content becomes empty here, because hyper would
    /// send an extra frame for an empty stream.
    pub fn into_http2(self, in_flight: InFlight, head_request: bool) -> Response<Box<ResponseBody>> {
        let (head, mut body) = self.into_parts(in_flight);
        if !head.allows_body(head_request) && matches!(body.content, Content::Stream(_) | Content::Spooled(_))
            || head_request && matches!(body.content, Content::Whole(_))
        {
            body.content = Content::Whole(None);
        }
        // Boxed, because hyper moves it often.
        let mut response = Response::new(Box::new(body));
        *response.status_mut() = head.status;
        *response.headers_mut() = head.fields.into_map_for(ADDED_FIELDS);
        response
    }
}

/// The server's own response: one line of text with the reason.
fn error_page(error: &RequestError) -> (ResponseHead, Content) {
    let phrase = error.status.canonical_reason().unwrap_or("Error");
    let text = format!("{} {phrase}: {}\n", error.status.as_u16(), error.reason);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if error.then == Then::Retry {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    (ResponseHead::own(error.status, headers), Content::Whole(Some(text.into())))
}

/// The body of a response. The request counts as in flight until the body is dropped.
#[derive(Debug)]
pub struct ResponseBody {
    content: Content,
    in_flight: InFlight,
    broken: Option<io::Error>,
    /// Over HTTP/2: measures how fast the client takes the body.
    clock: Option<Arc<StreamClock>>,
    /// Over HTTP/2: the part of the last chunk that hyper has not got yet.
    rest: Bytes,
}

impl ResponseBody {
    /// Logs fields of the response. The head must be complete.
    pub fn log_fields(&mut self, headers: &HeaderMap) {
        self.in_flight.log_fields(headers);
    }

    /// Whether the access log needs fields of the response.
    pub fn logs_fields(&self) -> bool {
        self.in_flight.logs_fields()
    }

    /// The client has closed its sending side, and may have left. Frees the permit of the request, and tells the
    /// application if it wants to know.
    pub fn half_closed(&mut self) {
        self.in_flight.leave();
        match &self.content {
            Content::Stream(reader) | Content::Trailed(reader, _) => reader.doubt(),
            Content::Spooled(stream) => stream.doubt(),
            Content::Compressed(stream) => stream.doubt(),
            Content::Whole(_) | Content::File(_) => {}
        }
    }

    /// The length of the body that is still to come, if it is known.
    pub fn length(&self) -> Option<u64> {
        self.size_hint().exact()
    }

    fn new(content: Content, in_flight: InFlight) -> Self {
        let clock = StreamClock::current();
        if let Some(clock) = &clock {
            clock.begin();
            let told = Arc::clone(clock);
            match &content {
                Content::Spooled(stream) => stream.on_given_up(move || told.give_up()),
                Content::Compressed(stream) => stream.on_given_up(move || told.give_up()),
                _ => (),
            }
        }
        Self { content, in_flight, broken: None, clock, rest: Bytes::new() }
    }

    /// The fields that follow the body. They are returned once.
    fn trailers(&mut self) -> Option<HeaderMap> {
        let fields = match &mut self.content {
            Content::Trailed(_, trailers) => trailers.lock().unwrap_or_else(PoisonError::into_inner).take(),
            Content::Compressed(stream) => stream.take_trailers(),
            _ => None,
        };
        fields.filter(|fields| !fields.is_empty())
    }

    /// Returns the next piece for the client. Over HTTP/2 a piece has at most `PIECE` bytes.
    fn hand(&mut self, mut chunk: Bytes) -> Frame<Bytes> {
        if let Some(clock) = &self.clock {
            if chunk.len() > PIECE {
                self.rest = chunk.split_off(PIECE);
            }
            clock.handed(chunk.len());
        }
        self.in_flight.record.bytes += chunk.len() as u64;
        if let Some(follower) = &self.in_flight.follower {
            follower.passed(&chunk);
            if self.is_end_stream() {
                follower.ended();
            }
        }
        Frame::data(chunk)
    }
}

#[derive(Debug)]
enum Content {
    Whole(Option<Bytes>),
    Stream(PipeReader<Bytes>),
    Spooled(Box<SpooledStream>),
    Trailed(PipeReader<Bytes>, Trailers),
    File(Box<FileStream<FileBody>>),
    Compressed(Box<CompressedStream>),
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if let Some(clock) = &this.clock {
            clock.took();
            if !this.rest.is_empty() {
                let rest = std::mem::take(&mut this.rest);
                return Poll::Ready(Some(Ok(this.hand(rest))));
            }
        }
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let chunk = match &mut this.content {
            Content::Whole(body) => body.take().filter(|body| !body.is_empty()).map(Ok),
            Content::Stream(reader) | Content::Trailed(reader, _) => {
                let next = ready!(reader.poll_next(context));
                next.map(|chunk| chunk.map_err(broken_off))
            }
            Content::Spooled(stream) => ready!(stream.poll_chunk(context)),
            Content::File(file) => ready!(file.poll_chunk(context)),
            Content::Compressed(stream) => ready!(stream.poll_chunk(context)),
        };
        match chunk {
            None => {
                if let Some(follower) = &this.in_flight.follower {
                    follower.ended();
                }
                Poll::Ready(this.trailers().map(|fields| Ok(Frame::trailers(fields))))
            }
            Some(Ok(chunk)) => Poll::Ready(Some(Ok(this.hand(chunk)))),
            Some(Err(error)) => {
                this.in_flight.record.broken = true;
                // hyper's HTTP/2 resets the stream at once on an error. Return the error one poll later, so that the
                // earlier bytes are flushed.
                this.broken = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
            && match &self.content {
                Content::Trailed(..) => false,
                Content::Whole(body) => body.as_ref().is_none_or(Bytes::is_empty),
                Content::Stream(reader) => reader.is_finished(),
                Content::Spooled(stream) => stream.is_finished(),
                Content::File(file) => file.left() == 0,
                Content::Compressed(stream) => stream.is_finished(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Content::File(file) => SizeHint::with_exact(file.left()),
            _ => SizeHint::default(),
        }
    }
}
