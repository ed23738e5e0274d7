//! Shadow traffic: a sample of the requests also goes to a second application, and the two responses are compared.
//!
//! Apart from the gateways, which call applications, and from the connection, whose client never notices. In reading order:
//! `rules` says which requests, `shadowing` takes a sample of them, `capture` follows a sampled request to its end, `queue`
//! keeps those that wait, `quiet` says when live requests leave room, `runner` sends them to the second application, `record` is
//! what came of it, `exchanges` hands both responses to the thread that compares them in Python; `counters` counts.
//!
//! Spec: `docs/shadow.md`.

mod capture;
mod copied_request;
mod counters;
mod exchanges;
mod queue;
mod quiet;
mod record;
mod rules;
mod runner;
mod shadowing;

pub use self::copied_request::SHADOW;
pub use self::counters::Counters;
pub use self::exchanges::ShadowExchanges;
pub use self::rules::Rules;
pub use self::runner::{Lends, run};
pub use self::shadowing::Shadowing;
