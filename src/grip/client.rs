//! A client that is held: who it is, and what it has subscribed to.
//!
//! Apart because both kinds of holds begin with it.

use std::sync::Arc;

use super::delivery::Subscribed;
use super::holder::Grip;
use super::hub::Subscription;
use super::origin::Origin;
use crate::runtime::shutdown::ShutdownGuard;

/// A client that is about to be held.
pub(super) struct Client {
    pub grip: Arc<Grip>,
    pub origin: Origin,
    pub guard: ShutdownGuard,
    pub subscription: Subscription,
    pub subscribed: Subscribed,
}
