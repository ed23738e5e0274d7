"""Behind a proxy: what a trusted one says is what applications, rules and logs see; what anybody else says is not.

Apart from `test_proxy_protocol.py`, which is about the first bytes of a connection, and `test_real_proxies.py`.
How lists of hops are read, and what forgers try, is tested with the parser (`src/http/forwarded/tests.rs`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from http2_wire import Http2Connection, get2
from server import Server, run_rsgi
from websocket_http2_wire import WebSocketStream
from websocket_wire import WebSocketConnection
from wire import Connection, get

APPS = {
    "wsgi": ("--wsgi", "proxied_apps:old"),
    "asgi": ("--asgi", "proxied_apps:new"),
    "bridge": ("--asgi", "proxied_apps:bridge"),
}
OUTSIDE = (
    ("X-Forwarded-For", "198.51.100.7, 203.0.113.9"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "site.example"),
)
# HTTP/2 has names in lower case only.
OUTSIDE_2 = tuple((name.lower(), value) for name, value in OUTSIDE)


@pytest.fixture
def start_app(start: Callable[..., Server], interface: str) -> Callable[..., Server]:
    def start_one(*arguments: str) -> Server:
        return start(*APPS[interface], *arguments)

    return start_one


def seen_directly(server: Server, *headers: tuple[str, str]) -> dict[str, object]:
    """What the application sees; the client's port is another one each time."""
    seen: dict[str, object] = get(server, "/x?q=1", *headers).json()
    assert isinstance(seen["client"], list)
    seen["client"] = seen["client"][0]
    return seen


@pytest.mark.parametrize("trusted", ["127.0.0.1", "127.0.0.0/8", "*", "10.0.0.0/8,127.0.0.1"])
def test_what_a_trusted_proxy_says_is_what_the_application_sees(start_app: Callable[..., Server], trusted: str) -> None:
    server = start_app("--trust-proxy", trusted)
    client = ["198.51.100.7", 0] if trusted == "*" else ["203.0.113.9", 0]
    expected = {
        "client": client,
        "scheme": "https",
        "https": "on",
        "host": "site.example",
        "server": ["site.example", 443],
        "root": "",
        "path": "/x",
        "raw": "/x?q=1",
        "for": OUTSIDE[0][1],
    }
    assert get(server, "/x?q=1", *OUTSIDE).json() == expected
    assert get2(server, "/x?q=1", OUTSIDE_2).json() == expected
    standard = ("Forwarded", 'for="[2001:db8::1]:4711";proto=https;host="site.example:8443"')
    seen = get(server, "/x", standard).json()
    assert (seen["client"], seen["scheme"]) == (["2001:db8::1", 4711], "https")
    assert (seen["host"], seen["server"]) == ("site.example:8443", ["site.example", 8443])


@pytest.mark.parametrize(
    "flags", [(), ("--trust-proxy", "10.0.0.0/8"), ("--trust-proxy", "unix"), ("--root-path", "/")]
)
def test_what_anybody_else_says_changes_nothing(start_app: Callable[..., Server], flags: tuple[str, ...]) -> None:
    server = start_app(*flags)
    plain = seen_directly(server)
    assert (plain["client"], plain["scheme"], plain["https"]) == ("127.0.0.1", "http", None)
    others = (
        ("Forwarded", "for=203.0.113.9;proto=https;host=h"),
        ("X-Forwarded-Port", "1"),
        ("X-Forwarded-Prefix", "/app"),
    )
    assert seen_directly(server, *OUTSIDE, *others) == plain | {"for": OUTSIDE[0][1]}
    with Http2Connection(server) as connection:
        seen = connection.get("/x?q=1", OUTSIDE_2).json()
    assert seen | {"client": seen["client"][0]} == plain | {"for": OUTSIDE[0][1]}


def test_each_request_of_a_connection_is_another_clients(start_app: Callable[..., Server]) -> None:
    server = start_app("--trust-proxy", "127.0.0.1")
    with Connection(server) as connection:
        for field, client in (("203.0.113.9", "203.0.113.9"), (None, "127.0.0.1"), ("203.0.113.8:1", "203.0.113.8")):
            headers = [] if field is None else [("X-Forwarded-For", field)]
            connection.send_request("GET", "/", headers)
            assert connection.read_response().json()["client"][0] == client


def test_fields_that_stay_the_same_mean_the_same_and_others_do_not(start_app: Callable[..., Server]) -> None:
    """One connection of a proxy, several clients: what was said of one request is not for the next one."""
    server = start_app("--trust-proxy", "127.0.0.1")
    first = [("X-Forwarded-For", "203.0.113.1"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "one.example")]
    second = [("X-Forwarded-For", "203.0.113.2"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "one.example")]
    prefixed = [*first, ("X-Forwarded-Prefix", "/app")]
    rounds = [first, first, second, second, first, prefixed, prefixed, [], [], first]
    seen = []
    with Connection(server) as connection:
        for headers in rounds:
            connection.send_request("GET", "/x?q=1", headers=headers)
            seen.append(connection.read_response().json())
    apart = []
    for headers in rounds:
        with Connection(server) as connection:
            connection.send_request("GET", "/x?q=1", headers=headers)
            apart.append(connection.read_response().json())
    for found in (*seen, *apart):
        if found["client"][0] == "127.0.0.1":
            found["client"] = "the proxy"
    assert seen == apart
    assert seen[0] != seen[2] != seen[5] != seen[7]


