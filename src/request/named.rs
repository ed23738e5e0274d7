//! The name of the application and of the route that a request is for, as the application is told with `--name-routes`.
//!
//! Apart from `routed.rs`, which finds it, because the head of a request has it. Without the setting nothing of this is made.

use std::sync::Arc;

use rsgi_bridge::request::environ::NamedRoute;

/// What an application is told.
#[derive(Debug, Clone)]
pub struct Named {
    /// The name of the application.
    pub app: Arc<str>,
    /// The template of the route, where it is known.
    pub route: Option<Box<str>>,
    /// The same for the application that is asked second.
    pub then: Option<Box<Named>>,
}

impl Named {
    /// For the application that is asked second.
    pub fn second(&self) -> Option<Box<Self>> {
        self.then.clone()
    }

    /// As an application sees it.
    pub fn view(&self) -> NamedRoute<'_> {
        NamedRoute { app: &self.app, route: self.route.as_deref() }
    }
}
