//! What the fuzz target `accept_encoding` does: the codings are those that a second, slower reading finds.

use rsgi_bridge::request::fields::RequestFields;

use super::encoding::{Accepted, Encoding};

const OFFERED: [Encoding; 3] = [Encoding::Brotli, Encoding::Zstd, Encoding::Gzip];

/// Lines of `Accept-Encoding`.
///
/// # Panics
/// When the two readings differ.
pub fn accept_encoding(data: &[u8]) {
    let mut fields = RequestFields::default();
    data.split(|byte| *byte == b'\n').for_each(|line| fields.append("accept-encoding", line));
    let found = Accepted::of(&fields).among(&OFFERED);
    let items: Vec<(String, Option<f64>)> =
        fields.texts("accept-encoding").flat_map(|line| line.split(',')).map(item).collect();
    let weight = |names: &[&str]| items.iter().find(|(name, _)| names.contains(&name.as_str())).map(|item| item.1);
    // The last of these counts, the first of the others.
    let last = |name: &str| items.iter().rev().find(|item| item.0 == name).map(|item| item.1.unwrap_or(0.0));
    let of = |coding: Encoding| {
        let names: &[&str] = if coding == Encoding::Gzip { &["gzip", "x-gzip"] } else { &[coding.name()] };
        weight(names).map(|weight| weight.unwrap_or(0.0)).or(last("*")).unwrap_or(0.0)
    };
    let mut expected: Vec<Encoding> = Vec::new();
    for coding in OFFERED {
        if of(coding) > 0.0 && of(coding) >= last("identity").unwrap_or(0.0) {
            let place = expected.iter().position(|other| of(*other) < of(coding)).unwrap_or(expected.len());
            expected.insert(place, coding);
        }
    }
    assert_eq!(found, expected, "{}", data.escape_ascii());
}

/// The name of an item in lower case, and its weight; `None` if that is invalid.
fn item(text: &str) -> (String, Option<f64>) {
    let (name, parameter) = text.split_once(';').unwrap_or((text, "q=1"));
    let name = name.trim().to_ascii_lowercase();
    let Some((q, value)) = parameter.split_once('=') else { return (name, None) };
    let value = value.trim();
    let digits = value.strip_prefix("0.").or(value.strip_prefix("1.")).unwrap_or("");
    let valid = ["0", "1", "0.", "1."].contains(&value)
        || (1..=3).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let weight = value.parse().ok().filter(|weight| *weight <= 1.0 && valid && q.trim().eq_ignore_ascii_case("q"));
    (name, weight)
}
