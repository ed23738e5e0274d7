//! The grammar of GRIP's header fields: lists of elements with parameters.
//!
//! Apart because three fields share it. A separator counts only outside of `"…"` and `<…>`.
//!
//! Spec: RFC 9110 5.6.1, 5.6.4, 5.6.6; RFC 8288 3.

use std::borrow::Cow;

/// The parts of `text` between `separator`s, without empty ones.
pub(super) fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped, mut angled) = (false, false, false);
    for (place, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if !angled => quoted = !quoted,
            '<' if !quoted => angled = true,
            '>' if !quoted => angled = false,
            _ if character == separator && !quoted && !angled => {
                parts.push(&text[start..place]);
                start = place + separator.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

/// `name=value`, the value without its quotes.
pub(super) fn parameter(text: &str) -> Option<(&str, Cow<'_, str>)> {
    let (name, value) = text.split_once('=')?;
    Some((name.trim(), unquoted(value.trim())))
}

/// What is between quotes, without the backslashes.
fn unquoted(value: &str) -> Cow<'_, str> {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return value.into() };
    if !inner.contains('\\') {
        return inner.into();
    }
    let (mut text, mut escaped) = (String::with_capacity(inner.len()), false);
    for character in inner.chars() {
        if character == '\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            text.push(character);
        }
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_count_outside_of_quotes_and_brackets() {
        assert_eq!(split("a; b=1, c", ','), ["a; b=1", "c"]);
        assert_eq!(split("x=\"a,\\\"b\", y=\"\"", ','), ["x=\"a,\\\"b\"", "y=\"\""]);
        assert_eq!(split("</a?b=1,2>; rel=next, ,", ','), ["</a?b=1,2>; rel=next"]);
        assert!(split("", ',').is_empty());
    }

    #[test]
    fn a_value_loses_its_quotes() {
        assert_eq!(parameter("a = \"b \\\"c\\\" \\\\\""), Some(("a", "b \"c\" \\".into())));
        assert_eq!(parameter("a=b"), Some(("a", "b".into())));
        assert_eq!(parameter("a"), None);
    }
}
