//! Sends sampled requests to the second application when live requests leave room.
//!
//! It calls gateways as a connection does. No part of the response reaches a client or the access log. If a call takes
//! too long, the application sees a client that has left.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;

use super::counters::Dropped;
use super::exchanges::{Exchange, Second};
use super::queue::QueuedRequest;
use super::quiet;
use super::record::ShadowRecord;
use super::shadowing::Shadowing;
use crate::config::settings::Settings;
use crate::gateway::app::App;
use crate::gateway::call::Call;
use crate::gateway::client_state::ClientState;
use crate::log::{counted, debug, line};
use crate::request::body::RequestBody;
use crate::request::identity;
use crate::runtime::shutdown::{Phase, ShutdownGuard};

/// What the runner needs from the server.
pub trait Lends: Send + Sync + 'static {
    /// The applications, in the order of the plan.
    fn apps(&self) -> &[Arc<App>];

    /// The settings of the server.
    fn settings(&self) -> &Settings;
}

/// Sends the waiting requests until the server stops. Drops those that still wait then.
///
/// `lender` has the applications and the settings.
pub async fn run<L: Lends>(shadowing: Arc<Shadowing>, lender: Arc<L>, guard: ShutdownGuard) {
    let Some(mut waiting) = shadowing.queue.take_receiver() else { return };
    let mut running = JoinSet::new();
    let mut stopping = pin!(guard.reached(Phase::Leaving));
    loop {
        tokio::select! {
            () = &mut stopping => break,
            Some(ended) = running.join_next(), if !running.is_empty() => if ended.is_err() {
                line(format_args!("error: rsgi itself failed (the panic is above); please report it"));
                shadowing.counters.dropped(Dropped::Failed);
            },
            next = waiting.recv(), if running.len() < shadowing.concurrency => {
                let Some(next) = next else { break };
                running.spawn(send(Arc::clone(&shadowing), Arc::clone(&lender), next));
            }
        }
    }
    drop_all(&shadowing, &mut waiting, running.len());
}

/// Drops and counts the requests that are left when the server stops.
fn drop_all(shadowing: &Shadowing, waiting: &mut Receiver<Box<QueuedRequest>>, running: usize) {
    waiting.close();
    let mut left = running;
    while waiting.try_recv().is_ok() {
        left += 1;
    }
    for _ in 0..left {
        shadowing.counters.dropped(Dropped::Stopping);
    }
    if left > 0 {
        debug(format_args!("the server stops: {} not compared", counted(left, "shadow request")));
    }
}

async fn send<L: Lends>(shadowing: Arc<Shadowing>, lender: Arc<L>, waiting: Box<QueuedRequest>) {
    let (apps, settings) = (lender.apps(), lender.settings());
    let Some((rules, place)) = waiting.rule.clone() else { return };
    let Some(rule) = rules.at(place) else { return };
    let Some(app) = apps.get(rule.to) else { return };
    let asker = Asker { shadowing: &shadowing, apps, settings, waiting: &waiting };
    let Some(shadow) = asker.ask(app).await else { return shadowing.counters.dropped(Dropped::Busy) };
    // Only safe requests are repeated, because others could change something twice.
    let again = waiting.request.is_safe() && identity::bucket() < rule.repeat;
    let repeat = match apps.get(waiting.app.index).filter(|_| again) {
        Some(first) => asker.ask(first).await,
        None => None,
    };
    let second = Second { rule: (Arc::clone(&rules), place), app: Arc::clone(&app.name), record: shadow, repeat };
    shadowing.hand_over(Box::new(Exchange { second: Some(second), ..waiting.recorded() }));
}

struct Asker<'a> {
    shadowing: &'a Shadowing,
    apps: &'a [Arc<App>],
    settings: &'a Settings,
    waiting: &'a QueuedRequest,
}

impl Asker<'_> {
    /// Sends the request to `app`. Returns `None` if there was no room for it.
    async fn ask(&self, app: &Arc<App>) -> Option<ShadowRecord> {
        let Self { shadowing, apps, settings, waiting } = self;
        if !quiet::room_for(apps, app).await {
            return None;
        }
        shadowing.counters.sent(app.load.index);
        let _permit = app.load.enter();
        let client = ClientState::default();
        let request = &waiting.request;
        let body = RequestBody::new(request.body(), None, None);
        let call = Call { head: request.head(), body, settings, client: &client };
        let began = Instant::now();
        // A body that is longer by this much differs in any case.
        let longest = waiting.primary.body.size.saturating_add(shadowing.limit as u64);
        let running = async {
            let response = app.call(call).await;
            ShadowRecord::of(response, began, shadowing.limit, longest, request.is_head()).await
        };
        let record = tokio::time::timeout(self.deadline(app), running).await;
        Some(record.unwrap_or_else(|_| ShadowRecord::failed("timeout", began.elapsed())))
    }

    /// How long a response may take: less than `--request-timeout`, whose log line would look as if a client was
    /// affected.
    fn deadline(&self, app: &App) -> Duration {
        app.request_timeout.map_or(self.shadowing.timeout, |limit| self.shadowing.timeout.min(limit * 9 / 10))
    }
}
