//! Turns the response of an application into a hyper response, and makes the error pages of the server.
//!
//! Both kinds of application follow the same rules.
//!
//! Spec: RFC 9110 6.4.1, 8.6, 9.3.2 (HEAD), 10.2.3 (`Retry-After`), 15; RFC 9112 9.3, 9.6 (`close`).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::ext::ReasonPhrase;
use rsgi_bridge::pipe::PipeReader;
use rsgi_bridge::response_head::ResponseHead;
use rsgi_bridge::sink::FileBody;
use rsgi_bridge::stored::Piece;

use crate::compression::CompressedStream;
use crate::error::{RequestError, Then};
use crate::file_stream::{FileStream, SpooledStream, broken_off};
use crate::http2::{PIECE, Reader};
use crate::in_flight::InFlight;

/// The fields that follow a body, once they are known. The end of the body comes after them.
pub type Trailers = Arc<Mutex<Option<HeaderMap>>>;

/// What an application answered.
#[derive(Debug)]
pub enum AppResponse {
    /// All of it is here.
    Whole(Box<ResponseHead>, Bytes),
    /// The body comes in pieces; the pipe fails when it breaks off.
    Stream(Box<ResponseHead>, PipeReader<Bytes>),
    /// So does this one, and what its client is slow to take comes out of a file.
    Spooled(Box<ResponseHead>, PipeReader<Piece>),
    /// The body comes in pieces, and trailers follow it.
    Trailed(Box<ResponseHead>, PipeReader<Bytes>, Trailers),
    /// The body is in a file.
    File(Box<ResponseHead>, FileBody),
    /// The body is compressed as it comes.
    Compressed(Box<ResponseHead>, Box<CompressedStream>),
    /// The server answers in its place.
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

    /// Its header fields; `None` for an answer of the server itself.
    pub fn headers_mut(&mut self) -> Option<&mut HeaderMap> {
        match self {
            Self::Whole(head, _)
            | Self::Stream(head, _)
            | Self::Spooled(head, _)
            | Self::Trailed(head, _, _)
            | Self::File(head, _)
            | Self::Compressed(head, _) => Some(&mut head.headers),
            Self::Error(_) => None,
        }
    }

    /// The order of the fields, where a map cannot tell it, goes past hyper; over HTTP/2 it has no way.
    fn keep_order(&mut self, in_flight: &InFlight) {
        if let Self::Whole(head, _)
        | Self::Stream(head, _)
        | Self::Spooled(head, _)
        | Self::Trailed(head, _, _)
        | Self::File(head, _)
        | Self::Compressed(head, _) = self
            && let Some(order) = head.order.take()
        {
            in_flight.order_fields(order.into_iter().map(|(name, _)| name).collect());
        }
    }

    /// The hyper response. `in_flight` ends with its body.
    pub fn into_response(mut self, mut in_flight: InFlight, asked: Asked) -> Response<ResponseBody> {
        in_flight.record.status = self.status().as_u16();
        if let Self::Error(error) = &self {
            in_flight.refused(error);
        }
        if asked.version == Version::HTTP_2 {
            return self.into_http2(in_flight, asked.head);
        }
        self.keep_order(&in_flight);
        let upgrades = self.status() == StatusCode::SWITCHING_PROTOCOLS;
        let closes = !upgrades && (in_flight.is_last() || self.ends_connection(asked));
        let mut response = self.into_http1(in_flight, asked.head);
        if closes {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            if asked.version == Version::HTTP_10 {
                // To an answer that calls itself 1.1 hyper would add the `keep-alive` that the client has asked for.
                *response.version_mut() = Version::HTTP_10;
            }
        }
        response
    }

    /// Whether the client can tell the end of the answer only by that of the connection, or is not to ask again.
    fn ends_connection(&self, asked: Asked) -> bool {
        match self {
            Self::Stream(head, _) | Self::Spooled(head, _) | Self::Trailed(head, _, _) | Self::Compressed(head, _) => {
                asked.version == Version::HTTP_10 && head.content_length.is_none() && head.allows_body(asked.head)
            }
            Self::Whole(..) | Self::File(..) => false,
            Self::Error(error) => error.then == Then::Close,
        }
    }

    fn into_http1(self, in_flight: InFlight, head_request: bool) -> Response<ResponseBody> {
        match self {
            // The length of what a HEAD or a 304 stands for is the application's to say, or nobody's.
            Self::Whole(head, _) | Self::Stream(head, _) | Self::Spooled(head, _)
                if !head.allows_body(head_request) && head.content_length.is_some() =>
            {
                assemble(head, Content::Nothing, in_flight)
            }
            Self::Whole(head, body) => assemble(head, Content::Whole(Some(body)), in_flight),
            Self::Stream(head, reader) => assemble(head, Content::Stream(reader), in_flight),
            Self::Spooled(head, reader) => {
                assemble(head, Content::Spooled(SpooledStream::new(reader).into()), in_flight)
            }
            Self::Trailed(head, reader, trailers) => assemble(head, Content::Trailed(reader, trailers), in_flight),
            Self::File(head, file) => assemble(head, Content::File(Box::new(FileStream::new(file))), in_flight),
            Self::Compressed(head, stream) => assemble(head, Content::Compressed(stream), in_flight),
            Self::Error(error) => error_page(&error, in_flight),
        }
    }
}

