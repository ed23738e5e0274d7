//! Finds rules that can never match, because an earlier rule takes all their requests.
//!
//! It reports only certain cases. An expression covers only itself, and two rules that together hide a third are not
//! found.

use super::error::RouteError;
use super::host::Host;
use super::method::Methods;
use super::pattern::Pattern;
use super::template::{Author, Converter, PathTemplate, Token};
use super::{FieldSpec, FieldTest, PathSpec, RouteKind, RuleSpec};

/// A rule as it is compared with others.
pub(super) struct Claim<'a> {
    rule: &'a RuleSpec,
    kind: RouteKind,
    /// The paths it is for, together; none for an expression.
    paths: Vec<PathTemplate>,
}

impl<'a> Claim<'a> {
    /// Reads a rule. `kind` is what it answers.
    pub(super) fn new(rule: &'a RuleSpec, kind: RouteKind) -> Result<Self, RouteError> {
        let paths = match &rule.path {
            PathSpec::Template(template) => vec![PathTemplate::parse(template, Author::Operator)?],
            PathSpec::Prefix(prefix) => PathTemplate::below(prefix),
            PathSpec::Expression(_) => Vec::new(),
        };
        Ok(Self { rule, kind, paths })
    }

    /// Whether every request that `later` is for is one of this rule's, too.
    fn covers(&self, later: &Self) -> bool {
        (self.kind == RouteKind::Any || self.kind == later.kind)
            && self.covers_path(later)
            && covers_methods(self.rule, later)
            && covers_host(self.rule.host.as_deref(), later.rule.host.as_deref())
            && (self.rule.scheme.is_none() || self.rule.scheme == later.rule.scheme)
            && self.rule.fields.iter().all(|own| later.rule.fields.iter().any(|other| covers_field(own, other)))
    }

    fn covers_path(&self, later: &Self) -> bool {
        match &later.rule.path {
            PathSpec::Expression(_) => {
                self.rule.path == later.rule.path || self.paths.iter().any(|own| own.segments.is_empty() && all(own))
            }
            _ => later.paths.iter().all(|path| self.paths.iter().any(|own| covers_template(own, path))),
        }
    }
}

/// The first rule that is hidden, and the one that hides it.
pub(super) fn first_hidden(claims: &[Claim<'_>]) -> Option<(usize, usize)> {
    claims.iter().enumerate().find_map(|(index, later)| {
        let by = claims.iter().take(index).position(|earlier| earlier.covers(later))?;
        Some((index, by))
    })
}

/// Whether the tail takes whatever follows.
fn all(template: &PathTemplate) -> bool {
    matches!(template.tail.as_deref(), Some([Token::Parameter(Converter::Path)]))
}

fn covers_template(own: &PathTemplate, later: &PathTemplate) -> bool {
    let pairs_fit = || own.segments.iter().zip(&later.segments).all(|(own, later)| covers_segment(own, later));
    if own == later {
        return true;
    }
    if own.tail.is_none() {
        return later.tail.is_none() && own.segments.len() == later.segments.len() && pairs_fit();
    }
    // A tail begins with a segment of its own, so the other needs one more than stand before it.
    let there = later.segments.len() + usize::from(later.tail.is_some());
    all(own) && there > own.segments.len() && later.segments.len() >= own.segments.len() && pairs_fit()
}

fn covers_segment(own: &[Token], later: &[Token]) -> bool {
    use Converter::{Float, Int, Str};
    match (own, later) {
        (own, later) if own == later => true,
        ([] | [Token::Literal(_)], _) | (_, []) => false,
        (own, [Token::Literal(text)]) => Pattern::compile(own).is_ok_and(|pattern| pattern.matches(text)),
        ([Token::Parameter(Str)], _) | ([Token::Parameter(Float)], [Token::Parameter(Int)]) => true,
        _ => false,
    }
}

fn covers_methods(own: &RuleSpec, later: &Claim<'_>) -> bool {
    if own.methods.is_none() {
        return true;
    }
    let methods = Methods::new(own.methods.as_deref());
    if later.kind == RouteKind::WebSocket {
        return methods.include(&super::method::Asked::HANDSHAKE);
    }
    // A preflight, too, asks for the method that it names, so the listed methods are all that can be asked.
    later.rule.methods.as_ref().is_some_and(|all| {
        all.iter().all(|method| methods.include(&super::method::Asked::of_rule(&method.to_ascii_uppercase(), None)))
    })
}

fn covers_host(own: Option<&str>, later: Option<&str>) -> bool {
    match (own, later) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(own), Some(later)) if own.eq_ignore_ascii_case(later) => true,
        // A name without parameters is one that requests have.
        (Some(own), Some(later)) => {
            !later.contains('{') && Host::parse(own, Author::Operator).is_ok_and(|host| host.matches(Some(later)))
        }
    }
}

fn covers_field(own: &FieldSpec, later: &FieldSpec) -> bool {
    let same_name = match own.place {
        super::FieldPlace::Header => own.name.eq_ignore_ascii_case(&later.name),
        super::FieldPlace::Cookie => own.name == later.name,
    };
    own.place == later.place
        && same_name
        && (own.test == later.test || (own.test == FieldTest::Present && later.test != FieldTest::Absent))
}
