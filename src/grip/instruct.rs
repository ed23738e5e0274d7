//! What an application asks for: the `Grip-*` fields of its response.
//!
//! Pure: `answer.rs` does what it says. All such fields are taken out of the response, so that no client sees one.
//!
//! Spec: GRIP "HTTP" (`Grip-Hold`, `Grip-Channel`, `Grip-Timeout`, `Grip-Keep-Alive`); Pushpin (`Grip-Set-Meta`, `Grip-Status`,
//! `Grip-Link`, filters).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, StatusCode};
use rsgi_bridge::response::response_head::ResponseHead;

use super::fields::{parameter, split};
use super::keep_alive::{CUSTOMARY, KeepAlive, seconds};

/// How long a stream goes on until its link is followed, if the application does not say.
const LINK_CUSTOMARY: Duration = Duration::from_secs(120);

/// What a response asks for.
#[derive(Debug, Clone)]
pub(super) struct Instruct {
    /// `None` when only the link is to be followed.
    pub mode: Option<HoldMode>,
    pub channels: Vec<Channel>,
    /// Of a held request.
    pub timeout: Duration,
    pub keep_alive: Option<KeepAlive>,
    pub meta: BTreeMap<String, String>,
    /// Where the stream goes on.
    pub next: Option<Link>,
}

/// The two kinds of holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HoldMode {
    /// The first item is the response.
    Response,
    /// Items follow the response.
    Stream,
}

/// One channel of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Channel {
    pub name: Arc<str>,
    /// The id of the last item that the application has seen on it.
    pub prev_id: Option<String>,
    pub filters: Vec<Filter>,
}

/// What is done with items of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    SkipSelf,
    SkipUsers,
    RequireSub,
    BuildId,
    VarSubst,
}

/// Where a stream goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub target: String,
    pub after: Duration,
}

impl Filter {
    pub(super) fn named(name: &str) -> Result<Self, String> {
        Ok(match name {
            "skip-self" => Self::SkipSelf,
            "skip-users" => Self::SkipUsers,
            "require-sub" => Self::RequireSub,
            "build-id" => Self::BuildId,
            "var-subst" => Self::VarSubst,
            _ => return Err(format!("no filter is called `{name}`")),
        })
    }
}

impl HoldMode {
    pub(super) fn named(name: &str) -> Result<Self, String> {
        match name {
            "response" => Ok(Self::Response),
            "stream" => Ok(Self::Stream),
            other => Err(format!("the hold is `{other}`, and must be `response` or `stream`")),
        }
    }
}

/// Whether a response says something in its fields.
pub(super) fn is_given(head: &ResponseHead) -> bool {
    head.fields.names().any(is_grip)
}

/// Looks at the channels of an instruction.
///
/// # Errors
/// If there are too many, or none for a hold.
pub(super) fn check_channels(channels: &[Channel], mode: Option<HoldMode>, most: usize) -> Result<(), String> {
    match channels.len() {
        0 if mode.is_some() => Err("there is a hold, but no channel (`Grip-Channel`)".to_owned()),
        number if number > most => Err(format!("{number} channels are more than the {most} of `--grip-max-channels`")),
        _ => Ok(()),
    }
}

fn is_grip(name: &HeaderName) -> bool {
    name.as_str().starts_with("grip-")
}

/// Takes the instruction out of a response; `None` when it is to be sent as it is.
///
/// # Errors
/// What is wrong with it.
pub(super) fn take(head: &mut ResponseHead, most_channels: usize) -> Result<Option<Instruct>, String> {
    let names: Vec<_> = head.fields.names().filter(|name| is_grip(name)).cloned().collect();
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in names {
        // The name of a repeated field is repeated.
        if lines.contains_key(name.as_str()) {
            continue;
        }
        let values = head.fields.get_all(&name).map(|value| utf8(&name, value.as_bytes()));
        lines.insert(name.as_str().to_owned(), values.collect::<Result<_, _>>()?);
        head.remove(&name);
    }
    let instruct = read(&lines, most_channels)?;
    if let Some(text) = one(&lines, "grip-status")? {
        let code = text.split(' ').next().unwrap_or_default();
        let status = code.parse().ok().and_then(|code: u16| StatusCode::from_u16(code).ok());
        let status = status.filter(|status| status.as_u16() >= 200);
        head.status = status.ok_or_else(|| format!("`Grip-Status: {text}` is no status from 200 to 999"))?;
        head.reason = None;
    }
    Ok(instruct)
}

