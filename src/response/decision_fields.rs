//! Header fields that depend on the routing decision: `x-served-by`, and the fields for shares.
//!
//! `own_fields.rs` has the fields that are the same on every response. After a share was checked, a client without a bucket gets
//! a cookie, and `Vary` tells caches that other clients may get another response. The cookie belongs to one client, so it is
//! never on a response that a shared cache may store.
//!
//! Spec: RFC 6265 4.1 (`Set-Cookie`); RFC 9110 12.5.5 (`Vary`), 15.4.5; RFC 9111 3, 4.2, 5.2.2, 5.3, 7.3.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{CACHE_CONTROL, EXPIRES, SET_COOKIE, VARY};
use http::{HeaderName, HeaderValue, StatusCode};
use rsgi_bridge::response::response_fields::ResponseFields;
use rsgi_bridge::response::response_head::ResponseHead;

use crate::route::{BUCKET_COOKIE, Decided, Lot, Reason, Router, Scheme};

/// Names the application that answered, and what decided.
static SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");

/// The lifetime of the cookie: a year, in seconds.
const COOKIE_AGE: u32 = 365 * 24 * 60 * 60;

/// The fields for one response.
#[derive(Debug)]
pub struct DecisionFields {
    share: Option<ShareFields>,
    /// `None` without `--served-by`.
    served_by: Option<ServedBy>,
}

#[derive(Debug)]
struct ShareFields {
    lot: Lot,
    vary: HeaderValue,
    scheme: Scheme,
}

#[derive(Debug)]
struct ServedBy {
    /// What decided, such as `; rule="/x=new"`. May be empty.
    because: String,
    /// `None` until an application gets the request.
    app: Option<Arc<str>>,
}

impl DecisionFields {
    /// The fields for a decision, if there are any.
    pub fn new(served_by: bool, router: &Router, decided: Decided, scheme: Scheme) -> Option<Box<Self>> {
        if !served_by && decided.share.is_none() {
            return None;
        }
        let shared = decided.share.zip(router.vary());
        let share = shared.map(|(shared, vary)| ShareFields { lot: shared.lot, vary: vary.clone(), scheme });
        let wished = share.as_ref().is_some_and(|share| matches!(share.lot, Lot::Wished(_)));
        let served_by = (served_by || wished).then(|| ServedBy { because: because(router, decided.reason), app: None });
        Some(Box::new(Self { share, served_by }))
    }

    /// Notes the application that gets the request now.
    pub fn served_by(&mut self, app: &Arc<str>) {
        if let Some(served_by) = &mut self.served_by {
            served_by.app = Some(Arc::clone(app));
        }
    }

    /// Adds the fields.
    pub fn add_to(self, head: &mut ResponseHead) {
        if let Some(share) = self.share {
            share.add_to(head);
        }
        let Some(ServedBy { because, app: Some(app) }) = self.served_by else { return };
        // Characters that are not valid in a header were percent-encoded.
        if let Ok(value) = HeaderValue::from_str(&(encoded(&app) + &because)) {
            head.fields.replace(SERVED_BY.clone(), value);
        }
    }
}

/// What decided, as a parameter of `x-served-by`.
fn because(router: &Router, reason: Reason) -> String {
    let kind = match reason {
        Reason::Rule(_) => "rule",
        Reason::Mount(_) => "prefix",
        Reason::Table(_) | Reason::WsgiTable(_) => "route",
        _ => return String::new(),
    };
    match router.name_of(reason) {
        Some(name) if !name.is_empty() => {
            format!("; {kind}=\"{}\"", encoded(name).replace('\\', "\\\\").replace('"', "\\\""))
        }
        _ => String::new(),
    }
}

fn encoded(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, ' '..='~') {
            written.push(character);
            continue;
        }
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            // Writing to a string cannot fail.
            let _written = write!(written, "%{byte:02X}");
        }
    }
    written
}

/// Which caches may store a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caching {
    /// Only the client's own cache, or none.
    Private,
    /// Shared caches, because fields of the response say so.
    Shared,
    /// The fields of the response do not say.
    Open,
}

