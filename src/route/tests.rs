//! Tests the whole router with tables of requests, plans and decisions.
//!
//! The cases define the semantics. Tests only.

#![allow(clippy::unwrap_used, reason = "a test that cannot build its router should fail")]

use std::sync::LazyLock;

use super::*;

const OLD: usize = 0;
const NEW: usize = 1;
const API: usize = 2;

static NO_FIELDS: LazyLock<RequestFields> = LazyLock::new(RequestFields::default);

fn mount(app: usize, prefix: &str) -> MountSpec {
    let interface = if app == OLD { Interface::Wsgi } else { Interface::Asgi };
    MountSpec { app: AppIndex(app), interface, prefix: prefix.to_owned() }
}

/// Parses `[METHODS ][host]/path`.
fn pattern(text: &str) -> (Option<Vec<String>>, Option<String>, String) {
    let (methods, place) = text.rsplit_once(' ').map_or((None, text), |(methods, place)| (Some(methods), place));
    let (host, path) = place.split_at(place.find('/').unwrap());
    let methods = methods.map(|all| all.split(',').map(str::to_owned).collect());
    (methods, (!host.is_empty()).then(|| host.to_owned()), path.to_owned())
}

fn rule(text: &str, app: usize) -> RuleSpec {
    let (methods, host, path) = pattern(text);
    let path = PathSpec::Template(path);
    let (app, text, source) = (AppIndex(app), text.to_owned(), String::new());
    RuleSpec { methods, host, path, fields: Vec::new(), scheme: None, websocket: None, app, share: None, text, source }
}

fn route(kind: RouteKind, text: &str) -> RouteSpec {
    let (methods, host, path) = pattern(text);
    RouteSpec { kind, methods, host, path, refuses: false, falls_through: false }
}

fn table(routes: &[&str]) -> Mode {
    Mode::Table(routes.iter().map(|text| route(RouteKind::Http, text)).collect())
}

fn get(raw_path: &str) -> RouteRequest<'_> {
    let (method, host, scheme, fields) = ("GET", Some(b"example.com".as_slice()), Scheme::Http, &*NO_FIELDS);
    let (websocket, preflight_method, client, random) = (false, None, None, || 0);
    RouteRequest { method, raw_path, host, websocket, preflight_method, scheme, fields, client, random }
}

/// Parses `WS /path`, `OPTIONS>POST /path` (a preflight), or `GET /path`.
fn request(text: &str) -> RouteRequest<'_> {
    let (method, raw_path) = text.split_once(' ').unwrap();
    let request = get(raw_path);
    match method.split_once('>') {
        Some((method, wanted)) => RouteRequest { method, preflight_method: Some(wanted), ..request },
        None if method == "WS" => RouteRequest { websocket: true, ..request },
        None => RouteRequest { method, ..request },
    }
}

/// The index of the application and the length of the root. `None` for a 404.
fn owner(router: &Router, text: &str) -> Option<(usize, usize)> {
    match router.route(&request(text)) {
        Decision::App { app, root } => Some((app.0, root)),
        Decision::Probe { first, .. } => Some((first.0, usize::MAX)),
        Decision::NotFound => None,
    }
}

fn check(router: &Router, cases: &[(&str, Option<usize>)]) {
    for (text, app) in cases {
        assert_eq!(owner(router, text), app.map(|app| (app, 0)), "{text}");
    }
}

#[test]
fn one_application_gets_everything() {
    let router = Router::new(&[mount(NEW, "")], &[], &Mode::Mounts).unwrap();
    check(&router, &[("GET /", Some(NEW)), ("OPTIONS *", Some(NEW)), ("WS /x", Some(NEW))]);
    let router = Router::new(&[mount(OLD, "")], &[], &Mode::Mounts).unwrap();
    check(&router, &[("GET /", Some(OLD)), ("WS /x", None)]);
}

