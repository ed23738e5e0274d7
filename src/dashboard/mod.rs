//! The dashboard: all routes of all applications with their numbers, the old application beside the new one.
//!
//! It counts nothing itself. The numbers are those of `/metrics`. The list of routes comes from Python, which compares
//! the applications (`python/rsgi/dashboard/`). `admin/` asks for both and answers requests.
//!
//! In reading order: `map` (the list), `both` (old and new), `numbers` (of one route), `join` (adds counters to
//! routes), `window` (the last minutes), `history` (kept on disk by Python), `board` (everything together), `events`
//! (messages to browsers, every second), `page` (the files of the page).

mod board;
mod both;
mod events;
mod history;
mod join;
mod map;
mod numbers;
mod page;
mod window;

pub use self::board::{Board, Scene};
pub use self::events::{EventBody, LastTaken};
pub use self::history::counters;
pub use self::map::MapCell;
pub use self::page::asset;
