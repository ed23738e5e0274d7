//! Response fields in the application's order, where hyper's map of headers cannot hold it.
//!
//! Apart from the guard, whose writing side passes through here: a map keeps the values of one name together, so `a`, `b`, `a`
//! leaves it as `a`, `a`, `b`. The service tells the order of such a head just before hyper writes it, and its lines are put
//! in that order on their way out. No line is made, changed or lost, so hyper's framing stands. Every other response costs
//! one look at a flag.
//!
//! What of hyper (1.x, `proto::h1`) this relies on:
//! - The service's answer is encoded in the turn in which it is given (`Dispatcher::poll_write`), and a flush is tried before
//!   anything else may be: the next write offers that head from its first byte, and no later one.
//! - Over a socket that takes several slices, heads are the first slice and nothing else is in it (`can_headers_buf`). What is
//!   left of a `100 Continue`, or of an answer without a body, may stand before ours.
//! - What was not taken is offered again, byte for byte, with more behind it.
//!
//! `src/wire/tests/order.rs` tries all of it with the hyper that is built in, over sockets that take a byte at a time.
//!
//! Spec: RFC 9110 5.3.

use std::collections::{HashMap, VecDeque};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use http::HeaderName;
use tokio::io::AsyncWrite;

/// The names of the next response's fields, from the service to the guard.
#[derive(Debug, Default)]
pub(super) struct NextOrder {
    told: AtomicBool,
    names: Mutex<Vec<HeaderName>>,
}

impl NextOrder {
    pub(super) fn tell(&self, names: Vec<HeaderName>) {
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names;
        self.told.store(true, Ordering::Release);
    }

