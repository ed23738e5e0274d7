//! Parses a template such as `/users/{id:int}/files/{rest:path}`.
//!
//! A rule of the operator is parsed strictly: a typing error in it is an error at start. A route of an application is
//! parsed as its framework does (Starlette's `compile_path`): what does not look like a parameter is plain text. A
//! custom converter of the application matches one segment of text, because nearly all of them do (a date, a slug). If
//! its expression matches slashes, the caller must pass it as `path`.
//!
//! The text of a template is decoded: `%20` in it means these three characters.

use super::error::{RouteError, TemplateFault};

/// What a parameter matches: Starlette's converters, on bytes. (So `{a}{b}` also matches one character of two bytes.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Converter {
    /// `[^/]+`
    Str,
    /// `[0-9]+`
    Int,
    /// `[0-9]+(\.[0-9]+)?`
    Float,
    /// 32 hexadecimal digits, with or without dashes.
    Uuid,
    /// `.*`, including slashes. (Also line feeds, which Python's `.` does not match: a catch-all should match
    /// everything.)
    Path,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Literal(Box<[u8]>),
    Parameter(Converter),
}

/// Who wrote the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    /// A rule: anything unusual is an error.
    Operator,
    /// A route that a framework has accepted: anything unusual is literal text.
    Framework,
}

/// Divides a template into literals and parameters. There are no adjacent or empty literals.
pub(super) fn tokenize(template: &str, author: Author) -> Result<Vec<Token>, TemplateFault> {
    let mut tokens = Vec::new();
    let mut literal = String::new();
    let mut rest = template;
    while let Some(character) = rest.chars().next() {
        if let Some((converter, after)) = parameter(rest) {
            push_literal(&mut tokens, &mut literal);
            tokens.push(Token::Parameter(known(converter, author)?));
            rest = after;
            continue;
        }
        if matches!(character, '{' | '}') && author == Author::Operator {
            return Err(TemplateFault::Brace);
        }
        literal.push(character);
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
    }
    push_literal(&mut tokens, &mut literal);
    Ok(tokens)
}

fn push_literal(tokens: &mut Vec<Token>, literal: &mut String) {
    if !literal.is_empty() {
        tokens.push(Token::Literal(literal.as_bytes().into()));
        literal.clear();
    }
}

/// If `text` begins with a parameter: the name of its converter ("" if there is none), and the text after it.
fn parameter(text: &str) -> Option<(&str, &str)> {
    let (inside, after) = text.strip_prefix('{')?.split_once('}')?;
    let (name, converter) = match inside.split_once(':') {
        Some((name, converter)) => (name, Some(converter)),
        None => (inside, None),
    };
    (is_identifier(name) && converter.is_none_or(is_identifier)).then_some((converter.unwrap_or_default(), after))
}

