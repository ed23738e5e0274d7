//! A held stream: what is published on its channels follows the response.
//!
//! One small task for each client. It ends with the client, with the server's drain, or when the client does not take what
//! comes. A stream that the server ends is complete, so an `EventSource` connects again.
//!
//! Spec: GRIP "HTTP" (`Grip-Hold: stream`, `Grip-Keep-Alive`); Pushpin (`Grip-Link`).

use std::future::{pending, poll_fn};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use rsgi_bridge::pipe::{PipeWriter, pipe};
use rsgi_bridge::response::response_head::ResponseHead;
use tokio::time::{Instant, sleep_until};

use super::client::Client;
use super::delivery::{ItemVerdict, Subscribed};
use super::instruct::{self, Instruct, Link};
use super::instruct_body;
use super::item::{Item, ItemAction};
use super::keep_alive::KeepAlive;
use crate::log::{debug, line};
use crate::response::app_response::AppResponse;
use crate::runtime::shutdown::Phase;

/// The shortest time between two links of a stream that is not to go on at once.
const BETWEEN_LINKS: Duration = Duration::from_secs(1);

/// So many links follow each other at once. More are a mistake of the application, which never says that it is up to date.
const MOST_LINKS: usize = 100;

struct HeldStream {
    client: Client,
    writer: PipeWriter<Bytes>,
    keep_alive: Option<KeepAlive>,
    /// When the keep-alive is due.
    due: Instant,
    next: Option<Link>,
    /// When the link is to be followed.
    follow_at: Instant,
    /// The links that were followed one after another.
    links: usize,
}

/// What ends a stream.
enum StreamEnd {
    /// It is complete.
    Complete,
    /// Its client has left.
    Gone,
    /// Its client takes too little.
    Slow,
}

/// Begins with the response of the application.
pub(super) fn begin(client: Client, instruct: Instruct, mut head: ResponseHead, body: Bytes) -> AppResponse {
    head.remove(&CONTENT_LENGTH);
    let (writer, reader) = pipe(client.grip.buffer);
    let now = Instant::now();
    let mut stream = HeldStream { client, writer, keep_alive: None, due: now, next: None, follow_at: now, links: 0 };
    let behind = stream.client.subscription.is_behind(&instruct.channels);
    stream.obey(instruct, behind);
    let beginning = stream.client.subscribed.beginning(body);
    if !beginning.is_empty() {
        // It is the first.
        let _empty = stream.writer.push(beginning);
    }
    tokio::spawn(stream.run());
    AppResponse::Stream(head, reader)
}

impl HeldStream {
    async fn run(mut self) {
        let guard = self.client.guard.clone();
        let mut draining = std::pin::pin!(guard.reached(Phase::Draining));
        let end = loop {
            let step = tokio::select! {
                () = &mut draining => ControlFlow::Break(StreamEnd::Complete),
                () = poll_fn(|context| self.writer.poll_closed(context)) => ControlFlow::Break(StreamEnd::Gone),
                item = self.client.subscription.next() => match item {
                    Some(item) => self.take(&item),
                    None => ControlFlow::Break(StreamEnd::Slow),
                },
                () = at(self.keep_alive.as_ref().map(|_| self.due)) => self.keep_alive(),
                () = at(self.next.as_ref().map(|_| self.follow_at)) => self.follow(draining.as_mut()).await,
            };
            if let ControlFlow::Break(end) = step {
                break end;
            }
        };
        match end {
            StreamEnd::Complete => self.writer.finish(),
            StreamEnd::Gone => {}
            StreamEnd::Slow => {
                let (log_context, buffer) = (self.client.origin.log_context(), self.client.grip.buffer);
                line(format_args!(
                    "warning: {log_context}: the client of a held stream takes too little, and was dropped: more than {buffer} bytes \
                     wait for it (`--grip-buffer`)"
                ));
            }
        }
    }

    /// Goes by what the application says, first or again. It may be `behind` what was published.
    fn obey(&mut self, instruct: Instruct, behind: bool) {
        let now = Instant::now();
        let at_once = instruct.mode.is_none();
        self.links = if at_once { self.links + 1 } else { 0 };
        self.follow_at = match &instruct.next {
            _ if at_once => now,
            Some(_) if behind => now + BETWEEN_LINKS,
            Some(link) => now + link.after,
            None => now,
        };
        self.next = instruct.next;
        self.due = now + instruct.keep_alive.as_ref().map_or(Duration::ZERO, |keep_alive| keep_alive.every);
        self.keep_alive = instruct.keep_alive;
    }

