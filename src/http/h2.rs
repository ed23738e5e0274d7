//! One HTTP/2 connection: hyper over the stream, and the timeouts that hyper does not have.
//!
//! `stream.rs` answers the requests. This file has what only HTTP/2 needs: streams, windows, and limits for clients that
//! start many streams and end none. hyper does framing, header compression and flow control. `FrameGuard` makes it
//! refuse what it would repair in silence.
//!
//! Spec: RFC 9113 (5.1.2, 5.2, 6.8, 10.5), RFC 8441 3, 5.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::config::settings::Settings;
use crate::http::connection::Connection;
use crate::http::service::Service;
use crate::http::stream::respond_http2;
use crate::metrics::Protocol;
use crate::request::activity::Activity;
use crate::request::head::Peer;
use crate::response::stream_clock::{PIECE, StreamClock};
use crate::runtime::shutdown::{Phase, ShutdownGuard};
use crate::wire::{FrameGuard, Limits, MISSED, SECOND_LOOK, Timer};

/// How many bytes of one response may wait in hyper until the client opens its window.
const SEND_BUFFER: usize = 4 * PIECE;

/// How many streams a client may reset before hyper looks at them, and how many it may make us reset. A client without
/// a fault makes us reset none, or a few whose bodies it still sends.
const MOST_PENDING_RESETS: usize = 20;
const MOST_LOCAL_RESETS: usize = 50;

/// How many more requests a client may give up than get a response. Then the connection closes.
const MOST_GIVEN_UP: u64 = 200;

/// How many streams of a connection may be cut because the client takes nothing. Then the connection closes.
const MOST_CUT: u64 = 10;

/// A client that answers no ping is gone, even if the connection seems open.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// While a request runs, the shortest time between two checks whether it has ended.
const SHORTEST_SLEEP: Duration = Duration::from_millis(50);

/// How long the connection stays open after GOAWAY if the client has no request, or reads no response.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves one HTTP/2 connection until it closes or the server stops.
pub async fn serve<S>(service: Arc<Service>, stream: S, peer: Box<Peer>, guard: ShutdownGuard)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let activity = Arc::new(Activity::default());
    let streams = Arc::new(Streams::new(Arc::clone(&service.limits)));
    let builder = builder(&service.settings, StreamExecutor(Arc::clone(&streams)));
    let began = Instant::now();
    let client = peer.client.clone();
    let (header_timeout, idle) = (service.limits.header_timeout, service.limits.keep_alive_timeout);
    let connection = Arc::new(Connection::new(service, peer, guard.clone(), Protocol::Http2));
    let counted = Arc::clone(&activity);
    let respond = service_fn(move |request| respond_http2(&connection, &counted, request));
    let mut served = pin!(builder.serve_connection(TokioIo::new(FrameGuard::new(stream)), respond));
    tokio::select! {
        _ended = served.as_mut() => return,
        () = guard.reached(Phase::Draining) => {}
        () = idle_for(&activity, began, header_timeout, idle) => {}
        () = streams.flooded.notified() => return,
        () = streams.unread.notified() => {
            say_unread(client);
            served.as_mut().graceful_shutdown();
            // The client does not read the remaining streams either, so do not wait long.
            let _ended = tokio::time::timeout(CLOSE_TIMEOUT, served).await;
            return;
        }
    }
    served.as_mut().graceful_shutdown();
    tokio::select! {
        _ended = served => {}
        () = guard.reached(Phase::Cut) => {}
        () = idle_for(&activity, Instant::now(), CLOSE_TIMEOUT, CLOSE_TIMEOUT) => {}
    }
}

fn say_unread(client: Option<(String, u16)>) {
    let client = client.map_or_else(|| "a Unix socket".to_owned(), |(host, port)| format!("{host}, port {port}"));
    crate::log::debug(format_args!(
        "the HTTP/2 connection of {client} ends: {MOST_CUT} of its streams were cut because it did not read them"
    ));
}

fn builder(settings: &Settings, executor: StreamExecutor) -> http2::Builder<StreamExecutor> {
    let window = u32::try_from(settings.h2_window).unwrap_or(u32::MAX).min(MOST_WINDOW);
    let fields = settings.max_header_fields.saturating_add(MOST_CRUMBS).saturating_mul(FIELD_OVERHEAD);
    let header_list = settings.max_header_section.saturating_add(settings.max_request_line).saturating_add(fields);
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.h2_max_streams)
        .initial_stream_window_size(window)
        // As much as all streams together may send, so that a stream which its application does not read delays no
        // other stream.
        .initial_connection_window_size(window.saturating_mul(settings.h2_max_streams).min(MOST_WINDOW))
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(header_list).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MOST_PENDING_RESETS)
        .max_local_error_reset_streams(MOST_LOCAL_RESETS)
        .auto_date_header(settings.is_dated())
        .enable_connect_protocol()
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// The largest window: RFC 9113 6.9.1.
const MOST_WINDOW: u32 = (1 << 31) - 1;