fn is_identifier(text: &str) -> bool {
    !text.starts_with(|first: char| first.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn known(converter: &str, author: Author) -> Result<Converter, TemplateFault> {
    match converter {
        "" | "str" => Ok(Converter::Str),
        "int" => Ok(Converter::Int),
        "float" => Ok(Converter::Float),
        "uuid" => Ok(Converter::Uuid),
        "path" => Ok(Converter::Path),
        unknown if author == Author::Operator => Err(TemplateFault::Converter(unknown.to_owned())),
        _ => Ok(Converter::Str),
    }
}

/// A path template in the form that the tree of the table needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathTemplate {
    /// The tokens of each segment before the one with the first `path` parameter.
    pub(super) segments: Vec<Vec<Token>>,
    /// Everything from the segment with the first `path` parameter on, including slashes.
    pub(super) tail: Option<Vec<Token>>,
}

impl PathTemplate {
    /// Parses the template of a path.
    pub(super) fn parse(template: &str, author: Author) -> Result<Self, RouteError> {
        let fault = |why| RouteError::Template { template: template.to_owned(), why };
        let path = template.strip_prefix('/').ok_or_else(|| fault(TemplateFault::NoLeadingSlash))?;
        Ok(divide(tokenize(path, author).map_err(fault)?))
    }

    /// The templates of a prefix: itself, and everything below it. The empty prefix has every path.
    pub(super) fn below(prefix: &str) -> Vec<Self> {
        let mut segments = Vec::new();
        for segment in prefix.split('/').skip(1) {
            let mut tokens = Vec::new();
            divide_literal(segment.as_bytes(), &mut segments, &mut tokens);
            segments.push(tokens);
        }
        let rest = Self { segments: segments.clone(), tail: Some(vec![Token::Parameter(Converter::Path)]) };
        if segments.is_empty() { vec![rest] } else { vec![Self { segments, tail: None }, rest] }
    }
}

/// Divides tokens into segments at the slashes of their literals. The first `path` parameter starts the tail, because
/// it may contain slashes.
fn divide(tokens: Vec<Token>) -> PathTemplate {
    let mut segments = Vec::new();
    let mut current = Vec::new();
    let mut tokens = tokens.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            Token::Parameter(Converter::Path) => {
                current.push(token);
                current.extend(tokens);
                return PathTemplate { segments, tail: Some(current) };
            }
            Token::Parameter(_) => current.push(token),
            Token::Literal(text) => divide_literal(&text, &mut segments, &mut current),
        }
    }
    segments.push(current);
    PathTemplate { segments, tail: None }
}

fn divide_literal(text: &[u8], segments: &mut Vec<Vec<Token>>, current: &mut Vec<Token>) {
    for (index, part) in text.split(|byte| *byte == b'/').enumerate() {
        if index > 0 {
            segments.push(std::mem::take(current));
        }
        if !part.is_empty() {
            current.push(Token::Literal(part.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot read its template should fail")]
    use super::*;

    fn literal(text: &str) -> Token {
        Token::Literal(text.as_bytes().into())
    }

    #[test]
    fn a_template_is_cut_at_slashes_and_parameters() {
        let template = PathTemplate::parse("/users/v{n:int}.json/", Author::Operator).unwrap();
        let version = vec![literal("v"), Token::Parameter(Converter::Int), literal(".json")];
        assert_eq!(template.segments, [vec![literal("users")], version, vec![]]);
        assert_eq!(template.tail, None);
    }

    #[test]
    fn the_first_path_parameter_begins_the_tail() {
        let template = PathTemplate::parse("/a/b-{p:path}/raw/{q}", Author::Operator).unwrap();
        assert_eq!(template.segments, [vec![literal("a")]]);
        let tail =
            vec![literal("b-"), Token::Parameter(Converter::Path), literal("/raw/"), Token::Parameter(Converter::Str)];
        assert_eq!(template.tail, Some(tail));
    }

    #[test]
    fn a_prefix_is_read_like_a_template() {
        for prefix in ["/a/b", "/a//b", "/é"] {
            let below = PathTemplate::below(prefix);
            assert_eq!(below.first(), Some(&PathTemplate::parse(prefix, Author::Operator).unwrap()), "{prefix}");
        }
    }

    #[test]
    fn an_operators_mistake_is_an_error() {
        for (template, why) in [
            ("users", TemplateFault::NoLeadingSlash),
            ("", TemplateFault::NoLeadingSlash),
            ("/{id", TemplateFault::Brace),
            ("/id}", TemplateFault::Brace),
            ("/{}", TemplateFault::Brace),
            ("/{a b}", TemplateFault::Brace),
            ("/{7}", TemplateFault::Brace),
            ("/{id:}", TemplateFault::Brace),
            ("/{id:itn}", TemplateFault::Converter("itn".into())),
        ] {
            let error = PathTemplate::parse(template, Author::Operator).unwrap_err();
            assert_eq!(error, RouteError::Template { template: template.into(), why });
        }
    }

    #[test]
    fn a_framework_means_what_it_wrote() {
        let template = PathTemplate::parse("/{}/{day:date}/x}", Author::Framework).unwrap();
        let day = vec![Token::Parameter(Converter::Str)];
        assert_eq!(template.segments, [vec![literal("{}")], day, vec![literal("x}")]]);
    }
}
