//! What a look-up in the router costs, with 1 to 1,000 routes and rules: it should be under a microsecond, however many there are.
//!
//! Apart from the Python benches because it measures no server: `make bench-router`.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench that cannot build its router should fail; Criterion's macro makes a function"
)]

use std::hint::black_box;

use _rsgi::route::{
    AppIndex, Interface, Mode, MountSpec, PathSpec, RouteKind, RouteRequest, RouteSpec, Router, RuleSpec, Scheme,
};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rsgi_bridge::request::fields::RequestFields;

const SIZES: [usize; 4] = [1, 10, 100, 1000];

fn mounts() -> [MountSpec; 2] {
    let mount = |app, interface| MountSpec { app: AppIndex(app), interface, prefix: String::new() };
    [mount(0, Interface::Wsgi), mount(1, Interface::Asgi)]
}

/// `/section7/items/{id:int}`: so many of them, as in a large application.
fn table(routes: usize) -> Router {
    let path = |number: usize| format!("/section{number}/items/{{id:int}}");
    let route = |number| RouteSpec {
        falls_through: false,
        kind: RouteKind::Http,
        methods: Some(vec!["GET".to_owned()]),
        host: None,
        path: path(number),
        refuses: false,
    };
    Router::new(&mounts(), &[], &Mode::Table((0..routes).map(route).collect())).unwrap()
}

/// `host7.example.com/section7/{rest:path}`: rules that ask for a host, too.
fn rules(count: usize) -> Router {
    let rule = |number: usize| RuleSpec {
        methods: None,
        host: Some(format!("host{number}.example.com")),
        path: PathSpec::Template(format!("/section{number}/{{rest:path}}")),
        fields: Vec::new(),
        scheme: None,
        websocket: None,
        app: AppIndex(1),
        share: None,
        text: String::new(),
        source: String::new(),
    };
    Router::new(&mounts(), &(0..count).map(rule).collect::<Vec<_>>(), &Mode::WebSocketOnly).unwrap()
}

fn get<'a>(raw_path: &'a str, host: &'a str, fields: &'a RequestFields) -> RouteRequest<'a> {
    let (method, host, scheme) = ("GET", Some(host.as_bytes()), Scheme::Http);
    RouteRequest {
        method,
        raw_path,
        host,
        websocket: false,
        preflight_method: None,
        scheme,
        fields,
        client: None,
        random: || 0,
    }
}

fn look_up(criterion: &mut Criterion) {
    let fields = RequestFields::default();
    for (name, router) in [("table", table as fn(usize) -> Router), ("rules", rules)] {
        let mut group = criterion.benchmark_group(name);
        for size in SIZES {
            let router = router(size);
            let last = size - 1;
            let (path, host) = (format!("/section{last}/items/12345"), format!("host{last}.example.com"));
            for (kind, path) in [("found", path.as_str()), ("missed", "/elsewhere/items/12345")] {
                let request = get(path, &host, &fields);
                let nowhere = router.route(&get("/nowhere", &host, &fields));
                assert_eq!(router.route(&request) == nowhere, kind == "missed", "{name} {size} {kind}");
                group.bench_function(BenchmarkId::new(kind, size), |bencher| {
                    bencher.iter(|| router.route(black_box(&request)));
                });
            }
        }
    }
}

criterion_group!(benches, look_up);
criterion_main!(benches);
