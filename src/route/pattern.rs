//! A compiled part of a path (or host name) with at least one parameter.
//!
//! Few patterns need the automaton. The text before the first and after the last parameter is compared directly. A
//! single parameter between them is one pass over the bytes.

use super::automaton::{Automaton, is_text};
use super::error::TemplateFault;
use super::template::{Converter, Token};

/// Parameters with literal text before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    prefix: Box<[u8]>,
    middle: Middle,
    suffix: Box<[u8]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Middle {
    Text,
    Digits,
    Anything,
    Automaton(Automaton),
}

impl Pattern {
    /// Compiles tokens. At least one must be a parameter.
    pub(super) fn compile(mut tokens: &[Token]) -> Result<Self, TemplateFault> {
        let mut prefix: &[u8] = b"";
        let mut suffix: &[u8] = b"";
        if let [Token::Literal(text), rest @ ..] = tokens {
            prefix = text;
            tokens = rest;
        }
        if let [rest @ .., Token::Literal(text)] = tokens {
            suffix = text;
            tokens = rest;
        }
        let middle = match tokens {
            [Token::Parameter(Converter::Str)] => Middle::Text,
            [Token::Parameter(Converter::Int)] => Middle::Digits,
            [Token::Parameter(Converter::Path)] => Middle::Anything,
            several => Middle::Automaton(Automaton::compile(several).ok_or(TemplateFault::TooLong)?),
        };
        let (prefix, suffix) = (prefix.into(), suffix.into());
        Ok(Self { prefix, middle, suffix })
    }

    /// Whether the whole text matches.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let between = strip(text, &self.prefix, &self.suffix);
        between.is_some_and(|between| match &self.middle {
            Middle::Text => !between.is_empty() && between.iter().all(|byte| is_text(*byte)),
            Middle::Digits => !between.is_empty() && between.iter().all(u8::is_ascii_digit),
            Middle::Anything => true,
            Middle::Automaton(automaton) => automaton.matches(between),
        })
    }
}

/// The text between the literals. Most patterns have no literals. To check for that first saves time: a comparison with
/// an empty slice calls `memcmp` with a dangling pointer, which takes 100 ns on some processors (masked loads that
/// would fault).
fn strip<'a>(text: &'a [u8], prefix: &[u8], suffix: &[u8]) -> Option<&'a [u8]> {
    let rest = if prefix.is_empty() { text } else { text.strip_prefix(prefix)? };
    if suffix.is_empty() { Some(rest) } else { rest.strip_suffix(suffix) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot compile its pattern should fail")]
    use super::super::template::{Author, tokenize};
    use super::*;

    fn pattern(template: &str) -> Pattern {
        Pattern::compile(&tokenize(template, Author::Operator).unwrap()).unwrap()
    }

    #[test]
    fn each_kind_of_middle() {
        for (template, text, fits) in [
            ("{x}", "a", true),
            ("{x}", "", false),
            ("{x}", "a/b", false),
            ("v{n:int}.json", "v12.json", true),
            ("v{n:int}.json", "v.json", false),
            ("v{n:int}.json", "v1x.json", false),
            ("{n:int}", "٣", false),
            ("a{x}a", "a", false),
            ("a{x}a", "aa", false),
            ("a{x}a", "aba", true),
            ("{p:path}/raw", "/raw", true),
            ("{p:path}/raw", "a/b/raw", true),
            ("{p:path}/raw", "raw", false),
            ("{a}{b}", "x", false),
            ("{a}{b}", "xy", true),
            ("{x:float}", "1.5", true),
        ] {
            assert_eq!(pattern(template).matches(text.as_bytes()), fits, "{template} {text}");
        }
    }

    #[test]
    fn an_encoded_slash_fits_only_a_path() {
        assert!(!pattern("{x}").matches(b"a\xFFb"));
        assert!(pattern("{p:path}").matches(b"a\xFFb"));
        assert!(!pattern("{p:path}/raw").matches(b"a\xFFraw"));
    }
}
