//! Extracts the user name of basic authentication for the access log. The password is never kept.
//!
//! Spec: RFC 7617 2; RFC 4648 4.

use std::borrow::Cow;

/// The user in `Basic dXNlcjpwYXNzd29yZA==`.
pub(super) fn user(authorization: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (scheme, encoded) = authorization.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let mut decoded = base64(encoded.trim_ascii())?;
    decoded.truncate(decoded.iter().position(|byte| *byte == b':')?);
    (!decoded.is_empty()).then_some(decoded.into())
}

fn base64(encoded: &[u8]) -> Option<Vec<u8>> {
    let (mut bits, mut count, mut decoded) = (0_u32, 0, Vec::new());
    for byte in encoded.iter().take_while(|byte| **byte != b'=') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push(u8::try_from((bits >> count) & 0xff).unwrap_or_default());
        }
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_what_precedes_the_password() {
        for (field, name) in [
            (&b"Basic dXNlcjpwYXNzd29yZA=="[..], Some(&b"user"[..])),
            (b"basic dXNlcjpwYXNzd29yZA", Some(b"user")),
            (b"Basic dXNlcg==", None),
            (b"Basic OnBhc3N3b3Jk", None),
            (b"Basic d?", None),
            (b"Bearer dXNlcjpwYXNzd29yZA==", None),
            (b"Basi", None),
        ] {
            assert_eq!(user(field).as_deref(), name);
        }
    }
}
