//! What is published: items with a channel and one payload for each kind of hold.
//!
//! Pure. The JSON is the same from the admin listener, from `rsgi.publish` and between processes.
//!
//! Spec: GRIP "Control Service"; EPCP "Publishing"; Pushpin (`action`, `content-filters`, `meta`).

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::Value;

/// Fields that belong to the connection, or that the server sets itself.
const NOT_THEIRS: [&str; 5] = ["connection", "content-length", "transfer-encoding", "upgrade", "keep-alive"];

/// One item.
#[derive(Debug)]
pub struct Item {
    pub(super) channel: String,
    pub(super) id: Option<String>,
    pub(super) prev_id: Option<String>,
    pub(super) meta: BTreeMap<String, String>,
    /// Whether it waits for the one before it.
    pub(super) in_order: bool,
    pub(super) stream: Option<Payload<Bytes>>,
    pub(super) response: Option<Payload<Reply>>,
}

/// What one kind of hold gets.
#[derive(Debug)]
pub(super) struct Payload<T> {
    pub action: ItemAction<T>,
    /// Those that the content is written for; `None` when that is not said.
    pub filters: Option<Vec<String>>,
}

#[derive(Debug)]
pub(super) enum ItemAction<T> {
    Send(T),
    Close,
    /// There is something new, which the application knows.
    Hint,
}

/// The response to a held request.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: StatusCode,
    pub reason: Option<Box<[u8]>>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Debug, Deserialize)]
struct WrittenItem {
    channel: String,
    id: Option<String>,
    #[serde(rename = "prev-id")]
    prev_id: Option<String>,
    #[serde(default, rename = "no-seq")]
    no_seq: bool,
    #[serde(default)]
    meta: BTreeMap<String, String>,
    #[serde(default)]
    formats: Formats,
    #[serde(flatten)]
    own: Formats,
}

#[derive(Debug, Default, Deserialize)]
struct Formats {
    #[serde(rename = "http-stream")]
    stream: Option<WrittenPayload>,
    #[serde(rename = "http-response")]
    response: Option<WrittenPayload>,
}

/// What one kind of hold gets, as it is written.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WrittenPayload {
    action: Option<String>,
    #[serde(rename = "content-filters")]
    filters: Option<Vec<String>>,
    content: Option<String>,
    #[serde(rename = "content-bin")]
    content_bin: Option<String>,
    code: Option<u16>,
    reason: Option<String>,
    #[serde(default)]
    headers: Value,
    body: Option<String>,
    #[serde(rename = "body-bin")]
    body_bin: Option<String>,
}

#[derive(Deserialize)]
struct Request {
    items: Vec<WrittenItem>,
}

/// The items of a request to publish.
///
/// # Errors
/// What is wrong with it.
pub fn parse(json: &[u8]) -> Result<Vec<Item>, String> {
    let Request { items } =
        serde_json::from_slice(json).map_err(|error| format!("the items cannot be read: {error}"))?;
    items.into_iter().map(Item::read).collect()
}

impl Item {
    fn read(written: WrittenItem) -> Result<Self, String> {
        let WrittenItem { channel, id, prev_id, no_seq, meta, formats, own } = written;
        let within = |why: String| format!("an item for the channel `{channel}`: {why}");
        let stream = own.stream.or(formats.stream).map(stream).transpose().map_err(within)?;
        let response = own.response.or(formats.response).map(response).transpose().map_err(within)?;
        if stream.is_none() && response.is_none() {
            return Err(within("it has neither `http-stream` nor `http-response`".to_owned()));
        }
        Ok(Self { channel, id, prev_id, meta, in_order: !no_seq, stream, response })
    }

    /// About how many bytes it is.
    pub(super) fn weight(&self) -> usize {
        let stream = match &self.stream {
            Some(Payload { action: ItemAction::Send(content), .. }) => content.len(),
            _ => 0,
        };
        let response = match &self.response {
            Some(Payload { action: ItemAction::Send(reply), .. }) => reply.body.len(),
            _ => 0,
        };
        stream + response + 64
    }
}

fn stream(written: WrittenPayload) -> Result<Payload<Bytes>, String> {
    let action = action(written.action.as_deref(), || {
        content(written.content, written.content_bin, "`content` or `content-bin` in `http-stream`")
    })?;
    Ok(Payload { action, filters: written.filters })
}

fn response(mut written: WrittenPayload) -> Result<Payload<Reply>, String> {
    let (named, filters) = (written.action.take(), written.filters.take());
    Ok(Payload { action: action(named.as_deref(), || written.reply())?, filters })
}

impl WrittenPayload {
    /// The same with a body, if it has none.
    pub(super) fn with_body(mut self) -> Self {
        self.body.get_or_insert_default();
        self
    }

    /// The response that it describes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn reply(self) -> Result<Reply, String> {
        let Self { code, reason, headers, body, body_bin, .. } = self;
        let status = StatusCode::from_u16(code.unwrap_or(200)).ok().filter(|status| status.as_u16() >= 200);
        let status = status.ok_or("`code` is not from 200 to 999")?;
        let body = content(body, body_bin, "`body` or `body-bin` in `http-response`")?;
        let plain = |reason: &String| reason.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        let reason = reason.filter(plain).map(|reason| reason.into_bytes().into());
        Ok(Reply { status, reason, headers: fields(&headers)?, body })
    }
}

