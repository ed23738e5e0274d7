//! The name of the application and of the route that a request is for, as the application is told with `--name-routes`.
//!
//! Apart from `routed.rs`, which asks for the metrics: there a route is a number, here it is text. Without the setting nothing of
//! this is made.

use std::sync::Arc;

use rsgi_bridge::request::environ::NamedRoute;

use crate::request::head::RequestHead;
use crate::request::routed::asked;
use crate::route::{Decided, Decision, Reason, Router};

/// What an application is told.
#[derive(Debug, Clone)]
pub struct Named {
    app: Arc<str>,
    route: Option<Box<str>>,
    /// The same for the application that is asked second.
    then: Option<Box<Named>>,
}

impl Named {
    /// Of the applications that may answer; `name` gives the name of one.
    pub fn of(
        router: &Router,
        head: &RequestHead,
        websocket: bool,
        decided: Decided,
        name: impl Fn(usize) -> Option<Arc<str>>,
    ) -> Option<Box<Self>> {
        let Decided { decision, reason, .. } = decided;
        let request = asked(head, websocket);
        let own =
            |app: usize, root: usize| Some(router.own_path(router.own_place(&request, app, root, reason)?)?.into());
        let said = || router.template_of(reason).map(Into::into);
        let (app, root, then) = match decision {
            Decision::App { app, root } => (app.0, root, None),
            Decision::Probe { first, then, .. } => (first.0, 0, Some(then.0)),
            Decision::NotFound => return None,
        };
        let route = if matches!(reason, Reason::Table(_)) { said() } else { own(app, root).or_else(said) };
        let second = |then: usize| Some(Box::new(Self { app: name(then)?, route: own(then, 0), then: None }));
        Some(Box::new(Self { app: name(app)?, route, then: then.and_then(second) }))
    }

    /// For the application that is asked second.
    pub fn second(&self) -> Option<Box<Self>> {
        self.then.clone()
    }

    /// As an application sees it.
    pub fn view(&self) -> NamedRoute<'_> {
        NamedRoute { app: &self.app, route: self.route.as_deref() }
    }
}
