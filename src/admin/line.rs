//! The connection between a worker and the admin listener of its supervisor: a socket pair with one line per question and
//! answer.
//!
//! Both processes must agree on this protocol. The supervisor sends a number. The worker answers with that number and its
//! data. At its end, it sends a last answer without a number, so that none of its counts are lost.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::process::Process;
use super::status::Report;

/// How long a supervisor may take to make room for the last answer.
const FAREWELL: Duration = Duration::from_secs(1);

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
            say(&mut writing, question.trim().parse().ok(), process).await?;
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
