//! GRIP: an application answers with `Grip-Hold` and returns, and the server keeps the connection and writes to it what is
//! published on its channels later. So a held connection needs no thread and no task of an application.
//!
//! Apart from the gateways, which know nothing of it: the connection asks here after an application has answered. In
//! reading order: `fields` splits header fields, `instruct` (with `keep_alive`, and `instruct_body` for JSON) is what an
//! application asks for, `item` is what is published (`template` and `delivery`: what becomes of it for one client),
//! `sequencer` puts items in order, `hub` brings them to holds, `holder` is what they share, `held` turns a response
//! (`whole`) into a held one (`client`), `stream` and `long_poll` are the two kinds of holds, `origin` asks the
//! application again (`Grip-Link`; `followers`: how many at a time), `signature` is `Grip-Sig`, and `publishing` is the
//! Python function.
//!
//! Spec: Generic Realtime Intermediary Protocol (HTTP transport, control service).

mod client;
mod delivery;
mod fields;
mod followers;
#[cfg(any(test, fuzzing))]
#[allow(clippy::indexing_slicing, reason = "only tests see it")]
pub mod fuzzing;
mod held;
mod holder;
mod hub;
mod instruct;
mod instruct_body;
mod item;
mod keep_alive;
mod long_poll;
mod origin;
mod publishing;
mod sequencer;
mod signature;
mod stream;
mod template;
mod whole;

pub use self::held::{held, is_asked};
pub use self::holder::Grip;
pub use self::hub::Hub;
pub use self::item::parse as parse_items;
pub use self::origin::Origin;
pub use self::publishing::publish;
