"""The PROXY protocol: whose a connection is, said before its first byte, by those who may and by nobody else.

Apart from `test_proxies.py`, which is about header fields. Every way to write a header is tested with the parser
(`src/accept/proxy_protocol.rs`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from certificates import NAME, Certificates
from server import Server, wait_until
from wire import Connection, Response

VERSION_1 = b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 8443\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ENDS = bytes([203, 0, 113, 9, 192, 0, 2, 1]) + (4711).to_bytes(2, "big") + (8443).to_bytes(2, "big")
APPS = {
    "wsgi": ("--wsgi", "proxied_apps:old"),
    "asgi": ("--asgi", "proxied_apps:new"),
    "bridge": ("--asgi", "proxied_apps:bridge"),
}
TRUSTED = ("--trust-proxy", "127.0.0.1,unix", "--proxy-protocol")


def version_2(command: int = 0x21, family: int = 0x11, rest: bytes = ENDS) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(rest).to_bytes(2, "big") + rest


def ask(server: Server, header: bytes, *fields: tuple[str, str]) -> Response:
    with Connection(server) as connection:
        connection.send(header)
        connection.send_request("GET", "/x", fields)
        return connection.read_response()


@pytest.mark.parametrize("header", [VERSION_1, version_2()], ids=["v1", "v2"])
def test_the_connection_is_whose_the_header_says(start: Callable[..., Server], interface: str, header: bytes) -> None:
    server = start(*APPS[interface], *TRUSTED, "--access-log")
    with Connection(server) as connection:
        connection.send(header)
        for _ in range(2):
            connection.send_request("GET", "/x")
            seen = connection.read_response().json()
            assert (seen["client"], seen["server"]) == (["203.0.113.9", 4711], ["192.0.2.1", 8443])
            assert (seen["scheme"], seen["host"]) == ("http", server.authority)
    assert ' 203.0.113.9:4711 "GET /x' in server.wait_for_access_log("GET /x")


def test_over_a_unix_socket(start: Callable[..., Server], interface: str, tmp_path: Path) -> None:
    server = start(*APPS[interface], *TRUSTED, "--uds", str(tmp_path / "socket"))
    assert ask(server, version_2()).json()["client"] == ["203.0.113.9", 4711]


def test_before_tls(start: Callable[..., Server], tmp_path: Path) -> None:
    certificates = Certificates.make(tmp_path)
    server = start(*APPS["asgi"], *TRUSTED, *certificates.flags())
    for header in (VERSION_1, version_2()):
        with Connection(server) as connection:
            connection.send(header)
            connection.socket = certificates.context().wrap_socket(connection.socket, server_hostname=NAME)
            connection.send_request("GET", "/x")
            seen = connection.read_response().json()
            assert (seen["client"], seen["scheme"]) == (["203.0.113.9", 4711], "https")
    with Connection(server) as connection:
        connection.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00")
        assert connection.read_to_end() == b""
    server.wait_for_log("warning: no PROXY header from 127.0.0.1")


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", version_2(0x20, 0, b""), version_2(0x20)])
def test_a_connection_of_the_proxys_own_is_served(start: Callable[..., Server], header: bytes) -> None:
    server = start(*APPS["wsgi"], *TRUSTED)
    assert ask(server, header).json()["client"][0] == "127.0.0.1"


def test_a_proxy_that_has_ended_tls_says_so(start: Callable[..., Server], interface: str) -> None:
    server = start(*APPS[interface], *TRUSTED)
    encrypted = bytes([0x20, 0, 5, 1, 0, 0, 0, 0])
    assert ask(server, version_2(rest=ENDS + encrypted)).json()["scheme"] == "https"
    in_the_clear = bytes([0x20, 0, 5, 0, 0, 0, 0, 0])
    assert ask(server, version_2(rest=ENDS + in_the_clear)).json()["scheme"] == "http"


def test_fields_count_if_the_announced_client_is_a_proxy_itself(start: Callable[..., Server], interface: str) -> None:
    field = ("X-Forwarded-For", "198.51.100.7")
    server = start(*APPS[interface], *TRUSTED)
    assert ask(server, VERSION_1, field).json()["client"] == ["203.0.113.9", 4711]
    server = start(*APPS[interface], *TRUSTED, "--trust-proxy", "203.0.113.0/24")
    assert ask(server, VERSION_1, field).json()["client"] == ["198.51.100.7", 0]


@pytest.mark.parametrize("header", [VERSION_1, version_2()], ids=["v1", "v2"])
@pytest.mark.parametrize(
    "flags", [(), ("--trust-proxy", "127.0.0.1"), ("--trust-proxy", "10.0.0.1", "--proxy-protocol")]
)
def test_a_header_from_anybody_else_is_a_malformed_request(
    start: Callable[..., Server], header: bytes, flags: tuple[str, ...]
) -> None:
    server = start(*APPS["wsgi"], *flags)
    with Connection(server) as connection:
        connection.send(header + b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert connection.read_response().status == 400
        connection.read_to_end()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "no PROXY header"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "no PROXY header"),
        (b"PROXY TCP4 " + b"1" * 200, "no PROXY header"),
        (b"PROXY TCP4 203.0.113.9 192.0.2.1 4711\r\nGET / HTTP/1.1\r\n", "an invalid PROXY header"),
        (version_2(0x21, 0x11, b"\0" * 11), "an invalid PROXY header"),
        (version_2(0x21, 0x12), "an invalid PROXY header"),
    ],
)
def test_a_trusted_proxy_without_a_header_is_turned_away(
    start: Callable[..., Server], interface: str, sent: bytes, reason: str
) -> None:
    server = start(*APPS[interface], *TRUSTED)
    with Connection(server) as connection:
        connection.send(sent)
        response = connection.read_response()
        assert (response.status, response.text.strip()) == (400, f"400 Bad Request: {reason}")
        connection.read_to_end()
    server.wait_for_log(f"warning: {reason} from 127.0.0.1; the connection is closed (`--proxy-protocol`)")


@pytest.mark.parametrize("header", [VERSION_1, version_2()], ids=["v1", "v2"])
def test_a_header_that_is_cut_short(start: Callable[..., Server], header: bytes) -> None:
    server = start(*APPS["asgi"], *TRUSTED, "--header-timeout", "0.5")
    for length in (1, 11, 14, len(header) - 1):
        with Connection(server) as connection:
            connection.send(header[:length])
            began = time.monotonic()
            assert connection.read_response().status == 400
            assert 0.3 < time.monotonic() - began < 5
    # The response may be here before the line.
    wait_until(lambda: server.log().count("an incomplete PROXY header") == 4, 5, "each is in the log")
    mark = server.log_mark()
    with Connection(server) as connection:
        assert connection.read_to_end() == b"", "one that says nothing is closed"
    assert ask(server, header).json()["client"] == ["203.0.113.9", 4711]
    assert server.log(mark) == ""
