//! Content codings, and which of them a client accepts.
//!
//! Compressed copies of files and compressed responses use the same request field.
//!
//! Spec: RFC 9110 8.4.1, 12.4.2 (weights), 12.5.3 (`Accept-Encoding`); RFC 7932 (`br`); RFC 8878 (`zstd`).

use http::header::HeaderValue;
use rsgi_bridge::request::fields::RequestFields;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `br`.
    Brotli,
    /// `zstd`.
    Zstd,
    /// `gzip`.
    Gzip,
}

impl Encoding {
    /// The coding of this name.
    pub fn named(name: &str) -> Option<Self> {
        let named = [("br", Self::Brotli), ("zstd", Self::Zstd), ("gzip", Self::Gzip), ("x-gzip", Self::Gzip)];
        named.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, encoding)| encoding)
    }

    /// Its name in header fields.
    pub fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// The value of `Content-Encoding`.
    pub fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }
}

/// The weights that a client gives to codings, in thousandths. `None` means that the client does not name it.
#[derive(Debug, Default)]
pub struct Accepted {
    named: Vec<(Encoding, u16)>,
    any: Option<u16>,
    identity: Option<u16>,
}

impl Accepted {
    /// Reads the fields of a request. Without `Accept-Encoding`, only plain bytes are accepted.
    pub fn of(fields: &RequestFields) -> Self {
        let mut accepted = Self::default();
        for item in fields.texts("accept-encoding").flat_map(|value| value.split(',')) {
            let (name, weight) = item.split_once(';').map_or((item, Some(1000)), |(name, rest)| (name, weight(rest)));
            let (name, weight) = (name.trim(), weight.unwrap_or_default());
            if name == "*" {
                accepted.any = Some(weight);
            } else if name.eq_ignore_ascii_case("identity") {
                accepted.identity = Some(weight);
            } else if let Some(encoding) = Encoding::named(name) {
                accepted.named.push((encoding, weight));
            }
        }
        accepted
    }

    fn weight(&self, encoding: Encoding) -> u16 {
        let named = self.named.iter().find(|(named, _)| *named == encoding).map(|(_, weight)| *weight);
        named.or(self.any).unwrap_or_default()
    }

    /// Those of `offered` that the client prefers to plain bytes, the best first. Equal ones stay in the order of
    /// `offered`.
    pub fn among(&self, offered: &[Encoding]) -> Vec<Encoding> {
        let plain = self.identity.unwrap_or_default();
        let mut wanted: Vec<_> = offered.iter().map(|encoding| (self.weight(*encoding), *encoding)).collect();
        wanted.retain(|(weight, _)| *weight > 0 && *weight >= plain);
        wanted.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        wanted.into_iter().map(|(_, encoding)| encoding).collect()
    }
}

/// The weight in a parameter such as `q=0.5`; `None` if it is invalid.
fn weight(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    let (whole, decimals) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    if !name.trim().eq_ignore_ascii_case("q") || decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths = format!("{decimals:0<3}").parse::<u16>().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Encoding::{Brotli, Gzip, Zstd};
    use super::*;

    #[test]
    fn the_client_has_the_first_word_and_the_server_the_second() {
        for (field, wanted) in [
            ("gzip, deflate, br, zstd", vec![Brotli, Zstd, Gzip]),
            ("gzip", vec![Gzip]),
            ("GZIP;Q=0.5 , br;q=0.4", vec![Gzip, Brotli]),
            ("x-gzip", vec![Gzip]),
            ("br;q=0, *", vec![Zstd, Gzip]),
            ("*;q=0.1", vec![Brotli, Zstd, Gzip]),
            ("*;q=0", vec![]),
            ("gzip;q=0", vec![]),
            ("gzip;q=0.000", vec![]),
            ("gzip;q=1.000", vec![Gzip]),
            ("gzip;q=1.001", vec![]),
            ("gzip;q=2", vec![]),
            ("gzip;q=0.0001", vec![]),
            ("gzip;level=9", vec![]),
            ("gzip;q=x, br", vec![Brotli]),
            ("identity", vec![]),
            ("identity;q=0.5, gzip;q=0.4", vec![]),
            ("identity;q=0.5, gzip;q=0.6", vec![Gzip]),
            ("deflate, compress", vec![]),
            (",, ,gzip", vec![Gzip]),
            ("", vec![]),
        ] {
            let fields = [("accept-encoding", field)].into_iter().collect();
            assert_eq!(Accepted::of(&fields).among(&[Brotli, Zstd, Gzip]), wanted, "{field}");
        }
        assert!(Accepted::of(&RequestFields::default()).among(&[Gzip]).is_empty());
    }
}