def test_port_and_absolute_target(start_app: Callable[..., Server]) -> None:
    server = start_app("--trust-proxy", "127.0.0.1")
    seen = get(server, "/", ("X-Forwarded-Port", "8443"), ("X-Forwarded-Proto", "https")).json()
    assert (seen["host"], seen["server"]) == ("127.0.0.1:8443", ["127.0.0.1", 8443])
    seen = get(server, "http://inner.example/y", *OUTSIDE).json()
    assert (seen["host"], seen["path"]) == ("site.example", "/y")


def test_over_a_unix_socket(start_app: Callable[..., Server], tmp_path: Path) -> None:
    trusting = start_app("--uds", str(tmp_path / "one"), "--trust-proxy", "unix")
    seen = get(trusting, "/", *OUTSIDE).json()
    assert (seen["client"], seen["server"], seen["host"]) == (["203.0.113.9", 0], ["site.example", 443], "site.example")
    other = start_app("--uds", str(tmp_path / "two"), "--trust-proxy", "127.0.0.1,::1")
    seen = get(other, "/", *OUTSIDE).json()
    assert (seen["client"], seen["scheme"], seen["host"]) == (["", 0], "http", "localhost")


def test_websockets_are_wss(start: Callable[..., Server]) -> None:
    server = start("--asgi", "proxied_apps:new", "--trust-proxy", "127.0.0.1")
    with WebSocketConnection(server) as connection:
        assert connection.upgrade("/ws", OUTSIDE).status == 101
        seen = json.loads(connection.read_frame().payload)
    expected = ("wss", ["203.0.113.9", 0], "site.example", ["site.example", 443])
    assert (seen["scheme"], seen["client"], seen["host"], seen["server"]) == expected
    with Http2Connection(server) as connection2:
        seen = json.loads(WebSocketStream(connection2, "/ws", OUTSIDE_2).opened().text())
    assert (seen["scheme"], seen["client"], seen["host"], seen["server"]) == expected


def test_rules_see_what_the_proxy_says(start: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "rsgi.toml").write_text(
        'wsgi = "proxied_apps:old"\nasgi = "/new=proxied_apps:new"\n'
        '[[routes]]\nhost = "site.example"\napp = "asgi"\n'
        '[[routes]]\nscheme = "https"\napp = "asgi"\n'
    )
    server = start("--config", str(tmp_path / "rsgi.toml"), "--trust-proxy", "127.0.0.1", "--access-log")
    for number, headers in enumerate((OUTSIDE[1:2], OUTSIDE[2:], (("Forwarded", "host=site.example"),))):
        assert get(server, f"/{number}", *headers).status == 200
        assert server.wait_for_access_log(f"GET /{number}").rstrip().endswith(" proxied_apps:new")
    get(server, "/old")
    assert server.wait_for_access_log("GET /old").rstrip().endswith(" proxied_apps:old")


def test_logs_name_the_client(start_app: Callable[..., Server]) -> None:
    server = start_app("--trust-proxy", "127.0.0.1", "--access-log")
    assert get(server, "/fail", ("X-Forwarded-For", "203.0.113.9")).status == 500
    server.wait_for_log("GET /fail HTTP/1.1 from 203.0.113.9")
    assert get(server, "/ok", ("X-Forwarded-For", "[2001:db8::1]:80")).status == 200
    log = server.wait_for_access_log("GET /ok")
    assert ' 203.0.113.9 "GET /fail' in log
    assert ' [2001:db8::1]:80 "GET /ok' in log


def test_contradictions_and_junk_are_answered_and_said_once(start_app: Callable[..., Server]) -> None:
    server = start_app("--trust-proxy", "127.0.0.1")
    for _ in range(3):
        seen = get(server, "/", ("Forwarded", "for=203.0.113.9"), ("X-Forwarded-For", "198.51.100.7")).json()
        assert seen["client"] == ["203.0.113.9", 0]
        seen = get(server, "/", ("X-Forwarded-Host", "evil.example/path"), ("X-Forwarded-Proto", "https")).json()
        assert (seen["host"], seen["scheme"]) == (server.authority, "https")
    assert server.stop() == 0
    assert server.log().count("contradict each other") == 1
    assert server.log().count("sends a `X-Forwarded-Host` that cannot be parsed") == 1


