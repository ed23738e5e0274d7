//! Tests with whole heads: what trusted proxies say is used, and forged fields of hops that are not trusted are not.

use std::fmt::Write as _;

use super::said::ForwardedInfo;
use super::*;

const PROXIES: [&str; 3] = ["10.0.0.0/8", "fd00::/8", "unix"];

fn headers(lines: &[(&str, &str)]) -> RequestFields {
    lines.iter().copied().collect()
}

fn trust(items: &[&str]) -> Trust {
    Trust::parse(items).unwrap()
}

fn client(lines: &[(&str, &str)]) -> Option<String> {
    let headers = headers(lines);
    let (said, _) = read(&headers, &trust(&PROXIES));
    said.client.map(|(address, port)| format!("{address} {port}"))
}

fn said_of(headers: &RequestFields) -> ForwardedInfo<'_> {
    read(headers, &trust(&PROXIES)).0
}

#[test]
fn the_client_is_the_last_hop_that_is_no_trusted_proxy() {
    for (list, expected) in [
        ("203.0.113.9", Some("203.0.113.9 0")),
        ("203.0.113.9:4711", Some("203.0.113.9 4711")),
        ("198.51.100.1, 203.0.113.9", Some("203.0.113.9 0")),
        ("127.0.0.1, 203.0.113.9, 10.0.0.2", Some("203.0.113.9 0")),
        ("203.0.113.9, 10.1.1.1, fd00::5, 10.0.0.2", Some("203.0.113.9 0")),
        ("203.0.113.9, unix:", Some("203.0.113.9 0")),
        ("10.3.3.3, 10.2.2.2", Some("10.3.3.3 0")),
        ("[2001:db8::1]:443, 10.0.0.2", Some("2001:db8::1 443")),
        ("fe80::1%eth0", Some("fe80::1 0")),
        ("203.0.113.9, unknown", None),
        ("203.0.113.9, _hidden, 10.0.0.2", Some("10.0.0.2 0")),
        ("203.0.113.9, junk!, 10.0.0.2", Some("10.0.0.2 0")),
        (" , ,203.0.113.9,, ", Some("203.0.113.9 0")),
        ("", None),
        (",,,", None),
    ] {
        assert_eq!(client(&[("x-forwarded-for", list)]).as_deref(), expected, "{list}");
    }
}

#[test]
fn ten_hops_and_several_lines_are_one_list() {
    let mut list = "198.51.100.1, 203.0.113.9".to_owned();
    for hop in 1..=9 {
        write!(list, ", 10.0.0.{hop}").unwrap();
    }
    assert_eq!(client(&[("x-forwarded-for", &list)]).as_deref(), Some("203.0.113.9 0"));
    let lines = [
        ("x-forwarded-for", "198.51.100.1"),
        ("x-forwarded-for", "203.0.113.9, 10.0.0.3"),
        ("x-forwarded-for", "10.0.0.2"),
    ];
    assert_eq!(client(&lines).as_deref(), Some("203.0.113.9 0"));
    let lines = [("forwarded", "for=198.51.100.1, for=203.0.113.9"), ("forwarded", "for=\"10.0.0.3:80\",for=10.0.0.2")];
    assert_eq!(client(&lines).as_deref(), Some("203.0.113.9 0"));
}

#[test]
fn the_standard_field_in_all_its_spellings() {
    for (field, expected) in [
        ("for=203.0.113.9", Some("203.0.113.9 0")),
        ("For=\"203.0.113.9:4711\";proto=https;by=_me", Some("203.0.113.9 4711")),
        ("for=\"[2001:db8::1]:80\"", Some("2001:db8::1 80")),
        ("for=\"[2001:db8::1]:_x\"", Some("2001:db8::1 0")),
        ("for=\"\\2\\0\\3.0.113.9\"", Some("203.0.113.9 0")),
        ("by=_b ; for=203.0.113.9 ; ext=\"a,b;c=\\\"d\\\"\"", Some("203.0.113.9 0")),
        ("for=198.51.100.1, for=203.0.113.9, for=10.0.0.2", Some("203.0.113.9 0")),
        ("for=unknown", None),
        ("for=_hidden;proto=https", None),
        ("proto=https", None),
        ("for=198.51.100.1;for=203.0.113.9", None),
        ("for", None),
        ("for=", None),
        ("=203.0.113.9", None),
        ("for=203.0.113.9 by=x", None),
        ("for=\"203.0.113.9\"x", None),
        ("for=\"203.0.113.9", None),
        (";;for=203.0.113.9;;", Some("203.0.113.9 0")),
    ] {
        assert_eq!(client(&[("forwarded", field)]).as_deref(), expected, "{field}");
    }
}

