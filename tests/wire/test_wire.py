"""Requests that must be refused, and connections that must be ended: each by its bytes.

Every refusal is a complete response of one line, then the connection closes, and the next connection is served. The
application never learns of it. Covers RFC 9112 (sections 2.2, 3.2, 5, 6, 7 and 9) and RFC 9110 (sections 5.5 and
7.2), where they say what a server must not let through.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from server import Server, start_rsgi, wait_until
from wire import Connection, ConnectionEnded, chunk_bytes, exchange, get

GET = b"GET /hello HTTP/1.1\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

MALFORMED_HEADS = {
    "host-missing": GET + b"\r\n",
    "host-twice": GET + b"Host: a\r\nHost: a\r\n\r\n",
    "host-twice-different": GET + b"Host: a\r\nHost: b\r\n\r\n",
    "host-empty": GET + b"Host:\r\n\r\n",
    "host-list": GET + b"Host: a, b\r\n\r\n",
    "host-userinfo": GET + b"Host: user@a\r\n\r\n",
    "host-path": GET + b"Host: a/b\r\n\r\n",
    "host-space": GET + b"Host: a b\r\n\r\n",
    "host-bad-port": GET + b"Host: a:http\r\n\r\n",
    "length-and-transfer-encoding": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "transfer-encoding-and-length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "length-list": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "length-twice": POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "length-twice-different": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "length-empty": POST + b"Content-Length:\r\n\r\n",
    "length-plus": POST + b"Content-Length: +3\r\n\r\nabc",
    "length-minus": POST + b"Content-Length: -3\r\n\r\nabc",
    "length-hexadecimal": POST + b"Content-Length: 0x3\r\n\r\nabc",
    "length-fraction": POST + b"Content-Length: 3.0\r\n\r\nabc",
    "length-inner-space": POST + b"Content-Length: 3 3\r\n\r\nabc",
    "length-words": POST + b"Content-Length: three\r\n\r\nabc",
    "length-overflow": POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "transfer-encoding-on-1.0": b"POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "transfer-encoding-gzip": POST + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "content-type-twice-different": POST + b"Content-Type: a/b\r\nContent-Type: a/c\r\nContent-Length: 0\r\n\r\n",
    "transfer-encoding-identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "transfer-encoding-twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "transfer-encoding-chunked-chunked": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "transfer-encoding-empty": POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    "transfer-encoding-vertical-tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "transfer-encoding-parameter": POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    "folded-line": GET + b"Host: a\r\nX-Folded: one\r\n two\r\n\r\n",
    "folded-first-line": GET + b" Host: a\r\n\r\n",
    "space-before-colon": GET + b"Host: a\r\nX-Space : 1\r\n\r\n",
    "space-in-name": GET + b"Host: a\r\nX Space: 1\r\n\r\n",
    "empty-name": GET + b"Host: a\r\n: 1\r\n\r\n",
    "no-colon": GET + b"Host: a\r\nNoColon\r\n\r\n",
    "bare-line-feed": b"GET /hello HTTP/1.1\nHost: a\n\n",
    "bare-line-feed-in-fields": GET + b"Host: a\nX-Next: 1\r\n\r\n",
    "bare-carriage-return": GET + b"Host: a\rX-Next: 1\r\n\r\n",
    "nul-in-value": GET + b"Host: a\r\nX-Nul: a\0b\r\n\r\n",
    "control-in-value": GET + b"Host: a\r\nX-Control: a\x01b\r\n\r\n",
    "nul-in-name": GET + b"Host: a\r\nX-\0Nul: a\r\n\r\n",
    "nul-in-target": b"GET /he\0llo HTTP/1.1\r\nHost: a\r\n\r\n",
    "control-in-target": b"GET /he\x01llo HTTP/1.1\r\nHost: a\r\n\r\n",
    "delete-in-target": b"GET /he\x7fllo HTTP/1.1\r\nHost: a\r\n\r\n",
    "tab-in-target": b"GET /he\tllo HTTP/1.1\r\nHost: a\r\n\r\n",
    "raw-utf-8-in-target": "GET /caf\xe9 HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
    "raw-latin-1-in-target": b"GET /caf\xe9 HTTP/1.1\r\nHost: a\r\n\r\n",
    "space-in-target": b"GET /he llo HTTP/1.1\r\nHost: a\r\n\r\n",
    "quote-in-path": b'GET /hello" HTTP/1.1\r\nHost: a\r\n\r\n',
    "quote-in-query": b'GET /hello?" HTTP/1.1\r\nHost: a\r\n\r\n',
    "less-in-path": b"GET /hello< HTTP/1.1\r\nHost: a\r\n\r\n",
    "less-in-query": b"GET /hello?< HTTP/1.1\r\nHost: a\r\n\r\n",
    "greater-in-path": b"GET /hello> HTTP/1.1\r\nHost: a\r\n\r\n",
    "greater-in-query": b"GET /hello?> HTTP/1.1\r\nHost: a\r\n\r\n",
    "fragment-in-target": b"GET /hello#top HTTP/1.1\r\nHost: a\r\n\r\n",
    "relative-target": b"GET hello HTTP/1.1\r\nHost: a\r\n\r\n",
    "star-with-get": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "authority-form-with-get": b"GET example.com:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "no-target": b"GET HTTP/1.1\r\nHost: a\r\n\r\n",
    "no-version": b"GET /hello\r\nHost: a\r\n\r\n",
    "version-lower-case": b"GET /hello http/1.1\r\nHost: a\r\n\r\n",
    "version-1.2-digit": b"GET /hello HTTP/1.10\r\nHost: a\r\n\r\n",
    "bad-method": b"G@T /hello HTTP/1.1\r\nHost: a\r\n\r\n",
    "two-spaces": b"GET  /hello HTTP/1.1\r\nHost: a\r\n\r\n",
    "tls-hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}

MALFORMED_CHUNKS = {
    "no-size": b"\r\nabc\r\n0\r\n\r\n",
    "not-hexadecimal": b"xyz\r\nabc\r\n0\r\n\r\n",
    "minus": b"-1\r\nabc\r\n0\r\n\r\n",
    "plus": b"+3\r\nabc\r\n0\r\n\r\n",
    "prefix": b"0x3\r\nabc\r\n0\r\n\r\n",
    "overflow": b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
    "space-before-size": b" 3\r\nabc\r\n0\r\n\r\n",
    "space-after-size": b"3 \r\nabc\r\n0\r\n\r\n",
    "bare-line-feed-after-size": b"3\nabc\r\n0\r\n\r\n",
    "bare-line-feed-after-data": b"3\r\nabc\n0\r\n\r\n",
    "no-line-end-after-data": b"3\r\nabcd\r\n0\r\n\r\n",
    "data-too-short": b"4\r\nabc\r\n0\r\n\r\n",
    "bare-semicolon": b"3;\r\nabc\r\n0\r\n\r\n",
    "nul-in-extension": b"3;a=\0\r\nabc\r\n0\r\n\r\n",
    "line-feed-in-extension": b"3;a=b\nc\r\nabc\r\n0\r\n\r\n",
    "carriage-return-in-extension": b"3;a=b\rc\r\nabc\r\n0\r\n\r\n",
    "bad-token-in-extension": b"3;a{=b\r\nabc\r\n0\r\n\r\n",
    "long-extension": b"3;" + b"a" * 100_000 + b"\r\nabc\r\n0\r\n\r\n",
    "bad-trailer": b"3\r\nabc\r\n0\r\nno colon\r\n\r\n",
    "folded-trailer": b"3\r\nabc\r\n0\r\nX-A: 1\r\n 2\r\n\r\n",
}


def assert_refused(server: Server, data: bytes, status: int) -> str:
    """The bytes are refused with this status, a one-line reason, and an end; gives the reason."""
    with Connection(server) as connection:
        connection.send(data)
        response = connection.read_response()
        assert response.status == status
        assert response.framing == "length"
        assert response.header("content-type") == "text/plain; charset=utf-8"
        assert response.header("connection") == "close"
        line = re.fullmatch(rf"{status} [A-Z][A-Za-z ]+: (\S[^\r\n]*)\n", response.text)
        assert line is not None, response.text
        assert connection.closed_within(5)
    assert get(server, "/hello").body == b"Hello, world!\n"
    return line[1]


@pytest.mark.parametrize("name", MALFORMED_HEADS)
def test_malformed_head(wsgi_server: Server, name: str) -> None:
    assert_refused(wsgi_server, MALFORMED_HEADS[name], 400)


def test_the_app_is_not_called_for_a_refused_head(kitchen: Server) -> None:
    head = b"GET /count?label=refused HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"
    assert_refused(kitchen, head, 400)
    assert get(kitchen, "/record?label=refused").json() == []


def test_a_refused_request_ends_the_pipeline(kitchen: Server) -> None:
    """What follows a malformed request cannot be trusted to be a request."""
    with Connection(kitchen) as connection:
        connection.send(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\n\r\n" + GET + b"Host: a\r\n\r\n")
        assert connection.read_response().body == b"Hello, world!\n"
        assert connection.read_response().status == 400
        assert connection.closed_within(5)


@pytest.mark.parametrize("name", MALFORMED_CHUNKS)
def test_malformed_chunks(wsgi_server: Server, name: str) -> None:
    assert_refused(wsgi_server, CHUNKED + MALFORMED_CHUNKS[name], 400)


@pytest.mark.parametrize("name", ["data-too-short", "not-hexadecimal", "nul-in-extension", "bad-trailer"])
def test_app_never_sees_a_malformed_chunked_body_as_whole(kitchen: Server, name: str) -> None:
    label = f"chunks-{name}"
    head = b"POST /upload-hash?label=%b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" % label.encode()
    with Connection(kitchen) as connection:
        connection.send(head + MALFORMED_CHUNKS[name])
        response = connection.read_response()
        assert response.status == 400
        assert connection.closed_within(5)
    events = get(kitchen, f"/record?label={label}").json()
    assert not [event for event in events if event.startswith("complete")]


@pytest.mark.parametrize("ending", ["shutdown", "close"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("size", [10, 2_000_000])
def test_app_never_sees_a_truncated_body_as_whole(kitchen: Server, framing: str, ending: str, size: int) -> None:
    """Beyond the buffer (2 MB) the app has been called already; below it may never be."""
    label = f"truncated-{framing}-{ending}-{size}"
    field = b"Content-Length: %d" % (size + 5) if framing == "length" else b"Transfer-Encoding: chunked"
    data = b"x" * size if framing == "length" else chunk_bytes(b"x" * size)
    with Connection(kitchen) as connection:
        connection.send(
            b"POST /upload-hash?label=%b HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % (label.encode(), field) + data
        )
        if ending == "shutdown":
            connection.socket.shutdown(socket.SHUT_WR)
            response = connection.read_to_end()
            assert not response or response.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 500 "))
    assert get(kitchen, "/hello").body == b"Hello, world!\n"

    events = events_of_ended_upload(kitchen, label)
    assert not [event for event in events if event.startswith("complete")]


def events_of_ended_upload(server: Server, label: str) -> list[str]:
    """What happened to an upload that has come to its end; an app that was never called saw nothing."""
    events: list[str] = []

    def ended() -> bool:
        events[:] = get(server, f"/record?label={label}").json()
        return events != ["started"]

    wait_until(ended, 5, "the app saw the end of the upload")
    return events


@pytest.mark.parametrize("size", [8 * 1024 + 1, 100_000])
def test_long_request_line(wsgi_server: Server, size: int) -> None:
    target = b"/hello?" + b"x" * size
    assert_refused(wsgi_server, b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414)


def test_request_line_below_the_limit(kitchen: Server) -> None:
    query = "x" * 8000
    assert get(kitchen, f"/seen?{query}").json()["query"] == query


def test_request_line_without_an_end(wsgi_server: Server) -> None:
    assert_refused(wsgi_server, b"GET /" + b"x" * 20_000, 414)


def test_large_header_section(wsgi_server: Server) -> None:
    fields = b"".join(b"X-%d: %b\r\n" % (number, b"x" * 4000) for number in range(20))
    assert_refused(wsgi_server, GET + b"Host: a\r\n" + fields + b"\r\n", 431)


def test_header_section_without_an_end(wsgi_server: Server) -> None:
    assert_refused(wsgi_server, GET + b"Host: a\r\nX: " + b"x" * 70_000, 431)


def test_as_many_fields_as_a_server_can_be_told_to_take(start_kitchen: Callable[..., Server]) -> None:
    most = 16_384
    server = start_kitchen("--max-header-fields", str(most), "--max-header-section", "1MiB")
    for number, status in ((most - 2, 200), (most - 1, 431)):
        fields = b"".join(b"X-%d: 1\r\n" % each for each in range(number))
        sent = b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + fields + b"\r\n"
        assert exchange(server, sent).status == status


def test_header_section_below_the_limit(kitchen: Server) -> None:
    fields = [(f"X-{number}", "x" * 4000) for number in range(15)]
    assert get(kitchen, "/hello", *fields).body == b"Hello, world!\n"


def test_too_many_fields(wsgi_server: Server) -> None:
    fields = b"".join(b"X-%d: 1\r\n" % number for number in range(100))
    assert_refused(wsgi_server, GET + b"Host: a\r\n" + fields + b"\r\n", 431)


def test_as_many_fields_as_allowed(kitchen: Server) -> None:
    fields = [(f"X-{number}", str(number)) for number in range(99)]
    headers = get(kitchen, "/headers", *fields).json()
    assert [f"x-{number}" in dict(headers) for number in range(99)] == [True] * 99


@pytest.mark.parametrize("version", ["HTTP/1.2", "HTTP/2.0", "HTTP/3.0", "HTTP/0.9"])
def test_other_versions_are_refused(wsgi_server: Server, version: str) -> None:
    with Connection(wsgi_server) as connection:
        connection.send(f"GET /hello {version}\r\nHost: a\r\n\r\n".encode())
        response = connection.read_response()
        assert response.status in (400, 505)
        assert connection.closed_within(5)


def test_connect_is_refused(kitchen: Server) -> None:
    """A server that is no proxy must never let a client believe that it has a tunnel."""
    with Connection(kitchen) as connection:
        connection.send(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
        response = connection.read_response("HEAD")
        assert 400 <= response.status < 600


def test_options_star_is_answered(kitchen: Server) -> None:
    response = exchange(kitchen, b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS")
    assert response.complete
    assert response.status < 500


def test_reason_says_what_is_wrong(wsgi_server: Server) -> None:
    assert "host" in assert_refused(wsgi_server, MALFORMED_HEADS["host-missing"], 400).lower()
    assert "content-length" in assert_refused(wsgi_server, MALFORMED_HEADS["length-list"], 400).lower()


# Time


@pytest.fixture(scope="module")
def impatient() -> Iterator[Server]:
    """A server that waits for nobody."""
    server = start_rsgi("--wsgi", "wsgi_kitchen:app", "--header-timeout", "0.5", "--keep-alive-timeout", "1")
    yield server
    server.stop()


@pytest.mark.parametrize("sent", [b"G", b"GET /hello HTTP/1.1\r\nHost: a\r\nX-"])
def test_slow_head_times_out(impatient: Server, sent: bytes) -> None:
    with Connection(impatient) as connection:
        began = time.monotonic()
        connection.send(sent)
        response = connection.read_response()
        assert response.status == 408
        assert response.header("connection") == "close"
        assert response.text.startswith("408 Request Timeout: ")
        assert connection.closed_within(2)
        assert 0.3 < time.monotonic() - began < 3


def test_dripped_head_times_out(impatient: Server) -> None:
    """The time counts for the whole head: a byte now and then does not renew it."""
    with Connection(impatient) as connection:
        connection.send(GET)
        deadline = time.monotonic() + 5
        try:
            while time.monotonic() < deadline and connection.silent_for(0.1):
                connection.send(b"X")
        except OSError:
            pass
        assert time.monotonic() < deadline
        with contextlib.suppress(ConnectionResetError):  # the last byte may have met the closed connection
            assert connection.read_response().status == 408


def test_silent_new_connection_is_closed(impatient: Server) -> None:
    with Connection(impatient) as connection:
        began = time.monotonic()
        data = connection.read_to_end()
        assert not data or data.startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < 4


def test_idle_keep_alive_connection_is_closed(impatient: Server) -> None:
    with Connection(impatient) as connection:
        connection.send_request("GET", "/hello")
        assert connection.read_response().status == 200
        began = time.monotonic()
        with pytest.raises((ConnectionEnded, ConnectionResetError)):
            connection.read_some()  # an idle connection ends without a word: a 408 could be taken for a response
        assert 0.5 < time.monotonic() - began < 4


def test_second_head_may_be_slow_too_but_not_for_ever(impatient: Server) -> None:
    with Connection(impatient) as connection:
        connection.send_request("GET", "/hello")
        connection.read_response()
        connection.send(b"GET /he")
        assert connection.read_response().status == 408
