//! Decides what a client gets of a file that it may already have: all of it, a part, or nothing.
//!
//! It has no I/O. It takes fields of the request and data of the file, and returns a verdict.
//!
//! Spec: RFC 9110 8.8.3.2 (comparison), 13 (conditional requests), 13.2.2 (precedence), 14.2 (ranges: GET only).

use std::ops::Range;
use std::time::{Duration, SystemTime};

use http_range_header::parse_range_header;
use rsgi_bridge::request::fields::RequestFields;

const IF_MATCH: &str = "if-match";
const IF_MODIFIED_SINCE: &str = "if-modified-since";
const IF_NONE_MATCH: &str = "if-none-match";
const IF_RANGE: &str = "if-range";
const IF_UNMODIFIED_SINCE: &str = "if-unmodified-since";
const RANGE: &str = "range";

/// The data of one representation of a file.
#[derive(Debug)]
pub struct Validators {
    /// Its strong entity tag, quotes included.
    pub tag: String,
    /// When it was changed, to the second. `None` if that has no HTTP date.
    pub modified: Option<SystemTime>,
    /// Its size, in bytes.
    pub size: u64,
}

/// What the client gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The whole file (200).
    Whole,
    /// These bytes (206).
    Part(Range<u64>),
    /// The client already has it (304).
    NotModified,
    /// A precondition failed (412).
    Failed,
    /// The file has no such bytes (416).
    Unsatisfiable,
}

/// Decides for a GET or a HEAD. A HEAD never gets a part.
pub fn judge(fields: &RequestFields, head: bool, known: &Validators, now: SystemTime) -> Verdict {
    let date = |name| fields.text(name).and_then(|text| httpdate::parse_http_date(text).ok());
    if fields.contains(IF_MATCH) {
        if !names(fields, IF_MATCH, |tag| tag == known.tag) {
            return Verdict::Failed;
        }
    } else if let (Some(since), Some(modified)) = (date(IF_UNMODIFIED_SINCE), known.modified)
        && modified > since
    {
        return Verdict::Failed;
    }
    if fields.contains(IF_NONE_MATCH) {
        if names(fields, IF_NONE_MATCH, |tag| tag.strip_prefix("W/").unwrap_or(tag) == known.tag) {
            return Verdict::NotModified;
        }
    } else if let (Some(since), Some(modified)) = (date(IF_MODIFIED_SINCE), known.modified)
        && modified <= since
    {
        return Verdict::NotModified;
    }
    if head || !still_the_same(fields, known, now) { Verdict::Whole } else { part(fields, known.size) }
}

/// Whether a field with a list of tags is `*`, or has a tag for which `matches` is true.
fn names(fields: &RequestFields, name: &str, matches: impl Fn(&str) -> bool) -> bool {
    fields.texts(name).any(|value| value.trim() == "*" || tags(value).any(&matches))
}

/// The tags of a list. Anything that is not a tag ends the list.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let opening = if rest.starts_with("W/") { 2 } else { 0 };
        let quoted = rest.get(opening..)?.strip_prefix('"')?;
        let end = opening + quoted.find('"')? + 2;
        let (tag, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(tag)
    })
}

/// Whether a range fits what the client has (`If-Range`): the tag is the same, or the date is the same and more than a
/// second old.
fn still_the_same(fields: &RequestFields, known: &Validators, now: SystemTime) -> bool {
    if !fields.contains(IF_RANGE) {
        return true;
    }
    let Some(validator) = fields.text(IF_RANGE) else { return false };
    let Some(modified) = known.modified else { return validator == known.tag };
    // A date does not show changes within its second.
    let settled = now.duration_since(modified).is_ok_and(|age| age > Duration::from_secs(1));
    validator == known.tag || (settled && httpdate::parse_http_date(validator).is_ok_and(|date| date == modified))
}