impl Caching {
    fn of(fields: &ResponseFields) -> Self {
        // Most responses take this path.
        if !fields.contains(&CACHE_CONTROL) {
            return if expires_later(fields) { Self::Shared } else { Self::Open };
        }
        let values = fields.get_all(&CACHE_CONTROL);
        let directives = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
        let mut found = Self::Open;
        for directive in directives {
            let named = |name: &str| directive.eq_ignore_ascii_case(name.as_bytes());
            if named("private") || named("no-store") {
                return Self::Private;
            }
            if named("public") || seconds(directive, "s-maxage").is_some() || seconds(directive, "max-age") > Some(0) {
                found = Self::Shared;
            }
        }
        found
    }
}

/// The number of a directive such as `max-age=60`, if it has this name.
fn seconds(directive: &[u8], name: &str) -> Option<u64> {
    let (own, number) = directive.split_at_checked(name.len())?;
    let number = number.strip_prefix(b"=").filter(|_| own.eq_ignore_ascii_case(name.as_bytes()))?;
    // Some caches accept a value that is not a number, so treat it as a large one.
    Some(str::from_utf8(number.trim_ascii()).ok()?.trim_matches('"').parse().unwrap_or(u64::MAX))
}

fn expires_later(fields: &ResponseFields) -> bool {
    let Some(value) = fields.get(&EXPIRES) else { return false };
    match value.to_str().map(httpdate::parse_http_date) {
        Ok(Ok(date)) => date > SystemTime::now(),
        // `0` and `-1` are in the past. Some caches accept a date with a mistake, so treat it as a later one.
        _ => value.len() > "-1".len(),
    }
}

