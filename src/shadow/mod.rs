//! Shadow traffic: a sample of the requests also goes to a second application, and the two responses are compared.
//!
//! The client does not notice. In reading order: `rules` decides which requests, `shadowing` takes a sample of them,
//! `capture` follows a sampled request to its end, `queue` has the waiting ones, `quiet` decides whether live requests
//! leave room, `runner` sends them to the second application, `record` is a response, `exchanges` hands both responses
//! to the thread that compares them in Python, and `counters` counts.
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