#[test]
fn rules_come_before_mounts_and_mounts_before_the_rest() {
    let mounts = [mount(OLD, ""), mount(NEW, "/api")];
    let rules = [
        rule("POST /api/legacy", OLD),
        rule("/api/legacy", NEW),
        rule("admin.example.com/{rest:path}", NEW),
        rule("/api/old/{rest:path}", OLD),
    ];
    let router = Router::new(&mounts, &rules, &Mode::Mounts).unwrap();
    for (text, found) in [
        ("POST /api/legacy", Some((OLD, 0))),
        ("GET /api/legacy", Some((NEW, 0))),
        ("GET /api/%6Cegacy", Some((NEW, 0))),
        ("GET /api/legacy/", Some((NEW, 4))),
        ("GET /api/old/", Some((OLD, 0))),
        ("GET /api/old", Some((NEW, 4))),
        ("GET /%61pi/x", Some((NEW, 6))),
        ("GET /apix", Some((OLD, 0))),
        ("GET /x", Some((OLD, 0))),
        ("WS /api/old/x", Some((NEW, 4))),
        ("WS /api/legacy", Some((NEW, 0))),
        ("WS /x", None),
    ] {
        assert_eq!(owner(&router, text), found, "{text}");
    }
    let elsewhere = RouteRequest { host: Some(b"Admin.Example.com:8000"), ..get("/x") };
    assert_eq!(router.explain(&elsewhere), (Decision::App { app: AppIndex(NEW), root: 0 }, Reason::Rule(2)));
}

#[test]
fn without_an_application_for_the_rest_there_is_404() {
    let router = Router::new(&[mount(OLD, "/old"), mount(NEW, "/new")], &[], &Mode::Mounts).unwrap();
    assert_eq!(router.explain(&get("/x")), (Decision::NotFound, Reason::NotFound));
    assert_eq!(router.explain(&request("WS /old/x")), (Decision::NotFound, Reason::NoWebSocket));
    assert_eq!(owner(&router, "WS /new/x"), Some((NEW, 4)));
}

#[test]
fn a_table_owns_path_and_method_together() {
    let mode = table(&["GET /users", "GET,POST /items/{id:int}", "/static/{path:path}", "GET,HEAD /pages"]);
    let router = Router::new(&[mount(OLD, ""), mount(NEW, "")], &[], &mode).unwrap();
    check(
        &router,
        &[
            ("GET /users", Some(NEW)),
            ("HEAD /users", Some(OLD)),
            ("HEAD /pages", Some(NEW)),
            ("POST /users", Some(OLD)),
            ("GET /users/", Some(OLD)),
            ("GET /Users", Some(OLD)),
            ("GET //users", Some(OLD)),
            ("POST /items/7", Some(NEW)),
            ("POST /items/x", Some(OLD)),
            ("DELETE /items/7", Some(OLD)),
            ("BREW /static/", Some(NEW)),
            ("GET /static", Some(OLD)),
            ("GET /static/../users", Some(NEW)),
            ("GET /static%2Fx", Some(OLD)),
            ("OPTIONS *", Some(OLD)),
            ("WS /users", None),
            ("WS /static/x", None),
        ],
    );
    assert_eq!(router.explain(&get("/items/7")).1, Reason::Table(1));
    assert_eq!(router.explain(&get("/x")).1, Reason::TableMiss);
}

#[test]
fn options_goes_to_the_owner_of_the_path_and_a_preflight_to_that_of_the_method() {
    let mode = table(&["GET /users", "OPTIONS,GET /own"]);
    let router = Router::new(&[mount(OLD, ""), mount(NEW, "")], &[], &mode).unwrap();
    check(
        &router,
        &[
            ("OPTIONS /users", Some(NEW)),
            ("OPTIONS>GET /users", Some(NEW)),
            ("OPTIONS>HEAD /users", Some(OLD)),
            ("OPTIONS>HEAD /own", Some(NEW)),
            ("OPTIONS>POST /users", Some(OLD)),
            ("OPTIONS>POST /own", Some(NEW)),
            ("OPTIONS>GET /x", Some(OLD)),
            ("OPTIONS /x", Some(OLD)),
        ],
    );
    let rules = [rule("POST /checkout", NEW)];
    let router = Router::new(&[mount(OLD, ""), mount(NEW, "/new")], &rules, &Mode::Mounts).unwrap();
    check(
        &router,
        &[
            ("OPTIONS>POST /checkout", Some(NEW)),
            ("OPTIONS>GET /checkout", Some(OLD)),
            ("OPTIONS /checkout", Some(OLD)),
        ],
    );
}