impl ShareFields {
    fn add_to(self, head: &mut ResponseHead) {
        let (status, caching) = (head.status, Caching::of(&head.fields));
        match self.lot {
            // No cache may give the response of a tester to others.
            Lot::Wished(_) => {
                head.fields.replace(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                return;
            }
            // With a 304, a cache would add the cookie to its stored response.
            Lot::Drawn(bucket) if caching != Caching::Shared && status != StatusCode::NOT_MODIFIED => {
                head.fields.append(SET_COOKIE, cookie(bucket, self.scheme));
                if caching == Caching::Open && status != StatusCode::SWITCHING_PROTOCOLS {
                    head.fields.append(CACHE_CONTROL, HeaderValue::from_static("private"));
                    return;
                }
            }
            Lot::Drawn(_) | Lot::Brought(_) | Lot::Hashed(_) | Lot::Unknown => (),
        }
        if caching != Caching::Private && status != StatusCode::SWITCHING_PROTOCOLS {
            vary(head, self.vary);
        }
    }
}

fn cookie(bucket: u16, scheme: Scheme) -> HeaderValue {
    let secure = if scheme == Scheme::Https { "; Secure" } else { "" };
    let text = format!("{BUCKET_COOKIE}={bucket}; Max-Age={COOKIE_AGE}; Path=/; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Says that the response depends on the request header `field`.
fn vary(head: &mut ResponseHead, field: HeaderValue) {
    let mut said = Vec::new();
    let lines = head.fields.get_all(&VARY);
    for word in lines.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii) {
        if word == b"*" || word.eq_ignore_ascii_case(field.as_bytes()) {
            return;
        }
        if !word.is_empty() {
            said.extend_from_slice(word);
            said.extend_from_slice(b", ");
        }
    }
    if said.is_empty() {
        head.fields.append(VARY, field);
        return;
    }
    said.extend_from_slice(field.as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&said) {
        head.fields.replace(VARY, value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot make its fields should fail")]
    use super::*;

    fn marked(lot: Lot, status: u16, fields: &[(&'static str, &str)]) -> Vec<String> {
        let fields = fields.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let share = ShareFields { lot, vary: HeaderValue::from_static("cookie"), scheme: Scheme::Http };
        let mut head = ResponseHead::own(StatusCode::from_u16(status).unwrap(), fields.collect::<ResponseFields>());
        share.add_to(&mut head);
        let shown = |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
        let mut shown: Vec<_> = head.fields.iter().map(shown).filter(|line| !line.starts_with("expires")).collect();
        shown.sort();
        shown
    }

    const COOKIE: &str = "set-cookie: rsgi_bucket=7; Max-Age=31536000; Path=/; HttpOnly; SameSite=Lax";

    #[test]
    fn a_cookie_is_never_on_what_a_cache_may_give_to_others() {
        let later = httpdate::fmt_http_date(SystemTime::now() + std::time::Duration::from_secs(60));
        for (name, value) in [
            ("cache-control", "public"),
            ("cache-control", "max-age=60"),
            ("cache-control", "no-transform, MAX-AGE=60"),
            ("cache-control", "max-age=soon"),
            ("cache-control", "s-maxage=0"),
            ("cache-control", "public, no-cache"),
            ("expires", later.as_str()),
            ("expires", "Fri, 01 Jan 2199 00:00:00 GMT"),
        ] {
            let marked = marked(Lot::Drawn(7), 200, &[(name, value)]);
            assert!(!marked.iter().any(|line| line.starts_with("set-cookie")), "{name}: {value}");
            assert!(marked.contains(&"vary: cookie".to_owned()), "{name}: {value}");
        }
    }

    #[test]
    fn what_has_the_cookie_is_private() {
        for (name, value) in [
            ("cache-control", "no-cache"),
            ("cache-control", "max-age=0, must-revalidate"),
            ("expires", "0"),
            ("expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("x-a", "1"),
        ] {
            let marked = marked(Lot::Drawn(7), 200, &[(name, value)]);
            assert!(marked.contains(&COOKIE.to_owned()), "{name}: {value}");
            assert!(marked.contains(&"cache-control: private".to_owned()), "{name}: {value}");
            assert!(!marked.iter().any(|line| line.starts_with("vary")), "{name}: {value}");
        }
        for value in ["private", "no-store", "private, max-age=60", "public, No-Store"] {
            assert_eq!(
                marked(Lot::Drawn(7), 200, &[("cache-control", value)]),
                [format!("cache-control: {value}"), COOKIE.to_owned()]
            );
        }
        let beside = marked(Lot::Drawn(7), 200, &[("set-cookie", "a=b")]);
        assert_eq!(beside, ["cache-control: private", "set-cookie: a=b", COOKIE]);
    }

    #[test]
    fn a_304_and_a_switch_of_protocols_are_left_as_they_are() {
        assert_eq!(marked(Lot::Drawn(7), 304, &[]), ["vary: cookie"]);
        assert_eq!(marked(Lot::Drawn(7), 101, &[]), [COOKIE]);
        assert_eq!(marked(Lot::Brought(7), 101, &[]), [""; 0]);
    }

    #[test]
    fn caches_know_of_it_unless_they_keep_nothing_for_others() {
        for lot in [Lot::Brought(7), Lot::Hashed(7), Lot::Unknown] {
            assert_eq!(marked(lot, 200, &[]), ["vary: cookie"]);
            assert_eq!(marked(lot, 200, &[("cache-control", "private")]), ["cache-control: private"]);
            assert_eq!(marked(lot, 200, &[("vary", "Origin"), ("vary", "Accept")]), ["vary: Origin, Accept, cookie"]);
            assert_eq!(marked(lot, 200, &[("vary", "Origin, COOKIE")]), ["vary: Origin, COOKIE"]);
            assert_eq!(marked(lot, 200, &[("vary", "*")]), ["vary: *"]);
        }
    }

    #[test]
    fn what_a_tester_sees_is_kept_by_nobody() {
        let lot = Lot::Wished(crate::route::AppIndex(0));
        assert_eq!(marked(lot, 200, &[("cache-control", "public, max-age=60")]), ["cache-control: no-store"]);
    }

    #[test]
    fn names_and_rules_fit_into_a_header() {
        assert_eq!(encoded("new:app"), "new:app");
        assert_eq!(encoded("/caf\u{e9}\r\n\u{7f}"), "/caf%C3%A9%0D%0A%7F");
    }
}
