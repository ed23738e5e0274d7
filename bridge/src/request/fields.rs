//! The header fields of one request: names and values as ranges of one block of bytes, in the client's order.
//!
//! Apart from `environ` and `scope`, which are made from it, because everything else that looks at a request reads its fields here too.
//! A map would need an allocation and a hash for each field. A request has few fields, and few of them are ever looked for, so
//! comparing names one after another is faster.
//!
//! Spec: RFC 9110 5.1 (names in any case), 5.2, 5.3 (order, repeated fields).

use std::ops::Range;

use http::HeaderMap;

/// The fields of a request. Names are lower-case.
#[derive(Debug, Clone, Default)]
pub struct RequestFields {
    bytes: Vec<u8>,
    places: Vec<FieldRange>,
    /// Whether a name comes more than once.
    repeats: bool,
    /// Which kinds of names there are.
    seen: u64,
}

/// Where a field is in the bytes.
#[derive(Debug, Clone)]
struct FieldRange {
    name: Range<usize>,
    value: Range<usize>,
}

impl RequestFields {
    /// The fields of a head that was checked. `section` has their lines, `places` says where in it names and values are.
    pub fn of_lines(section: &[u8], places: impl ExactSizeIterator<Item = (Range<usize>, Range<usize>)>) -> Self {
        let (bytes, list) = (section.to_vec(), Vec::with_capacity(places.len()));
        let mut fields = Self { bytes, places: list, ..Self::default() };
        for (name, value) in places {
            if let Some(name) = fields.bytes.get_mut(name.clone()) {
                name.make_ascii_lowercase();
            }
            fields.push(FieldRange { name, value });
        }
        fields
    }

    /// No fields, with room for this many, and for so many bytes of names and values.
    pub fn with_capacity(fields: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), places: Vec::with_capacity(fields), ..Self::default() }
    }

    /// Adds a field behind the others.
    pub fn append(&mut self, name: &str, value: &[u8]) {
        let name = self.store(name.as_bytes());
        if let Some(name) = self.bytes.get_mut(name.clone()) {
            name.make_ascii_lowercase();
        }
        let value = self.store(value);
        self.push(FieldRange { name, value });
    }

    /// Sets a field that comes once from now on: where the first of this name was, or behind the others.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        let Some(at) = self.places.iter().position(|place| self.part(&place.name) == name.as_bytes()) else {
            return self.append(name, value);
        };
        let value = self.store(value);
        if let Some(place) = self.places.get_mut(at) {
            place.value = value;
        }
        self.retain(|index, own| index <= at || own != name.as_bytes());
    }

    /// Removes all fields of a name.
    pub fn remove(&mut self, name: &str) {
        if self.contains(name) {
            self.retain(|_, own| own != name.as_bytes());
        }
    }

    /// How many there are, each repeat counted.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether a name comes more than once.
    pub fn has_repeats(&self) -> bool {
        self.repeats
    }

    /// Names and values, in the client's order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> + Clone {
        self.places.iter().map(|place| (self.part(&place.name), self.part(&place.value)))
    }

    /// The values of all fields of a name. As for all names here, it is in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a [u8]> + Clone {
        self.places.iter().filter(|place| self.is_named(place, name)).map(|place| self.part(&place.value))
    }

    /// The value of the first field of a name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.places.iter().find(|place| self.is_named(place, name)).map(|place| self.part(&place.value))
    }

    /// Whether there is a field of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// [`RequestFields::all`] that are text of visible ASCII characters.
    pub fn texts<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a str> + Clone {
        self.all(name).filter_map(visible)
    }

    /// [`RequestFields::get`], if it is text of visible ASCII characters.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(visible)
    }

    /// The fields as an application sees those that repeat: their values joined, where the first of them is. `joins` says which names.
    pub fn joined(&self, joins: impl Fn(&[u8]) -> bool) -> impl Iterator<Item = (&[u8], std::borrow::Cow<'_, [u8]>)> {
        self.iter().enumerate().filter_map(move |(index, (name, value))| {
            if !self.repeats || !joins(name) {
                return Some((name, value.into()));
            }
            if self.iter().take(index).any(|(earlier, _)| earlier == name) {
                return None;
            }
            let mut later = self.iter().skip(index + 1).filter(|(later, _)| *later == name).peekable();
            if later.peek().is_none() {
                return Some((name, value.into()));
            }
            let mut whole = value.to_vec();
            for (_, more) in later {
                whole.extend_from_slice(separator(name));
                whole.extend_from_slice(more);
            }
            Some((name, whole.into()))
        })
    }

    fn is_named(&self, place: &FieldRange, name: &str) -> bool {
        place.name.len() == name.len() && self.part(&place.name) == name.as_bytes()
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    fn store(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    fn push(&mut self, place: FieldRange) {
        let name = self.part(&place.name);
        // Names of one kind are seldom the same; names of two kinds never are.
        let (first, last) = (name.first().copied().unwrap_or(0), name.last().copied().unwrap_or(0));
        let kind = name.len().wrapping_mul(7) ^ usize::from(first).wrapping_mul(5) ^ usize::from(last);
        let kind = 1 << (kind % 64);
        if self.seen & kind != 0 && !self.repeats {
            let repeats = self.iter().any(|(earlier, _)| earlier == name);
            self.repeats = repeats;
        }
        self.seen |= kind;
        self.places.push(place);
    }

    fn retain(&mut self, keep: impl Fn(usize, &[u8]) -> bool) {
        let (bytes, mut index) = (&self.bytes, 0);
        self.places.retain(|place| {
            index += 1;
            keep(index - 1, bytes.get(place.name.clone()).unwrap_or_default())
        });
    }
}

/// How repeats of a field are joined.
pub fn separator(name: &[u8]) -> &'static [u8] {
    if name == b"cookie" { b"; " } else { b"," }
}

