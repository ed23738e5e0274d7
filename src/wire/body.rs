//! The body of a request, as its bytes come.
//!
//! Apart from the head, which is read as a whole, and from `chunked`, which knows the grammar and keeps no bytes: here the data
//! is cut out of what came, without a copy.
//!
//! Spec: RFC 9112 6.2, 6.3, 7.1.

use bytes::{Buf, Bytes, BytesMut};

use super::Limits;
use super::chunked::{ChunkStep, Chunked};
use super::field::Body;

/// What the bytes at hand hold of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Data; there may be more.
    Data(Bytes),
    /// Nothing more yet.
    More,
    /// The body has ended; what is left belongs to the next request.
    End,
    /// What comes next breaks the grammar.
    Broken(&'static str),
}

/// How far a body was read.
#[derive(Debug)]
pub struct BodyReader(BodyState);

#[derive(Debug)]
enum BodyState {
    /// So many bytes are to come.
    Fixed(u64),
    Chunked(Chunked),
    End,
}

impl BodyReader {
    /// A body that begins.
    pub fn new(body: Body, limits: &Limits) -> Self {
        Self(match body {
            Body::Fixed(0) => BodyState::End,
            Body::Fixed(length) => BodyState::Fixed(length),
            Body::Chunked => BodyState::Chunked(Chunked::new(limits)),
        })
    }

    /// Whether all of it was read.
    pub fn is_end(&self) -> bool {
        matches!(self.0, BodyState::End)
    }

    /// Takes what comes next out of `bytes`.
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
