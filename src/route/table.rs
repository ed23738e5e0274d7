//! An ordered list of rows (methods, host, path template). Finds the first row that matches a request.
//!
//! The rules of the operator and the routes of an application use the same table. The paths of the rows form a tree,
//! with a level for each segment. Static segments are looked up, patterns are tried. A row whose `path` parameter may
//! contain slashes ends in a *tail*, which is matched against the rest of the path.
//!
//! The search follows every branch that matches, because a request whose method does not fit one row may fit another.
//! Each node knows its lowest row, so a branch with only later rows is skipped. The search visits each node at most
//! once, so no path costs more than the size of the tree.

use std::collections::HashMap;

use regex::bytes::Regex;
use rsgi_bridge::request::fields::RequestFields;

use super::condition::Conditions;
use super::error::{RouteError, TemplateFault};
use super::expression::compile;
use super::host::Host;
use super::method::{Methods, RequestMethods};
use super::path::{as_text, split_segment};
use super::pattern::Pattern;
use super::share::{Draw, Share};
use super::template::{Author, PathTemplate, Token};
use super::{PathSpec, RouteKind, RouteSpec, RuleSpec, Scheme};

/// Stands for "none so far" in the search for the lowest row.
const NO_ROW: usize = usize::MAX;

/// The parts of a row besides its path.
#[derive(Debug)]
struct Row {
    kind: RouteKind,
    methods: Methods,
    host: Option<Host>,
    conditions: Conditions,
    /// Whether the other application is asked if this one has nothing there.
    falls_through: bool,
    /// Whether the application refuses what matches. Then no later row is tried.
    refuses: bool,
    /// Its share of the clients, if it has one.
    share: Option<Share>,
}

/// The result of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The first row that matches.
    Row(usize),
    /// The first row that matches, and it refuses the request.
    Refused(usize),
    Nothing,
}

/// The parts of a request besides its path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'a> {
    pub(super) websocket: bool,
    pub(super) methods: RequestMethods<'a>,
    pub(super) host: Option<&'a [u8]>,
    pub(super) scheme: Scheme,
    pub(super) fields: &'a RequestFields,
    /// The bucket of the client. Without it, rows with a share do not match.
    pub(super) draw: Option<&'a Draw<'a>>,
}

/// The rows and the tree of their paths.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
    root: Node,
    /// The rows with regular expressions, which are not in the tree, in order.
    expressions: Vec<(Regex, usize)>,
}

#[derive(Debug)]
struct Node {
    /// The lowest row in this branch.
    lowest: usize,
    /// Rows whose template ends here, in order.
    ends: Vec<usize>,
    names: HashMap<Box<[u8]>, Node>,
    /// The child for the empty segment (`/`, or a final slash). It is common, and would be the slowest name to look up
    /// (see `strip` in `pattern.rs`).
    empty: Option<Box<Node>>,
    patterns: Vec<(Pattern, Node)>,
    /// In the order of their rows.
    tails: Vec<(Pattern, usize)>,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            lowest: NO_ROW,
            ends: Vec::new(),
            names: HashMap::new(),
            empty: None,
            patterns: Vec::new(),
            tails: Vec::new(),
        }
    }
}

impl Table {
    /// Appends a route of an application. The first row has index 0.
    pub(super) fn push_route(&mut self, route: &RouteSpec) -> Result<(), RouteError> {
        let host = route.host.as_deref().map(|host| Host::parse(host, Author::Framework)).transpose()?;
        self.insert(&PathTemplate::parse(&route.path, Author::Framework)?, &route.path)?;
        let (methods, conditions) = (Methods::new(route.methods.as_deref()), Conditions::default());
        let &RouteSpec { kind, falls_through, refuses, .. } = route;
        self.rows.push(Row { kind, methods, host, conditions, falls_through, refuses, share: None });
        Ok(())
    }

    /// Appends a rule of the operator. `kind` says what it answers.
    pub(super) fn push_rule(&mut self, rule: &RuleSpec, kind: RouteKind) -> Result<(), RouteError> {
        let host = rule.host.as_deref().map(|host| Host::parse(host, Author::Operator)).transpose()?;
        let conditions = Conditions::new(rule.scheme, &rule.fields)?;
        match &rule.path {
            PathSpec::Template(path) => self.insert(&PathTemplate::parse(path, Author::Operator)?, path)?,
            PathSpec::Prefix(prefix) => {
                PathTemplate::below(prefix).iter().try_for_each(|template| self.insert(template, prefix))?;
            }
            PathSpec::Expression(expression) => self.expressions.push((compile(expression)?, self.rows.len())),
        }
        let methods = Methods::new(rule.methods.as_deref());
        let share = rule.share.map(|share| Share::new(share, rule.app));
        self.rows.push(Row { kind, methods, host, conditions, falls_through: false, refuses: false, share });
        Ok(())
    }

