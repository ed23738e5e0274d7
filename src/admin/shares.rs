//! `/shares` of the admin listener: lists and sets shares.
//!
//! This is the only path that changes something. In a browser, only the page of this listener can use it, and only with the
//! token, which its user types. A request sets all the shares that it names, or none.
//!
//! Spec: RFC 9110 9.3.4 (PUT), 15.3.3 (202), 15.5.4 (403), 15.5.14 (413), 15.5.21 (422); Fetch 3.2 (`Origin`).

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};

use super::address::Access;
use super::browser::Sender;
use super::http::Show;
use crate::config::live_shares::{SetBy, SetShare, ShareStatus};
use crate::route::Percent;

/// The longest body, in bytes.
const MOST_BODY: usize = 64 * 1024;

/// Status and document, or status and reason.
pub(super) type ShareReply = Result<(StatusCode, Value), (StatusCode, String)>;

/// Handles a request for `/shares`.
pub(super) async fn handle(request: Request<Incoming>, Show { source, access, .. }: &Show) -> ShareReply {
    if request.method() != Method::PUT {
        return Ok((StatusCode::OK, json!({ "shares": source.shares().await })));
    }
    match (Sender::of(request.headers()), access) {
        // The token was checked. Another page cannot send it.
        (Sender::Program, _) | (Sender::OwnPage, Access::Token(_)) => {}
        (Sender::OwnPage, Access::Open) => {
            let why = "the page is read-only, because there is no `--admin-token`";
            return Err((StatusCode::FORBIDDEN, why.to_owned()));
        }
        (Sender::OtherPage, _) => {
            return Err((StatusCode::FORBIDDEN, "another web page cannot change shares".to_owned()));
        }
    }
    let body = Limited::new(request.into_body(), MOST_BODY).collect().await;
    let body =
        body.map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {MOST_BODY} bytes")))?;
    let wanted = parse(&body.to_bytes())?;
    let set = resolve(&wanted, &source.shares().await)?;
    let took = source.set_shares(&set).await;
    for (rule, ShareChange { share, advance }) in &wanted {
        let rises = if *advance { ", from where it rises," } else { "" };
        crate::log::line(format_args!("set the share of `{rule}` to {share}{rises} (admin listener)"));
    }
    let status = if took.0 < took.1 { StatusCode::ACCEPTED } else { StatusCode::OK };
    let shares = source.shares().await;
    Ok((status, json!({ "shares": shares, "workers": { "took": took.0, "of": took.1 } })))
}

fn unprocessable(why: String) -> (StatusCode, String) {
    (StatusCode::UNPROCESSABLE_ENTITY, why)
}

/// The share that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ShareChange {
    share: Percent,
    /// Whether `advance` may raise it from there.
    advance: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Written {
    Share(String),
    #[serde(rename_all = "lowercase")]
    Whole {
        share: String,
        #[serde(default)]
        advance: bool,
    },
}

fn parse(body: &Bytes) -> Result<BTreeMap<String, ShareChange>, (StatusCode, String)> {
    let texts: BTreeMap<String, Written> = serde_json::from_slice(body).map_err(|_| {
        unprocessable("the body must be an object of rules and shares, such as {\"/x=new\": \"25%\"}".to_owned())
    })?;
    let read = |(rule, written): (String, Written)| {
        let (text, advance) = match written {
            Written::Share(text) => (text, false),
            Written::Whole { share, advance } => (share, advance),
        };
        match Percent::parse(&text) {
            Some(share) => Ok((rule, ShareChange { share, advance })),
            None => Err(unprocessable(format!("`{text}` is not a share: write 0% to 100%, with up to two decimals"))),
        }
    };
    texts.into_iter().map(read).collect()
}

fn resolve(
    wanted: &BTreeMap<String, ShareChange>,
    known: &[ShareStatus],
) -> Result<Vec<SetShare>, (StatusCode, String)> {
    let find = |(rule, wanted): (&String, &ShareChange)| match known.iter().find(|own| own.rule == *rule) {
        Some(own) if wanted.advance && !has_steps(own) => {
            Err(unprocessable(format!("`{rule}` has no `advance` in the settings")))
        }
        Some(own) if wanted.advance => Ok(own.set(wanted.share, SetBy::Advance)),
        Some(own) => Ok(own.set(wanted.share, SetBy::Person)),
        None if known.is_empty() => Err(unprocessable("no rule has a share".to_owned())),
        None => {
            let rules: Vec<_> = known.iter().map(|own| format!("`{}`", own.rule)).collect();
            Err(unprocessable(format!("`{rule}` is not a rule with a share; the rules are {}", rules.join(", "))))
        }
    };
    wanted.iter().map(find).collect()
}

fn has_steps(rule: &ShareStatus) -> bool {
    rule.rollback.as_ref().is_some_and(|rollback| !rollback.steps.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_object_of_rules_and_shares_is_taken() {
        for body in ["", "[]", "{\"a\": 5}", "{\"a\": \"5\"}", "{\"a\": \"120%\"}", "{\"a\": \"5%\"", "null"] {
            assert!(parse(&Bytes::from(body)).is_err(), "{body}");
        }
        let read = parse(&Bytes::from("{\"/x=new\": \"12.5%\"}")).unwrap_or_default();
        assert_eq!(read.get("/x=new").map(|wanted| (wanted.share.buckets(), wanted.advance)), Some((1250, false)));
        let read = parse(&Bytes::from("{\"/x=new\": {\"share\": \"5%\", \"advance\": true}}")).unwrap_or_default();
        assert_eq!(read.get("/x=new").map(|wanted| (wanted.share.buckets(), wanted.advance)), Some((500, true)));
    }

    #[test]
    fn all_that_is_named_is_there_or_nothing_changes() {
        let known = ["/a=new", "/b=new"].map(|rule| ShareStatus {
            rule: rule.to_owned(),
            app: "new".to_owned(),
            share: "7%".to_owned(),
            configured: "5%".to_owned(),
            rollback: None,
        });
        let one = |advance| ShareChange { share: Percent::of_buckets(1), advance };
        let wanted = |rules: &[&str]| rules.iter().map(|rule| ((*rule).to_owned(), one(false))).collect();
        let set = resolve(&wanted(&["/b=new"]), &known);
        let by = SetBy::Person;
        assert_eq!(set, Ok(vec![SetShare { rule: "/b=new".to_owned(), configured: 500, share: 1, by }]));
        let rising = resolve(&BTreeMap::from([("/b=new".to_owned(), one(true))]), &known);
        assert!(rising.is_err_and(|(_, why)| why.contains("no `advance`")));
        assert!(
            resolve(&wanted(&["/b=new", "/c=new"]), &known).is_err_and(|(_, why)| why.contains("`/a=new`, `/b=new`"))
        );
    }
}
