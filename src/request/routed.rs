//! A request as the router sees it: asks who answers, and which route its numbers belong to.
//!
//! Apart from `connection.rs`, which does what the router says.

use crate::metrics::DecidedBy;
use crate::request::head::RequestHead;
use crate::request::identity;
use crate::request::parts::RequestParts;
use crate::route::{Decided, Decision, Reason, RouteRequest, Router};

/// What the numbers of a request need: the routes of the applications that may answer it.
pub fn decided_by(router: &Router, head: &RequestHead, websocket: bool, decided: Decided) -> Option<DecidedBy> {
    let request = asked(head, websocket);
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

/// What a request asks of the router.
#[inline]
pub fn asked(head: &RequestHead, websocket: bool) -> RouteRequest<'_> {
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
        host: fields.text("host"),
        websocket,
        preflight_method: preflight,
        scheme: head.peer.scheme(),
        fields,
        client: head.peer.client().map(|(address, _)| address),
        random: identity::bucket,
    }
}
