//! Makes the query for the router from a request, and finds the route whose metrics count the request.
//!
//! `connection.rs` does what the router decides.

use std::sync::Arc;

use crate::metrics::DecidedBy;
use crate::request::head::RequestHead;
use crate::request::identity;
use crate::request::named::Named;
use crate::request::parts::RequestParts;
use crate::route::{Decided, Decision, Reason, RouteRequest, Router};

/// The routes of the applications that may answer a request, for metrics.
pub fn decided_by(router: &Router, head: &RequestHead, websocket: bool, decided: Decided) -> Option<DecidedBy> {
    let request = route_request(head, websocket);
    let Decided { decision, reason, .. } = decided;
    let own = |app: usize, root: usize| router.own_place(&request, app, root, reason);
    let (app, root, then) = match decision {
        Decision::App { app, root } => (app.0, root, None),
        Decision::Probe { first, then, .. } => (first.0, 0, Some((then.0, own(then.0, 0)))),
        Decision::NotFound => return None,
    };
    let own = if matches!(reason, Reason::Table(_)) { None } else { own(app, root) };
    Some(DecidedBy { decided, app, own, then })
}

/// What `--name-routes` tells the applications that may answer: their names, and the route. `name` gives the name of one.
pub fn named(
    router: &Router,
    head: &RequestHead,
    websocket: bool,
    decided: Decided,
    name: impl Fn(usize) -> Option<Arc<str>>,
) -> Option<Box<Named>> {
    let Decided { decision, reason, .. } = decided;
    let request = route_request(head, websocket);
    let own = |app: usize, root: usize| Some(router.own_path(router.own_place(&request, app, root, reason)?)?.into());
    let in_table = || router.template_of(reason).map(Into::into);
    let (app, root, then) = match decision {
        Decision::App { app, root } => (app.0, root, None),
        Decision::Probe { first, then, .. } => (first.0, 0, Some(then.0)),
        Decision::NotFound => return None,
    };
    let route = if matches!(reason, Reason::Table(_)) { in_table() } else { own(app, root).or_else(in_table) };
    let second = |then: usize| Some(Box::new(Named { app: name(then)?, route: own(then, 0), then: None }));
    Some(Box::new(Named { app: name(app)?, route, then: then.and_then(second) }))
}

/// The query for the router.
#[inline]
pub fn route_request(head: &RequestHead, websocket: bool) -> RouteRequest<'_> {
    let RequestParts { method, fields, .. } = &head.parts;
    let preflight = if *method == http::Method::OPTIONS && fields.contains("origin") {
        fields.text("access-control-request-method")
    } else {
        None
    };
    RouteRequest {
        method: method.as_str(),
        raw_path: head.path(),
        // That of an absolute target is in the field, too.
        host: fields.get("host"),
        websocket,
        preflight_method: preflight,
        scheme: head.peer.scheme(),
        fields,
        client: head.peer.client().map(|(address, _)| address),
        random: identity::bucket,
    }
}