/// What of a request its response depends on.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The method is HEAD.
    pub head: bool,
    /// The version of HTTP.
    pub version: Version,
}

impl AppResponse {
    /// Over HTTP/2 hyper would send the empty body of a stream as a frame of its own.
    fn into_http2(self, in_flight: InFlight, head_request: bool) -> Response<ResponseBody> {
        match self {
            Self::Stream(head, _) | Self::Spooled(head, _) if !head.allows_body(head_request) => {
                assemble(head, Content::Whole(None), in_flight)
            }
            Self::Whole(head, body) => assemble(head, Content::Whole(Some(body)), in_flight),
            Self::Stream(head, reader) => assemble(head, Content::Stream(reader), in_flight),
            Self::Spooled(head, reader) => {
                assemble(head, Content::Spooled(SpooledStream::new(reader).into()), in_flight)
            }
            Self::Trailed(head, reader, trailers) => assemble(head, Content::Trailed(reader, trailers), in_flight),
            Self::File(head, file) => assemble(head, Content::File(Box::new(FileStream::new(file))), in_flight),
            Self::Compressed(head, stream) => assemble(head, Content::Compressed(stream), in_flight),
            Self::Error(error) => {
                let mut response = error_page(&error, in_flight);
                if head_request {
                    response.body_mut().content = Content::Whole(None);
                }
                response
            }
        }
    }
}

#[expect(clippy::boxed_local, reason = "what is taken out of it goes to its place at once")]
fn assemble(head: Box<ResponseHead>, content: Content, in_flight: InFlight) -> Response<ResponseBody> {
    let ResponseHead { status, reason, headers, .. } = *head;
    let mut response = Response::new(ResponseBody::new(content, in_flight));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if let Some(reason) = reason
        && let Ok(reason) = ReasonPhrase::try_from(Vec::from(reason))
    {
        response.extensions_mut().insert(reason);
    }
    response
}

/// The server's own answer: one line of text that says why.
fn error_page(error: &RequestError, in_flight: InFlight) -> Response<ResponseBody> {
    let phrase = error.status.canonical_reason().unwrap_or("Error");
    let text = format!("{} {phrase}: {}\n", error.status.as_u16(), error.reason);
    let mut response = Response::new(ResponseBody::new(Content::Whole(Some(text.into())), in_flight));
    *response.status_mut() = error.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if error.then == Then::Retry {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// The body of a response; the request counts as in flight until it is dropped.
#[derive(Debug)]
pub struct ResponseBody {
    content: Content,
    in_flight: InFlight,
    broken: Option<io::Error>,
    /// Over HTTP/2: how the client takes it.
    reader: Option<Arc<Reader>>,
    /// Over HTTP/2: what of the last chunk has yet to go out.
    rest: Bytes,
}

impl ResponseBody {
    /// The head of the answer is complete, with these fields.
    pub fn log_fields(response: &mut Response<Self>) {
        if let Some(fields) = response.body().in_flight.logged_fields(response.headers()) {
            response.body_mut().in_flight.answered_with(fields);
        }
    }

    fn new(content: Content, in_flight: InFlight) -> Self {
        let reader = Reader::current();
        if let Some(reader) = &reader {
            reader.answered();
            let told = Arc::clone(reader);
            match &content {
                Content::Spooled(stream) => stream.on_given_up(move || told.give_up()),
                Content::Compressed(stream) => stream.on_given_up(move || told.give_up()),
                _ => (),
            }
        }
        Self { content, in_flight, broken: None, reader, rest: Bytes::new() }
    }

    /// What follows the body, once.
    fn trailers(&mut self) -> Option<HeaderMap> {
        let fields = match &mut self.content {
            Content::Trailed(_, trailers) => trailers.lock().unwrap_or_else(PoisonError::into_inner).take(),
            Content::Compressed(stream) => stream.take_trailers(),
            _ => None,
        };
        fields.filter(|fields| !fields.is_empty())
    }

    /// Hands over what the client should take next; an HTTP/2 client piece by piece.
    fn hand(&mut self, mut chunk: Bytes) -> Frame<Bytes> {
        if let Some(reader) = &self.reader {
            if chunk.len() > PIECE {
                self.rest = chunk.split_off(PIECE);
            }
            reader.handed(chunk.len());
        }
        self.in_flight.record.bytes += chunk.len() as u64;
        Frame::data(chunk)
    }
}

#[derive(Debug)]
enum Content {
    /// No body, whatever length the head declares.
    Nothing,
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
        if let Some(reader) = &this.reader {
            reader.took();
            if !this.rest.is_empty() {
                let rest = std::mem::take(&mut this.rest);
                return Poll::Ready(Some(Ok(this.hand(rest))));
            }
        }
        if let Some(error) = this.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let chunk = match &mut this.content {
            Content::Nothing => None,
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
            None => Poll::Ready(this.trailers().map(|fields| Ok(Frame::trailers(fields)))),
            Some(Ok(chunk)) => Poll::Ready(Some(Ok(this.hand(chunk)))),
            Some(Err(error)) => {
                // hyper cuts at once; one turn later what came before has been flushed.
                this.broken = Some(error);
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
            && match &self.content {
                Content::Nothing | Content::Trailed(..) => false,
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
