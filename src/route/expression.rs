//! Regular expressions in rules: bounded in memory, linear in time, and matching a whole text.
//!
//! Paths and header fields use them. There are two traps in "the whole text": an unbalanced expression that closes our
//! group, and features of Python (look-around, back-references), which this engine refuses.

use regex::bytes::{Regex, RegexBuilder};

use super::error::RouteError;

/// How much memory one compiled expression may take, in bytes.
const SIZE: usize = 1 << 20;

/// Compiles an expression that a whole text has to match. `.` takes every character, a line feed too.
pub(super) fn compile(expression: &str) -> Result<Regex, RouteError> {
    let build = |text: &str| RegexBuilder::new(text).size_limit(SIZE).dot_matches_new_line(true).build();
    // By itself first: `a)|(b` must not become two expressions.
    build(expression).and_then(|_| build(&format!(r"\A(?:{expression})\z"))).map_err(|error| RouteError::Expression {
        expression: expression.to_owned(),
        // The last line is the reason; those above it repeat the text.
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
