//! Probe mode: asks the ASGI application first, and calls the WSGI application with the same request if the response is
//! a miss.
//!
//! A miss means that no *route* matched, not that a handler found nothing. These decide, in this order: the response
//! header `x-rsgi-pass`; what Starlette's router wrote into the scope; without both, the status 404 alone. In table
//! mode, a folder of files is probed in the same way if the WSGI application also has routes there: a 404 then means
//! that the folder has no such file. A 5xx is never a miss. Every other response goes to the client unchanged and
//! without delay.
//!
//! Spec: `docs/architecture.md`, "Who answers"; RFC 9110 10.2.1 (`Allow`), 15.5.6.

use std::sync::Arc;

use http::header::{ALLOW, HeaderName, HeaderValue, LOCATION};
use http::{StatusCode, Uri};
use rsgi_bridge::request::text::percent_decode;
use rsgi_bridge::response::response_fields::ResponseFields;

use super::app::{App, Gateway};
use super::asgi;
use super::call::Call;
use super::scope_observer::{RouteMatch, ScopeObserver};
use crate::request::head::RequestHead;
use crate::request::recorder::Recorder;
use crate::response::app_response::AppResponse;
use crate::response::in_flight::InFlight;
use crate::route::Miss;

/// The response header with which an application says whether its response is a miss.
static PASS: HeaderName = HeaderName::from_static("x-rsgi-pass");

/// Calls `first`, and then `second` if the response of `first` is a miss.
pub async fn call(
    first: &Arc<App>,
    (second, miss): (&Arc<App>, Miss),
    call: Call<'_>,
    in_flight: &mut InFlight,
) -> AppResponse {
    let Gateway::Asgi(gateway) = &first.gateway else { return first.call(call).await };
    let Call { settings, client, .. } = call;
    let mut head = Box::new(RequestHead {
        parts: call.head.parts.copy(),
        peer: Arc::clone(&call.head.peer),
        root: call.head.root,
        began: call.head.began,
        request_id: call.head.request_id.clone(),
        queued: call.head.queued.clone(),
        series: None,
        named: call.head.named.as_ref().and_then(|named| named.second()),
        shadow: false,
    });
    let observer = Arc::new(ScopeObserver::default());
    let context =
        asgi::RequestContext { recorder: Recorder::new(settings.replay_limit), observer: Arc::clone(&observer) };
    let (mut response, leftover) = asgi::ask(gateway, call, context).await;
    let passed = response.head_mut().and_then(|head| head.remove(&PASS));
    let route_match = match miss {
        Miss::NoRoute => observer.route_match(),
        Miss::NoFile => RouteMatch::Folder,
    };
    let missed = is_miss(&mut response, passed.as_ref(), route_match, &head);
    if !missed {
        return response;
    }
    // If the body exceeds `--replay-limit` or broke off, the first response stands.
    let Ok(Some(body)) = leftover.rewind().await else { return response };
    let allowed = allowed(&mut response);
    drop(response);
    match in_flight.enter(&second.load) {
        Ok(()) => {
            head.series = in_flight.series();
            merge_allowed(second.call(Call { head, body, settings, client }).await, &allowed)
        }
        Err(busy) => AppResponse::Error(busy),
    }
}

fn is_miss(
    response: &mut AppResponse,
    passed: Option<&HeaderValue>,
    route_match: RouteMatch,
    head: &RequestHead,
) -> bool {
    let status = response.status();
    // A response of the server itself (413, 500) is never a miss.
    let Some(response_head) = response.head_mut().filter(|_| !status.is_server_error()) else { return false };
    let fields = &response_head.fields;
    if let Some(value) = passed {
        return !matches!(value.as_bytes(), b"0" | b"false" | b"no");
    }
    match status {
        StatusCode::NOT_FOUND => matches!(route_match, RouteMatch::NoRoute | RouteMatch::Folder | RouteMatch::Unknown),
        StatusCode::METHOD_NOT_ALLOWED => match route_match {
            // A folder of files takes only GET and HEAD.
            RouteMatch::NoMethod | RouteMatch::Folder => true,
            // The route takes every method, but its handler does not. Such a handler is a class, which lists its
            // methods in `Allow`.
            RouteMatch::Matched => fields.contains(&ALLOW) && !lists(fields, head.parts.method.as_str()),
            RouteMatch::NoRoute | RouteMatch::Unknown => false,
        },
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
            route_match == RouteMatch::NoRoute
                && fields.get(&LOCATION).is_some_and(|to| is_slash_twin(to, head.raw_path()))
        }
        _ => false,
    }
}

/// Whether a redirect goes to the same path with more or fewer slashes at its end.
fn is_slash_twin(location: &HeaderValue, raw_path: &str) -> bool {
    let Some(uri) = location.to_str().ok().and_then(|text| text.parse::<Uri>().ok()) else { return false };
    let (to, from) = (percent_decode(uri.path().as_bytes()), percent_decode(raw_path.as_bytes()));
    to != from && without_slash(&to) == without_slash(&from)
}

fn without_slash(mut path: &[u8]) -> &[u8] {
    while let Some(shorter) = path.strip_suffix(b"/") {
        path = shorter;
    }
    path
}

fn methods_of(fields: &ResponseFields) -> impl Iterator<Item = &str> {
    let lines = fields.get_all(&ALLOW).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|method| !method.is_empty())
}

fn lists(fields: &ResponseFields, method: &str) -> bool {
    methods_of(fields).any(|own| own == method)
}

/// The methods in `Allow` of a 405, else none.
fn allowed(response: &mut AppResponse) -> Vec<String> {
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => {
            response.head_mut().map(|head| methods_of(&head.fields).map(str::to_owned).collect()).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// If both applications answer 405, `Allow` lists the methods of both.
fn merge_allowed(mut response: AppResponse, first: &[String]) -> AppResponse {
    let status = response.status();
    if let Some(head) = response.head_mut().filter(|_| status == StatusCode::METHOD_NOT_ALLOWED) {
        let mut all: Vec<_> = first.iter().map(String::as_str).collect();
        all.extend(methods_of(&head.fields));
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|method| seen.insert(*method));
        if let Ok(value) = HeaderValue::from_str(&all.join(", ")) {
            head.fields.replace(ALLOW, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_twin_is_the_same_path_but_for_its_end() {
        for (location, path, twin) in [
            ("http://example.com/plain", "/plain/", true),
            ("/plain/?a=b", "/plain", true),
            ("https://example.com/caf%C3%A9/", "/caf%c3%a9", true),
            ("/plain", "/plain", false),
            ("/other/", "/plain", false),
            ("/plain/x", "/plain", false),
            ("not a uri", "/plain", false),
        ] {
            let location = HeaderValue::from_static(location);
            assert_eq!(is_slash_twin(&location, path), twin, "{location:?} {path}");
        }
    }
}