    /// The rows with a share.
    pub(super) fn shares(&self) -> impl Iterator<Item = (usize, &Share)> {
        self.rows.iter().enumerate().filter_map(|(row, it)| Some((row, it.share.as_ref()?)))
    }

    /// Adds a template for the next row.
    fn insert(&mut self, template: &PathTemplate, written: &str) -> Result<(), RouteError> {
        self.root
            .insert(&template.segments, template.tail.as_deref(), self.rows.len())
            .map_err(|why| RouteError::Template { template: written.to_owned(), why })
    }

    /// Whether there are no rows.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether the other application is asked if the application of this row has nothing there.
    pub(super) fn falls_through(&self, row: usize) -> bool {
        self.rows.get(row).is_some_and(|row| row.falls_through)
    }

    /// The first row that matches a decoded path and the rest of its request.
    pub(super) fn find(&self, path: &[u8], query: &Query<'_>) -> Found {
        let Some(below) = path.strip_prefix(b"/") else {
            return Found::Nothing;
        };
        let mut search = Search { rows: &self.rows, query, best: NO_ROW };
        self.root.search(below, &mut search);
        search.try_expressions(&self.expressions, path);
        match self.rows.get(search.best) {
            Some(row) if row.refuses => Found::Refused(search.best),
            Some(_) => Found::Row(search.best),
            None => Found::Nothing,
        }
    }
}

impl Row {
    fn fits(&self, query: &Query<'_>) -> bool {
        let of_its_kind = match self.kind {
            RouteKind::Http => !query.websocket,
            RouteKind::WebSocket => query.websocket,
            RouteKind::Any => true,
        };
        of_its_kind
            && self.methods.include(&query.methods)
            && self.host.as_ref().is_none_or(|host| host.matches(query.host))
            && self.conditions.hold(query.scheme, query.fields)
    }
}

impl Node {
    /// Adds a row below this node: the remaining segments of its template, then its tail.
    fn insert(&mut self, segments: &[Vec<Token>], tail: Option<&[Token]>, row: usize) -> Result<(), TemplateFault> {
        self.lowest = self.lowest.min(row);
        let Some((segment, below)) = segments.split_first() else {
            match tail {
                Some(tail) => self.tails.push((Pattern::compile(tail)?, row)),
                None => self.ends.push(row),
            }
            return Ok(());
        };
        match segment.as_slice() {
            [] => self.empty.get_or_insert_default().insert(below, tail, row),
            [Token::Literal(name)] => self.names.entry(name.clone()).or_default().insert(below, tail, row),
            variable => {
                let (pattern, mut child) = self.take(Pattern::compile(variable)?);
                child.insert(below, tail, row)?;
                self.patterns.push((pattern, child));
                Ok(())
            }
        }
    }

    /// Removes and returns the child for a pattern, or makes a new one.
    fn take(&mut self, pattern: Pattern) -> (Pattern, Self) {
        match self.patterns.iter().position(|(own, _)| *own == pattern) {
            Some(at) => self.patterns.swap_remove(at),
            None => (pattern, Self::default()),
        }
    }

    fn search(&self, path: &[u8], search: &mut Search<'_>) {
        for (pattern, row) in &self.tails {
            if *row < search.best && pattern.matches(path) {
                search.offer(*row);
            }
        }
        let (segment, rest) = split_segment(path);
        let named = if segment.is_empty() { self.empty.as_deref() } else { self.names.get(segment) };
        if let Some(child) = named {
            child.enter(rest, search);
        }
        for (pattern, child) in &self.patterns {
            if child.lowest < search.best && pattern.matches(segment) {
                child.enter(rest, search);
            }
        }
    }

    /// If the path has ended, offers the rows that end here. Otherwise searches the rest of the path.
    fn enter(&self, rest: Option<&[u8]>, search: &mut Search<'_>) {
        match rest {
            Some(path) if self.lowest < search.best => self.search(path, search),
            Some(_) => {}
            None => self.ends.iter().for_each(|row| search.offer(*row)),
        }
    }
}

