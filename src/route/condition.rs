//! The conditions of a rule besides method, host and path: header fields, cookies, the scheme.
//!
//! Only rules of the operator have them. A repeated field matches if one of its lines does. Values are compared as
//! bytes, completely and exactly.
//!
//! Spec: RFC 9110 section 5 (fields), RFC 6265 section 4.2.1 (`Cookie`).

use http::HeaderName;
use regex::bytes::Regex;
use rsgi_bridge::request::fields::RequestFields;

use super::bucket::cookies;
use super::error::RouteError;
use super::expression::compile;
use super::{FieldPlace, FieldSpec, FieldTest, Scheme};

/// The compiled conditions of a rule.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    scheme: Option<Scheme>,
    fields: Box<[Field]>,
}

#[derive(Debug)]
struct Field {
    place: FieldSource,
    test: Test,
}

#[derive(Debug)]
enum FieldSource {
    Header(HeaderName),
    Cookie(Box<[u8]>),
}

#[derive(Debug)]
enum Test {
    Present,
    Absent,
    Equals(Box<[u8]>),
    Matches(Regex),
}

impl Conditions {
    /// Compiles the conditions of a rule.
    pub(super) fn new(scheme: Option<Scheme>, fields: &[FieldSpec]) -> Result<Self, RouteError> {
        Ok(Self { scheme, fields: fields.iter().map(Field::new).collect::<Result<_, _>>()? })
    }

    /// Whether a request meets every condition.
    pub(super) fn hold(&self, scheme: Scheme, fields: &RequestFields) -> bool {
        self.scheme.is_none_or(|own| own == scheme) && self.fields.iter().all(|field| field.holds(fields))
    }
}

impl Field {
    fn new(spec: &FieldSpec) -> Result<Self, RouteError> {
        let place = match spec.place {
            FieldPlace::Header => {
                let name = HeaderName::from_bytes(spec.name.as_bytes());
                FieldSource::Header(name.map_err(|_| RouteError::FieldName(spec.name.clone()))?)
            }
            FieldPlace::Cookie => FieldSource::Cookie(spec.name.as_bytes().into()),
        };
        let test = match &spec.test {
            FieldTest::Present => Test::Present,
            FieldTest::Absent => Test::Absent,
            FieldTest::Equals(value) => Test::Equals(value.as_bytes().into()),
            FieldTest::Matches(expression) => Test::Matches(compile(expression)?),
        };
        Ok(Self { place, test })
    }

    fn holds(&self, fields: &RequestFields) -> bool {
        match &self.place {
            FieldSource::Header(name) => self.test.holds(fields.all(name.as_str())),
            FieldSource::Cookie(name) => self.test.holds(cookies(fields, name)),
        }
    }
}

impl Test {
    fn holds<'a>(&self, mut values: impl Iterator<Item = &'a [u8]>) -> bool {
        match self {
            Self::Present => values.next().is_some(),
            Self::Absent => values.next().is_none(),
            Self::Equals(wanted) => values.any(|value| value == &**wanted),
            Self::Matches(expression) => values.any(|value| expression.is_match(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot compile its condition should fail")]
    use super::*;

    fn holds(place: FieldPlace, name: &str, test: FieldTest, headers: &[(&'static str, &'static str)]) -> bool {
        let spec = FieldSpec { place, name: name.to_owned(), test };
        let fields = headers.iter().copied().collect();
        Conditions::new(None, &[spec]).unwrap().hold(Scheme::Http, &fields)
    }

    #[test]
    fn one_line_of_a_repeated_field_is_enough() {
        let twice = [("x-a", "1"), ("x-a", "2")];
        assert!(holds(FieldPlace::Header, "X-A", FieldTest::Equals("2".into()), &twice));
        assert!(!holds(FieldPlace::Header, "X-A", FieldTest::Equals("1, 2".into()), &twice));
        assert!(holds(FieldPlace::Header, "x-a", FieldTest::Present, &twice));
        assert!(!holds(FieldPlace::Header, "x-a", FieldTest::Absent, &twice));
        assert!(holds(FieldPlace::Header, "x-b", FieldTest::Absent, &twice));
    }

    #[test]
    fn an_expression_matches_the_whole_value() {
        let header = [("x-a", "beta-7")];
        for (expression, fits) in [("beta-[0-9]", true), ("beta", false), ("eta-7", false), ("x|beta-7", true)] {
            assert_eq!(holds(FieldPlace::Header, "x-a", FieldTest::Matches(expression.into()), &header), fits);
        }
    }

    #[test]
    fn cookies_are_found_in_any_line_and_by_their_whole_name() {
        let cookies = [("cookie", "a=1; beta=x=y"), ("cookie", "beta=2;  c=\"q\"; naked")];
        for (name, test, fits) in [
            ("beta", FieldTest::Equals("x=y".into()), true),
            ("beta", FieldTest::Equals("2".into()), true),
            ("eta", FieldTest::Present, false),
            ("c", FieldTest::Equals("\"q\"".into()), true),
            ("naked", FieldTest::Present, false),
            ("Beta", FieldTest::Absent, true),
        ] {
            assert_eq!(holds(FieldPlace::Cookie, name, test.clone(), &cookies), fits, "{name} {test:?}");
        }
    }
}
