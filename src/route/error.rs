//! Why a set of rules, mounts and routes cannot become a router.
//!
//! The messages and hints for the operator are here. All these errors occur at start, before anything listens. No
//! request can cause them.

use thiserror::Error;

use super::{Percent, RuleSpec};

/// An error in the routing plan. The operator can fix each of them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RouteError {
    /// A path or host template that cannot be read.
    #[error("`{template}` is not a route template: {why}")]
    Template {
        /// The template as written.
        template: String,
        /// The reason, in words that continue a sentence.
        why: TemplateFault,
    },
    /// A regular expression that cannot be compiled.
    #[error("`{expression}` is not a regular expression: {why}")]
    Expression {
        /// The expression as written.
        expression: String,
        /// The reason, in words that continue a sentence.
        why: String,
    },
    /// A name that is not valid for a header field.
    #[error("`{0}` is not the name of a header field")]
    FieldName(String),
    /// A rule that cannot be used. `why` has the reason.
    #[error("{source_text}the route rule `{rule}` cannot be used: {why}")]
    Rule {
        /// The rule as written.
        rule: String,
        /// Where the rule is, followed by a colon. Empty if it is on the command line.
        source_text: String,
        /// The reason.
        why: Box<Self>,
    },
    /// A rule names an application that is not among the mounts.
    #[error("it names an application that is not served")]
    UnknownApp,
    /// A rule for WebSockets names an application that cannot answer them.
    #[error("it sends WebSockets to a WSGI application, which knows none")]
    WebSocketToWsgi,
    /// A rule that can never match.
    #[error("it can never match, because {by} takes all that it would")]
    Hidden {
        /// The rule that hides it, and where that rule is.
        by: String,
    },
    /// Two rules have different shares of the same requests for the same application.
    #[error("it has a share of {share}, but {other} matches the same requests")]
    TwoShares {
        /// The share of this rule.
        share: Percent,
        /// The other rule, its share, and where it is.
        other: String,
    },
    /// A mount prefix that is neither empty nor of the form `/a/b`.
    #[error("the prefix `{0}` has to begin with `/` and must not end with it")]
    Prefix(String),
    /// Two applications have the same prefix, so one of them would never be called.
    #[error("two applications are mounted at `{0}`")]
    PrefixTwice(String),
    /// The applications without a prefix do not fit the mode.
    #[error("{mode} mode needs {needs}")]
    Prefixless {
        /// The mode.
        mode: &'static str,
        /// What the mode needs.
        needs: &'static str,
    },
}

impl RouteError {
    /// The same error, as a part of an error about a rule.
    pub(super) fn of(self, rule: &RuleSpec) -> Self {
        let source_text = if rule.source.is_empty() { String::new() } else { format!("{}: ", rule.source) };
        Self::Rule { rule: rule.text.clone(), source_text, why: Box::new(self) }
    }

    /// How to fix it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Rule { why, .. } => why.hint(),
            Self::Hidden { .. } => "the first rule that matches wins: move it before that one, or remove it",
            Self::TwoShares { .. } => {
                "an application can have only one share of the same requests: remove one of the two rules"
            }
            Self::WebSocketToWsgi => "name an ASGI application, or leave WebSockets out of the rule",
            Self::Expression { .. } => {
                "the syntax is that of Rust's `regex` crate, which is Python's without look-around and back-references"
            }
            _ => "`rsgi serve --help` shows how apps and rules are written",
        }
    }
}

/// What can be wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateFault {
    /// A path template without a leading slash.
    #[error("a path begins with `/`")]
    NoLeadingSlash,
    /// A brace that does not belong to a parameter.
    #[error("a parameter is written `{{name}}` or `{{name:converter}}`")]
    Brace,
    /// An unknown converter in a rule.
    #[error("`{0}` is no converter, use one of str, int, float, uuid, path")]
    Converter(String),
    /// More text between two parameters than the automaton has states.
    #[error("its variable part is too long")]
    TooLong,
}
