//! Tests shares over all clients: how many clients are in a share, and that no client leaves when it grows.
//!
//! Tests only.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its router should fail")]

use std::sync::LazyLock;

use rsgi_bridge::request::fields::RequestFields;

use super::*;

const OLD: AppIndex = AppIndex(0);
const NEW: AppIndex = AppIndex(1);

static NO_FIELDS: LazyLock<RequestFields> = LazyLock::new(RequestFields::default);

fn rule(path: &str, app: AppIndex, share: Option<u16>) -> RuleSpec {
    let (path, text) = (PathSpec::Template(path.to_owned()), format!("{path}={}", app.0));
    let share = share.map(Percent::of_buckets);
    let (methods, host, fields, scheme, websocket, source) = (None, None, Vec::new(), None, None, String::new());
    RuleSpec { methods, host, path, fields, scheme, websocket, app, share, text, source }
}

fn router(rules: &[RuleSpec], spec: &SharingSpec) -> Router {
    let mount = |app: AppIndex, prefix: &str| MountSpec { app, interface: Interface::Asgi, prefix: prefix.to_owned() };
    Router::new(&[mount(OLD, ""), mount(NEW, "/new")], rules, &Mode::Mounts).unwrap().sharing(spec).unwrap()
}

fn ask<'a>(raw_path: &'a str, fields: &'a RequestFields) -> RouteRequest<'a> {
    let (method, host, websocket, preflight_method, client) = ("POST", None, false, None, None);
    let (scheme, random) = (Scheme::Http, never as fn() -> u16);
    RouteRequest { method, raw_path, host, websocket, preflight_method, scheme, fields, client, random }
}

fn never() -> u16 {
    panic!("nobody needs a bucket here")
}

fn fields(pairs: &[(&str, &str)]) -> RequestFields {
    pairs.iter().copied().collect()
}

fn is_new(router: &Router, fields: &RequestFields) -> bool {
    router.decide(&ask("/x", fields)).decision.first() == Some(NEW.0)
}

#[test]
fn raising_a_share_never_moves_anybody_back() {
    let own = router(&[rule("/x", NEW, Some(0))], &SharingSpec::default());
    let by = ShareBy::Header("x-user".to_owned());
    let hashed = router(&[rule("/x", NEW, Some(0))], &SharingSpec { by, testers: None });
    let brought = |number| fields(&[("cookie", &format!("{BUCKET_COOKIE}={number}"))]);
    let named = |number| fields(&[("x-user", &format!("user-{number}"))]);
    let clients: Vec<_> = (0..BUCKETS).map(|number| (brought(number), named(number))).collect();
    let mut before = (vec![false; clients.len()], vec![false; clients.len()]);
    for share in [0, 1, 100, 500, 1250, 2500, 5000, 9999, 10_000] {
        own.set_share(0, Percent::of_buckets(share));
        hashed.set_share(0, Percent::of_buckets(share));
        let mut counts = (0, 0);
        for ((brought, named), (was_own, was_hashed)) in clients.iter().zip(before.0.iter_mut().zip(&mut before.1)) {
            let now = (is_new(&own, brought), is_new(&hashed, named));
            assert!(now.0 >= *was_own && now.1 >= *was_hashed, "at {share}");
            (*was_own, *was_hashed) = now;
            counts = (counts.0 + u16::from(now.0), counts.1 + u16::from(now.1));
        }
        assert_eq!(counts.0, share, "every bucket is one client's");
        assert!(counts.1.abs_diff(share) < 150, "{} of {share} by the hash", counts.1);
    }
}

#[test]
fn a_form_and_its_post_go_the_same_way_whatever_their_rules() {
    let rules = [rule("/x", NEW, Some(2500)), rule("/x/{step}", NEW, Some(2500))];
    let router = router(&rules, &SharingSpec::default());
    for number in (0..BUCKETS).step_by(7) {
        let headers = fields(&[("cookie", &format!("{BUCKET_COOKIE}={number}"))]);
        let of = |path| router.decide(&ask(path, &headers)).decision.first();
        assert_eq!(of("/x"), of("/x/pay"));
    }
}