/// Bytes as text, if each is a visible ASCII character, a space or a tab.
fn visible(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')).then_some(text)
}

impl From<&HeaderMap> for RequestFields {
    fn from(map: &HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in map {
            fields.append(name.as_str(), value.as_bytes());
        }
        fields
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for RequestFields {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let mut fields = Self::default();
        for (name, value) in pairs {
            fields.append(name, value.as_bytes());
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(fields: &RequestFields) -> String {
        let lines = fields.iter().map(|(name, value)| format!("{}={}", name.escape_ascii(), value.escape_ascii()));
        lines.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_order_is_the_clients_and_names_are_lower_case() {
        let section = b"Host: h\r\nX-A: 1\r\nx-b:\r\nX-a: 2\r\n";
        let places = [(0..4, 6..7), (9..12, 14..15), (17..20, 21..21), (23..26, 28..29)];
        let fields = RequestFields::of_lines(section, places.into_iter());
        assert_eq!(shown(&fields), "host=h x-a=1 x-b= x-a=2");
        assert_eq!(fields.get("x-a"), Some(b"1".as_slice()));
        assert_eq!(fields.all("x-a").rev().collect::<Vec<_>>(), [b"2", b"1"]);
        assert_eq!(fields.get("x-b"), Some(b"".as_slice()));
        assert!(fields.has_repeats() && !fields.contains("x-c") && fields.len() == 4);
    }

    #[test]
    fn what_is_set_comes_once_in_the_place_of_the_first() {
        let mut fields: RequestFields = [("a", "1"), ("b", "2"), ("A", "3"), ("c", "4")].into_iter().collect();
        fields.set("a", b"5");
        fields.set("d", b"6");
        assert_eq!(shown(&fields), "a=5 b=2 c=4 d=6");
        fields.remove("b");
        fields.remove("x");
        assert_eq!(shown(&fields), "a=5 c=4 d=6");
    }

    #[test]
    fn repeats_are_joined_at_the_first() {
        let pairs = [("cookie", "a=1"), ("x-a", "1"), ("x-b", "0"), ("Cookie", "b=2"), ("X-A", "2"), ("x-a", "3")];
        let fields: RequestFields = pairs.into_iter().collect();
        let joined = |joins: fn(&[u8]) -> bool| {
            let all: Vec<_> = fields.joined(joins).map(|(_, value)| value.escape_ascii().to_string()).collect();
            all.join(" | ")
        };
        assert_eq!(joined(|_| true), "a=1; b=2 | 1,2,3 | 0");
        assert_eq!(joined(|name| name == b"cookie"), "a=1; b=2 | 1 | 0 | 2 | 3");
    }

    #[test]
    fn a_repeat_is_seen_among_all_names() {
        for count in 1..200 {
            let names: Vec<_> = (0..count).map(|number| format!("x-{number}")).collect();
            let mut fields: RequestFields = names.iter().map(|name| (name.as_str(), "")).collect();
            assert!(!fields.has_repeats(), "{count}");
            fields.append(&names[count / 2], b"");
            assert!(fields.has_repeats(), "{count}");
        }
    }

    #[test]
    fn text_is_of_visible_characters() {
        let mut fields = RequestFields::default();
        for value in [b"a b\t~".as_slice(), b"a\xc3\xa9", b"\x7f", b""] {
            fields.append("a", value);
        }
        assert_eq!(fields.texts("a").collect::<Vec<_>>(), ["a b\t~", ""]);
        assert_eq!(fields.text("a"), Some("a b\t~"));
    }
}