fn utf8(name: &HeaderName, value: &[u8]) -> Result<String, String> {
    str::from_utf8(value).map(str::to_owned).map_err(|_| format!("`{name}` is not UTF-8"))
}

type Lines = BTreeMap<String, Vec<String>>;

fn read(lines: &Lines, most_channels: usize) -> Result<Option<Instruct>, String> {
    let mode = one(lines, "grip-hold")?.map(HoldMode::named).transpose()?;
    let next = link(lines)?.filter(|_| mode != Some(HoldMode::Response));
    if mode.is_none() && next.is_none() {
        return Ok(None);
    }
    let channels = channels(lines)?;
    check_channels(&channels, mode, most_channels)?;
    let timeout = match one(lines, "grip-timeout")? {
        None => CUSTOMARY,
        Some(text) => seconds("Grip-Timeout", text)?,
    };
    let keep_alive = one(lines, "grip-keep-alive")?.map(KeepAlive::read).transpose()?;
    Ok(Some(Instruct { mode, channels, timeout, keep_alive, meta: meta(lines)?, next }))
}

/// The only value of a field.
fn one<'a>(lines: &'a Lines, name: &str) -> Result<Option<&'a str>, String> {
    match lines.get(name).map(Vec::as_slice) {
        None | Some([]) => Ok(None),
        Some([value]) => Ok(Some(value.trim())),
        Some(_) => Err(format!("`{name}` is there more than once")),
    }
}

fn channels(lines: &Lines) -> Result<Vec<Channel>, String> {
    let mut channels: Vec<Channel> = Vec::new();
    for element in lines.get("grip-channel").into_iter().flatten().flat_map(|line| split(line, ',')) {
        let parts = split(element, ';');
        let (name, parameters) = parts.split_first().ok_or("`Grip-Channel` has an empty channel")?;
        let mut channel = Channel { name: (*name).into(), prev_id: None, filters: Vec::new() };
        for (key, value) in parameters.iter().filter_map(|part| parameter(part)) {
            match key {
                "prev-id" => channel.prev_id = Some(value.into_owned()),
                "filter" => {
                    channel.filters.push(Filter::named(&value).map_err(|why| format!("`Grip-Channel`: {why}"))?);
                }
                // Other proxies may know more.
                _ => {}
            }
        }
        // The same channel twice is one.
        if !channels.iter().any(|known| known.name == channel.name) {
            channels.push(channel);
        }
    }
    Ok(channels)
}

fn meta(lines: &Lines) -> Result<BTreeMap<String, String>, String> {
    let elements = lines.get("grip-set-meta").into_iter().flatten().flat_map(|line| split(line, ','));
    let read = |element: &str| {
        let (name, value) = parameter(split(element, ';').first().copied().unwrap_or_default())
            .ok_or_else(|| format!("`Grip-Set-Meta`: `{element}` is not `name=value`"))?;
        Ok((name.to_owned(), value.into_owned()))
    };
    elements.map(read).collect()
}

