//! What the fuzz target `range` does: a part lies within the file, and is the one that a second reading finds.

use std::time::{Duration, SystemTime};

use rsgi_bridge::request::fields::RequestFields;

use super::conditions::{Validators, Verdict, judge};

const NAMES: [&str; 6] = ["range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];

/// The size of the file in one byte, then lines of fields: the first byte of a line chooses the name.
///
/// # Panics
/// When a part is not within the file, or the second reading differs.
pub fn range(data: &[u8]) {
    let Some((size, lines)) = data.split_first() else { return };
    let size = match size {
        255 => u64::MAX,
        small => u64::from(*small),
    };
    let mut fields = RequestFields::default();
    for (first, value) in lines.split(|byte| *byte == b'\n').filter_map(|line| line.split_first()) {
        fields.append(NAMES[usize::from(*first) % NAMES.len()], value);
    }
    let modified = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(784_111_777));
    let known = Validators { tag: "\"a-1\"".to_owned(), modified, size };
    let verdict = judge(&fields, false, &known, SystemTime::now());
    let head = judge(&fields, true, &known, SystemTime::now());
    match &verdict {
        Verdict::Part(part) => {
            assert!(part.start < part.end && part.end <= size, "{part:?} of {size}");
            assert_eq!(head, Verdict::Whole);
            assert_eq!(Some(part.clone()), single(&fields, size), "{fields:?} of {size}");
        }
        Verdict::Unsatisfiable => assert_eq!((head, single(&fields, size)), (Verdict::Whole, None), "{fields:?}"),
        other => assert_eq!(&head, other),
    }
}

/// The part that a single range means; `None` if the file has no such bytes.
fn single(fields: &RequestFields, size: u64) -> Option<std::ops::Range<u64>> {
    let (unit, set) = fields.text("range")?.trim().split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim_matches([',', ' ', '\t']).split_once('-')?;
    let number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().unwrap_or(u64::MAX));
    let (start, end) = match (first.trim(), last.trim()) {
        ("", count) => (size.saturating_sub(number(count)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => (number(first)?, number(last)?.saturating_add(1).min(size)),
    };
    (start < end).then_some(start..end)
}
