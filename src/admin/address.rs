//! The address of the admin listener, and who has access.
//!
//! All of this is decided before anything runs, so a mistake in the settings is a start-up error.
//!
//! Spec: RFC 6750 2.1, 3 (bearer tokens); RFC 9110 11.6.1 (`WWW-Authenticate`).

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

use crate::config::settings::Settings;
use crate::config::startup_error::StartupError;
use crate::net::binding::Bound;

/// How a client reaches the numbers of this process.
#[derive(Debug)]
pub enum Door {
    /// This process listens itself.
    Listener(Bound, Access),
    /// The supervisor listens, and asks on this socket.
    Line(UnixStream),
}

impl Door {
    /// The address of the listener, if this process has it.
    pub fn url(&self) -> Option<String> {
        match self {
            Self::Listener(bound, _) => Some(bound.url(false)),
            Self::Line(_) => None,
        }
    }
}

/// Who has access.
#[derive(Debug)]
pub enum Access {
    /// Everyone who can connect.
    Open,
    /// Clients that send this token.
    Token(Box<[u8]>),
}

/// The result of the access check for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessDecision {
    /// The request has access.
    Granted,
    /// It has no token.
    Missing,
    /// It has a wrong token.
    Wrong,
}

impl Access {
    fn new(token: Option<&str>) -> Result<Self, StartupError> {
        match token {
            None => Ok(Self::Open),
            Some(token) if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(Self::Token(token.as_bytes().into()))
            }
            Some(_) => Err(StartupError::new(
                "`--admin-token` must be visible ASCII text to fit into a header",
                "make one with `python -c 'import secrets; print(secrets.token_urlsafe())'`",
            )),
        }
    }

    /// Checks the token in these header fields. The comparison takes constant time, so it does not tell how much of the
    /// token was right.
    pub fn check(&self, headers: &HeaderMap) -> AccessDecision {
        let Self::Token(token) = self else { return AccessDecision::Granted };
        let mut fields = headers.get_all(AUTHORIZATION).into_iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return AccessDecision::Missing };
        let Some((scheme, shown)) = field.as_bytes().split_at_checked(7) else { return AccessDecision::Missing };
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return AccessDecision::Missing;
        }
        if bool::from(shown.trim_ascii().ct_eq(token)) { AccessDecision::Granted } else { AccessDecision::Wrong }
    }
}

/// Binds the address of `--admin`; `None` if there is none. `served` are the addresses for requests.
///
/// # Errors
/// When the address cannot be bound, when it is one of `served`, or when other machines would have access without a
/// token.
pub fn bind(settings: &Settings, served: &[Bound]) -> Result<Option<(Bound, Access)>, StartupError> {
    let Some(address) = &settings.admin else {
        return match &settings.admin_token {
            None => Ok(None),
            Some(_) => Err(StartupError::new(
                "there is an `--admin-token`, but no `--admin` address",
                "set an address, for example `--admin 127.0.0.1:9090`",
            )),
        };
    };
    let access = Access::new(settings.admin_token.as_deref())?;
    if served.iter().any(|bound| is_same(bound, address)) {
        return Err(StartupError::new(
            format!("`--admin {address}` is also an address of the applications"),
            "use another port, for example `--admin 127.0.0.1:9090`, or a Unix socket (`--admin unix:/path`)",
        ));
    }
    let bound = Bound::listen(address, settings).map_err(|error| {
        let hint = "choose another address with `--admin`; it takes `host:port`, `[::1]:port` and `unix:/path`";
        StartupError::new(format!("the admin listener: {}", error.message), hint)
    })?;
    let open = matches!(access, Access::Open);
    if matches!(&bound, Bound::Tcp(_, address) if open && !address.ip().is_loopback()) {
        return Err(StartupError::new(
            format!("`--admin {address}` is reachable from other machines, but there is no token"),
            "set `RSGI_ADMIN_TOKEN` (or `--admin-token`), or listen on 127.0.0.1 or a Unix socket",
        ));
    }
    Ok(Some((bound, access)))
}

/// The listener of a process that serves alone; `None` without an admin listener.
///
/// # Errors
/// As for [`bind`].
pub fn listen(settings: &Settings, served: &[Bound]) -> Result<Option<Door>, StartupError> {
    Ok(bind(settings, served)?.map(|(bound, access)| Door::Listener(bound, access)))
}

/// Whether `address` is the one of `bound`. Other conflicts are found when the system binds the address.
fn is_same(bound: &Bound, address: &str) -> bool {
    let url = bound.url(false);
    match (address.strip_prefix("unix:"), bound) {
        (Some(path), Bound::Unix(..)) => {
            let bound = url.trim_start_matches("unix:");
            match (Path::new(path).canonicalize(), Path::new(bound).canonicalize()) {
                (Ok(path), Ok(bound)) => path == bound,
                _ => path == bound,
            }
        }
        (None, Bound::Tcp(_, bound)) => resolved(address).is_some_and(|address| overlap(address, *bound)),
        _ => false,
    }
}

fn resolved(address: &str) -> Option<SocketAddr> {
    std::net::ToSocketAddrs::to_socket_addrs(address).ok()?.next()
}

fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() != 0
        && one.port() == other.port()
        && (one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn verdict(fields: &[&'static str]) -> AccessDecision {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(AUTHORIZATION, HeaderValue::from_static(field));
        }
        Access::Token(b"s3cret".as_slice().into()).check(&headers)
    }

    #[test]
    fn only_the_whole_token_gives_access() {
        for fields in [&["Bearer s3cret"][..], &["bearer s3cret"], &["BEARER  s3cret "]] {
            assert_eq!(verdict(fields), AccessDecision::Granted, "{fields:?}");
        }
        for field in ["Bearer s3cre", "Bearer s3crett", "Bearer S3CRET", "Bearer ", "Bearer s3cret,"] {
            assert_eq!(verdict(&[field]), AccessDecision::Wrong, "{field}");
        }
        for fields in [&[][..], &["s3cret"], &["Basic s3cret"], &["Bearer"], &["Bearer s3cret", "Bearer s3cret"]] {
            assert_eq!(verdict(fields), AccessDecision::Missing, "{fields:?}");
        }
    }

    #[test]
    fn all_addresses_of_a_port_overlap() {
        let address = |text: &str| text.parse().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 1)));
        assert!(overlap(address("0.0.0.0:80"), address("127.0.0.1:80")));
        assert!(!overlap(address("127.0.0.2:80"), address("127.0.0.1:80")));
        assert!(!overlap(address("127.0.0.1:0"), address("127.0.0.1:0")));
    }
}
