//! Compiles regular expressions of rules: limited memory, linear time, and a match of the whole text.
//!
//! Paths and header fields use them. The regex engine has no look-around and no back-references, which Python has.

use regex::bytes::{Regex, RegexBuilder};

use super::error::RouteError;

/// The most memory of one compiled expression, in bytes.
const SIZE: usize = 1 << 20;

/// Compiles an expression that must match the whole text. `.` matches every character, including a line feed.
pub(super) fn compile(expression: &str) -> Result<Regex, RouteError> {
    let build = |text: &str| RegexBuilder::new(text).size_limit(SIZE).dot_matches_new_line(true).build();
    // First without the group: `a)|(b` is invalid, but in the group it would become two expressions.
    build(expression).and_then(|_| build(&format!(r"\A(?:{expression})\z"))).map_err(|error| RouteError::Expression {
        expression: expression.to_owned(),
        // The last line has the reason. The lines before repeat the expression.
        why: error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot compile its expression should fail")]
    use super::*;

    #[test]
    fn the_whole_text_counts() {
        let either = compile("a|bc").unwrap();
        for (text, fits) in [("a", true), ("bc", true), ("ac", false), ("abc", false), ("a\n", false)] {
            assert_eq!(either.is_match(text.as_bytes()), fits, "{text:?}");
        }
        assert!(compile("/.*").unwrap().is_match(b"/a\nb"));
    }

    #[test]
    fn what_cannot_be_compiled_says_why() {
        for (expression, why) in [
            ("a)|(b", "unopened group"),
            ("(?=a)", "look-around, including look-ahead and look-behind, is not supported"),
            (r"(a)\1", "backreferences are not supported"),
            ("(", "unclosed group"),
        ] {
            let error = compile(expression).unwrap_err();
            assert_eq!(error, RouteError::Expression { expression: expression.into(), why: why.into() });
        }
        assert!(matches!(compile("(?:a{1000}){1000}"), Err(RouteError::Expression { .. })));
    }
}