#[test]
fn a_websocket_needs_a_route_of_its_own_in_a_table() {
    let table = Mode::Table(vec![
        route(RouteKind::Http, "GET /page"),
        route(RouteKind::WebSocket, "/chat/{room}"),
        route(RouteKind::Any, "/sub/{path:path}"),
    ]);
    let mounts = [mount(OLD, ""), mount(NEW, "")];
    let rules = [rule("POST /posted", NEW), rule("GET /got", NEW), rule("/chat/old", OLD)];
    let router = Router::new(&mounts, &rules, &table).unwrap();
    check(
        &router,
        &[
            ("WS /chat/1", Some(NEW)),
            ("GET /chat/1", Some(OLD)),
            ("WS /chat/old", Some(NEW)),
            ("GET /chat/old", Some(OLD)),
            ("WS /sub/x", Some(NEW)),
            ("GET /sub/x", Some(NEW)),
            ("WS /page", None),
            ("WS /posted", None),
            ("WS /got", Some(NEW)),
        ],
    );
}

#[test]
fn the_other_modes() {
    let mounts = [mount(NEW, ""), mount(OLD, ""), mount(API, "/api")];
    let router = Router::new(&mounts, &[], &Mode::Probe).unwrap();
    let ask = Decision::Probe { first: AppIndex(NEW), then: AppIndex(OLD), miss: Miss::NoRoute };
    assert_eq!(router.explain(&get("/x")), (ask, Reason::Probe));
    assert_eq!(owner(&router, "WS /x"), Some((NEW, 0)));
    assert_eq!(owner(&router, "GET /api/x"), Some((API, 4)));
    let router = Router::new(&mounts, &[], &Mode::WebSocketOnly).unwrap();
    check(&router, &[("GET /x", Some(OLD)), ("WS /x", Some(NEW))]);
}

#[test]
fn a_folder_is_asked_first_and_leaves_what_it_has_not() {
    let folder = RouteSpec { falls_through: true, ..route(RouteKind::Any, "/static/{path:path}") };
    let router = Router::new(&[mount(NEW, ""), mount(OLD, "")], &[], &Mode::Table(vec![folder])).unwrap();
    let ask = Decision::Probe { first: AppIndex(NEW), then: AppIndex(OLD), miss: Miss::NoFile };
    assert_eq!(router.explain(&get("/static/x")), (ask, Reason::Table(0)));
    check(&router, &[("WS /static/x", Some(NEW)), ("GET /x", Some(OLD))]);
}

