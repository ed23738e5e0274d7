//! Why a set of rules, mounts and routes cannot become a router.
//!
//! Apart from the router so that the words an operator reads stand in one place. All of these are found at start, before
//! anything listens: none can be caused by a request.

use thiserror::Error;

/// A routing plan that makes no sense. Every variant is the operator's to fix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RouteError {
    /// A path or host template that cannot be read.
    #[error("`{template}` is not a route template: {why}")]
    Template {
        /// The template as written.
        template: String,
        /// What is wrong with it, in words that continue a sentence.
        why: TemplateFault,
    },
    /// A rule names an app that is not among the mounts.
    #[error("the rule `{rule}` names an application that is not served")]
    UnknownApp {
        /// The rule as written.
        rule: String,
    },
    /// A mount prefix that is neither empty nor of the form `/a/b`.
    #[error("the prefix `{0}` has to begin with `/` and must not end with it")]
    Prefix(String),
    /// Two apps ask for the same prefix, so one of them would never be called.
    #[error("two applications are mounted at `{0}`")]
    PrefixTwice(String),
    /// The apps without a prefix do not fit the mode.
    #[error("{mode} mode needs {needs}")]
    Prefixless {
        /// The mode asked for.
        mode: &'static str,
        /// What it would need.
        needs: &'static str,
    },
}

/// What can be wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateFault {
    /// A path template without its leading slash.
    #[error("a path begins with `/`")]
    NoLeadingSlash,
    /// A brace that neither opens nor closes a parameter.
    #[error("a parameter is written `{{name}}` or `{{name:converter}}`")]
    Brace,
    /// A converter nobody knows, in a rule that an operator wrote.
    #[error("`{0}` is no converter, use one of str, int, float, uuid, path")]
    Converter(String),
    /// More text between two parameters than the automaton has states.
    #[error("its variable part is too long")]
    TooLong,
}
