//! The header fields of a response, as a list in the application's order.
//!
//! A map would need a hash for each field, and loses the order of fields when one is repeated. Responses have few fields,
//! so to look through them is cheaper.
//!
//! Spec: RFC 9110 5.2, 5.3.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The fields. Names are in lower case.
#[derive(Debug, Clone, Default)]
pub struct ResponseFields(Vec<(HeaderName, HeaderValue)>);

impl ResponseFields {
    /// No fields, with room for this many.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// The names, in order. The name of a repeated field is repeated.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().map(|(name, _)| name)
    }

    /// The first value of a field.
    pub fn get(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.get_all(name).next()
    }

    /// All values of a field, in order.
    pub fn get_all(&self, name: &HeaderName) -> impl Iterator<Item = &HeaderValue> {
        self.0.iter().filter(move |(listed, _)| listed == name).map(|(_, value)| value)
    }

    /// Whether there is such a field.
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.get(name).is_some()
    }

    /// Adds a field after all others.
    pub fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push((name, value));
    }

    /// Sets a field to this one value. A field that was there keeps its place.
    pub fn replace(&mut self, name: HeaderName, value: HeaderValue) {
        let mut value = Some(value);
        self.0.retain_mut(|(listed, place)| *listed != name || value.take().map(|value| *place = value).is_some());
        if let Some(value) = value {
            self.0.push((name, value));
        }
    }

    /// Removes a field with all its values. Returns the first of them.
    pub fn remove(&mut self, name: &HeaderName) -> Option<HeaderValue> {
        let value = self.get(name).cloned()?;
        self.0.retain(|(listed, _)| listed != name);
        Some(value)
    }

    /// The fields as a map, which groups repeated fields.
    pub fn into_map(self) -> HeaderMap {
        self.into_map_for(0)
    }

    /// [`ResponseFields::into_map`] with room for so many `more` fields. To enlarge a map means to hash its names again.
    pub fn into_map_for(self, more: usize) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.0.len() + more);
        for (name, value) in self.0 {
            map.append(name, value);
        }
        map
    }
}

impl From<HeaderMap> for ResponseFields {
    fn from(map: HeaderMap) -> Self {
        let mut fields = Self::with_capacity(map.len());
        let mut last = None;
        for (name, value) in map {
            // The map names only the first of a field's values.
            last = name.or(last);
            if let Some(name) = &last {
                fields.append(name.clone(), value);
            }
        }
        fields
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for ResponseFields {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use http::header::{ETAG, SET_COOKIE, VARY};

    use super::*;

    fn fields() -> ResponseFields {
        let fields = [(SET_COOKIE, "a"), (VARY, "x"), (SET_COOKIE, "b")];
        fields.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
    }

    fn shown(fields: &ResponseFields) -> Vec<String> {
        fields.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap_or_default())).collect()
    }

    #[test]
    fn repeated_fields_keep_their_places() {
        assert_eq!(shown(&fields()), ["set-cookie=a", "vary=x", "set-cookie=b"]);
        assert_eq!(fields().get_all(&SET_COOKIE).count(), 2);
        assert_eq!(shown(&fields().into_map().into()), ["set-cookie=a", "set-cookie=b", "vary=x"]);
    }

    #[test]
    fn a_replaced_field_keeps_its_place_and_has_one_value() {
        let mut all = fields();
        all.replace(SET_COOKIE, HeaderValue::from_static("c"));
        all.replace(ETAG, HeaderValue::from_static("d"));
        assert_eq!(shown(&all), ["set-cookie=c", "vary=x", "etag=d"]);
    }

    #[test]
    fn a_field_is_removed_with_all_its_values() {
        let mut all = fields();
        assert_eq!(all.remove(&SET_COOKIE), Some(HeaderValue::from_static("a")));
        assert_eq!(all.remove(&SET_COOKIE), None);
        assert_eq!(shown(&all), ["vary=x"]);
        assert!(!all.contains(&SET_COOKIE));
    }
}