/// What each field counts beside its bytes: RFC 9113 6.5.2.
const FIELD_OVERHEAD: usize = 32;

/// How many fields a client may divide its cookies into: more than a browser keeps for one site. Each has a name of six
/// bytes.
const MOST_CRUMBS: usize = 512;

/// Completes when there was no request for some time after `began`: `first` before the first request, `later` after it.
async fn idle_for(activity: &Activity, began: Instant, first: Duration, later: Duration) {
    let mut looked_again = false;
    loop {
        let now = Instant::now();
        let (since, any) = activity.idle_since();
        let timeout = if any { later } else { first };
        let until = match since {
            Some(since) => since.max(began).checked_add(timeout),
            None => now.checked_add(timeout.max(SHORTEST_SLEEP)),
        };
        let Some(until) = until else { return std::future::pending().await };
        if until <= now {
            if looked_again || now - until <= MISSED {
                return;
            }
            // The server did not run for a while. A request may have come meanwhile.
            looked_again = true;
            sleep_until(now + SECOND_LOOK).await;
            continue;
        }
        // After a first request, the shorter `later` may apply.
        sleep_until(until.min(now + later.max(SHORTEST_SLEEP))).await;
    }
}

/// What the streams of a connection share.
#[derive(Debug)]
struct Streams {
    limits: Arc<Limits>,
    responded: AtomicU64,
    given_up: AtomicU64,
    /// The client has given up too many requests.
    flooded: Notify,
    cut: AtomicU64,
    /// Too many streams were cut because the client did not read them.
    unread: Notify,
}

impl Streams {
    /// For a new connection.
    fn new(limits: Arc<Limits>) -> Self {
        let (responded, given_up, cut, flooded, unread) = Default::default();
        Self { limits, responded, given_up, flooded, cut, unread }
    }

    /// A stream has ended. `responded` says whether its response had begun.
    fn ended(&self, responded: bool) {
        if responded {
            self.responded.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let given_up = self.given_up.fetch_add(1, Ordering::Relaxed) + 1;
        if given_up > MOST_GIVEN_UP + self.responded.load(Ordering::Relaxed) {
            self.flooded.notify_one();
        }
    }

    /// A stream is cut because the client takes nothing.
    fn cut(&self) {
        if self.cut.fetch_add(1, Ordering::Relaxed) + 1 >= MOST_CUT {
            self.unread.notify_one();
        }
    }
}

/// Runs each stream as a task, and cuts streams whose client takes nothing.
#[derive(Clone, Debug)]
struct StreamExecutor(Arc<Streams>);

impl<F> Executor<F> for StreamExecutor
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        // Within a stream's task, hyper starts the task that sends on the stream after it has become a WebSocket. The
        // stream is counted already, and the WebSocket has its own timeouts.
        if let Some(clock) = StreamClock::current() {
            let sender = tokio::spawn(async move { drop(future.await) });
            clock.sent_by(sender.abort_handle());
            return;
        }
        let limits = &self.0.limits;
        let stream = StreamTask {
            future: Box::pin(future),
            clock: Arc::new(StreamClock::new(limits)),
            timer: Timer::new(limits.keep_alive_timeout),
            streams: Arc::clone(&self.0),
        };
        tokio::spawn(stream);
    }
}

/// The task of one stream. Dropping it before its end resets the stream.
struct StreamTask<F> {
    future: Pin<Box<F>>,
    clock: Arc<StreamClock>,
    timer: Timer,
    streams: Arc<Streams>,
}

impl<F: Future> Future for StreamTask<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let ended = StreamClock::watch(&this.clock, || this.future.as_mut().poll(context).is_ready());
        if ended {
            return Poll::Ready(());
        }
        let Some(until) = this.clock.timeout() else { return Poll::Pending };
        if this.clock.is_given_up(context) || (until.is_some() && this.timer.poll(context, until)) {
            this.streams.cut();
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl<F> Drop for StreamTask<F> {
    fn drop(&mut self) {
        self.streams.ended(self.clock.has_begun());
    }
}
