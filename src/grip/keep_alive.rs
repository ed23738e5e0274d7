//! `Grip-Keep-Alive`: what a stream gets when nothing else comes. Its data may be written in three ways.
//!
//! Apart from the other fields because of those, and because data is raw: a quote in it is a quote.
//!
//! Spec: GRIP "HTTP" (`Grip-Keep-Alive`); RFC 4648 4.

use std::time::Duration;

use bytes::Bytes;

use super::fields::parameter;

/// How long a request is held, or a stream idles until its keep-alive, if the application does not say.
pub(super) const CUSTOMARY: Duration = Duration::from_secs(55);

/// The shortest of these times. Less would keep the server busy.
const SHORTEST: Duration = Duration::from_secs(1);

/// What a stream gets when nothing else comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeepAlive {
    pub data: Bytes,
    pub every: Duration,
    /// Whether it comes in any case, not only after a silence.
    pub always: bool,
}

/// A number of seconds in the field `name`.
pub(super) fn seconds(name: &str, text: &str) -> Result<Duration, String> {
    let seconds: u32 = text.parse().map_err(|_| format!("`{name}`: `{text}` is not a number of seconds"))?;
    Ok(at_least(seconds))
}

/// A time in seconds, if it is not too short.
pub(super) fn at_least(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into()).max(SHORTEST)
}

impl KeepAlive {
    /// The value of the field.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        // The data is raw: a quote in it is a quote.
        let mut parts = text.split(';');
        let raw = parts.next().unwrap_or_default().trim_end();
        let (mut format, mut every, mut always) = ("raw".to_owned(), CUSTOMARY, false);
        for (key, value) in parts.filter_map(|part| parameter(part.trim())) {
            match key {
                "format" => format = value.into_owned(),
                "timeout" => every = seconds("Grip-Keep-Alive", &value)?,
                "mode" => match &*value {
                    "idle" => always = false,
                    "interval" => always = true,
                    _ => {
                        return Err(format!("`Grip-Keep-Alive`: the mode `{value}` is neither `idle` nor `interval`"));
                    }
                },
                _ => {}
            }
        }
        let data = match format.as_str() {
            "raw" => Some(raw.as_bytes().to_vec()),
            "cstring" => unescaped(raw),
            "base64" => data_encoding::BASE64.decode(raw.trim().as_bytes()).ok(),
            _ => {
                return Err(format!(
                    "`Grip-Keep-Alive`: the format `{format}` is none of `raw`, `cstring` and `base64`"
                ));
            }
        };
        let data = data.ok_or_else(|| format!("`Grip-Keep-Alive`: the data is not {format}"))?;
        if data.is_empty() {
            return Err("`Grip-Keep-Alive` has no data".to_owned());
        }
        Ok(Self { data: data.into(), every, always })
    }
}

/// Text with `\r`, `\n`, `\\` and `\xHH`.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let (mut data, mut bytes) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = bytes.next() {
        data.push(match byte {
            b'\\' => match bytes.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b'\\' => b'\\',
                b'x' => {
                    let digits = [bytes.next()?, bytes.next()?];
                    u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
                }
                _ => return None,
            },
            byte => byte,
        });
    }
    Some(data)
}
