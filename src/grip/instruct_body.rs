//! What an application asks for in the body of its response: JSON with the type `application/grip-instruct`.
//!
//! Pure. Apart from `instruct.rs`, which reads header fields, because a body has to be whole before it can be read. It has the
//! response for the client too, so nothing of the application's own response reaches the client.
//!
//! Spec: GRIP "HTTP" (`application/grip-instruct`); Pushpin (`mode` may be left out, `meta`, `filters`).

use std::collections::BTreeMap;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use rsgi_bridge::response::response_head::ResponseHead;
use serde::Deserialize;

use super::instruct::{self, Channel, Filter, HoldMode, Instruct};
use super::item::{WrittenPayload, content};
use super::keep_alive::{CUSTOMARY, KeepAlive, at_least};

const TYPE: &[u8] = b"application/grip-instruct";

/// A whole response, and what it asks for.
pub(super) type Read = (Option<Instruct>, Box<ResponseHead>, Bytes);

#[derive(Deserialize)]
struct WrittenInstruct {
    hold: Option<WrittenHold>,
    response: Option<WrittenPayload>,
}

#[derive(Deserialize)]
struct WrittenHold {
    mode: Option<String>,
    channels: Vec<WrittenChannel>,
    timeout: Option<u32>,
    #[serde(rename = "keep-alive")]
    keep_alive: Option<WrittenKeepAlive>,
    #[serde(default)]
    meta: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct WrittenChannel {
    name: String,
    #[serde(rename = "prev-id")]
    prev_id: Option<String>,
    #[serde(default)]
    filters: Vec<String>,
}

#[derive(Deserialize)]
struct WrittenKeepAlive {
    content: Option<String>,
    #[serde(rename = "content-bin")]
    content_bin: Option<String>,
    timeout: Option<u32>,
}

/// Whether the body of a response is an instruction.
pub(super) fn is_announced(head: &ResponseHead) -> bool {
    let kind = head.fields.get(&CONTENT_TYPE).and_then(|value| value.as_bytes().get(..TYPE.len()));
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case(TYPE))
}

/// Reads the body of a response, if it is an instruction. `fields` is what its fields ask for.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(
    fields: Option<Instruct>,
    head: Box<ResponseHead>,
    body: Bytes,
    most_channels: usize,
) -> Result<Read, String> {
    if !is_announced(&head) {
        return Ok((fields, head, body));
    }
    let within = |why: String| format!("`application/grip-instruct`: {why}");
    if head.status != StatusCode::OK || head.fields.contains(&CONTENT_ENCODING) {
        return Err(within("the status must be 200, and the body must not be compressed".to_owned()));
    }
    let written: WrittenInstruct = serde_json::from_slice(&body).map_err(|error| within(error.to_string()))?;
    let reply = written.response.unwrap_or_default().with_body().reply().map_err(within)?;
    let instruct = match written.hold {
        Some(hold) => Some(hold.instruct(fields, most_channels).map_err(within)?),
        None => fields,
    };
    let mut head = ResponseHead::own(reply.status, reply.headers);
    head.reason = reply.reason;
    let body = head.admit(reply.body, false);
    Ok((instruct, head, body))
}

impl WrittenHold {
    fn instruct(self, fields: Option<Instruct>, most_channels: usize) -> Result<Instruct, String> {
        let mode = HoldMode::named(self.mode.as_deref().unwrap_or("response"))?;
        let channels = self.channels.into_iter().map(WrittenChannel::channel).collect::<Result<Vec<_>, _>>()?;
        instruct::check_channels(&channels, Some(mode), most_channels)?;
        Ok(Instruct {
            mode: Some(mode),
            channels,
            timeout: self.timeout.map_or(CUSTOMARY, at_least),
            keep_alive: self.keep_alive.map(WrittenKeepAlive::keep_alive).transpose()?,
            meta: self.meta,
            next: fields.and_then(|fields| fields.next).filter(|_| mode == HoldMode::Stream),
        })
    }
}

