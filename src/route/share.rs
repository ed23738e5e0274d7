//! Rules for a share of the clients. For clients outside the share, the router skips the rule.
//!
//! Unlike the other conditions of the table, a share can change while the server runs, and the response says when a share
//! was checked. The router finds the bucket of a request at most once, and only if everything else about a rule with a share
//! matches.
//!
//! Spec: Fetch 4.8 (a CORS preflight has no credentials), RFC 6265bis 5.6.7 (`SameSite`), Fetch Metadata 2.3 (`Sec-Fetch-Site`).

use std::cell::Cell;
use std::fmt::{self, Debug, Display, Formatter};
use std::sync::atomic::{AtomicU16, Ordering};

use http::header::COOKIE;
use http::{HeaderName, HeaderValue};
use subtle::ConstantTimeEq;

use super::bucket::{BUCKETS, brought, cookies, of_address, of_text};
use super::error::RouteError;
use super::{AppIndex, RouteRequest};

/// The header field and the cookie with which a tester chooses an application.
const FORCE: &str = "rsgi-app";

/// Where the buckets of clients come from.
#[derive(Debug, Clone, Default)]
pub struct SharingSpec {
    /// The source of the bucket.
    pub by: ShareBy,
    /// Who may choose an application, if anyone may.
    pub testers: Option<Testers>,
}

/// The source of a client's bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ShareBy {
    /// The cookie `rsgi_bucket`.
    #[default]
    OwnCookie,
    /// The client's address.
    Address,
    /// A header field.
    Header(String),
    /// A cookie of an application, case-sensitive.
    Cookie(String),
}

/// The testers, who may choose an application.
#[derive(Clone)]
pub struct Testers {
    /// The secret that they send.
    pub secret: Box<str>,
    /// The names of the applications.
    pub names: Vec<(String, AppIndex)>,
}

impl Debug for Testers {
    /// Does not show the secret.
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        to.debug_struct("Testers").field("names", &self.names).finish_non_exhaustive()
    }
}

/// A share as a number of buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u16);

impl Percent {
    /// A share of this many buckets, limited to all.
    #[must_use]
    pub fn of_buckets(buckets: u16) -> Self {
        Self(buckets.min(BUCKETS))
    }

    /// Parses `5%` or `0.25%`. The smallest step is one bucket.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.strip_suffix('%')?.trim_end();
        let (whole, part) = number.split_once('.').map_or((number, "0"), |(whole, part)| (whole, part));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || whole.len() > 3 || part.len() > 2 {
            return None;
        }
        let buckets = whole.parse::<u32>().ok()? * 100 + format!("{part:0<2}").parse::<u32>().ok()?;
        u16::try_from(buckets).ok().filter(|buckets| *buckets <= BUCKETS).map(Self)
    }

    /// The number of buckets.
    #[must_use]
    pub fn buckets(self) -> u16 {
        self.0
    }
}

impl Display for Percent {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match (part, part % 10) {
            (0, _) => write!(to, "{whole}%"),
            (_, 0) => write!(to, "{whole}.{}%", part / 10),
            _ => write!(to, "{whole}.{part:02}%"),
        }
    }
}

/// The share of a rule. It can change at any time.
#[derive(Debug)]
pub(super) struct Share {
    now: AtomicU16,
    app: AppIndex,
}

impl Share {
    pub(super) fn new(share: Percent, app: AppIndex) -> Self {
        Self { now: AtomicU16::new(share.0), app }
    }

    pub(super) fn now(&self) -> Percent {
        // Relaxed, because no other data depends on it.
        Percent(self.now.load(Ordering::Relaxed))
    }

    pub(super) fn set(&self, share: Percent) {
        self.now.store(share.0, Ordering::Relaxed);
    }
}

/// What decided whether a request is in a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lot {
    /// The bucket in the client's cookie.
    Brought(u16),
    /// A new random bucket.
    Drawn(u16),
    /// The hash of the address, the header or the cookie.
    Hashed(u16),
    /// The request has no bucket. It is only in a share of 100 %.
    Unknown,
    /// A tester chose this application.
    Wished(AppIndex),
}

