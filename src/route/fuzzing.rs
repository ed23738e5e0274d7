//! What the fuzz targets `rules` and `cookies` do: the slow matcher of `comparison.rs` must find the same.

use rsgi_bridge::request::fields::RequestFields;

use super::bucket::{BUCKETS, brought, cookies};
use super::comparison::{SLASH, decode_naively, fits, read};
use super::{
    AppIndex, Interface, Mode, MountSpec, PathSpec, Percent, Reason, RouteError, RouteKind, RouteRequest, RouteSpec,
    Router, RuleSpec, Scheme,
};

/// More would take the slow matcher too long.
const MOST_PARAMETERS: usize = 4;
const LONGEST_PATH: usize = 40;
const MOST_RULES: usize = 12;

/// Lines: a rule with a template, a rule with a prefix, a route of an application, or the path of a request. The first
/// byte of a line says which.
///
/// # Panics
/// When the router and the slow matcher disagree.
pub fn rules(data: &[u8]) {
    let (mut rules, mut own, mut paths) = (Vec::new(), Vec::new(), Vec::new());
    for (first, text) in data.split(|byte| *byte == b'\n').filter_map(|line| line.split_first()) {
        let Ok(text) = std::str::from_utf8(text) else { continue };
        match first % 4 {
            0 if text.matches('{').count() <= MOST_PARAMETERS => rules.push(PathSpec::Template(text.to_owned())),
            1 if text.is_empty() || text.starts_with('/') && !text.ends_with('/') => {
                rules.push(PathSpec::Prefix(text.to_owned()));
            }
            2 => own.push(route(text)),
            3 if text.len() <= LONGEST_PATH => paths.push(text),
            _ => {}
        }
    }
    rules.truncate(MOST_RULES);
    own.truncate(MOST_RULES);
    // Routes of frameworks are read leniently; only that nothing breaks is looked at.
    let lenient = Router::new(&mounts(""), &[], &Mode::Table(own));
    let mut rules: Vec<RuleSpec> = rules.into_iter().map(rule).collect();
    let mut hidden = Vec::new();
    let Some(router) = settled(&mut rules, &mut hidden) else { return };
    for path in paths {
        let text = decode_naively(path);
        let first =
            |rules: &[RuleSpec]| rules.iter().position(|rule| path.starts_with('/') && matches(&rule.path, &text));
        assert_eq!(found(&router, path), first(&rules), "{path:?} of {rules:?}");
        for (all, index) in &hidden {
            assert_ne!(first(all), Some(*index), "{path:?} of {all:?}: a hidden rule matches");
        }
        if let Ok(router) = &lenient {
            found(router, path);
        }
    }
}

fn mounts(prefix: &str) -> [MountSpec; 2] {
    let old = MountSpec { app: AppIndex(0), interface: Interface::Wsgi, prefix: String::new() };
    [old, MountSpec { app: AppIndex(1), interface: Interface::Asgi, prefix: prefix.to_owned() }]
}

fn route(path: &str) -> RouteSpec {
    let (kind, path) = (RouteKind::Http, path.to_owned());
    RouteSpec { kind, methods: None, host: None, path, refuses: false, falls_through: false }
}

fn rule(path: PathSpec) -> RuleSpec {
    RuleSpec {
        methods: None,
        host: None,
        path,
        fields: Vec::new(),
        scheme: None,
        websocket: None,
        app: AppIndex(0),
        share: None,
        text: String::new(),
        source: String::new(),
    }
}

/// A router of those rules that it takes. Rules that it finds hidden go to `hidden`, with the rules beside them.
fn settled(rules: &mut Vec<RuleSpec>, hidden: &mut Vec<(Vec<RuleSpec>, usize)>) -> Option<Router> {
    loop {
        for (index, rule) in rules.iter_mut().enumerate() {
            rule.text = index.to_string();
        }
        let (rule, why) = match Router::new(&mounts("/never/asked/for"), rules, &Mode::Mounts) {
            Ok(router) => return Some(router),
            Err(RouteError::Rule { rule, why, .. }) => (rule, why),
            Err(_) => return None,
        };
        let index = rule.parse().ok()?;
        if matches!(*why, RouteError::Hidden { .. }) {
            hidden.push((rules.clone(), index));
        }
        rules.remove(index);
    }
}

fn matches(path: &PathSpec, text: &[u16]) -> bool {
    let PathSpec::Prefix(prefix) = path else {
        let PathSpec::Template(template) = path else { return false };
        return fits(&read(template), text);
    };
    let units = prefix.bytes().map(|byte| if byte == b'/' { SLASH } else { u16::from(byte) });
    let units: Vec<u16> = units.collect();
    text.strip_prefix(units.as_slice()).is_some_and(|rest| matches!(rest, [] | [SLASH, ..]))
}

/// The rule that decides.
fn found(router: &Router, path: &str) -> Option<usize> {
    let decided = router.decide(&RouteRequest {
        method: "GET",
        raw_path: path,
        host: Some(b"h"),
        websocket: false,
        preflight_method: None,
        scheme: Scheme::Http,
        fields: &RequestFields::default(),
        client: None,
        random: || 0,
    });
    match decided.reason {
        Reason::Rule(index) => Some(index),
        _ => None,
    }
}

/// A name, then lines of `Cookie`: what a second reading finds, whatever is between the semicolons.
///
/// # Panics
/// When the two readings differ, or a share is not what its text says.
pub fn cookies_and_shares(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let name = lines.next().unwrap_or_default();
    let mut fields = RequestFields::default();
    lines.for_each(|line| fields.append("cookie", line));
    let found: Vec<&[u8]> = cookies(&fields, name).collect();
    assert_eq!(found, slowly(&fields, name));
    let bucket = slowly(&fields, b"rsgi_bucket").into_iter().find_map(|value| {
        let text = std::str::from_utf8(value).ok()?;
        text.parse().ok().filter(|bucket: &u16| *bucket < BUCKETS && bucket.to_string() == text)
    });
    assert_eq!(brought(&fields), bucket);
    if let Some(share) = std::str::from_utf8(name).ok().and_then(Percent::parse) {
        assert!(share.buckets() <= BUCKETS);
    }
}

fn slowly<'a>(fields: &'a RequestFields, name: &[u8]) -> Vec<&'a [u8]> {
    let pairs = fields.all("cookie").flat_map(|line| line.split(|byte| *byte == b';'));
    let value = |pair: &'a [u8]| {
        let pair = pair.trim_ascii_start();
        let after = pair.get(name.len()..).filter(|_| pair.starts_with(name))?.trim_ascii_start();
        (after.first() == Some(&b'=')).then(|| after[1..].trim_ascii())
    };
    pairs.filter_map(value).collect()
}