impl WrittenChannel {
    fn channel(self) -> Result<Channel, String> {
        let filters = self.filters.iter().map(|name| Filter::named(name)).collect::<Result<_, _>>()?;
        Ok(Channel { name: self.name.into(), prev_id: self.prev_id, filters })
    }
}

impl WrittenKeepAlive {
    fn keep_alive(self) -> Result<KeepAlive, String> {
        let data = content(self.content, self.content_bin, "`content` or `content-bin` in `keep-alive`")?;
        if data.is_empty() {
            return Err("`keep-alive` has no data".to_owned());
        }
        Ok(KeepAlive { data, every: self.timeout.map_or(CUSTOMARY, at_least), always: false })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot make its head should fail")]
    use http::HeaderMap;

    use super::*;

    fn taken(kind: &str, body: &'static str) -> Result<Read, String> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]);
        read(None, ResponseHead::own(StatusCode::OK, headers), Bytes::from_static(body.as_bytes()), 2)
    }

    const KIND: &str = "application/grip-instruct";

    #[test]
    fn what_gripcontrol_sends_is_read() {
        let (instruct, head, body) = taken(
            "application/grip-instruct; charset=utf-8",
            r#"{"hold": {"mode": "stream", "channels": [{"name": "a", "prev-id": "1", "filters": ["skip-self"]}], "timeout": 0,
            "keep-alive": {"content-bin": "aGk=", "timeout": 20}, "meta": {"user": "7"}},
            "response": {"code": 201, "reason": "Made", "headers": {"X-A": "b"}, "body": "c"}}"#,
        )
        .unwrap();
        let instruct = instruct.unwrap();
        assert_eq!((instruct.mode, instruct.timeout.as_secs()), (Some(HoldMode::Stream), 1));
        assert_eq!((&*instruct.channels[0].name, instruct.channels[0].prev_id.as_deref()), ("a", Some("1")));
        assert_eq!(instruct.channels[0].filters, [Filter::SkipSelf]);
        let keep_alive = instruct.keep_alive.unwrap();
        assert_eq!((&*keep_alive.data, keep_alive.every.as_secs()), (&b"hi"[..], 20));
        assert_eq!(instruct.meta.get("user").map(String::as_str), Some("7"));
        assert_eq!((head.status.as_u16(), head.fields.len(), &*body), (201, 1, &b"c"[..]));
    }

    #[test]
    fn the_customary_hold_is_of_the_request_and_other_types_are_left_alone() {
        let (instruct, head, body) = taken(KIND, r#"{"hold": {"channels": [{"name": "a"}]}}"#).unwrap();
        assert_eq!(instruct.unwrap().mode, Some(HoldMode::Response));
        assert_eq!((head.fields.len(), body.len()), (0, 0), "nothing of the response itself");
        let (instruct, head, body) = taken("application/json", "{}").unwrap();
        assert_eq!((instruct.is_none(), head.fields.len(), &*body), (true, 1, &b"{}"[..]));
        assert!(taken(KIND, "{}").unwrap().0.is_none());
    }

    #[test]
    fn mistakes_have_a_reason() {
        for (body, part) in [
            ("held", "expected value"),
            (r#"{"hold": {}}"#, "missing field `channels`"),
            (r#"{"hold": {"channels": []}}"#, "no channel"),
            (r#"{"hold": {"channels": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}}"#, "3 channels"),
            (r#"{"hold": {"mode": "x", "channels": [{"name": "a"}]}}"#, "`response` or `stream`"),
            (r#"{"hold": {"channels": [{"name": "a", "filters": ["x"]}]}}"#, "no filter is called `x`"),
            (r#"{"hold": {"channels": [{"name": "a"}], "keep-alive": {}}}"#, "no `content`"),
            (r#"{"response": {"code": 99}}"#, "200 to 999"),
        ] {
            let why = taken(KIND, body).unwrap_err();
            assert!(why.starts_with("`application/grip-instruct`: ") && why.contains(part), "{body}: {why}");
        }
    }
}