#[test]
fn nothing_that_a_client_wrote_hides_what_the_proxy_added() {
    for forged in [
        "for=\"",
        "\"",
        "for=\"\\",
        "\\\"",
        "for=\"a\\\\\"\"",
        "for=127.0.0.1;x=\"",
        "\u{e9}",
        "a=\"b\", c=\"",
        ";",
        "=",
        "\\",
    ] {
        let list = format!("{forged}, for=\"203.0.113.9:1\";proto=https;note=\"a, \\\"b\\\\\", for=10.0.0.2");
        let headers = headers(&[("forwarded", &list)]);
        let said = said_of(&headers);
        assert_eq!(said.client, Some(("203.0.113.9".parse().unwrap(), 1)), "{forged}");
        assert_eq!(said.scheme, Some(Scheme::Https), "{forged}");
    }
    let mut fields = RequestFields::default();
    fields.append("x-forwarded-for", b"\xff\xfe, 203.0.113.9");
    assert_eq!(said_of(&fields).client, Some(("203.0.113.9".parse().unwrap(), 0)));
}

#[test]
fn what_else_is_said_belongs_to_the_outermost_trusted_hop() {
    let lines = [
        ("x-forwarded-for", "198.51.100.1, 203.0.113.9, 10.0.0.3"),
        ("x-forwarded-proto", "http, https, http"),
        ("x-forwarded-host", "forged.example, site.example, inner.example"),
        ("x-forwarded-port", "1, 8443, 80"),
        ("x-forwarded-prefix", "/forged, /app/, /inner"),
    ];
    let fields = headers(&lines);
    let said = said_of(&fields);
    assert_eq!((said.scheme, said.host.as_deref()), (Some(Scheme::Https), Some("site.example")));
    assert_eq!((said.port, said.prefix, said.unreadable), (Some(8443), Some("/app"), None));
    // A single value counts for all hops.
    let fields = headers(&[lines[0], ("x-forwarded-proto", "wss")]);
    assert_eq!(said_of(&fields).scheme, Some(Scheme::Https));
    let fields = headers(&[(
        "forwarded",
        "for=203.0.113.9;proto=http;host=forged, for=203.0.113.8;proto=https;host=\"site:8443\", for=10.0.0.2",
    )]);
    let said = said_of(&fields);
    assert_eq!((said.scheme, said.host.as_deref()), (Some(Scheme::Https), Some("site:8443")));
}

#[test]
fn the_standard_field_wins_and_a_contradiction_is_seen() {
    let both = |standard: &str, customary: &str| {
        let fields =
            headers(&[("forwarded", standard), ("x-forwarded-for", customary), ("x-forwarded-proto", "https")]);
        let (said, contradicts) = read(&fields, &trust(&PROXIES));
        (said.client.map(|(address, _)| address.to_string()), said.scheme, contradicts)
    };
    let one = |text: &str| Some(text.to_owned());
    assert_eq!(both("for=203.0.113.9", "198.51.100.1"), (one("203.0.113.9"), Some(Scheme::Https), true));
    assert_eq!(both("for=\"203.0.113.9:80\"", "203.0.113.9"), (one("203.0.113.9"), Some(Scheme::Https), false));
    assert_eq!(both("for=203.0.113.9;proto=http", "203.0.113.9"), (one("203.0.113.9"), Some(Scheme::Http), true));
    assert_eq!(both("proto=https", "203.0.113.9"), (one("203.0.113.9"), Some(Scheme::Https), false));
}

#[test]
fn what_cannot_be_read_does_not_count_and_is_named() {
    for (name, value) in [
        ("X-Forwarded-For", "nonsense"),
        ("X-Forwarded-Proto", "gopher"),
        ("X-Forwarded-Host", "a b"),
        ("X-Forwarded-Host", "evil.example/path"),
        ("X-Forwarded-Host", "user@evil.example"),
        ("X-Forwarded-Port", "70000"),
        ("X-Forwarded-Port", "0"),
        ("X-Forwarded-Port", "-1"),
        ("X-Forwarded-Prefix", "//evil.example"),
        ("X-Forwarded-Prefix", "app"),
        ("Forwarded", "for=nonsense"),
        ("Forwarded", "host=\"a b\""),
        ("Forwarded", "nonsense"),
    ] {
        let fields = headers(&[(name, value)]);
        let said = said_of(&fields);
        assert_eq!(
            said,
            ForwardedInfo { unreadable: Some(said.unreadable.unwrap()), ..ForwardedInfo::default() },
            "{name}: {value}"
        );
        assert_eq!(said.unreadable, Some(name), "{value}");
    }
}