/// Serves a single range. If there are several, or the field is invalid, the client gets the whole file.
fn part(fields: &RequestFields, size: u64) -> Verdict {
    let mut ranges = fields.all(RANGE);
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Verdict::Whole };
    let parsed = std::str::from_utf8(range).ok().and_then(|text| parse_range_header(text).ok());
    let Some(parsed) = parsed.filter(|parsed| parsed.len() == 1) else { return Verdict::Whole };
    match parsed.validate(size).map(|ranges| ranges.into_iter().next()) {
        Ok(Some(range)) => Verdict::Part(*range.start()..range.end().saturating_add(1)),
        Ok(None) => Verdict::Whole,
        Err(_) => Verdict::Unsatisfiable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const TAG: &str = "\"a-1\"";

    fn verdict(fields: &[(&str, &str)], head: bool) -> Verdict {
        let fields = fields.iter().copied().collect();
        let modified = httpdate::parse_http_date(THEN).ok();
        let known = Validators { tag: TAG.to_owned(), modified, size: 100 };
        judge(&fields, head, &known, SystemTime::now())
    }

    #[test]
    fn the_tag_comes_before_the_date() {
        use Verdict::{Failed, NotModified, Whole};
        for (fields, expected) in [
            (&[][..], Whole),
            (&[(IF_NONE_MATCH, TAG)], NotModified),
            (&[(IF_NONE_MATCH, "W/\"a-1\"")], NotModified),
            (&[(IF_NONE_MATCH, "\"x\", \"a,b\" , W/\"a-1\"")], NotModified),
            (&[(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, TAG)], NotModified),
            (&[(IF_NONE_MATCH, "*")], NotModified),
            (&[(IF_NONE_MATCH, "\"x\"")], Whole),
            (&[(IF_NONE_MATCH, "a-1")], Whole),
            (&[(IF_NONE_MATCH, "\"a-1")], Whole),
            (&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, THEN)], Whole),
            (&[(IF_MODIFIED_SINCE, THEN)], NotModified),
            (&[(IF_MODIFIED_SINCE, BEFORE)], Whole),
            (&[(IF_MODIFIED_SINCE, "yesterday")], Whole),
            (&[(IF_MATCH, TAG)], Whole),
            (&[(IF_MATCH, "*")], Whole),
            (&[(IF_MATCH, "\"x\"")], Failed),
            (&[(IF_MATCH, "W/\"a-1\"")], Failed),
            (&[(IF_MATCH, TAG), (IF_UNMODIFIED_SINCE, BEFORE)], Whole),
            (&[(IF_MATCH, "\"x\""), (IF_NONE_MATCH, TAG)], Failed),
            (&[(IF_UNMODIFIED_SINCE, THEN)], Whole),
            (&[(IF_UNMODIFIED_SINCE, BEFORE)], Failed),
        ] {
            assert_eq!(verdict(fields, false), expected, "{fields:?}");
            assert_eq!(verdict(fields, true), expected, "{fields:?}");
        }
    }

    #[test]
    fn one_range_is_a_part_and_more_are_all() {
        use Verdict::{Part, Unsatisfiable, Whole};
        for (range, expected) in [
            ("bytes=0-9", Part(0..10)),
            ("bytes=90-", Part(90..100)),
            ("bytes=-10", Part(90..100)),
            ("bytes=-1000", Part(0..100)),
            ("bytes=0-99999999999999999999999", Part(0..100)),
            ("bytes=99-99", Part(99..100)),
            ("bytes=100-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=0-1,5-6", Whole),
            ("bytes=9-0", Whole),
            ("bytes=", Whole),
            ("bytes=a-b", Whole),
            ("lines=1-2", Whole),
            ("0-9", Whole),
        ] {
            assert_eq!(verdict(&[(RANGE, range)], false), expected, "{range}");
            assert_eq!(verdict(&[(RANGE, range)], true), Whole, "{range}");
        }
        assert_eq!(verdict(&[(RANGE, "bytes=0-1"), (RANGE, "bytes=3-4")], false), Whole);
    }

    #[test]
    fn a_part_goes_with_what_the_client_has_or_it_gets_all() {
        for (validator, is_part) in [
            (TAG, true),
            (THEN, true),
            ("\"x\"", false),
            ("W/\"a-1\"", false),
            (BEFORE, false),
            ("Sun, 06 Nov 1994 08:49:38 GMT", false),
            ("", false),
        ] {
            let found = verdict(&[(RANGE, "bytes=0-9"), (IF_RANGE, validator)], false);
            assert_eq!(found == Verdict::Part(0..10), is_part, "{validator}");
        }
    }
}
