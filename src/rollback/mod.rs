//! Automatic rollback of a share: counts both sides of a rule, compares them, and decides what its share should be.
//!
//! This folder does no I/O except for hooks, and gets the time from its caller. A process counts (`tally`). One place,
//! the process itself or the supervisor of several, adds the counts up (`judge`, `action`) and compares them window by
//! window (`comparison`, `significance`). `guard` has the settings of a rule. `hook` tells another program about a
//! rollback. `admin/` calls all of this and applies the result.

mod action;
mod comparison;
mod guard;
mod hook;
mod judge;
mod significance;
mod tally;

pub use self::action::Action;
pub use self::guard::{Advance, Guard, Hook};
pub use self::hook::call;
pub use self::judge::{Judge, Setting, Watched};
pub use self::tally::{Tallied, WatchedRules};

#[cfg(test)]
mod simulation;