fn link(lines: &Lines) -> Result<Option<Link>, String> {
    for element in lines.get("grip-link").into_iter().flatten().flat_map(|line| split(line, ',')) {
        let parts = split(element, ';');
        let target = parts.first().and_then(|part| part.strip_prefix('<')?.strip_suffix('>'));
        let target = target.ok_or_else(|| format!("`Grip-Link: {element}` has no `<link>`"))?;
        let parameters: BTreeMap<_, _> = parts.iter().skip(1).filter_map(|part| parameter(part)).collect();
        if parameters.get("rel").is_none_or(|rel| rel != "next") {
            continue;
        }
        if !target.starts_with('/') || target.starts_with("//") {
            return Err(format!("`Grip-Link: <{target}>` is not a path of this server"));
        }
        let after = parameters.get("timeout").map(|text| seconds("Grip-Link", text)).transpose()?;
        return Ok(Some(Link { target: target.to_owned(), after: after.unwrap_or(LINK_CUSTOMARY) }));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot make its fields should fail")]
    use http::HeaderMap;

    use super::*;

    fn taken(fields: &[(&'static str, &str)]) -> (ResponseHead, Result<Option<Instruct>, String>) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let mut head = *ResponseHead::own(StatusCode::OK, headers);
        let instruct = take(&mut head, 3);
        (head, instruct)
    }

    #[test]
    fn what_django_eventstream_sends_is_read() {
        let (head, instruct) = taken(&[
            ("content-type", "text/event-stream"),
            ("grip-hold", "stream"),
            ("grip-channel", "events-a%2Fb; prev-id=5; filter=build-id; filter=skip-users, user-1; filter=require-sub"),
            ("grip-set-meta", "id_format=\"a%%2Fb:%(events-a%2Fb)s\", user=\"1\""),
            ("grip-channel", "other"),
            ("grip-keep-alive", "event: keep-alive\\ndata:\\n\\n; format=cstring; timeout=20"),
            ("grip-link", "</events/?link=next&recover=true>; rel=next"),
        ]);
        let instruct = instruct.unwrap().unwrap();
        assert_eq!(head.fields.len(), 1, "clients see none of it");
        assert_eq!(instruct.mode, Some(HoldMode::Stream));
        let [events, user, other] = instruct.channels.as_slice() else { panic!("{:?}", instruct.channels) };
        assert_eq!((&*events.name, events.prev_id.as_deref()), ("events-a%2Fb", Some("5")));
        assert_eq!(events.filters, [Filter::BuildId, Filter::SkipUsers]);
        assert_eq!(&*other.name, "other", "from the second line");
        assert_eq!((&*user.name, user.filters.as_slice()), ("user-1", &[Filter::RequireSub][..]));
        assert_eq!(instruct.meta.get("id_format").map(String::as_str), Some("a%%2Fb:%(events-a%2Fb)s"));
        let keep_alive = instruct.keep_alive.unwrap();
        assert_eq!(keep_alive.data, "event: keep-alive\ndata:\n\n");
        assert_eq!((keep_alive.every.as_secs(), keep_alive.always), (20, false));
        let next = instruct.next.unwrap();
        assert_eq!((next.target.as_str(), next.after.as_secs()), ("/events/?link=next&recover=true", 120));
    }

    #[test]
    fn a_response_without_a_hold_is_sent_as_it_is() {
        let (head, instruct) = taken(&[("grip-channel", "a"), ("grip-status", "304")]);
        assert!(instruct.unwrap().is_none());
        assert_eq!((head.fields.len(), head.status.as_u16()), (0, 304));
    }

    #[test]
    fn mistakes_have_a_reason() {
        for (fields, part) in [
            (&[("grip-hold", "forever"), ("grip-channel", "a")][..], "`response` or `stream`"),
            (&[("grip-hold", "stream")], "no channel (`Grip-Channel`)"),
            (&[("grip-hold", "stream"), ("grip-channel", "a,b,c,d")], "4 channels"),
            (&[("grip-hold", "stream"), ("grip-channel", "a; filter=x")], "no filter is called `x`"),
            (&[("grip-hold", "response"), ("grip-channel", "a"), ("grip-timeout", "soon")], "number of seconds"),
            (&[("grip-hold", "stream"), ("grip-channel", "a"), ("grip-keep-alive", "x; format=y")], "format `y`"),
            (&[("grip-hold", "stream"), ("grip-channel", "a"), ("grip-keep-alive", "\\q; format=cstring")], "cstring"),
            (&[("grip-hold", "stream"), ("grip-channel", "a"), ("grip-link", "<http://x/>; rel=next")], "not a path"),
            (&[("grip-hold", "stream"), ("grip-hold", "stream"), ("grip-channel", "a")], "more than once"),
            (&[("grip-status", "99")], "no status"),
        ] {
            let why = taken(fields).1.unwrap_err();
            assert!(why.contains(part), "{fields:?}: {why}");
        }
    }
}