fn action<T>(name: Option<&str>, send: impl FnOnce() -> Result<T, String>) -> Result<ItemAction<T>, String> {
    Ok(match name {
        None | Some("send") => ItemAction::Send(send()?),
        Some("close") => ItemAction::Close,
        Some("hint") => ItemAction::Hint,
        Some(other) => return Err(format!("the action `{other}` is none of `send`, `close` and `hint`")),
    })
}

/// Content that may be written in two ways. `names` says how.
///
/// # Errors
/// If it is written in none of them, or is not base64.
pub(super) fn content(text: Option<String>, base64: Option<String>, names: &str) -> Result<Bytes, String> {
    match (text, base64) {
        (_, Some(base64)) => {
            let decoded = data_encoding::BASE64.decode(base64.as_bytes());
            decoded.map(Bytes::from).map_err(|error| format!("it is not base64: {error}"))
        }
        (Some(text), None) => Ok(text.into()),
        (None, None) => Err(format!("there is no {names}")),
    }
}

/// An object, or a list of pairs.
fn fields(written: &Value) -> Result<HeaderMap, String> {
    let pairs: Vec<(&str, &str)> = match written {
        Value::Null => Vec::new(),
        Value::Object(fields) => {
            let pairs = fields.iter().map(|(name, value)| Some((name.as_str(), value.as_str()?)));
            pairs.collect::<Option<_>>().ok_or("a value of `headers` is no text")?
        }
        Value::Array(pairs) => {
            if !pairs.iter().all(|pair| pair.as_array().is_some_and(|pair| pair.len() == 2)) {
                return Err("`headers` has something that is no pair".to_owned());
            }
            pairs
                .iter()
                .map(|pair| Some((pair.get(0)?.as_str()?, pair.get(1)?.as_str()?)))
                .collect::<Option<_>>()
                .ok_or("a value of `headers` is no text")?
        }
        _ => return Err("`headers` is neither an object nor a list of pairs".to_owned()),
    };
    let mut fields = HeaderMap::new();
    for (name, value) in pairs {
        let parsed = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_bytes(value.as_bytes()).ok());
        let (name, value) = parsed.ok_or_else(|| format!("`{name}` is no header field"))?;
        if !NOT_THEIRS.contains(&name.as_str()) {
            fields.append(name, value);
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot read its items should fail")]
    use super::*;

    fn only(json: &str) -> Result<Item, String> {
        parse(json.as_bytes()).map(|mut items| items.remove(0))
    }

    #[test]
    fn both_payloads_are_read() {
        let item = only(
            r#"{"items": [{"channel": "a", "id": "2", "prev-id": "1", "meta": {"user": "x"}, "http-stream": {"content-bin": "aGk="},
            "http-response": {"code": 201, "headers": [["X-A", "b"], ["Content-Length", "9"]], "body": "c"}}]}"#,
        );
        let item = item.unwrap();
        assert_eq!((item.id.as_deref(), item.prev_id.as_deref()), (Some("2"), Some("1")));
        let Some(Payload { action: ItemAction::Send(content), .. }) = &item.stream else { panic!("{item:?}") };
        assert_eq!(content, "hi");
        let Some(Payload { action: ItemAction::Send(reply), .. }) = &item.response else { panic!("{item:?}") };
        assert_eq!((reply.status.as_u16(), &*reply.body, reply.headers.len()), (201, &b"c"[..], 1));
    }

    #[test]
    fn formats_may_have_an_object_of_their_own() {
        let item = only(r#"{"items": [{"channel": "a", "formats": {"http-stream": {"action": "close"}}}]}"#).unwrap();
        assert!(matches!(item.stream, Some(Payload { action: ItemAction::Close, .. })));
    }

    #[test]
    fn mistakes_have_a_reason() {
        for (item, part) in [
            (r#"{"channel": "a"}"#, "neither `http-stream` nor"),
            (r#"{"channel": "a", "ws-message": {"content": "x"}}"#, "neither `http-stream` nor"),
            (r#"{"channel": "a", "http-stream": {}}"#, "no `content`"),
            (r#"{"channel": "a", "http-stream": {"content-bin": "?"}}"#, "not base64"),
            (r#"{"channel": "a", "http-stream": {"action": "x"}}"#, "action `x`"),
            (r#"{"channel": "a", "http-response": {"code": 100, "body": ""}}"#, "200 to 999"),
            (r#"{"channel": "a", "http-response": {"headers": {"a\n": "b"}, "body": ""}}"#, "no header field"),
            (r#"{"http-stream": {"content": "x"}}"#, "missing field `channel`"),
        ] {
            let why = only(&format!("{{\"items\": [{item}]}}")).unwrap_err();
            assert!(why.contains(part), "{item}: {why}");
        }
        assert!(parse(b"[]").is_err());
    }
}
