//! Keeps a response body to the declared `Content-Length`.
//!
//! WSGI and ASGI responses use it.
//!
//! Spec: PEP 3333 "Handling the Content-Length Header"; RFC 9110 8.6.

use bytes::Bytes;

/// Compares the number of body bytes with the declared length.
#[derive(Debug, Clone, Copy)]
pub struct BodyLength {
    declared: Option<u64>,
    sent: u64,
}

/// The part of a piece that may be sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Admitted {
    /// The whole piece.
    Whole(Bytes),
    /// Only this beginning. The rest exceeds the declared length.
    Clamped(Bytes),
}

impl BodyLength {
    /// `declared` is the value of `Content-Length`; `None` if there is none.
    pub fn new(declared: Option<u64>) -> Self {
        Self { declared, sent: 0 }
    }

    /// Counts a piece. Returns the part that may be sent.
    pub fn admit(&mut self, mut chunk: Bytes) -> Admitted {
        let length = chunk.len() as u64;
        let Some(declared) = self.declared else {
            self.sent += length;
            return Admitted::Whole(chunk);
        };
        let room = declared - self.sent;
        if length <= room {
            self.sent += length;
            return Admitted::Whole(chunk);
        }
        self.sent = declared;
        chunk.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        Admitted::Clamped(chunk)
    }

    /// Counts bytes that do not exceed the declared length.
    pub fn count(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// The declared length, if there is one.
    pub fn declared(&self) -> Option<u64> {
        self.declared
    }

    /// Whether nothing was counted yet.
    pub fn is_untouched(&self) -> bool {
        self.sent == 0
    }

    /// How many declared bytes are missing.
    pub fn missing(&self) -> u64 {
        self.declared.map_or(0, |declared| declared - self.sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_longer_than_declared_is_clamped() {
        let mut length = BodyLength::new(Some(4));
        assert_eq!(length.admit(Bytes::from_static(b"abc")), Admitted::Whole(Bytes::from_static(b"abc")));
        assert_eq!(length.missing(), 1);
        assert_eq!(length.admit(Bytes::from_static(b"defg")), Admitted::Clamped(Bytes::from_static(b"d")));
        assert_eq!(length.missing(), 0);
    }

    #[test]
    fn without_a_declared_length_everything_fits() {
        let mut length = BodyLength::new(None);
        assert_eq!(length.admit(Bytes::from_static(b"abc")), Admitted::Whole(Bytes::from_static(b"abc")));
        assert_eq!(length.missing(), 0);
    }
}