    /// What was told since the last call.
    pub(super) fn take(&self) -> Option<Vec<HeaderName>> {
        // Nearly always not: a look must not cost a write.
        if !self.told.load(Ordering::Acquire) {
            return None;
        }
        self.told.store(false, Ordering::Relaxed);
        Some(std::mem::take(&mut *self.names.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// What leaves in the place of as many bytes, the next that hyper offers.
#[derive(Debug, Default)]
pub(super) struct Reordered {
    bytes: BytesMut,
}

impl Reordered {
    /// Writes `parts`, which begin with a head that is to leave in the order that was `told`, if one was. Gives how many bytes of
    /// them were taken.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut S,
        parts: &[IoSlice<'_>],
        told: Option<Vec<HeaderName>>,
    ) -> Poll<io::Result<usize>> {
        if let (Some(names), Some(first)) = (told, parts.first()) {
            self.begin(first, &names);
        }
        if self.bytes.is_empty() {
            return Pin::new(io).poll_write_vectored(cx, parts);
        }
        let (first, others) = parts.split_first().map_or((&[][..], parts), |(first, others)| (&first[..], others));
        let mut slices = vec![IoSlice::new(&self.bytes)];
        slices.extend(first.get(self.bytes.len()..).filter(|rest| !rest.is_empty()).map(IoSlice::new));
        slices.extend(others.iter().map(|part| IoSlice::new(part)));
        let written = Pin::new(io).poll_write_vectored(cx, &slices);
        if let Poll::Ready(Ok(count)) = &written {
            self.bytes.advance((*count).min(self.bytes.len()));
            if self.bytes.is_empty() {
                // An idle connection holds no buffer.
                self.bytes = BytesMut::new();
            }
        }
        written
    }

    /// Puts the fields of the last head in `offered` in the order of `names`. The rest of a head before it may stand there, too.
    fn begin(&mut self, offered: &[u8], names: &[HeaderName]) {
        let fresh = offered.get(self.bytes.len()..).unwrap_or_default();
        if let Some(start) = last_head(fresh) {
            let (before, head) = fresh.split_at(start);
            self.bytes.extend_from_slice(before);
            for line in in_order(head, names) {
                self.bytes.extend_from_slice(line);
            }
        }
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|&byte| byte == b'\n')
}

/// Where the last status line begins, if a head is what `bytes` end with. No field line looks like one: no name holds a `/`.
fn last_head(bytes: &[u8]) -> Option<usize> {
    if !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let mut at = 0;
    let mut found = None;
    for line in lines(bytes) {
        if line.starts_with(b"HTTP/1.") {
            found = Some(at);
        }
        at += line.len();
    }
    found
}

/// The lines of a head: the status line, the fields of `names` in their order, hyper's own, and the empty line.
fn in_order<'a>(head: &'a [u8], names: &[HeaderName]) -> Vec<&'a [u8]> {
    let mut places: HashMap<&[u8], VecDeque<usize>> = HashMap::new();
    for (place, name) in names.iter().enumerate() {
        places.entry(name.as_str().as_bytes()).or_default().push_back(place + 1);
    }
    let place = |(number, line): (usize, &'a [u8])| {
        let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
        let place = places.get_mut(name).and_then(VecDeque::pop_front);
        (if number == 0 { 0 } else { place.unwrap_or(usize::MAX) }, line)
    };
    let mut sorted: Vec<_> = lines(head).enumerate().map(place).collect();
    // A stable sort: what has no place of its own stays behind the others, as hyper had it.
    sorted.sort_by_key(|(place, _)| *place);
    sorted.into_iter().map(|(_, line)| line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIES: &str = "set-cookie: a\r\nset-cookie: b\r\nx-foo: 1\r\n";
    const IN_ORDER: &str = "set-cookie: a\r\nx-foo: 1\r\nset-cookie: b\r\n";

    fn names(names: &[&'static str]) -> Vec<HeaderName> {
        names.iter().copied().map(HeaderName::from_static).collect()
    }

    fn reordered(offered: &str) -> String {
        let mut reordered = Reordered::default();
        reordered.begin(offered.as_bytes(), &names(&["set-cookie", "x-foo", "set-cookie"]));
        String::from_utf8(reordered.bytes.to_vec()).unwrap()
    }

    #[test]
    fn what_is_not_told_stays_behind() {
        let offered = format!("HTTP/1.1 200 OK\r\ndate: x\r\n{COOKIES}server: y\r\n\r\n");
        assert_eq!(reordered(&offered), format!("HTTP/1.1 200 OK\r\n{IN_ORDER}date: x\r\nserver: y\r\n\r\n"));
    }

    #[test]
    fn what_is_left_of_a_head_before_stays_before() {
        let rests = [
            "HTTP/1.1 100 Continue\r\n\r\n",
            "ue\r\n\r\n",
            "\n\r\n",
            "\n",
            "HTTP/1.1 of a value\r\nset-cookie: z\r\n\r\n",
        ];
        for rest in rests {
            let offered = format!("{rest}HTTP/1.0 404 Not Found\r\n{COOKIES}\r\n");
            assert_eq!(reordered(&offered), format!("{rest}HTTP/1.0 404 Not Found\r\n{IN_ORDER}\r\n"));
        }
    }

    #[test]
    fn a_name_that_is_told_and_not_there_takes_no_place() {
        assert_eq!(reordered("HTTP/1.1 200 OK\r\nx-foo: 1\r\n\r\n"), "HTTP/1.1 200 OK\r\nx-foo: 1\r\n\r\n");
    }

    #[test]
    fn what_is_no_head_is_left_alone() {
        for offered in ["", "HTTP/1.1 200 OK\r\nset-cookie: a\r\n\r\nbody", "body\r\n\r\n"] {
            assert_eq!(reordered(offered), "");
        }
    }

    #[test]
    fn an_order_is_for_one_head() {
        let next = NextOrder::default();
        assert_eq!(next.take(), None);
        next.tell(names(&["x-foo"]));
        assert_eq!(next.take(), Some(names(&["x-foo"])));
        assert_eq!(next.take(), None);
    }
}
