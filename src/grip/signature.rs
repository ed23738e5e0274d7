//! `Grip-Sig`: a token by which applications know that a request came through this server.
//!
//! Apart because only this file does cryptography. Clients cannot send the field: the server takes it out of their requests.
//!
//! Spec: GRIP "HTTP" (`Grip-Sig`); RFC 7515 3.1, 7.1 (compact serialization); RFC 7518 3.2 (HS256); RFC 7519 4.1.1, 4.1.4.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use http::HeaderValue;
use ring::hmac;

/// How long a token is valid.
const VALID: Duration = Duration::from_secs(3600);

/// How long the same token is used.
const USED: Duration = Duration::from_secs(60);

/// What a key in base64 begins with.
const BASE64: &str = "base64:";

/// Makes tokens.
#[derive(Debug)]
pub(super) struct Signer {
    key: hmac::Key,
    issuer: String,
    /// The last token, and when it was made.
    last: Mutex<Option<(SystemTime, HeaderValue)>>,
}

impl Signer {
    /// Signs with `key`, or with random bytes: then the field says no more than that it is there.
    ///
    /// # Errors
    /// What is wrong with the key.
    pub(super) fn new(key: Option<&str>, issuer: &str) -> Result<Self, String> {
        let bytes = match key {
            None => {
                let mut bytes = vec![0; 32];
                getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
                bytes
            }
            Some(key) => match key.strip_prefix(BASE64) {
                Some(encoded) => data_encoding::BASE64.decode(encoded.as_bytes()).map_err(|error| error.to_string())?,
                None => key.as_bytes().to_vec(),
            },
        };
        if bytes.is_empty() {
            return Err("it is empty".to_owned());
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        Ok(Self { key, issuer: issuer.to_owned(), last: Mutex::default() })
    }

    /// A token that is valid for most of an hour.
    pub(super) fn token(&self) -> HeaderValue {
        let now = SystemTime::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, token)) = &*last
            && now.duration_since(*made).is_ok_and(|age| age < USED)
        {
            return token.clone();
        }
        let token = self.made(now);
        *last = Some((now, token.clone()));
        token
    }

    fn made(&self, now: SystemTime) -> HeaderValue {
        let expires = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + VALID;
        let claims = serde_json::json!({ "iss": self.issuer, "exp": expires.as_secs() }).to_string();
        let head = BASE64URL_NOPAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{head}.{}", BASE64URL_NOPAD.encode(claims.as_bytes()));
        let tag = BASE64URL_NOPAD.encode(hmac::sign(&self.key, signed.as_bytes()).as_ref());
        // All of it is base64 and dots.
        HeaderValue::from_str(&format!("{signed}.{tag}")).unwrap_or(HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot make its key should fail")]
    use super::*;

    #[test]
    fn a_token_has_three_parts_and_is_used_again() {
        let signer = Signer::new(Some("changeme"), "rsgi").unwrap();
        let token = signer.token();
        let parts: Vec<_> = token.to_str().unwrap().split('.').collect();
        let [_, claims, tag] = parts.as_slice() else { panic!("{token:?}") };
        let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap();
        assert!(String::from_utf8_lossy(&claims).contains("\"iss\":\"rsgi\""));
        assert_eq!(tag.len(), 43);
        assert_eq!(signer.token(), token);
    }

    #[test]
    fn a_key_may_be_base64() {
        let (plain, encoded) = (Signer::new(Some("hi"), "x").unwrap(), Signer::new(Some("base64:aGk="), "x").unwrap());
        assert_eq!(plain.made(SystemTime::UNIX_EPOCH), encoded.made(SystemTime::UNIX_EPOCH));
        assert!(Signer::new(Some("base64:?"), "x").is_err());
        assert!(Signer::new(Some(""), "x").is_err());
    }
}
