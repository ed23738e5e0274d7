//! What proxies said in the latest request of a connection, and the result.
//!
//! It is only a shortcut: the same fields on the same connection have the same meaning. Proxies keep their connections,
//! and requests of one client often come together.

use std::sync::{Arc, Mutex, PoisonError};

use http::header::HeaderValue;
use rsgi_bridge::request::fields::RequestFields;

use crate::request::head::Peer;

/// The longest fields that are kept, in bytes. An idle connection should need little memory.
const LONGEST: usize = 512;

/// The latest fields of one connection, and their result. They have their own memory, because without trusted proxies
/// there are none.
#[derive(Debug, Default)]
pub struct Memo(Mutex<Option<Box<RememberedHead>>>);

#[derive(Debug)]
struct RememberedHead {
    /// The fields that were read, in the form of [`written`].
    fields: Box<[u8]>,
    outcome: HeadOutcome,
}

/// The changes to a head.
#[derive(Debug, Clone)]
pub(super) struct HeadOutcome {
    /// Client and server as the outermost proxy saw them; `None` if they do not change.
    pub peer: Option<Arc<Peer>>,
    /// The `Host` field; `None` if it does not change.
    pub host: Option<HeaderValue>,
    /// The prefix that a proxy has named.
    pub prefix: Option<Arc<str>>,
}

impl Memo {
    /// The result for these fields, if the latest request had the same.
    pub(super) fn recall(&self, fields: &RequestFields) -> Option<HeadOutcome> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|kept| matches(&kept.fields, fields)).map(|kept| kept.outcome.clone())
    }

    /// Keeps the result for these fields.
    pub(super) fn keep(&self, fields: &RequestFields, outcome: &HeadOutcome) {
        let written = written(fields);
        let remembered = || RememberedHead { fields: written.as_slice().into(), outcome: outcome.clone() };
        let kept = (written.len() <= LONGEST).then(|| Box::new(remembered()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }
}

/// The fields that can change the result, and others whose names begin with `x-forwarded-`.
fn counting(fields: &RequestFields) -> impl Iterator<Item = (&[u8], &[u8])> {
    let counts = |name: &[u8]| name == b"host" || name == b"forwarded" || name.starts_with(b"x-forwarded-");
    fields.iter().filter(move |(name, _)| counts(name))
}

/// The lengths of a name and a value. They come first, so that no field can look like the end of another.
fn lengths(name: &[u8], value: &[u8]) -> [u8; 16] {
    let (name, value) = (name.len() as u64, value.len() as u64);
    let mut lengths = [0; 16];
    lengths[..8].copy_from_slice(&name.to_le_bytes());
    lengths[8..].copy_from_slice(&value.to_le_bytes());
    lengths
}

fn written(fields: &RequestFields) -> Vec<u8> {
    let mut written = Vec::new();
    for (name, value) in counting(fields) {
        written.extend(lengths(name, value));
        written.extend_from_slice(name);
        written.extend_from_slice(value);
    }
    written
}

/// Whether `fields` equals [`written`] for these headers.
fn matches(kept: &[u8], fields: &RequestFields) -> bool {
    let rest = counting(fields).try_fold(kept, |rest, (name, value)| {
        let rest = rest.strip_prefix(&lengths(name, value))?;
        rest.strip_prefix(name)?.strip_prefix(value)
    });
    rest.is_some_and(<[u8]>::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> RequestFields {
        lines.iter().copied().collect()
    }

    #[test]
    fn only_the_same_fields_are_the_same() {
        let all =
            [("host", "a"), ("x-forwarded-for", "192.0.2.1"), ("accept", "*/*"), ("x-forwarded-for", "192.0.2.2")];
        let kept = written(&fields(&all));
        assert!(matches(&kept, &fields(&all)));
        let others =
            [("x-forwarded-for", "192.0.2.1"), ("user-agent", "b"), ("host", "a"), ("x-forwarded-for", "192.0.2.2")];
        assert!(!matches(&kept, &fields(&others)), "another order is looked at anew");
        for different in [
            &[("host", "a"), ("x-forwarded-for", "192.0.2.1")][..],
            &[("host", "a"), ("x-forwarded-for", "192.0.2.1, 192.0.2.2")],
            &[("host", "a"), ("x-forwarded-for", "192.0.2.2"), ("x-forwarded-for", "192.0.2.1")],
            &[("host", "b"), ("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2")],
            &[
                ("host", "a"),
                ("x-forwarded-for", "192.0.2.1"),
                ("x-forwarded-for", "192.0.2.2"),
                ("forwarded", "for=_x"),
            ],
            &[
                ("host", "a"),
                ("x-forwarded-for", "192.0.2.1"),
                ("x-forwarded-for", "192.0.2.2"),
                ("x-forwarded-port", "1"),
            ],
            &[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2")],
            &[],
        ] {
            assert!(!matches(&kept, &fields(different)), "{different:?}");
        }
    }

    #[test]
    fn long_fields_are_not_kept() {
        let memo = Memo::default();
        let outcome = HeadOutcome { peer: None, host: None, prefix: None };
        let (short, long) = (fields(&[("host", "a")]), fields(&[("x-forwarded-for", &"1".repeat(LONGEST))]));
        memo.keep(&short, &outcome);
        assert!(memo.recall(&short).is_some());
        memo.keep(&long, &outcome);
        assert!(memo.recall(&long).is_none() && memo.recall(&short).is_none());
    }
}