/// A running search.
struct Search<'a> {
    rows: &'a [Row],
    query: &'a Query<'a>,
    best: usize,
}

impl Search<'_> {
    /// Takes a row whose path matches, if it comes before the best row so far and the rest of the request matches.
    /// Checks the share last, so that a share is only checked if it matters.
    fn offer(&mut self, row: usize) {
        let Some(candidate) = self.rows.get(row).filter(|candidate| row < self.best && candidate.fits(self.query))
        else {
            return;
        };
        let admits = |share| self.query.draw.is_some_and(|draw| draw.admits(row, share));
        if candidate.share.as_ref().is_none_or(admits) {
            self.best = row;
        }
    }

    /// Tries the expressions that come before the best row so far.
    fn try_expressions(&mut self, expressions: &[(Regex, usize)], path: &[u8]) {
        if expressions.first().is_none_or(|(_, row)| *row > self.best) {
            return;
        }
        let text = as_text(path);
        for (expression, row) in expressions {
            if *row < self.best && expression.is_match(text.as_bytes()) {
                self.offer(*row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot fill its table should fail")]
    use super::*;

    fn table(rows: &[(RouteKind, &str)]) -> Table {
        let mut table = Table::default();
        for (kind, path) in rows {
            table.push_route(&route(*kind, path)).unwrap();
        }
        table
    }

    fn route(kind: RouteKind, path: &str) -> RouteSpec {
        RouteSpec { kind, methods: None, host: None, path: path.to_owned(), refuses: false, falls_through: false }
    }

    fn find(table: &Table, path: &str, websocket: bool) -> Option<usize> {
        let (scheme, fields) = (Scheme::Http, &RequestFields::default());
        match table.find(
            path.as_bytes(),
            &Query { websocket, methods: RequestMethods::ANY, host: None, scheme, fields, draw: None },
        ) {
            Found::Row(index) => Some(index),
            Found::Refused(_) | Found::Nothing => None,
        }
    }

    #[test]
    fn a_row_that_refuses_hides_what_follows_and_nothing_before_it() {
        let mut table = table(&[(RouteKind::Http, "/a/b")]);
        table.push_route(&RouteSpec { refuses: true, ..route(RouteKind::Any, "/a/{rest:path}") }).unwrap();
        table.push_route(&route(RouteKind::Http, "/a/{x}")).unwrap();
        let (scheme, fields) = (Scheme::Http, &RequestFields::default());
        let query = Query { websocket: false, methods: RequestMethods::ANY, host: None, scheme, fields, draw: None };
        assert_eq!(table.find(b"/a/b", &query), Found::Row(0));
        assert_eq!(table.find(b"/a/c", &query), Found::Refused(1));
        assert_eq!(table.find(b"/b", &query), Found::Nothing);
    }

    #[test]
    fn the_first_row_wins_whatever_its_shape() {
        let table = table(&[
            (RouteKind::Http, "/a/{x}"),
            (RouteKind::Http, "/a/b"),
            (RouteKind::Http, "/{p:path}"),
            (RouteKind::Http, "/c"),
        ]);
        assert_eq!(find(&table, "/a/b", false), Some(0));
        assert_eq!(find(&table, "/a/", false), Some(2));
        assert_eq!(find(&table, "/", false), Some(2));
        assert_eq!(find(&table, "/c", false), Some(2));
        assert_eq!(find(&table, "*", false), None);
    }

    #[test]
    fn a_branch_that_ends_nowhere_is_left_again() {
        let table = table(&[(RouteKind::Http, "/a/b/c"), (RouteKind::Http, "/a/{x}/d"), (RouteKind::Http, "/{x}/b/e")]);
        assert_eq!(find(&table, "/a/b/d", false), Some(1));
        assert_eq!(find(&table, "/a/b/e", false), Some(2));
        assert_eq!(find(&table, "/a/b/f", false), None);
    }

    #[test]
    fn kinds_are_kept_apart() {
        let table = table(&[(RouteKind::Http, "/x"), (RouteKind::WebSocket, "/x"), (RouteKind::Any, "/{p:path}")]);
        assert_eq!(find(&table, "/x", false), Some(0));
        assert_eq!(find(&table, "/x", true), Some(1));
        assert_eq!(find(&table, "/y", true), Some(2));
    }
}
