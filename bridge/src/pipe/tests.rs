//! Tests of the pipe.

use std::collections::VecDeque;
use std::task::{Context, Waker};

use bytes::Bytes;

use super::*;
use crate::error::{BodyError, Disconnected};
use futures::executor::block_on;
use futures::future::poll_fn;

fn next(reader: &PipeReader<Bytes>) -> Option<Result<Bytes, BodyError>> {
    block_on(poll_fn(|context| reader.poll_next(context)))
}

#[test]
fn items_come_out_in_order_and_then_the_end() {
    let (writer, reader) = pipe(2);
    assert_eq!(writer.push(Bytes::from_static(b"a")), Ok(Capacity::More));
    assert_eq!(writer.push(Bytes::from_static(b"b")), Ok(Capacity::Full));
    writer.finish();
    assert_eq!(next(&reader), Some(Ok(Bytes::from_static(b"a"))));
    assert!(!reader.is_finished());
    assert_eq!(next(&reader), Some(Ok(Bytes::from_static(b"b"))));
    assert!(reader.is_finished());
    assert_eq!(next(&reader), None);
}

#[test]
fn a_dropped_writer_never_looks_like_the_end() {
    let (writer, reader) = pipe::<Bytes>(16);
    drop(writer);
    assert_eq!(next(&reader), Some(Err(BodyError::Disconnected)));
}

#[test]
fn a_full_pipe_makes_the_writer_wait_and_a_reader_that_leaves_ends_the_wait() {
    let (writer, reader) = pipe(2);
    writer.push(Bytes::from_static(b"abc")).unwrap();
    let thread = std::thread::spawn(move || block_on(poll_fn(|context| writer.poll_ready(context))));
    drop(reader);
    assert_eq!(thread.join().unwrap(), Err(Disconnected));
}

#[test]
fn wanted_waits_for_the_first_look_at_an_empty_pipe() {
    let (writer, reader) = pipe::<Bytes>(2);
    let mut context = Context::from_waker(Waker::noop());
    assert!(writer.poll_wanted(&mut context).is_pending());
    assert!(reader.poll_next(&mut context).is_pending());
    assert!(writer.poll_wanted(&mut context).is_ready());
}

#[test]
fn a_hung_up_pipe_takes_no_more_and_gives_what_it_has_before_it_breaks_off() {
    let (writer, reader) = pipe(16);
    writer.push(Bytes::from_static(b"a")).unwrap();
    writer.hang_up_handle().hang_up();
    assert_eq!(writer.push(Bytes::from_static(b"b")), Err(Disconnected));
    assert_eq!(block_on(poll_fn(|context| writer.poll_ready(context))), Err(Disconnected));
    block_on(poll_fn(|context| writer.poll_closed(context)));
    drop(writer);
    assert_eq!(next(&reader), Some(Ok(Bytes::from_static(b"a"))));
    assert_eq!(next(&reader), Some(Err(BodyError::Disconnected)));
}

#[test]
fn what_was_taken_back_is_waited_for_and_comes_before_the_rest() {
    let (writer, reader) = pipe(16);
    let mut context = Context::from_waker(Waker::noop());
    writer.push(Bytes::from_static(b"a")).unwrap();
    let items = writer.take_back().unwrap();
    assert_eq!(items.len(), 1);
    writer.push(Bytes::from_static(b"c")).unwrap();
    writer.finish();
    assert!(reader.poll_next(&mut context).is_pending());
    assert!(!reader.is_finished());
    writer.put_back(VecDeque::from([Bytes::from_static(b"b")])).unwrap();
    assert_eq!(next(&reader), Some(Ok(Bytes::from_static(b"b"))));
    assert_eq!(next(&reader), Some(Ok(Bytes::from_static(b"c"))));
    assert_eq!(next(&reader), None);
}

#[test]
fn a_response_that_is_given_up_says_so_and_breaks_off() {
    let (writer, reader) = pipe(16);
    let (sender, told) = std::sync::mpsc::channel();
    reader.on_given_up(move || sender.send(()).unwrap());
    writer.push(Bytes::from_static(b"a")).unwrap();
    writer.give_up();
    told.try_recv().unwrap();
    assert!(matches!(next(&reader), Some(Err(BodyError::TooSlow(_)))));
    writer.finish();
    assert!(!reader.is_finished());
}
