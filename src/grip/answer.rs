//! Turns the response of an application that asks for it into a held one.
//!
//! The connection calls this for each response, and sees only a body that goes on, or a response that comes late.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, StatusCode};
use rsgi_bridge::response::response_head::ResponseHead;

use super::delivery::Subscribed;
use super::hub::{Full, Hub, Subscription};
use super::instruct::{self, HoldMode, Instruct};
use super::origin::Origin;
use super::signature::Signer;
use super::{long_poll, publishing, stream};
use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;
use crate::log::line;
use crate::metrics::Event;
use crate::request::error::RequestError;
use crate::response::app_response::AppResponse;
use crate::response::file_stream::SpooledStream;
use crate::response::in_flight::InFlight;
use crate::runtime::shutdown::ShutdownGuard;

static GRIP_SIG: HeaderName = HeaderName::from_static("grip-sig");

/// What the responses of a server share.
#[derive(Debug)]
pub struct Grip {
    /// Its holds.
    pub hub: Arc<Hub>,
    signer: Signer,
    most_channels: usize,
    /// Bytes that wait for one client.
    pub(super) buffer: usize,
}

/// A client that is about to be held.
pub(super) struct Client {
    pub grip: Arc<Grip>,
    pub origin: Origin,
    pub alive: ShutdownGuard,
    pub subscription: Subscription,
    pub subscribed: Subscribed,
}

impl Grip {
    /// As the settings want it; `None` without `--grip`.
    ///
    /// # Errors
    /// When they contradict each other.
    pub fn new(settings: &Settings, shared: bool) -> Result<Option<Arc<Self>>, StartupError> {
        if !settings.grip {
            return Ok(None);
        }
        if shared && settings.is_multiprocess() && settings.admin.is_none() {
            return Err(StartupError::new(
                "`--grip` with several processes needs `--admin`, through which they publish to each other",
                "set an address, for example `--admin 127.0.0.1:9090`",
            ));
        }
        let signer = Signer::new(settings.grip_key.as_deref(), &settings.grip_issuer).map_err(|why| {
            StartupError::new(format!("`--grip-key` is no key: {why}"), "use any text, or `base64:` and base64")
        })?;
        let hub = Hub::new(settings.grip_max_holds, settings.grip_buffer);
        publishing::serve(&hub);
        Ok(Some(Arc::new(Self {
            hub,
            signer,
            most_channels: settings.grip_max_channels,
            buffer: settings.grip_buffer,
        })))
    }

    /// Gives a request the token, and takes out what only this server may say.
    pub fn sign(&self, headers: &mut HeaderMap) {
        Self::clean(headers);
        headers.insert(GRIP_SIG.clone(), self.signer.token());
    }

    /// Takes out what only this server may say.
    pub fn clean(headers: &mut HeaderMap) {
        let names: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with("grip-")).cloned().collect();
        for name in names {
            headers.remove(name);
        }
    }
}

/// Does what a response asks for. Gives the response for the client, and whether it is held.
pub async fn answer(
    grip: &Arc<Grip>,
    mut response: AppResponse,
    origin: Origin,
    alive: ShutdownGuard,
    in_flight: &mut InFlight,
) -> (AppResponse, bool) {
    let Some(head) = response.head_mut().filter(|head| instruct::is_given(head)) else { return (response, false) };
    let instruct = match instruct::take(head, grip.most_channels) {
        Ok(Some(instruct)) if !origin.is_head() => instruct,
        Ok(_) => return (response, false),
        Err(why) => return (refused(&origin, &why), false),
    };
    let (head, body) = match collect(response, grip.buffer).await {
        Ok(whole) => whole,
        Err(why) => return (refused(&origin, &format!("its response cannot be held: {why}")), false),
    };
    let subscription = match grip.hub.subscribe(&instruct.channels) {
        Ok(subscription) => subscription,
        Err(Full) => {
            line(format_args!("warning: {}: there are too many holds (`--grip-max-holds`)", origin.log_context()));
            let busy = RequestError::busy(Event::Concurrency, "too many clients are waiting; try again");
            return (AppResponse::Error(busy), false);
        }
    };
    // The application has done its part.
    in_flight.stand_aside();
    let subscribed = Subscribed::new(&instruct);
    let client = Client { grip: Arc::clone(grip), origin, alive, subscription, subscribed };
    (held(client, instruct, head, body).await, true)
}

async fn held(client: Client, instruct: Instruct, head: Box<ResponseHead>, body: Bytes) -> AppResponse {
    match instruct.mode {
        Some(HoldMode::Response) => long_poll::hold(client, instruct.timeout, head, body).await,
        Some(HoldMode::Stream) | None => stream::begin(client, instruct, head, body),
    }
}

fn refused(origin: &Origin, why: &str) -> AppResponse {
    line(format_args!("error: {}: GRIP: {why}", origin.log_context()));
    let reason = "the application sent a GRIP instruction that the server cannot follow";
    AppResponse::Error(RequestError::new(StatusCode::INTERNAL_SERVER_ERROR, reason))
}

/// The whole of a response.
///
/// # Errors
/// Why it cannot be had.
pub(super) async fn collect(response: AppResponse, most: usize) -> Result<(Box<ResponseHead>, Bytes), String> {
    let (head, mut source) = match response {
        AppResponse::Whole(head, body) => return Ok((head, body)),
        AppResponse::Stream(head, reader) | AppResponse::Trailed(head, reader, _) => (head, HeldBody::Pipe(reader)),
        AppResponse::Spooled(head, reader) => (head, HeldBody::Spooled(SpooledStream::new(reader))),
        AppResponse::File(..) => return Err("it is a file".to_owned()),
        AppResponse::Compressed(..) => return Err("it is compressed".to_owned()),
        AppResponse::Error(error) => return Err(error.to_string()),
    };
    let mut body = BytesMut::new();
    while let Some(chunk) = poll_fn(|context| source.poll(context)).await {
        body.extend_from_slice(&chunk?);
        if body.len() > most {
            return Err(format!("it has more than the {most} bytes of `--grip-buffer`"));
        }
    }
    Ok((head, body.freeze()))
}

enum HeldBody {
    Pipe(rsgi_bridge::pipe::PipeReader<Bytes>),
    Spooled(SpooledStream),
}

impl HeldBody {
    fn poll(&mut self, context: &mut std::task::Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        match self {
            Self::Pipe(reader) => reader.poll_next(context).map(|next| Some(next?.map_err(|error| error.to_string()))),
            Self::Spooled(stream) => {
                stream.poll_chunk(context).map(|next| Some(next?.map_err(|error| error.to_string())))
            }
        }
    }
}
