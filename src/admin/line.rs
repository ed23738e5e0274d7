//! The line between a worker and the admin listener of its supervisor: a socket pair, one question and one answer a line each.
//!
//! Kept apart because both processes have to agree on it. The supervisor sends a number and the shares that were set, the worker goes
//! by those and answers with that number and what it has to say; a last answer, with no number, comes unasked at its end, so that
//! nothing it counted is lost. A first line with the shares alone is there before the worker is: its first request goes by them.

use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::process::Process;
use super::status::Report;
use crate::live_shares::{LiveShares, SetShare};

/// How long a supervisor may take to make room for the last answer.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long the first line may take, which is there already.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest first line.
const MOST_GREETING: usize = 1024 * 1024;

/// A question as it is sent.
pub fn question(number: u64, shares: &[SetShare]) -> String {
    format!("{number} {}\n", serde_json::to_string(shares).unwrap_or_default())
}

/// Writes the first line, to a worker that is not there yet.
pub fn greet(mut stream: &std::os::unix::net::UnixStream, shares: &[SetShare]) {
    // Of a few bytes into an empty socket nothing is lost; what is, the first question says again.
    let _unsaid = stream.set_nonblocking(true).and_then(|()| stream.write_all(question(0, shares).as_bytes()));
}

/// Reads the first line, before the worker serves.
pub fn hear_greeting(mut stream: &std::os::unix::net::UnixStream, shares: &LiveShares) {
    if stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(PATIENCE))).is_err() {
        return;
    }
    let (mut line, mut byte) = (Vec::new(), [0]);
    // Byte by byte: what follows is not for here.
    while line.len() < MOST_GREETING && matches!(stream.read(&mut byte), Ok(1)) && byte != *b"\n" {
        line.extend_from_slice(&byte);
    }
    asked(&String::from_utf8_lossy(&line), shares);
}

/// Takes the shares of a question, and gives its number.
fn asked(question: &str, shares: &LiveShares) -> Option<u64> {
    let (number, set) = question.trim().split_once(' ')?;
    if let Ok(set) = serde_json::from_str(set) {
        shares.replace(set);
    }
    number.parse().ok()
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The number of the question; `None` is the last word.
    pub to: Option<u64>,
    /// All that it has to say.
    pub report: Report,
}

/// Answers until the supervisor has gone or `end` is ready; then says the last word.
pub async fn answer(stream: std::os::unix::net::UnixStream, process: &Process, end: impl Future<Output = ()>) {
    let Ok(mut stream) = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream)) else { return };
    let (reading, mut writing) = stream.split();
    let answering = async {
        let mut questions = BufReader::new(reading).lines();
        while let Some(question) = questions.next_line().await? {
            say(&mut writing, asked(&question, &process.shares), process).await?;
        }
        // A supervisor that has gone wants nothing more.
        Ok(())
    };
    let gone: io::Result<()> = tokio::select! {
        gone = answering => gone,
        () = end => {
            // One that does not listen is not waited for.
            let _unsaid = tokio::time::timeout(FAREWELL, say(&mut writing, None, process)).await;
            return;
        }
    };
    if let Err(error) = gone {
        crate::log::debug(format_args!("the admin listener of the supervisor cannot be answered: {error}"));
    }
}

async fn say(writing: &mut (impl AsyncWriteExt + Unpin), to: Option<u64>, process: &Process) -> io::Result<()> {
    let mut answer = serde_json::to_vec(&Answer { to, report: process.report() })?;
    answer.push(b'\n');
    writing.write_all(&answer).await
}