#[test]
fn the_host_field_and_the_server_follow_host_port_and_scheme() {
    let seen = |lines: &[(&str, &str)]| {
        let fields = headers(lines);
        let peer = Peer { server: Some(("127.0.0.1".to_owned(), 8000)), trusted: true, ..Peer::default() };
        let peer = Arc::new(peer);
        let said = said_of(&fields);
        let (fresh, host) = seen_from_outside(&peer, said, &fields);
        let (name, port) = fresh.and_then(|peer| peer.server).unwrap_or_default();
        (host.map(|host| host.to_str().unwrap().to_owned()).unwrap_or_default(), name, port)
    };
    let expected = |host: &str, name: &str, port| (host.to_owned(), name.to_owned(), port);
    let (proto, host, port) = ("x-forwarded-proto", "x-forwarded-host", "x-forwarded-port");
    assert_eq!(seen(&[(proto, "https"), (host, "site.example")]), expected("site.example", "site.example", 443));
    assert_eq!(seen(&[(host, "site.example")]), expected("site.example", "site.example", 80));
    assert_eq!(seen(&[(host, "site.example:81"), (port, "82")]), expected("site.example:81", "site.example", 81));
    assert_eq!(seen(&[(host, "site.example"), (port, "82")]), expected("site.example:82", "site.example", 82));
    assert_eq!(seen(&[(proto, "https"), (host, "[::1]"), (port, "443")]), expected("[::1]", "::1", 443));
    assert_eq!(seen(&[("host", "own:1"), (port, "8443")]), expected("own:8443", "own", 8443));
    assert_eq!(seen(&[("host", "own:1"), (port, "80")]), expected("own", "own", 80));
    assert_eq!(seen(&[(port, "8443")]), expected("", "127.0.0.1", 8443));
    assert_eq!(seen(&[("host", "own:1"), (proto, "https")]), expected("", "127.0.0.1", 8000));
    let standard = [("forwarded", "host=site.example;proto=https"), (host, "other.example"), (port, "81")];
    assert_eq!(seen(&standard), expected("site.example", "site.example", 443));
    assert_eq!(seen(&[("host", "own")]), expected("", "", 0), "nothing was said");
}

/// Pseudo-random numbers that are the same in each run.
struct PseudoRandom(u64);

impl PseudoRandom {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(most).unwrap()).unwrap()
    }
}

const PIECES: [&str; 24] = [
    "for=",
    "proto=",
    "host=",
    "by=",
    "\"",
    "\\",
    ",",
    ";",
    "=",
    " ",
    "\t",
    "127.0.0.1",
    "10.0.0.7",
    "[::1]:80",
    "fd00::1",
    "unknown",
    "_h",
    "https",
    "%eth0",
    ":",
    "é",
    "unix:",
    "for=10.0.0.7,",
    "for=\"10.0.0.8\" , ",
];

/// Random fields of a client never change the result: the client is the address that the first trusted proxy saw. This
/// holds for `X-Forwarded-For` and for `Forwarded`.
#[test]
fn no_forged_list_changes_the_address_that_the_proxy_saw() {
    let mut numbers = PseudoRandom(0x2545_f491_4f6c_dd1d);
    for _ in 0..20_000 {
        let forged: String = (0..numbers.below(12)).map(|_| PIECES[numbers.below(PIECES.len())]).collect();
        for (name, added) in [
            ("x-forwarded-for", "203.0.113.9, 10.0.0.2, fd00::9"),
            ("forwarded", "for=203.0.113.9;proto=https, for=10.0.0.2, for=\"[fd00::9]\";host=\"a.example\""),
        ] {
            let fields = headers(&[(name, &format!("{forged}, {added}"))]);
            assert_eq!(said_of(&fields).client, Some(("203.0.113.9".parse().unwrap(), 0)), "{name}: {forged}");
            let fields = headers(&[(name, &forged), (name, added)]);
            assert_eq!(said_of(&fields).client, Some(("203.0.113.9".parse().unwrap(), 0)), "{name}: {forged}");
            // Such fields do no harm with `--trust-proxy '*'` either.
            read(&fields, &trust(&["*"]));
        }
    }
}

#[test]
fn long_values_are_read_in_one_go() {
    let long = "10.0.0.1,".repeat(7000) + "10.0.0.2";
    assert_eq!(client(&[("x-forwarded-for", &long)]).as_deref(), Some("10.0.0.1 0"));
    for forged in
        ["for=\"\\\\".repeat(1000), "\\\"".repeat(4000), "\"".repeat(8191), "a=b;".repeat(2000), "x".repeat(8192)]
    {
        assert_eq!(client(&[("forwarded", &(forged + ", for=203.0.113.9"))]).as_deref(), Some("203.0.113.9 0"));
    }
}
