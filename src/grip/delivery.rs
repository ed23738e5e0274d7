//! What becomes of an item for one client: whether it gets it, and what its copy says.
//!
//! Apart from the two kinds of holds, which share it. It has no clock and no queue.
//!
//! Spec: GRIP (`prev-id`); Pushpin (`skip-self`, `skip-users`, `require-sub`, `build-id`, `var-subst`, `id_format`).

use std::collections::BTreeMap;

use bytes::Bytes;

use super::instruct::{Channel, Filter, Instruct};
use super::item::Item;
use super::template::render;

/// What a client has subscribed to, and how far it has come.
#[derive(Debug)]
pub(super) struct Subscribed {
    pub channels: Vec<Channel>,
    meta: BTreeMap<String, String>,
}

/// What to do with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemVerdict {
    Deliver,
    Skip,
    /// One before it has not come.
    Gap,
}

impl Subscribed {
    pub(super) fn new(instruct: &Instruct) -> Self {
        Self { channels: instruct.channels.clone(), meta: instruct.meta.clone() }
    }

    fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| *channel.name == *name)
    }

    /// Whether the client gets an item now.
    pub(super) fn verdict(&self, item: &Item) -> ItemVerdict {
        let Some(channel) = self.channel(&item.channel) else { return ItemVerdict::Skip };
        if let Some(seen) = &channel.prev_id {
            if item.id.as_ref() == Some(seen) {
                return ItemVerdict::Skip;
            }
            if item.prev_id.as_ref().is_some_and(|prev_id| prev_id != seen) {
                return ItemVerdict::Gap;
            }
        }
        if channel.filters.iter().all(|filter| self.passes(*filter, item)) {
            ItemVerdict::Deliver
        } else {
            ItemVerdict::Skip
        }
    }

    fn passes(&self, filter: Filter, item: &Item) -> bool {
        let (user, said) = (self.meta.get("user"), |name: &str| item.meta.get(name));
        match filter {
            Filter::SkipSelf => user.is_none() || said("sender") != user,
            Filter::SkipUsers => {
                let skipped = said("skip_users").map(String::as_str).unwrap_or_default();
                !skipped.split(',').any(|name| Some(name.trim()) == user.map(String::as_str))
            }
            Filter::RequireSub => said("require_sub").is_none_or(|name| self.channel(name).is_some()),
            Filter::BuildId | Filter::VarSubst => true,
        }
    }

    /// The client is past this item, whether it got it or not.
    pub(super) fn pass(&mut self, item: &Item) {
        let channel = self.channels.iter_mut().find(|channel| *channel.name == *item.channel);
        // Where the application gives no id, it does not count.
        if let Some((channel, id)) = channel.zip(item.id.as_ref()).filter(|(channel, _)| channel.prev_id.is_some()) {
            channel.prev_id = Some(id.clone());
        }
    }

    /// The client's copy of content that was published on a channel. `written_for` are the filters that it is written for.
    pub(super) fn copy(&self, channel: &str, written_for: Option<&[String]>, content: &Bytes) -> Bytes {
        let is_for = |name: &str| written_for.is_none_or(|filters| filters.iter().any(|filter| filter == name));
        let filters = self.channel(channel).map(|channel| channel.filters.as_slice()).unwrap_or_default();
        filters.iter().fold(content.clone(), |content, filter| match filter {
            Filter::BuildId if is_for("build-id") => self.with_id(&content),
            Filter::VarSubst if is_for("var-subst") => {
                let value = |letter, name: Option<&str>| self.meta.get(name?).filter(|_| letter == b's').cloned();
                render(&content, value).into()
            }
            _ => content,
        })
    }

    /// The beginning of a stream, as the application sent it.
    pub(super) fn beginning(&self, content: Bytes) -> Bytes {
        let builds = self.channels.iter().any(|channel| channel.filters.contains(&Filter::BuildId));
        if builds { self.with_id(&content) } else { content }
    }

    fn with_id(&self, content: &[u8]) -> Bytes {
        let format = self.meta.get("id_format").map(String::as_str).unwrap_or_default();
        let seen = |letter, name: Option<&str>| self.channel(name?).filter(|_| letter == b's')?.prev_id.clone();
        let id = String::from_utf8_lossy(&render(format.as_bytes(), seen)).into_owned();
        let hexadecimal = self.meta.get("id_encoding").is_some_and(|encoding| encoding == "hex");
        let written =
            |id: &str| if hexadecimal { data_encoding::HEXLOWER.encode(id.as_bytes()) } else { id.to_owned() };
        render(content, |letter, given| (letter == b'I').then(|| written(given.unwrap_or(&id)))).into()
    }

    /// `Grip-Last` for each channel with an id.
    pub(super) fn lasts(&self) -> impl Iterator<Item = String> {
        self.channels
            .iter()
            .filter_map(|channel| Some(format!("{}; last-id={}", channel.name, channel.prev_id.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot read its items should fail")]
    use super::*;
    use crate::grip::item::parse;

    fn subscribed(filters: &[Filter]) -> Subscribed {
        let channel = |name: &str, prev_id: Option<&str>, filters: &[Filter]| Channel {
            name: name.into(),
            prev_id: prev_id.map(str::to_owned),
            filters: filters.to_vec(),
        };
        let meta = [("user", "7"), ("id_format", "a:%(a)s")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        Subscribed { channels: vec![channel("a", Some("1"), filters), channel("b", None, &[])], meta: meta.into() }
    }

    fn item(fields: &str) -> Item {
        let json = format!("{{\"items\": [{{{fields}, \"http-stream\": {{\"content\": \"x\"}}}}]}}");
        parse(json.as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn items_come_in_their_order_or_there_is_a_gap() {
        let mut client = subscribed(&[]);
        for (fields, verdict) in [
            (r#""channel": "a", "id": "1", "prev-id": "0""#, ItemVerdict::Skip),
            (r#""channel": "a", "id": "3", "prev-id": "2""#, ItemVerdict::Gap),
            (r#""channel": "a", "id": "2", "prev-id": "1""#, ItemVerdict::Deliver),
            (r#""channel": "a""#, ItemVerdict::Deliver),
            (r#""channel": "b", "id": "3", "prev-id": "2""#, ItemVerdict::Deliver),
            (r#""channel": "c""#, ItemVerdict::Skip),
        ] {
            assert_eq!(client.verdict(&item(fields)), verdict, "{fields}");
        }
        client.pass(&item(r#""channel": "a", "id": "2""#));
        assert_eq!(client.verdict(&item(r#""channel": "a", "id": "3", "prev-id": "2""#)), ItemVerdict::Deliver);
        assert_eq!(client.lasts().collect::<Vec<_>>(), ["a; last-id=2"]);
    }

    #[test]
    fn filters_say_who_gets_an_item() {
        let meta = |text: &str| item(&format!("\"channel\": \"a\", \"meta\": {{{text}}}"));
        for (filter, text, verdict) in [
            (Filter::SkipUsers, r#""skip_users": "1, 7""#, ItemVerdict::Skip),
            (Filter::SkipUsers, r#""skip_users": "17""#, ItemVerdict::Deliver),
            (Filter::SkipSelf, r#""sender": "7""#, ItemVerdict::Skip),
            (Filter::SkipSelf, "", ItemVerdict::Deliver),
            (Filter::RequireSub, r#""require_sub": "b""#, ItemVerdict::Deliver),
            (Filter::RequireSub, r#""require_sub": "z""#, ItemVerdict::Skip),
        ] {
            assert_eq!(subscribed(&[filter]).verdict(&meta(text)), verdict, "{filter:?} {text}");
        }
    }

    #[test]
    fn a_copy_has_the_id_of_its_client() {
        let content = Bytes::from("id: %I 50%% %(user)s");
        let client = subscribed(&[Filter::BuildId, Filter::VarSubst]);
        assert_eq!(client.copy("a", None, &content), "id: a:1 50% 7");
        assert_eq!(client.copy("a", Some(&[]), &content), content);
        assert_eq!(client.copy("b", None, &content), content);
        assert_eq!(client.beginning(content), "id: a:1 50% %(user)s");
    }
}
