//! Finds rules that can never match, because an earlier rule takes all their requests.
//!
//! It reports only what is certain. It does not compare different expressions, and it does not find a rule that two
//! earlier rules hide together.

use super::error::RouteError;
use super::host::Host;
use super::method::Methods;
use super::pattern::Pattern;
use super::share::Percent;
use super::template::{Author, Converter, PathTemplate, Token};
use super::{FieldSpec, FieldTest, PathSpec, RouteKind, RuleSpec};

/// A rule in the form in which it is compared.
pub(super) struct Claim<'a> {
    rule: &'a RuleSpec,
    kind: RouteKind,
    /// The templates of its paths. Empty for an expression.
    paths: Vec<PathTemplate>,
}

impl<'a> Claim<'a> {
    /// Prepares a rule. `kind` says which requests it answers.
    pub(super) fn new(rule: &'a RuleSpec, kind: RouteKind) -> Result<Self, RouteError> {
        let paths = match &rule.path {
            PathSpec::Template(template) => vec![PathTemplate::parse(template, Author::Operator)?],
            PathSpec::Prefix(prefix) => PathTemplate::below(prefix),
            PathSpec::Expression(_) => Vec::new(),
        };
        Ok(Self { rule, kind, paths })
    }

    /// Whether it takes every request of `later`. A share can change at any time. So a rule with a share never hides a
    /// rule without one, or one with a larger share.
    fn hides(&self, later: &Self) -> bool {
        let share = match (self.rule.share, later.rule.share) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => own >= other && other.buckets() > 0,
        };
        share && self.covers(later)
    }

    /// Whether both rules have a share of the same requests for the same application.
    fn contradicts(&self, later: &Self) -> bool {
        let shared = self.rule.share.is_some() && later.rule.share.is_some() && self.rule.app == later.rule.app;
        shared && self.covers(later) && later.covers(self)
    }

    /// The rule for messages, with its share and its place in a file.
    fn named(&self) -> String {
        let RuleSpec { text, source, share, .. } = self.rule;
        let share = share.map(|share| format!(" for {share}")).unwrap_or_default();
        if source.is_empty() { format!("`{text}`{share}") } else { format!("`{text}`{share} ({source})") }
    }

    /// Whether every request that matches `later` also matches this rule. Shares do not count.
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

/// Checks that each rule can match, and that no two rules contradict each other.
///
/// # Errors
/// For the first rule that fails, with the rule that hides or contradicts it.
pub(super) fn refuse_idle(claims: &[Claim<'_>]) -> Result<(), RouteError> {
    for (index, later) in claims.iter().enumerate() {
        let mut before = claims.iter().take(index);
        if let Some(other) = before.clone().find(|earlier| earlier.contradicts(later)) {
            let share = later.rule.share.unwrap_or(Percent::of_buckets(0));
            return Err(RouteError::TwoShares { share, other: other.named() }.of(later.rule));
        }
        if let Some(by) = before.find(|earlier| earlier.hides(later)) {
            return Err(RouteError::Hidden { by: by.named() }.of(later.rule));
        }
    }
    Ok(())
}

/// Whether the tail matches everything.
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
    // A tail begins with its own segment. So the other template needs one segment more than those before the tail.
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
        return methods.include(&super::method::RequestMethods::HANDSHAKE);
    }
    // A preflight also counts as the method that it asks for. So the listed methods are all that a request can ask for.
    later.rule.methods.as_ref().is_some_and(|all| {
        all.iter()
            .all(|method| methods.include(&super::method::RequestMethods::of_rule(&method.to_ascii_uppercase(), None)))
    })
}

fn covers_host(own: Option<&str>, later: Option<&str>) -> bool {
    match (own, later) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(own), Some(later)) if own.eq_ignore_ascii_case(later) => true,
        // Without parameters, the later template is a host name itself.
        (Some(own), Some(later)) => {
            !later.contains('{')
                && Host::parse(own, Author::Operator).is_ok_and(|host| host.matches(Some(later.as_bytes())))
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