#[test]
fn a_plan_that_makes_no_sense_is_refused() {
    let both = [mount(OLD, ""), mount(NEW, "")];
    for (mounts, rules, mode, message) in [
        (&both[..], vec![], Mode::Mounts, "mounts mode needs at most one application without a prefix"),
        (&[mount(NEW, "")], vec![], Mode::Probe, "probe mode needs one WSGI and one ASGI application without a prefix"),
        (
            &both,
            vec![rule("/x", API)],
            Mode::Probe,
            "the route rule `/x` cannot be used: it names an application that is not served",
        ),
        (
            &both,
            vec![rule("/{x:itn}", NEW)],
            Mode::Probe,
            "the route rule `/{x:itn}` cannot be used: `/{x:itn}` is not a route template: `itn` is no converter, use one of str, int, float, uuid, path",
        ),
    ] {
        assert_eq!(Router::new(mounts, &rules, &mode).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_rule_for_websockets_cannot_name_a_wsgi_application() {
    let mounts = [mount(OLD, ""), mount(NEW, "")];
    let sockets = |app, websocket| RuleSpec { websocket: Some(websocket), ..rule("/chat", app) };
    let refused = Router::new(&mounts, &[sockets(OLD, true)], &Mode::Probe).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the route rule `/chat` cannot be used: it sends WebSockets to a WSGI application, which knows none"
    );
    let router = Router::new(&mounts, &[sockets(NEW, true), sockets(OLD, false)], &Mode::Probe).unwrap();
    assert_eq!(router.explain(&request("WS /chat")).1, Reason::Rule(0));
    assert_eq!(router.explain(&request("GET /chat")).1, Reason::Rule(1));
}

#[test]
fn a_rule_that_never_decides_is_refused() {
    let below = |prefix: &str| RuleSpec { path: PathSpec::Prefix(prefix.to_owned()), ..rule("/prefix", NEW) };
    let expression = |text: &str| RuleSpec { path: PathSpec::Expression(text.to_owned()), ..rule("/expression", NEW) };
    for (earlier, later, hidden) in [
        (rule("/a", NEW), rule("/a", OLD), true),
        (rule("/a", OLD), rule("/a", NEW), false),
        (rule("/{x}", NEW), rule("/a", NEW), true),
        (rule("/{x:int}", NEW), rule("/7", NEW), true),
        (rule("/{x:int}", NEW), rule("/a", NEW), false),
        (rule("/{x:int}", NEW), rule("/{x}", NEW), false),
        (rule("/a/{rest:path}", NEW), rule("/a/b/{c}", NEW), true),
        (rule("/a/{rest:path}", NEW), rule("/a", NEW), false),
        (rule("GET /a", NEW), rule("GET,POST /a", NEW), false),
        (rule("GET,POST /a", NEW), rule("HEAD /a", NEW), true),
        (rule("b.c/a", NEW), rule("/a", NEW), false),
        (rule("{x}.c/a", NEW), rule("b.c/a", NEW), true),
        (below("/a"), rule("/a", NEW), true),
        (below("/a"), below("/a/b"), true),
        (below("/a/b"), below("/a"), false),
        (below(""), expression("/x"), true),
        (expression("/x"), expression("/x"), true),
        (expression("/x"), rule("/x", NEW), false),
    ] {
        let made = Router::new(&[mount(OLD, "/old"), mount(NEW, "")], &[earlier.clone(), later.clone()], &Mode::Mounts);
        assert_eq!(made.is_err(), hidden, "{earlier:?} {later:?}");
    }
    let placed = |text: &str, line: &str| RuleSpec { source: format!("rsgi.toml, line {line}"), ..rule(text, NEW) };
    let rules = [placed("/{x}", "7"), placed("/a", "9")];
    let error = Router::new(&[mount(NEW, "")], &rules, &Mode::Mounts).unwrap_err();
    assert_eq!(
        error.to_string(),
        "rsgi.toml, line 9: the route rule `/a` cannot be used: it can never match, because `/{x}` (rsgi.toml, line 7) \
         takes all that it would"
    );
    assert!(error.hint().contains("first rule that matches"));
}

#[test]
fn the_preferred_wsgi_application_keeps_what_it_owns() {
    let owned = vec![route(RouteKind::Http, "GET /users"), route(RouteKind::Http, "/{p:path}/old")];
    let mounts = [mount(OLD, ""), mount(NEW, "")];
    let then = Mode::Table(vec![route(RouteKind::Any, "/users"), route(RouteKind::Http, "GET /new")]);
    let first = Mode::WsgiFirst { routes: owned.clone(), then: Box::new(then) };
    let router = Router::new(&mounts, &[], &first).unwrap();
    check(
        &router,
        &[
            ("GET /users", Some(OLD)),
            ("POST /users", Some(NEW)),
            ("OPTIONS /users", Some(OLD)),
            ("OPTIONS>POST /users", Some(NEW)),
            ("WS /users", Some(NEW)),
            ("GET /new", Some(NEW)),
            ("GET /new/old", Some(OLD)),
            ("GET /neither", Some(OLD)),
        ],
    );
    assert_eq!(router.explain(&get("/users")).1, Reason::WsgiTable(0));
    assert_eq!(router.describe(Reason::WsgiTable(0)), "the route `/users` of the WSGI application, which is preferred");
    assert_eq!(router.explain(&get("/new")).1, Reason::Table(1));
    let first = Mode::WsgiFirst { routes: owned, then: Box::new(Mode::Probe) };
    let router = Router::new(&mounts, &[], &first).unwrap();
    assert_eq!(owner(&router, "GET /users"), Some((OLD, 0)));
    assert_eq!(router.explain(&get("/new")).1, Reason::Probe);
}

#[test]
fn a_reason_can_be_put_in_words() {
    let mode = table(&["GET /users"]);
    let mounts = [mount(OLD, ""), mount(NEW, ""), mount(API, "/api")];
    let router = Router::new(&mounts, &[rule("GET /x", NEW)], &mode).unwrap();
    for (path, words) in [
        ("/x", "the rule `GET /x`"),
        ("/api/x", "the prefix `/api`"),
        ("/users", "the route `/users`"),
        ("/y", "no route of the ASGI application matches"),
    ] {
        assert_eq!(router.describe(router.explain(&get(path)).1), words);
    }
}
