//! Directives in published content: `%I`, `%(name)s`, `%%`.
//!
//! Apart because ids, variables and bodies are written in the same way. What is no directive stays as it is.

/// `text` with what `value` gives for a directive, its letter and its argument, in the place of each.
pub(super) fn render(text: &[u8], value: impl Fn(u8, Option<&str>) -> Option<String>) -> Vec<u8> {
    let mut rendered = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = memchr::memchr(b'%', rest) {
        let (before, from) = rest.split_at(place);
        rendered.extend_from_slice(before);
        let taken = match directive(from) {
            Some((b'%', None, length)) => {
                rendered.push(b'%');
                length
            }
            Some((letter, argument, length)) => match value(letter, argument) {
                Some(value) => {
                    rendered.extend_from_slice(value.as_bytes());
                    length
                }
                None => keep_sign(&mut rendered),
            },
            None => keep_sign(&mut rendered),
        };
        rest = from.get(taken..).unwrap_or_default();
    }
    rendered.extend_from_slice(rest);
    rendered
}

fn keep_sign(rendered: &mut Vec<u8>) -> usize {
    rendered.push(b'%');
    1
}

/// The letter, the argument and the length of the directive that `text` begins with.
fn directive(text: &[u8]) -> Option<(u8, Option<&str>, usize)> {
    match text.get(1)? {
        b'(' => {
            let end = memchr::memchr(b')', text)?;
            let argument = str::from_utf8(text.get(2..end)?).ok()?;
            Some((*text.get(end + 1)?, Some(argument), end + 2))
        }
        letter => Some((*letter, None, 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_replaced_and_the_rest_stays() {
        let value = |letter, argument: Option<&str>| match (letter, argument) {
            (b'I', None) => Some("7".to_owned()),
            (b's', Some("a")) => Some("A".to_owned()),
            _ => None,
        };
        for (text, rendered) in [
            ("id: %I\n", "id: 7\n"),
            ("%(a)s:%(b)s", "A:%(b)s"),
            ("100%% of %", "100% of %"),
            ("%", "%"),
            ("%(a", "%(a"),
            ("%2F%I", "%2F7"),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(&render(text.as_bytes(), value)), rendered, "{text}");
        }
    }
}
