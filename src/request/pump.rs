//! Moves a request body from its connection into a pipe, and keeps the rest for a second application.
//!
//! A pump runs as a task of its own, because the application reads while the connection is busy with the response.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use rsgi_bridge::error::BodyError;
use rsgi_bridge::pipe::{PipeReader, PipeWriter, pipe};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::body::RequestBody;
use super::recorder::Recorder;

/// The rest of a request body after an application has read some of it. It may be possible to read it again from the
/// start.
#[derive(Debug)]
pub enum Leftover {
    /// There was no body.
    Untouched(RequestBody),
    /// A pump sends it through a pipe.
    Pumping {
        /// Ends the pump.
        stop: Arc<Notify>,
        /// Returns the body and the recorder of the pump.
        task: JoinHandle<Pumped>,
    },
}

/// What a pump returns when it ends.
#[derive(Debug)]
pub struct Pumped {
    body: RequestBody,
    recorder: Option<Recorder>,
}

impl Leftover {
    /// The body from its first byte, if the recorder has kept everything that was read.
    ///
    /// # Errors
    /// When the temporary file fails.
    pub async fn rewind(self) -> Result<Option<RequestBody>, BodyError> {
        let (stop, task) = match self {
            Self::Untouched(body) => return Ok(Some(body)),
            Self::Pumping { stop, task } => (stop, task),
        };
        stop.notify_one();
        let Pumped { mut body, recorder } = task.await.map_err(|error| BodyError::Storage(error.to_string()))?;
        let Some(recorder) = recorder else { return Ok(None) };
        let Some(copy) = recorder.into_source().await? else { return Ok(None) };
        body.replay = Some(copy);
        Ok(Some(body))
    }
}

/// A body on its way into a pipe.
struct Pump {
    body: RequestBody,
    writer: PipeWriter<Bytes>,
    recorder: Option<Recorder>,
    /// Nothing is read from the connection before the reader asks.
    wait: bool,
}

impl RequestBody {
    /// Sends the body through a pipe of `capacity` bytes, while the reader takes it. `recorder` keeps a copy.
    ///
    /// With `wait`, nothing is read from the connection before the reader asks. So `100 Continue` is not sent before
    /// that either.
    pub fn pump(
        self,
        capacity: usize,
        wait: bool,
        first: Option<Bytes>,
        recorder: Option<Recorder>,
    ) -> (PipeReader<Bytes>, Leftover) {
        let (writer, reader) = pipe(capacity);
        if let Some(first) = first {
            // Cannot fail, because we still hold the reader.
            let _open = writer.push(first);
        }
        let stop = Arc::new(Notify::new());
        let pump = Pump { body: self, writer, recorder, wait };
        let task = tokio::spawn(pump.run(Arc::clone(&stop)));
        (reader, Leftover::Pumping { stop, task })
    }
}

impl Pump {
    async fn run(mut self, stop: Arc<Notify>) -> Pumped {
        while self.reader_wants_more(&stop).await && self.move_chunk(&stop).await.is_continue() {}
        Pumped { body: self.body, recorder: self.recorder }
    }

    /// Waits until the pipe takes another chunk. Returns `false` if the reader has gone or the pump must stop.
    async fn reader_wants_more(&mut self, stop: &Notify) -> bool {
        let (writer, wait) = (&self.writer, std::mem::take(&mut self.wait));
        let ready = async {
            if wait {
                poll_fn(|context| writer.poll_wanted(context)).await?;
            }
            poll_fn(|context| writer.poll_ready(context)).await
        };
        tokio::select! {
            ready = ready => ready.is_ok(),
            () = stop.notified() => false,
        }
    }

    async fn move_chunk(&mut self, stop: &Notify) -> ControlFlow<()> {
        let next = tokio::select! {
            next = self.body.next() => next,
            () = poll_fn(|context| self.writer.poll_closed(context)) => return ControlFlow::Break(()),
            () = stop.notified() => return ControlFlow::Break(()),
        };
        match next {
            Ok(Some(chunk)) => self.hand_on(chunk).await,
            Ok(None) => {
                self.writer.finish();
                ControlFlow::Break(())
            }
            Err(error) => self.fail(error).await,
        }
    }

    async fn hand_on(&mut self, chunk: Bytes) -> ControlFlow<()> {
        if let Some(recorder) = &mut self.recorder
            && let Err(error) = recorder.push(&chunk).await
        {
            return self.fail(error).await;
        }
        if self.writer.push(chunk).is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Tells the reader, and keeps the body until the reader has gone: dropping it earlier would cut the connection before
    /// there is a response.
    async fn fail(&mut self, error: BodyError) -> ControlFlow<()> {
        self.writer.fail(error);
        poll_fn(|context| self.writer.poll_closed(context)).await;
        ControlFlow::Break(())
    }
}
