//! Compares the rules of the router with a slow and simple implementation, on many generated rules and requests.
//!
//! `comparison` does the same for paths, and its simple matcher is used here. This adds conditions, the order of rules,
//! and hidden rules: a rule that is reported as hidden must never match. Tests only.

#![allow(clippy::unwrap_used, reason = "a comparison that cannot be set up should fail")]

use rsgi_bridge::request::fields::RequestFields;

use super::comparison::{Generator, PATH_SEGMENTS, SLASH, decode_naively, fits, has, read};
use super::*;

const OLD: usize = 0;
const NEW: usize = 1;

/// Fewer than in `comparison`, so that rules often match the same paths.
const SEGMENTS: &[&str] = &["a", "b", "", "é", "{x}", "{n:int}", "{f:float}", "v{n:int}", "{x}-{n:int}", "{p:path}"];
const PLAIN_SEGMENTS: &[&str] = &["a", "b", "1", "v1", "%C3%A9", "a-1"];
const PREFIXES: &[&str] = &["", "/a", "/a/b", "/b", "/é"];
const HOSTS: &[&str] = &["a.example", "b.example", "{t}.example"];
const VALUES: &[&str] = &["1", "2", "beta-7"];
const SHARES: &[u16] = &[0, 1, 2_500, 5_000, 10_000];
const BUCKETS: &[u16] = &[0, 1, 2_499, 2_500, 9_999];

/// The bucket of a client without a cookie.
const RANDOM: u16 = 4_999;

type Naive = fn(&[u16]) -> bool;

/// Expressions, and functions that match the same paths.
const EXPRESSIONS: &[(&str, Naive)] = &[
    ("/.*", |_| true),
    ("/a", |text| text == [SLASH, 97]),
    ("/(a|b)/.*", |text| matches!(text, [SLASH, 97 | 98, SLASH, ..])),
    ("/[0-9]+", |text| text.len() > 1 && text.iter().skip(1).all(|unit| (48..58).contains(unit))),
    (".*%2F.*", |text| text.contains(&47)),
];

struct ExampleRequest {
    method: &'static str,
    path: String,
    host: &'static str,
    scheme: Scheme,
    websocket: bool,
    header: Option<&'static str>,
    cookie: Option<&'static str>,
    bucket: Option<u16>,
}

impl Generator {
    fn maybe<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        (self.below(3) == 0).then(|| self.pick(choices))
    }

    fn path_spec(&mut self) -> PathSpec {
        match self.below(4) {
            0 => PathSpec::Prefix(self.pick(PREFIXES).to_owned()),
            1 => PathSpec::Expression(self.pick(EXPRESSIONS).0.to_owned()),
            // The router does not read the names of parameters. A repeated name is refused before.
            _ => PathSpec::Template(self.path(SEGMENTS)),
        }
    }

    fn field(&mut self, place: FieldPlace) -> FieldSpec {
        let test = match self.below(4) {
            0 => FieldTest::Present,
            1 => FieldTest::Absent,
            2 => FieldTest::Matches("[12]".to_owned()),
            _ => FieldTest::Equals(self.pick(VALUES).to_owned()),
        };
        FieldSpec { place, name: "x-a".to_owned(), test }
    }

    fn rule(&mut self) -> RuleSpec {
        let app = self.below(2);
        let mut fields = Vec::new();
        if self.below(4) == 0 {
            fields.push(self.field(FieldPlace::Header));
        }
        if self.below(4) == 0 {
            fields.push(self.field(FieldPlace::Cookie));
        }
        RuleSpec {
            methods: if self.below(2) == 0 { self.methods() } else { None },
            host: self.maybe(HOSTS).map(str::to_owned),
            path: self.path_spec(),
            fields,
            scheme: self.maybe(&[Scheme::Http, Scheme::Https]),
            websocket: self.maybe(&[true, false]).filter(|wanted| app == NEW || !wanted),
            app: AppIndex(app),
            share: self.maybe(SHARES).map(Percent::of_buckets),
            text: String::new(),
            source: String::new(),
        }
    }

    fn request(&mut self) -> ExampleRequest {
        let websocket = self.below(4) == 0;
        let segments = if self.below(2) == 0 { PATH_SEGMENTS } else { PLAIN_SEGMENTS };
        ExampleRequest {
            method: if websocket { "GET" } else { self.pick(&["GET", "HEAD", "POST", "PURGE"]) },
            path: self.path(segments),
            host: self.pick(&["a.example", "B.example:8000", "c.example", "other"]),
            scheme: self.pick(&[Scheme::Http, Scheme::Https]),
            websocket,
            header: self.maybe(VALUES),
            cookie: self.maybe(VALUES),
            bucket: self.maybe(BUCKETS),
        }
    }
}

fn holds(test: &FieldTest, value: Option<&str>) -> bool {
    match test {
        FieldTest::Present => value.is_some(),
        FieldTest::Absent => value.is_none(),
        FieldTest::Equals(wanted) => value == Some(wanted),
        FieldTest::Matches(_) => matches!(value, Some("1" | "2")),
    }
}

