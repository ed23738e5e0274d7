//! What the fuzz target `grip` does: an instruction keeps its limits, and what is quoted is read as it was.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rsgi_bridge::response::response_head::ResponseHead;

use super::fields::{parameter, split};
use super::instruct::{is_given, take};
use super::item::parse;

const NAMES: [&str; 8] = [
    "grip-hold",
    "grip-channel",
    "grip-timeout",
    "grip-keep-alive",
    "grip-set-meta",
    "grip-status",
    "grip-link",
    "content-type",
];
const MOST_CHANNELS: usize = 3;

/// Lines of fields: the first byte of a line chooses the name, the rest is the value.
///
/// # Panics
/// When a limit is not kept, or a quoted text changes.
pub fn grip(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for (first, value) in data.split(|byte| *byte == b'\n').filter_map(|line| line.split_first()) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_static(NAMES[usize::from(*first) % NAMES.len()]), value);
        }
    }
    let mut head = *ResponseHead::own(StatusCode::OK, headers);
    if let Ok(instruct) = take(&mut head, MOST_CHANNELS) {
        assert!(!is_given(&head), "a client would see it");
        assert!(head.status.as_u16() >= 200);
        if let Some(instruct) = instruct {
            let mut names: Vec<&str> = instruct.channels.iter().map(|channel| &*channel.name).collect();
            assert!(names.len() <= MOST_CHANNELS && (instruct.mode.is_none() || !names.is_empty()));
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), instruct.channels.len());
            assert!(instruct.timeout.as_secs() >= 1);
            assert!(instruct.keep_alive.is_none_or(|every| every.every.as_secs() >= 1 && !every.data.is_empty()));
            assert!(instruct.next.is_none_or(|link| link.target.starts_with('/') && !link.target.starts_with("//")));
        }
    }
    parse(data).iter().flatten().for_each(|item| assert!(item.weight() >= 64));
    if let Ok(text) = std::str::from_utf8(data) {
        quoted(text);
    }
}

/// A text in quotes is one part of a list, and has its value.
fn quoted(text: &str) {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    let pair = format!("a=\"{escaped}\"");
    let list = format!("{pair}, b=1,<{}>", text.replace(['<', '>', '"'], ""));
    let parts = split(&list, ',');
    assert_eq!(parts.first().copied(), Some(pair.as_str()), "{list}");
    assert_eq!((parts.get(1).copied(), parts.len()), (Some("b=1"), 3), "{list}");
    assert_eq!(parameter(&pair).map(|(name, value)| (name, value.into_owned())), Some(("a", text.to_owned())));
    for part in split(text, ';') {
        let _read = parameter(part);
    }
}
