//! Compares the table with a slow and simple matcher, on many generated templates and paths.
//!
//! The simple matcher shares no code with the table. It has its own reader of templates and decoder of paths, and tries
//! every length for every parameter. Tests only.

#![allow(clippy::unwrap_used, reason = "a comparison that cannot be set up should fail")]

use rsgi_bridge::request::fields::RequestFields;

use super::method::RequestMethods;
use super::path::decode;
use super::table::{Found, Query, Table};
use super::{RouteKind, RouteSpec, Scheme};

/// A raw slash in a naively decoded path. Every other unit is a byte.
pub(super) const SLASH: u16 = 0x100;

pub(super) const TEMPLATE_SEGMENTS: &[&str] = &[
    "a",
    "b",
    "",
    "é",
    "%41",
    "{x}",
    "{n:int}",
    "{f:float}",
    "{u:uuid}",
    "{d:date}",
    "v{n:int}",
    "{x}-{n:int}",
    "{x}.json",
    "{x}{y}",
    "{f:float}.{x}",
    "{p:path}",
    "a{p:path}b",
    "{p:path}.json",
    "{n:int}{p:path}{m:int}",
];

pub(super) const PATH_SEGMENTS: &[&str] = &[
    "a",
    "b",
    "",
    "%61",
    "%C3%A9",
    "é",
    "%41",
    "%2541",
    "1",
    "12",
    "1.5",
    "1.5.x",
    "v1",
    "v",
    "a-1",
    "a-b-2",
    "x.json",
    ".json",
    "a%2Fb",
    "a%2fb.json",
    "%FF",
    "a%",
    "..",
    "ab",
    "123e4567-e89b-12d3-a456-426614174000",
    "%0A",
];

const METHODS: &[&[&str]] = &[&["GET"], &["POST"], &["HEAD"], &["GET", "POST"], &["PURGE"]];

/// xorshift64: small, and the same on every machine.
pub(super) struct Generator(pub(super) u64);

impl Generator {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        *choices.get(self.below(choices.len())).unwrap()
    }

    pub(super) fn path(&mut self, segments: &[&str]) -> String {
        (0..=self.below(4)).fold(String::new(), |path, _| path + "/" + self.pick(segments))
    }

    pub(super) fn methods(&mut self) -> Option<Vec<String>> {
        (self.below(3) > 0).then(|| self.pick(METHODS).iter().map(ToString::to_string).collect())
    }
}

/// The tokens of a template: bytes of literals, and the converter names of parameters.
pub(super) fn read(template: &str) -> Vec<Result<u16, &str>> {
    let mut tokens = Vec::new();
    for (index, piece) in template.split('{').enumerate() {
        let (parameter, literal) = if index == 0 { ("", piece) } else { piece.split_once('}').unwrap() };
        if index > 0 {
            tokens.push(Err(parameter.split_once(':').map_or("str", |(_, converter)| converter)));
        }
        tokens.extend(literal.bytes().map(|byte| Ok(if byte == b'/' { SLASH } else { u16::from(byte) })));
    }
    tokens
}

pub(super) fn decode_naively(raw: &str) -> Vec<u16> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < raw.len() {
        let escape = raw.get(at..at + 3).filter(|text| text.starts_with('%') && !text.contains('+'));
        if let Some(value) = escape.and_then(|text| u16::from_str_radix(text.get(1..)?, 16).ok()) {
            decoded.push(value);
            at += 3;
        } else {
            let byte = *raw.as_bytes().get(at).unwrap();
            decoded.push(if byte == b'/' { SLASH } else { u16::from(byte) });
            at += 1;
        }
    }
    decoded
}

pub(super) fn fits(tokens: &[Result<u16, &str>], text: &[u16]) -> bool {
    match tokens {
        [] => text.is_empty(),
        [Ok(literal), tokens @ ..] => {
            text.split_first().is_some_and(|(first, rest)| first == literal && fits(tokens, rest))
        }
        [Err(converter), tokens @ ..] => (0..=text.len()).any(|length| {
            let (value, rest) = text.split_at(length);
            accepts(converter, value) && fits(tokens, rest)
        }),
    }
}

fn accepts(converter: &str, value: &[u16]) -> bool {
    let is_digit = |unit: &u16| (0x30..0x3A).contains(unit);
    let digits = |part: &[u16]| !part.is_empty() && part.iter().all(is_digit);
    match converter {
        "path" => true,
        "int" => digits(value),
        "float" => match value.iter().position(|unit| *unit == u16::from(b'.')) {
            Some(dot) => digits(value.get(..dot).unwrap()) && digits(value.get(dot + 1..).unwrap()),
            None => digits(value),
        },
        "uuid" => {
            let text = String::from_utf16(value).unwrap_or_default();
            text.len() == 36
                && text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
                && text.chars().all(|digit| digit == '-' || digit.is_ascii_hexdigit())
        }
        _ => !value.is_empty() && value.iter().all(|unit| *unit != SLASH && *unit != u16::from(b'/')),
    }
}

/// Whether a rule includes the method.
pub(super) fn has(methods: Option<&[String]>, method: &str) -> bool {
    methods.is_none_or(|all| all.iter().any(|own| own == method || (own == "GET" && method == "HEAD")))
}

#[test]
fn the_table_finds_what_a_naive_matcher_finds() {
    let mut generator = Generator(0x9E37_79B9_7F4A_7C15);
    let mut found = 0;
    for _ in 0..400 {
        let rows: Vec<_> =
            (0..generator.below(12)).map(|_| (generator.methods(), generator.path(TEMPLATE_SEGMENTS))).collect();
        let mut table = Table::default();
        for (methods, path) in &rows {
            let (kind, methods, path) = (RouteKind::Http, methods.clone(), path.clone());
            let route = RouteSpec { kind, methods, host: None, path, refuses: false, falls_through: false };
            table.push_route(&route).unwrap();
        }
        for _ in 0..250 {
            let raw_path = generator.path(PATH_SEGMENTS);
            let method = generator.pick(&["GET", "HEAD", "POST", "PURGE"]);
            let text = decode_naively(&raw_path);
            let naive = rows
                .iter()
                .position(|(methods, template)| has(methods.as_deref(), method) && fits(&read(template), &text));
            let (scheme, fields) = (Scheme::Http, &RequestFields::default());
            let query = Query {
                websocket: false,
                methods: RequestMethods::of_rule(method, None),
                host: None,
                scheme,
                fields,
                draw: None,
            };
            let expected = naive.map_or(Found::Nothing, Found::Row);
            assert_eq!(table.find(&decode(&raw_path), &query), expected, "{method} {raw_path} {rows:?}");
            found += usize::from(naive.is_some());
        }
    }
    assert!(found > 10_000, "most of the generated paths match nothing: {found}");
}
