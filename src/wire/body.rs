//! Reads the body of a request, piece by piece as its bytes arrive.
//!
//! It cuts the data out of the received bytes without a copy. `chunked` has the grammar of chunks.
//!
//! Spec: RFC 9112 6.2, 6.3, 7.1.

use bytes::{Buf, Bytes, BytesMut};

use super::Limits;
use super::chunked::{ChunkStep, Chunked};
use super::field::Body;

/// What comes next in a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Data. More may follow.
    Data(Bytes),
    /// Nothing yet.
    More,
    /// The body has ended. The remaining bytes belong to the next request.
    End,
    /// The next bytes break the grammar.
    Broken(&'static str),
}

/// How far a body was read.
#[derive(Debug)]
pub struct BodyReader(BodyState);

#[derive(Debug)]
enum BodyState {
    /// How many bytes are missing.
    Fixed(u64),
    Chunked(Chunked),
    End,
}

impl BodyReader {
    /// A reader at the start of a body.
    pub fn new(body: Body, limits: &Limits) -> Self {
        Self(match body {
            Body::Fixed(0) => BodyState::End,
            Body::Fixed(length) => BodyState::Fixed(length),
            Body::Chunked => BodyState::Chunked(Chunked::new(limits)),
        })
    }

    /// Whether the whole body was read.
    pub fn is_end(&self) -> bool {
        matches!(self.0, BodyState::End)
    }

    /// Takes the next piece out of `bytes`.
    pub fn next(&mut self, bytes: &mut BytesMut) -> Piece {
        match &mut self.0 {
            BodyState::End => Piece::End,
            BodyState::Fixed(_) if bytes.is_empty() => Piece::More,
            BodyState::Fixed(left) => {
                let count = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= count as u64;
                if *left == 0 {
                    self.0 = BodyState::End;
                }
                Piece::Data(bytes.split_to(count).freeze())
            }
            BodyState::Chunked(chunked) => {
                let (framing, outcome) = chunked.advance(bytes);
                bytes.advance(framing);
                match outcome {
                    ChunkStep::More => Piece::More,
                    ChunkStep::Data(count) => Piece::Data(bytes.split_to(count).freeze()),
                    ChunkStep::Broken(reason) => Piece::Broken(reason),
                    ChunkStep::Done => {
                        self.0 = BodyState::End;
                        Piece::End
                    }
                }
            }
        }
    }
}
