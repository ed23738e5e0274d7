//! GRIP: an application answers with `Grip-Hold` and returns, and the server keeps the connection and writes to it what is
//! published on its channels later. So a held connection needs no thread and no task of an application.
//!
//! Apart from the gateways, which know nothing of it: the connection asks here after an application has answered. In reading
//! order: `fields` splits header fields, `instruct` (with `keep_alive`) is what an application asks for, `item` is what is published (`template` and
//! `delivery`: what becomes of it for one client), `hub` brings items to holds, `holder` is what they share, `answer` turns a response (`whole`) into a held one (`client`),
//! `stream` and `long_poll` are the two kinds of holds, `origin` asks the application again (`Grip-Link`), `signature` is
//! `Grip-Sig`, and `publishing` is the Python function.
//!
//! Spec: Generic Realtime Intermediary Protocol (HTTP transport, control service).

mod answer;
mod client;
mod delivery;
mod fields;
#[cfg(any(test, fuzzing))]
#[allow(clippy::indexing_slicing, reason = "only tests see it")]
pub mod fuzzing;
mod holder;
mod hub;
mod instruct;
mod item;
mod keep_alive;
mod long_poll;
mod origin;
mod publishing;
mod signature;
mod stream;
mod template;
mod whole;

pub use self::answer::answer;
pub use self::holder::Grip;
pub use self::hub::Hub;
pub use self::item::parse as parse_items;
pub use self::origin::Origin;
pub use self::publishing::publish;