    fn take(&mut self, item: &Item) -> ControlFlow<StreamEnd> {
        let Some(payload) = &item.stream else { return ControlFlow::Continue(()) };
        let verdict = self.client.subscribed.verdict(item);
        if verdict == ItemVerdict::Gap && self.next.is_some() {
            // The application has them all.
            self.follow_at = self.follow_at.min(Instant::now());
            return ControlFlow::Continue(());
        }
        self.client.subscribed.pass(item);
        if verdict == ItemVerdict::Skip {
            return ControlFlow::Continue(());
        }
        match &payload.action {
            ItemAction::Send(content) => {
                let content = self.client.subscribed.copy(&item.channel, payload.filters.as_deref(), content);
                self.send(content)
            }
            ItemAction::Close => ControlFlow::Break(StreamEnd::Complete),
            ItemAction::Hint => {
                self.follow_at = self.follow_at.min(Instant::now());
                ControlFlow::Continue(())
            }
        }
    }

    fn send(&mut self, content: Bytes) -> ControlFlow<StreamEnd> {
        if content.is_empty() {
            return ControlFlow::Continue(());
        }
        if !self.writer.has_room() {
            return ControlFlow::Break(StreamEnd::Slow);
        }
        if let Some(keep_alive) = self.keep_alive.as_ref().filter(|keep_alive| !keep_alive.always) {
            self.due = Instant::now() + keep_alive.every;
        }
        match self.writer.push(content) {
            Ok(_) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(StreamEnd::Gone),
        }
    }

    fn keep_alive(&mut self) -> ControlFlow<StreamEnd> {
        let Some(keep_alive) = &self.keep_alive else { return ControlFlow::Continue(()) };
        self.due = Instant::now() + keep_alive.every;
        let data = keep_alive.data.clone();
        // A client that does not read needs none.
        if self.writer.has_room() { self.send(data) } else { ControlFlow::Continue(()) }
    }

    /// Follows the link, as long as somebody waits for what it gives.
    async fn follow(&mut self, mut draining: Pin<&mut impl Future<Output = ()>>) -> ControlFlow<StreamEnd> {
        let Some(link) = self.next.clone() else { return ControlFlow::Continue(()) };
        let grip = Arc::clone(&self.client.grip);
        let _turn = tokio::select! {
            () = draining.as_mut() => return ControlFlow::Break(StreamEnd::Complete),
            () = poll_fn(|context| self.writer.poll_closed(context)) => return ControlFlow::Break(StreamEnd::Gone),
            turn = grip.followers.turn() => turn,
        };
        // A thread that is asked runs on if the client leaves. So the turn is not over then.
        tokio::select! {
            () = draining => ControlFlow::Break(StreamEnd::Complete),
            read = ask(&self.client, &link.target) => self.go_on(&link.target, read),
        }
    }

    /// Goes on with what the link gave.
    fn go_on(&mut self, link: &str, read: Result<instruct_body::Read, String>) -> ControlFlow<StreamEnd> {
        match read {
            Ok((Some(instruct), _, body)) if instruct.mode.is_some() || self.links < MOST_LINKS => {
                self.client.subscription.change(&instruct.channels);
                self.client.subscribed = Subscribed::new(&instruct);
                self.obey(instruct, false);
                let body = self.client.subscribed.beginning(body);
                self.send(body)
            }
            Ok((last, _, body)) => {
                if last.is_some() {
                    let log_context = self.client.origin.log_context();
                    line(format_args!(
                        "warning: {log_context}: the held stream ends: it has followed {MOST_LINKS} links one after another, and the \
                         response to `Grip-Link: <{link}>` has another one and no `Grip-Hold`"
                    ));
                }
                match self.send(body) {
                    ControlFlow::Continue(()) => ControlFlow::Break(StreamEnd::Complete),
                    end @ ControlFlow::Break(_) => end,
                }
            }
            Err(why) => {
                // Its client connects again and says what it has.
                let log_context = self.client.origin.log_context();
                debug(format_args!("{log_context}: the held stream ends: `Grip-Link: <{link}>`: {why}"));
                ControlFlow::Break(StreamEnd::Complete)
            }
        }
    }
}

/// What the application answers to a link.
async fn ask(client: &Client, link: &str) -> Result<instruct_body::Read, String> {
    let (mut head, body) = client.origin.ask(&client.grip, link, &client.subscribed).await?;
    let fields = instruct::take(&mut head, usize::MAX)?;
    instruct_body::read(fields, head, body, usize::MAX)
}

/// When it is time; never without one.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}