impl Lot {
    fn is_in(self, share: &Share) -> bool {
        match self {
            Self::Brought(bucket) | Self::Drawn(bucket) | Self::Hashed(bucket) => bucket < share.now().0,
            Self::Unknown => share.now().0 == BUCKETS,
            Self::Wished(app) => app == share.app,
        }
    }
}

/// A share that was checked for a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedShare {
    /// The first rule whose share was checked: everything else about it matches.
    pub rule: usize,
    /// The bucket, or the choice of a tester, that decided.
    pub lot: Lot,
}

/// The compiled form of [`SharingSpec`].
#[derive(Debug)]
pub(super) struct Sharing {
    by: By,
    testers: Option<Testers>,
    vary: HeaderValue,
}

#[derive(Debug)]
enum By {
    OwnCookie,
    Address,
    Header(HeaderName),
    Cookie(Box<[u8]>),
}

impl Sharing {
    pub(super) fn new(spec: &SharingSpec) -> Result<Self, RouteError> {
        let cookie = || HeaderValue::from(COOKIE);
        let (by, vary) = match &spec.by {
            ShareBy::OwnCookie => (By::OwnCookie, cookie()),
            // The address of the client is in no header field, so `Vary` cannot name one.
            ShareBy::Address => (By::Address, HeaderValue::from_static("*")),
            ShareBy::Header(name) => {
                let header = HeaderName::from_bytes(name.as_bytes());
                let header = header.map_err(|_| RouteError::FieldName(name.clone()))?;
                (By::Header(header.clone()), HeaderValue::from(header))
            }
            ShareBy::Cookie(name) => (By::Cookie(name.as_bytes().into()), cookie()),
        };
        Ok(Self { by, vary, testers: spec.testers.clone() })
    }

    /// The value of `Vary` for responses after a share was checked.
    pub(super) fn vary(&self) -> &HeaderValue {
        &self.vary
    }

    fn lot(&self, request: &RouteRequest<'_>) -> Lot {
        if let Some(app) = self.testers.as_ref().and_then(|testers| testers_choice(testers, request)) {
            return Lot::Wished(app);
        }
        let hashed = match &self.by {
            By::OwnCookie => match brought(request.fields) {
                Some(bucket) => return Lot::Brought(bucket),
                None if leaves_cookies_out(request) => None,
                None => return Lot::Drawn((request.random)() % BUCKETS),
            },
            By::Address => request.client.and_then(of_address),
            By::Header(name) => request.fields.get(name.as_str()).map(of_text),
            By::Cookie(name) => cookies(request.fields, name).next().map(of_text),
        };
        hashed.map_or(Lot::Unknown, Lot::Hashed)
    }
}

/// Whether the browser may have left out our cookie: a CORS preflight has no cookies, and a form on another site sends
/// no `Lax` cookies. A new bucket would replace the one that the client has.
fn leaves_cookies_out(request: &RouteRequest<'_>) -> bool {
    let cross_site = || request.fields.get("sec-fetch-site") == Some(b"cross-site");
    request.preflight_method.is_some() || (!matches!(request.method, "GET" | "HEAD") && cross_site())
}

/// The application that a tester chose: `NAME.SECRET`, in the header or in the cookie. Any other value is ignored.
fn testers_choice(testers: &Testers, request: &RouteRequest<'_>) -> Option<AppIndex> {
    let fields = request.fields.all(FORCE);
    fields.chain(cookies(request.fields, FORCE.as_bytes())).find_map(|value| {
        let (name, secret) = value.split_at_checked(value.len().checked_sub(testers.secret.len())?)?;
        let name = name.strip_suffix(b".")?;
        // In constant time, so that nobody can guess the secret byte by byte.
        bool::from(secret.ct_eq(testers.secret.as_bytes())).then_some(())?;
        testers.names.iter().find(|(own, _)| own.as_bytes() == name).map(|(_, app)| *app)
    })
}

