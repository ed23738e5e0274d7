//! Agrees on compression: which of the client's offers of `permessage-deflate` is accepted, and with which parameters.
//!
//! This is about a header field only; `deflate.rs` compresses.
//!
//! Spec: RFC 7692 5, 7.1; RFC 6455 9.1.

use std::fmt;

use rsgi_bridge::request::fields::RequestFields;

use super::handshake::items;

/// The window size that we ask of a client which accepts a limit. It decides how much memory each connection needs for
/// decompression.
const CLIENT_WINDOW: u8 = 12;
/// The largest window of DEFLATE.
const LARGEST_WINDOW: u8 = 15;

/// The agreed parameters of both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// We compress each message alone, because the client asked for it.
    pub server_stands_alone: bool,
    /// The client compresses each message alone, because it said so.
    pub client_stands_alone: bool,
    /// The bits of our window, if the client limits it.
    server_window: Option<u8>,
    /// The bits of the client's window, if we may limit it.
    client_window: Option<u8>,
}

impl Agreed {
    /// The bits of the window for compression.
    pub fn deflate_bits(self) -> u8 {
        self.server_window.unwrap_or(LARGEST_WINDOW)
    }

    /// The bits of the window for decompression. (An 8-bit window is read with 9 bits.)
    pub fn inflate_bits(self) -> u8 {
        self.client_window.unwrap_or(LARGEST_WINDOW).max(9)
    }
}

/// The value of `Sec-WebSocket-Extensions` in the response.
impl fmt::Display for Agreed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("permessage-deflate")?;
        if self.server_stands_alone {
            formatter.write_str("; server_no_context_takeover")?;
        }
        if self.client_stands_alone {
            formatter.write_str("; client_no_context_takeover")?;
        }
        if let Some(bits) = self.server_window {
            write!(formatter, "; server_max_window_bits={bits}")?;
        }
        if let Some(bits) = self.client_window {
            write!(formatter, "; client_max_window_bits={bits}")?;
        }
        Ok(())
    }
}

/// Accepts the first offer that we support. Without one, there is no compression.
pub fn agree(fields: &RequestFields) -> Option<Agreed> {
    items(fields, "sec-websocket-extensions").find_map(meet)
}

/// Accepts one offer, unless it has a parameter that is unknown, repeated, out of range or unsupported.
fn meet(offer: &str) -> Option<Agreed> {
    let mut parts = offer.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("permessage-deflate") {
        return None;
    }
    let mut agreed =
        Agreed { server_stands_alone: false, client_stands_alone: false, server_window: None, client_window: None };
    for parameter in parts {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
            None => (parameter, None),
        };
        let first = match (name.to_ascii_lowercase().as_str(), value) {
            ("server_no_context_takeover", None) => !std::mem::replace(&mut agreed.server_stands_alone, true),
            ("client_no_context_takeover", None) => !std::mem::replace(&mut agreed.client_stands_alone, true),
            // The compressor does not support 8 bits.
            ("server_max_window_bits", Some(value)) => {
                agreed.server_window.replace(window_bits(value).filter(|bits| *bits > 8)?).is_none()
            }
            ("client_max_window_bits", value) => {
                let most = value.map_or(Some(LARGEST_WINDOW), window_bits)?;
                agreed.client_window.replace(most.min(CLIENT_WINDOW)).is_none()
            }
            _ => false,
        };
        if !first {
            return None;
        }
    }
    Some(agreed)
}

/// A number from 8 to 15 without a leading zero, with or without quotes.
fn window_bits(text: &str) -> Option<u8> {
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|bits| plain && (8..=LARGEST_WINDOW).contains(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(offers: &[&'static str]) -> Option<String> {
        let fields = offers.iter().map(|offer| ("sec-websocket-extensions", *offer)).collect();
        agree(&fields).map(|agreed| agreed.to_string())
    }

    #[test]
    fn offers_are_met_with_what_they_ask_for() {
        for (offer, expected) in [
            ("permessage-deflate", "permessage-deflate"),
            ("Permessage-Deflate", "permessage-deflate"),
            ("permessage-deflate; client_max_window_bits", "permessage-deflate; client_max_window_bits=12"),
            ("permessage-deflate; client_max_window_bits=10", "permessage-deflate; client_max_window_bits=10"),
            ("permessage-deflate;client_max_window_bits = \"8\"", "permessage-deflate; client_max_window_bits=8"),
            ("permessage-deflate; server_max_window_bits=9", "permessage-deflate; server_max_window_bits=9"),
            (
                "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            ),
        ] {
            assert_eq!(accepted(&[offer]).as_deref(), Some(expected), "{offer}");
        }
    }

    #[test]
    fn the_first_offer_that_can_be_met_is_taken() {
        let offers = ["x-other, permessage-deflate; server_max_window_bits=8", "permessage-deflate"];
        assert_eq!(accepted(&offers).as_deref(), Some("permessage-deflate"));
    }

    #[test]
    fn offers_that_are_not_to_the_letter_are_declined() {
        for offer in [
            "",
            "x-webkit-deflate-frame",
            "permessage-deflate; unknown",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=010",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=+9",
            "permessage-deflate; client_max_window_bits=",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
            "permessage-deflate;",
        ] {
            assert_eq!(accepted(&[offer]), None, "{offer}");
        }
    }
}
