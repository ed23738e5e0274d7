//! The whole of a response that an application sends in pieces.
//!
//! Apart because responses are collected where they are held, and where a stream goes on.

use std::future::poll_fn;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use rsgi_bridge::response::response_head::ResponseHead;

use crate::response::app_response::AppResponse;
use crate::response::file_stream::SpooledStream;

/// The whole of a response.
///
/// # Errors
/// Why it cannot be had.
pub(super) async fn collect(response: AppResponse, most: usize) -> Result<(ResponseHead, Bytes), String> {
    let (head, mut source) = match response {
        AppResponse::Whole(head, body) => return Ok((head, body)),
        AppResponse::Stream(head, reader) | AppResponse::Trailed(head, reader, _) => (head, HeldBody::Pipe(reader)),
        AppResponse::Spooled(head, reader) => (head, HeldBody::Spooled(SpooledStream::new(reader))),
        AppResponse::File(..) => return Err("it is a file".to_owned()),
        AppResponse::Compressed(..) => return Err("it is compressed".to_owned()),
        AppResponse::Error(error) => return Err(error.to_string()),
    };
    let mut body = BytesMut::new();
    while let Some(chunk) = poll_fn(|context| source.poll(context)).await {
        body.extend_from_slice(&chunk?);
        if body.len() > most {
            return Err(format!("it has more than the {most} bytes of `--grip-buffer`"));
        }
    }
    Ok((head, body.freeze()))
}

enum HeldBody {
    Pipe(rsgi_bridge::pipe::PipeReader<Bytes>),
    Spooled(SpooledStream),
}

impl HeldBody {
    fn poll(&mut self, context: &mut std::task::Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        match self {
            Self::Pipe(reader) => reader.poll_next(context).map(|next| Some(next?.map_err(|error| error.to_string()))),
            Self::Spooled(stream) => {
                stream.poll_chunk(context).map(|next| Some(next?.map_err(|error| error.to_string())))
            }
        }
    }
}