FORGED = [
    "unknown", "_hidden", "fe80::1%eth0", "[fe80::1%25eth0]:80", "1.2.3.4:5678", "x" * 8192, '"', '"\\', ",,,,", ", ;= ,",
    "127.0.0.1", 'for="', "for=127.0.0.1", "for=127.0.0.1;for=1.1.1.1", "for=_a, for=unknown, for=", "\xe9\xff",
    ", ".join(["10.0.0.1"] * 10),
]  # fmt: skip


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded"])
def test_forged_lists_change_neither_address_nor_response(start_app: Callable[..., Server], name: str) -> None:
    """A trusted proxy appends to what the client sent; and a client that comes past the proxy is nobody's."""
    trusting, other = start_app("--trust-proxy", "127.0.0.1"), start_app("--trust-proxy", "10.0.0.1")
    added = "203.0.113.9" if name == "X-Forwarded-For" else "for=203.0.113.9"
    for forged in FORGED:
        for fields in ([(name, f"{forged}, {added}")], [(name, forged), (name, added)]):
            response = get(trusting, "/", *fields)
            assert (response.status, response.json()["client"]) == (200, ["203.0.113.9", 0]), forged
            response = get(other, "/", *fields)
            assert (response.status, response.json()["client"][0]) == (200, "127.0.0.1"), forged


@pytest.mark.parametrize("target", ["/app/x?q=1", "/x?q=1"])
def test_the_root_path_whether_the_proxy_strips_it_or_not(start_app: Callable[..., Server], target: str) -> None:
    server = start_app("--root-path", "/app/", "--health-path", "/healthz", "--access-log")
    seen = get(server, target).json()
    assert (seen["root"], seen["path"], seen["raw"]) == ("/app", "/x", "/app/x?q=1")
    assert get2(server, target).json()["root"] == "/app"
    assert [get(server, path).json()["path"] for path in ("/app", "/app/", "/", "/application")] == [
        "", "/", "/", "/application",
    ]  # fmt: skip
    assert get(server, "/healthz").body == get(server, "/app/healthz").body == b"ok\n"


@pytest.mark.parametrize("before", ["", "/site"])
def test_mounts_are_below_the_root_path(start: Callable[..., Server], before: str) -> None:
    server = start("--wsgi", "/old=proxied_apps:old", "--asgi", "/new=proxied_apps:new", "--root-path", "/site")
    for name in ("old", "new"):
        seen = get(server, f"{before}/{name}/x").json()
        assert (seen["root"], seen["path"]) == (f"/site/{name}", "/x")
    assert get(server, f"{before}/other").status == 404


def test_a_forwarded_prefix_is_the_root_path_of_its_request(start_app: Callable[..., Server]) -> None:
    server = start_app("--trust-proxy", "127.0.0.1", "--root-path", "/default")
    paths = []
    for value in ("/shop", "/shop/", "/", "//evil.example"):
        seen = get(server, "/x", ("X-Forwarded-Prefix", value)).json()
        paths.append((seen["root"], seen["path"]))
    assert paths == [("/shop", "/x"), ("/shop", "/x"), ("", "/x"), ("/default", "/x")]
    seen = get(server, "/shop/x", ("X-Forwarded-Prefix", "/shop")).json()
    assert (seen["root"], seen["path"]) == ("/shop", "/x")


@pytest.mark.parametrize(
    ("flags", "error", "hint"),
    [
        (("--trust-proxy", "10.0.0.0/33"), "'10.0.0.0/33' is not a proxy", "10.0.0.0/8"),
        (("--trust-proxy", "127.0.0.1,localhost"), "'localhost' is not a proxy", "unix or *"),
        (("--trust-proxy", "10.1.2.3/8"), "an address within a network", "write 10.0.0.0/8"),
        (("--trust-proxy", "fe80::1%eth0"), "'fe80::1%eth0' is not a proxy", "unix or *"),
        (("--trust-proxy", ""), "'' is not a proxy", "unix or *"),
        (("--root-path", "app"), "'app' is not a path", "/healthz"),
    ],
)
def test_values_that_are_none(flags: tuple[str, ...], error: str, hint: str) -> None:
    ended = run_rsgi("--wsgi", "proxied_apps:old", *flags)
    assert ended.returncode == 2
    assert error in ended.stderr
    assert hint in ended.stderr


@pytest.mark.parametrize(
    ("flags", "error", "hint"),
    [
        (("--root-path", "//app"), "error: `//app` is not a valid root path", "hint: write it as in a URL"),
        (("--proxy-protocol",), "error: `--proxy-protocol` is set, but no proxy", "hint: also set the addresses"),
    ],
)
def test_settings_that_do_not_fit(flags: tuple[str, ...], error: str, hint: str) -> None:
    ended = run_rsgi("--wsgi", "proxied_apps:old", *flags)
    assert ended.returncode == 1
    assert error in ended.stderr
    assert hint in ended.stderr
