//! The connection between a worker and the admin listener of its supervisor: a socket pair with one line per question
//! and reply.
//!
//! The supervisor sends a number and all live shares. The worker applies the shares. It replies with that number, its
//! report, and the list of its routes if the list has changed. At its end, it sends a last reply without a number, so
//! that none of its counts are lost. The supervisor writes the first line before it starts the worker, so that the
//! worker's first request uses the live shares. Between these lines, published items go both ways
//! (`relay.rs`).

use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc::Receiver;

use super::process::Process;
use super::relay;
use super::status::Report;
use crate::config::live_shares::{LiveShares, SetShare};
use crate::grip::parse_items;

/// How long the worker waits at its end for the supervisor to read the last reply.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait for the first line. It is normally there already.
const FIRST_LINE_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest first line, in bytes.
const MOST_GREETING: usize = 1024 * 1024;

/// The line of a question.
pub fn question(number: u64, shares: &[SetShare]) -> String {
    format!("{number} {}\n", serde_json::to_string(shares).unwrap_or_default())
}

/// Writes the first line, before the worker starts.
pub fn greet(mut stream: &std::os::unix::net::UnixStream, shares: &[SetShare]) {
    // It fits into an empty socket buffer. If it does not, the first question repeats it.
    let _unsaid = stream.set_nonblocking(true).and_then(|()| stream.write_all(question(0, shares).as_bytes()));
}

/// Reads the first line, before the worker serves.
pub fn hear_greeting(mut stream: &std::os::unix::net::UnixStream, shares: &LiveShares) {
    if stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(FIRST_LINE_TIMEOUT))).is_err() {
        return;
    }
    let (mut line, mut byte) = (Vec::new(), [0]);
    // Byte by byte, because the lines after it are for `reply`.
    while line.len() < MOST_GREETING && matches!(stream.read(&mut byte), Ok(1)) && byte != *b"\n" {
        line.extend_from_slice(&byte);
    }
    apply(&String::from_utf8_lossy(&line), shares);
    shares.remind();
}

/// Applies the shares of a question. Returns its number.
fn apply(question: &str, shares: &LiveShares) -> Option<u64> {
    let (number, set) = question.trim().split_once(' ')?;
    if let Ok(set) = serde_json::from_str(set) {
        shares.replace(set);
    }
    number.parse().ok()
}

/// The reply of a worker.
#[derive(Debug, Serialize, Deserialize)]
pub struct WorkerReply {
    /// The number of the question; `None` in the last reply.
    pub to: Option<u64>,
    /// The report.
    pub report: Report,
    /// The list of its routes, if it has changed since the last reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<String>,
}

/// Replies until the supervisor has ended or `end` completes. Then sends the last reply.
pub async fn reply(stream: std::os::unix::net::UnixStream, process: &Process, end: impl Future<Output = ()>) {
    let Ok(mut stream) = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream)) else { return };
    let (reading, mut writing) = stream.split();
    let mut map = 0;
    let replying = async {
        let mut questions = BufReader::new(reading).lines();
        let mut relayed = process.hub.as_ref().map(|hub| hub.relayed());
        loop {
            tokio::select! {
                question = questions.next_line() => {
                    // A supervisor that has gone wants nothing more.
                    let Some(question) = question? else { return Ok(()) };
                    if let Some(items) = relay::read(&question) {
                        publish(process, items);
                        continue;
                    }
                    let to = apply(&question, &process.shares);
                    say(&mut writing, to, process, &mut map).await?;
                }
                Some(items) = published(relayed.as_mut()) => {
                    let text = relay::written(&items).unwrap_or_default();
                    writing.write_all(text.as_bytes()).await?;
                }
            }
        }
    };
    let gone: io::Result<()> = tokio::select! {
        gone = replying => gone,
        () = end => {
            let mut known = u64::MAX;
            // Do not wait for a supervisor that does not read.
            let _unsaid = tokio::time::timeout(CLOSE_TIMEOUT, say(&mut writing, None, process, &mut known)).await;
            return;
        }
    };
    if let Err(error) = gone {
        crate::log::debug(format_args!("the admin listener of the supervisor gets no reply: {error}"));
    }
}

/// What this process publishes next, for the other workers.
async fn published(relayed: Option<&mut Receiver<String>>) -> Option<String> {
    match relayed {
        Some(relayed) => relayed.recv().await,
        None => std::future::pending().await,
    }
}

/// Brings items from the supervisor to the clients that are held here.
fn publish(process: &Process, items: &str) {
    if let (Some(hub), Ok(items)) = (&process.hub, parse_items(items.as_bytes())) {
        hub.publish(items);
    }
}

/// Sends one reply. `known` is the version of the list of routes that the supervisor has. The last reply needs no
/// list.
async fn say(
    writing: &mut (impl AsyncWriteExt + Unpin),
    to: Option<u64>,
    process: &Process,
    known: &mut u64,
) -> io::Result<()> {
    let (number, map) = process.map.get();
    let map = map.filter(|_| number > *known).map(|map| map.to_string());
    *known = number.max(*known);
    let report = Report { watched: process.shares.watched(), ..process.report() };
    let mut reply = serde_json::to_vec(&WorkerReply { to, report, map })?;
    reply.push(b'\n');
    writing.write_all(&reply).await
}