fn matches(rule: &RuleSpec, request: &ExampleRequest) -> bool {
    fits_all_else(rule, request) && rule.share.is_none_or(|share| request.bucket.unwrap_or(RANDOM) < share.buckets())
}

fn fits_all_else(rule: &RuleSpec, request: &ExampleRequest) -> bool {
    let text = decode_naively(&request.path);
    let path = match &rule.path {
        PathSpec::Template(template) => fits(&read(template), &text),
        PathSpec::Prefix(prefix) => fits(&read(prefix), &text) || fits(&read(&format!("{prefix}/{{p:path}}")), &text),
        PathSpec::Expression(own) => EXPRESSIONS.iter().find(|(expression, _)| own == expression).unwrap().1(&text),
    };
    let name = request.host.to_ascii_lowercase().replace(":8000", "");
    let host = rule.host.as_deref().is_none_or(|own| own == name || own.starts_with('{') && name.ends_with(".example"));
    let interface = !request.websocket || rule.app.0 == NEW;
    path && host
        && interface
        && has(rule.methods.as_deref(), request.method)
        && rule.websocket.is_none_or(|wanted| wanted == request.websocket)
        && rule.scheme.is_none_or(|own| own == request.scheme)
        && rule.fields.iter().all(|field| match field.place {
            FieldPlace::Header => holds(&field.test, request.header),
            FieldPlace::Cookie => holds(&field.test, request.cookie),
        })
}

fn found(router: &Router, request: &ExampleRequest) -> (Option<usize>, Option<CheckedShare>) {
    let mut fields = RequestFields::default();
    if let Some(value) = request.header {
        fields.append("x-a", value.as_bytes());
    }
    if let Some(value) = request.cookie {
        fields.append("cookie", format!("x=1; x-a={value}; y").as_bytes());
    }
    if let Some(bucket) = request.bucket {
        fields.append("cookie", format!("{BUCKET_COOKIE}={bucket}").as_bytes());
    }
    let request = RouteRequest {
        method: request.method,
        raw_path: &request.path,
        host: Some(request.host.as_bytes()),
        websocket: request.websocket,
        preflight_method: None,
        scheme: request.scheme,
        fields: &fields,
        client: None,
        random: || RANDOM,
    };
    let decided = router.decide(&request);
    let rule = match decided.reason {
        Reason::Rule(index) => Some(index),
        _ => None,
    };
    (rule, decided.share)
}

/// Removes hidden rules until a router can be made. Adds each of them to `hidden`, with the rules that were there.
fn settle(rules: &mut Vec<RuleSpec>, mounts: &[MountSpec], hidden: &mut Vec<(Vec<RuleSpec>, usize)>) -> Router {
    loop {
        for (index, rule) in rules.iter_mut().enumerate() {
            rule.text = index.to_string();
        }
        match Router::new(mounts, rules, &Mode::Mounts) {
            Ok(router) => return router,
            Err(RouteError::Rule { rule, why, .. }) => {
                let index = rule.parse().unwrap();
                match *why {
                    RouteError::Hidden { .. } => hidden.push((rules.clone(), index)),
                    RouteError::TwoShares { .. } => (),
                    other => panic!("{other}"),
                }
                rules.remove(index);
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn the_first_rule_that_matches_decides_and_a_hidden_one_never_would() {
    let mounts = [
        MountSpec { app: AppIndex(OLD), interface: Interface::Wsgi, prefix: String::new() },
        MountSpec { app: AppIndex(NEW), interface: Interface::Asgi, prefix: "/never/asked/for".to_owned() },
    ];
    let mut generator = Generator(0x2545_F491_4F6C_DD1D);
    let (mut decided, mut shared, mut hidden) = (0, 0, Vec::new());
    for _ in 0..600 {
        let mut rules: Vec<_> = (0..generator.below(10)).map(|_| generator.rule()).collect();
        let before = hidden.len();
        let router = settle(&mut rules, &mounts, &mut hidden);
        for _ in 0..120 {
            let request = generator.request();
            let naive = rules.iter().position(|rule| matches(rule, &request));
            let (rule, share) = found(&router, &request);
            assert_eq!(rule, naive, "{} {} {rules:?}", request.method, request.path);
            decided += usize::from(naive.is_some());
            let preceding = rules.get(..=naive.unwrap_or(rules.len().wrapping_sub(1))).unwrap_or_default();
            let asked = preceding.iter().position(|rule| rule.share.is_some() && fits_all_else(rule, &request));
            let lot = request.bucket.map_or(Lot::Drawn(RANDOM), Lot::Brought);
            assert_eq!(
                share,
                asked.map(|rule| CheckedShare { rule, lot }),
                "{} {} {rules:?}",
                request.method,
                request.path
            );
            shared += usize::from(share.is_some());
            for (all, index) in hidden.get(before..).unwrap() {
                let first = all.iter().position(|rule| matches(rule, &request));
                assert_ne!(first, Some(*index), "{} {} {all:?}", request.method, request.path);
            }
        }
    }
    assert!(decided > 10_000, "most of the generated requests match nothing: {decided}");
    assert!(shared > 2_000, "hardly a share was asked: {shared}");
    assert!(hidden.len() > 50, "hardly a rule was hidden: {}", hidden.len());
}
