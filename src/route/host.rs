//! Matches host names of rules and routes: `api.example.com`, `{tenant}.example.com`.
//!
//! Unlike a path, a host ignores letter case and the port. A parameter may match several labels, as in Starlette's
//! `Host` (RFC 9110 section 7.2, RFC 3986 section 3.2.2).

use std::borrow::Cow;

use super::error::{RouteError, TemplateFault};
use super::pattern::Pattern;
use super::template::{Author, Token, tokenize};

/// A host name or a pattern of host names, in lower case and without a port.
#[derive(Debug)]
pub(super) enum Host {
    Exactly(Box<[u8]>),
    Like(Pattern),
}

impl Host {
    /// Parses a host template.
    pub(super) fn parse(template: &str, author: Author) -> Result<Self, RouteError> {
        let fault = |why: TemplateFault| RouteError::Template { template: template.to_owned(), why };
        let mut tokens = tokenize(template, author).map_err(fault)?;
        for token in &mut tokens {
            if let Token::Literal(text) = token {
                text.make_ascii_lowercase();
            }
        }
        // The port is removed after the template was divided, because a converter has a colon too.
        if let Some(Token::Literal(last)) = tokens.last_mut() {
            *last = without_port(last).into();
        }
        match tokens.as_slice() {
            [Token::Literal(text)] => Ok(Self::Exactly(text.clone())),
            several => Pattern::compile(several).map(Self::Like).map_err(fault),
        }
    }

    /// Whether the `Host` field of a request names this host. Without the field, it does not match.
    pub(super) fn matches(&self, header: Option<&[u8]>) -> bool {
        let Some(header) = header else { return false };
        let name = without_port(header);
        match self {
            Self::Exactly(own) => name.eq_ignore_ascii_case(own),
            Self::Like(pattern) => pattern.matches(&lower_case(name)),
        }
    }
}

/// Removes `:port`. Colons of an address in brackets stay.
fn without_port(host: &[u8]) -> &[u8] {
    match host.iter().rposition(|byte| matches!(byte, b':' | b']')) {
        Some(at) if host.get(at) == Some(&b':') => host.get(..at).unwrap_or(host),
        _ => host,
    }
}

fn lower_case(name: &[u8]) -> Cow<'_, [u8]> {
    if name.iter().any(u8::is_ascii_uppercase) { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot read its template should fail")]
    use super::*;

    #[test]
    fn case_and_port_do_not_count() {
        for (template, header, fits) in [
            ("example.com", Some("example.com"), true),
            ("Example.COM", Some("eXample.com:8000"), true),
            ("example.com:443", Some("example.com"), true),
            ("example.com", Some("example.com.evil"), false),
            ("example.com", Some(""), false),
            ("example.com", None, false),
            ("[::1]", Some("[::1]:8000"), true),
            ("[::1]", Some("[::1]"), true),
            ("{tenant}.example.com", Some("A.Example.com:80"), true),
            ("{tenant}.example.com", Some("a.b.example.com"), true),
            ("{tenant}.example.com", Some(".example.com"), false),
            ("{tenant}.example.com", Some("example.com"), false),
            ("{n:int}.example.com:8000", Some("7.example.com"), true),
            ("{n:int}.example.com", Some("x.example.com"), false),
        ] {
            let host = Host::parse(template, Author::Operator).unwrap();
            assert_eq!(host.matches(header.map(str::as_bytes)), fits, "{template} {header:?}");
        }
    }

    #[test]
    fn a_bad_template_is_an_error() {
        assert!(Host::parse("{tenant.example.com", Author::Operator).is_err());
    }
}