#[test]
fn nobody_gets_a_bucket_where_no_share_is_asked() {
    let rules = [rule("/a", OLD, None), rule("/{x}", NEW, Some(5000))];
    let router = router(&rules, &SharingSpec::default());
    for path in ["/a", "/a/b", "/new/x"] {
        assert_eq!(router.decide(&ask(path, &NO_FIELDS)).share, None, "{path}");
    }
    let drawn = RouteRequest { random: || 4999, ..ask("/b", &NO_FIELDS) };
    assert_eq!(router.decide(&drawn).share, Some(CheckedShare { rule: 1, lot: Lot::Drawn(4999) }));
    assert_eq!(router.decide(&drawn).decision.first(), Some(NEW.0));
}

#[test]
fn who_has_not_what_clients_are_told_apart_by_is_in_no_share_but_that_of_all() {
    for by in [ShareBy::Address, ShareBy::Header("x-user".to_owned()), ShareBy::Cookie("sessionid".to_owned())] {
        let router = router(&[rule("/x", NEW, Some(9999))], &SharingSpec { by, testers: None });
        assert!(!is_new(&router, &NO_FIELDS));
        assert_eq!(router.decide(&ask("/x", &NO_FIELDS)).share, Some(CheckedShare { rule: 0, lot: Lot::Unknown }));
        router.set_share(0, Percent::of_buckets(BUCKETS));
        assert!(is_new(&router, &NO_FIELDS));
    }
}

#[test]
fn a_request_that_leaves_cookies_out_gets_no_other_bucket() {
    let router = router(&[rule("/x", NEW, Some(9999))], &SharingSpec::default());
    let (cross_site, same_site) =
        (fields(&[("sec-fetch-site", "cross-site")]), fields(&[("sec-fetch-site", "same-site")]));
    let unknown = Some(CheckedShare { rule: 0, lot: Lot::Unknown });
    let preflight = RouteRequest { method: "OPTIONS", preflight_method: Some("POST"), ..ask("/x", &NO_FIELDS) };
    assert_eq!(router.decide(&preflight).share, unknown);
    assert_eq!(router.decide(&ask("/x", &cross_site)).share, unknown);
    let drawn = Some(CheckedShare { rule: 0, lot: Lot::Drawn(1) });
    for (method, headers) in
        [("GET", &cross_site), ("HEAD", &cross_site), ("POST", &same_site), ("OPTIONS", &NO_FIELDS)]
    {
        let request = RouteRequest { method, random: || 1, ..ask("/x", headers) };
        assert_eq!(router.decide(&request).share, drawn, "{method}");
    }
}

#[test]
fn a_tester_is_heard_before_any_bucket() {
    let names = vec![("old".to_owned(), OLD), ("v2.new".to_owned(), NEW)];
    let testers = Some(Testers { secret: "a.b".into(), names });
    assert!(!format!("{testers:?}").contains("a.b"), "a secret is not shown");
    let router = router(&[rule("/x", NEW, Some(5000))], &SharingSpec { by: ShareBy::OwnCookie, testers });
    let all = |choice: &str, bucket: u16| {
        let cookie = format!("rsgi-app={choice}; {BUCKET_COOKIE}={bucket}");
        let by_cookie = is_new(&router, &fields(&[("cookie", &cookie)]));
        let bucket = format!("{BUCKET_COOKIE}={bucket}");
        assert_eq!(is_new(&router, &fields(&[("rsgi-app", choice), ("cookie", &bucket)])), by_cookie, "{choice}");
        by_cookie
    };
    assert!(all("v2.new.a.b", 9999));
    assert!(!all("old.a.b", 0));
    for choice in ["v2.new", "v2.new.a", "v2.new.a.bb", "v2.newa.b", ".a.b", "a.b", "", "nobody.a.b"] {
        assert!(all(choice, 0) && !all(choice, 9999), "{choice}");
    }
}