/// The bucket of one request, found when the first share is checked.
#[derive(Debug)]
pub(super) struct Draw<'a> {
    sharing: &'a Sharing,
    request: &'a RouteRequest<'a>,
    lot: Cell<Option<Lot>>,
    first: Cell<usize>,
    /// The rules whose shares were checked, as bits. Only the first 64 rules have one.
    checked: Cell<u64>,
}

impl<'a> Draw<'a> {
    pub(super) fn new(sharing: &'a Sharing, request: &'a RouteRequest<'a>) -> Self {
        Self { sharing, request, lot: Cell::new(None), first: Cell::new(usize::MAX), checked: Cell::new(0) }
    }

    /// Whether the request is in the share of this rule. Everything else about the rule matches.
    pub(super) fn admits(&self, rule: usize, share: &Share) -> bool {
        self.first.set(self.first.get().min(rule));
        self.checked.set(self.checked.get() | bit(rule));
        let lot = self.lot.get().unwrap_or_else(|| self.sharing.lot(self.request));
        self.lot.set(Some(lot));
        lot.is_in(share)
    }

    /// The share that was checked before the router chose the rule `found`. Shares of later rules do not count.
    pub(super) fn part(&self, found: Option<usize>) -> Option<CheckedShare> {
        let rule = self.first.get();
        let counts = found.is_none_or(|found| rule <= found);
        self.lot.get().filter(|_| counts).map(|lot| CheckedShare { rule, lot })
    }

    /// The rules whose shares were checked before the router chose the rule `found`, as bits.
    pub(super) fn checked(&self, found: Option<usize>) -> u64 {
        let counts = found.map_or(u64::MAX, |found| bit(found).wrapping_shl(1).wrapping_sub(1));
        self.checked.get() & counts
    }
}

/// The bit of a rule. Only the first 64 rules have one.
fn bit(rule: usize) -> u64 {
    u32::try_from(rule).ok().and_then(|rule| 1_u64.checked_shl(rule)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use rsgi_bridge::request::fields::RequestFields;

    use super::*;

    #[test]
    fn the_first_64_rules_have_a_bit() {
        assert_eq!((bit(0), bit(63), bit(64), bit(1 << 40)), (1, 1 << 63, 0, 0));
        let (fields, sharing) = (RequestFields::default(), Sharing::new(&SharingSpec::default()));
        let Ok(sharing) = sharing else { panic!("the default is valid") };
        let request = RouteRequest {
            method: "GET",
            raw_path: "/",
            host: None,
            websocket: false,
            preflight_method: None,
            scheme: super::super::Scheme::Http,
            fields: &fields,
            client: None,
            random: || 9_999,
        };
        let draw = Draw::new(&sharing, &request);
        for rule in [0, 3, 63, 70] {
            assert!(!draw.admits(rule, &Share::new(Percent::of_buckets(1), AppIndex(0))));
        }
        for (found, checked) in
            [(None, 1 | 1 << 3 | 1 << 63), (Some(0), 1), (Some(3), 9), (Some(63), 9 | 1 << 63), (Some(80), 9 | 1 << 63)]
        {
            assert_eq!(draw.checked(found), checked, "{found:?}");
        }
    }

    #[test]
    fn percents_are_read_and_written_alike() {
        for (text, buckets) in
            [("0%", 0), ("5%", 500), ("0.01%", 1), ("12.5%", 1250), ("100%", 10_000), ("99.99%", 9999)]
        {
            assert_eq!(Percent::parse(text).map(Percent::buckets), Some(buckets), "{text}");
            assert_eq!(Percent(buckets).to_string(), text);
        }
        for (text, buckets) in [("05%", 500), ("5.0%", 500), ("5.00%", 500), ("5 %", 500), ("100.00%", 10_000)] {
            assert_eq!(Percent::parse(text).map(Percent::buckets), Some(buckets), "{text}");
        }
        for text in
            ["", "%", "5", "120%", "100.01%", "-1%", "+1%", "5.%", ".5%", "0.001%", "5%%", "٥%", "1e1%", "0005%"]
        {
            assert_eq!(Percent::parse(text), None, "{text}");
        }
    }
}
