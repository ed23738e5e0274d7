"""HTTP/1.1 as every application sees it and every client gets it: each test runs over WSGI, ASGI and the bridge.

Apart from `test_wire.py`, which is about requests that must be refused, and from the files of each interface, which
are about what only that interface has. Covers RFC 9110 and RFC 9112 where requests are well-formed.
"""

from __future__ import annotations

import contextlib
import email.utils
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from server import Server
from wire import Connection, Response, chunk_bytes, exchange, get, post, request

# Responses


def test_hello_byte_for_byte(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        connection.send(b"GET /hello HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
        head, _, body = connection.read_to_end().partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    names = sorted(line.partition(b":")[0] for line in lines[1:])
    assert names == [b"connection", b"content-length", b"content-type", b"date", b"server"]
    assert b"content-length: 14" in lines
    assert b"connection: close" in lines
    assert body == b"Hello, world!\n"


def test_date_and_server_are_added(kitchen: Server) -> None:
    response = get(kitchen, "/hello")
    assert response.header("server") == "rsgi"
    date = response.header("date")
    assert date is not None
    assert date.endswith(" GMT")
    assert abs(email.utils.parsedate_to_datetime(date).timestamp() - time.time()) < 5


def test_date_and_server_of_the_app_stay(kitchen: Server) -> None:
    response = get(kitchen, "/own-date")
    assert response.header("date") == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert response.header("server") == "kitchen"


def test_two_cookies_stay_two_in_their_order(kitchen: Server) -> None:
    response = get(kitchen, "/cookies")
    assert response.all("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]
    assert response.header("x-between") == "x"


def own_names(response: Response) -> list[str]:
    """The names of the fields, in their order, without those that the server may add."""
    return [name for name, _ in response.headers if name not in ("date", "server", "transfer-encoding")]


COOKIES = ["content-type", "set-cookie", "x-between", "set-cookie"]


def test_headers_keep_their_order_on_every_response(kitchen: Server) -> None:
    """Also behind a `100 Continue`, of HEAD, and of responses that wait for one another."""
    head = b" /cookies HTTP/1.1\r\nHost: a\r\n"
    with Connection(kitchen) as connection:
        get, expects = b"GET" + head + b"\r\n", b"POST" + head + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx"
        connection.send(get * 3 + b"HEAD" + head + b"\r\n" + expects + get)
        for method in ("GET", "GET", "GET", "HEAD", "POST", "GET"):
            assert own_names(connection.read_response(method))[:4] == COOKIES
        connection.send_request("GET", "/hello")
        assert connection.read_response().body == b"Hello, world!\n"


def test_headers_keep_their_order_through_a_slow_client(kitchen: Server) -> None:
    """A head that the socket takes piece by piece."""
    with Connection(kitchen, receive_buffer=4096) as connection:
        for _ in range(2):
            connection.send_request("GET", "/many-cookies/3000")
            response = connection.read_response()
            names = [name for number in range(3000) for name in ("set-cookie", f"x-{number}")]
            assert own_names(response) == names
            assert response.body == b"in pieces\n"


def test_headers_of_http_1_0_keep_their_order(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        connection.send(b"GET /cookies HTTP/1.0\r\n\r\n")
        head = connection.read_to_end().partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0].decode() for line in head.split(b"\r\n")[1:]]
    assert names[:4] == COOKIES


def test_latin1_response_values_are_byte_exact(kitchen: Server) -> None:
    assert get(kitchen, "/latin1").header("x-name") == "caf\xe9 \xff"


@pytest.mark.parametrize("value", ["plain", "caf\xe9", "a  b", "\xff\x80", 'quoted "string", comma', "tab\tinside"])
def test_header_values_survive_the_way_in_and_out(kitchen: Server, value: str) -> None:
    assert get(kitchen, "/echo-header", ("X-Send", value)).header("x-echo") == value


def test_hop_by_hop_headers_of_the_app_are_dropped(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        connection.send_request("GET", "/hop-by-hop")
        response = connection.read_response()
        assert response.body == b"kept\n"
        assert response.header("x-kept") == "yes"
        for name in ("keep-alive", "transfer-encoding", "upgrade"):
            assert response.header(name) is None
        assert response.header("connection") in (None, "keep-alive")
        connection.send_request("GET", "/hello")
        assert connection.read_response().body == b"Hello, world!\n"


@pytest.mark.parametrize("status", [200, 201, 299, 404, 418, 500, 599, 999])
def test_status_codes(kitchen: Server, status: int) -> None:
    response = get(kitchen, f"/status/{status}")
    assert response.status == status
    assert response.body == b"body of the status\n"
    assert response.framing == "length"


@pytest.mark.parametrize("status", [204, 304])
def test_no_content_statuses_carry_no_body(kitchen: Server, status: int) -> None:
    with Connection(kitchen) as connection:
        connection.send_request("GET", f"/status/{status}")
        response = connection.read_response()
        assert response.status == status
        assert response.header("transfer-encoding") is None
        if status == 204:
            assert response.header("content-length") is None
        connection.send_request("GET", "/hello")  # a stray body byte would be read as this response's head
        assert connection.read_response().body == b"Hello, world!\n"


def test_304_keeps_the_length_of_what_it_stands_for(kitchen: Server) -> None:
    assert get(kitchen, "/status-with-length/304").header("content-length") == "5"


def test_204_drops_the_length(kitchen: Server) -> None:
    response = get(kitchen, "/status-with-length/204")
    assert response.header("content-length") is None
    assert own_names(response) == ["content-type", "x-before", "x-after", "x-last"]


@pytest.mark.parametrize("path", ["/hello", "/head-lengths", "/stream/3"])
def test_head_has_the_head_of_get_and_no_body(kitchen: Server, path: str) -> None:
    with Connection(kitchen) as connection:
        connection.send_request("GET", path)
        whole = connection.read_response()
        connection.send_request("HEAD", path)
        head = connection.read_response("HEAD")
        connection.send_request("GET", "/hello")
        assert connection.read_response().body == b"Hello, world!\n"
    assert head.status == whole.status
    assert head.body == b""
    if whole.framing == "length":
        assert head.header("content-length") == whole.header("content-length")


def test_head_keeps_the_length_that_the_app_gave(kitchen: Server) -> None:
    assert request(kitchen, "HEAD", "/head-lengths").header("content-length") == "1234"


def test_stream_is_chunked_and_whole(kitchen: Server) -> None:
    response = get(kitchen, "/stream/50")
    assert response.framing == "chunked"
    assert response.complete
    assert response.body == b"".join(b"chunk %d\n" % number for number in range(50))
    assert b"" not in response.chunks


def test_empty_pieces_do_not_end_the_stream(kitchen: Server) -> None:
    response = get(kitchen, "/empty-pieces")
    assert response.complete
    assert response.body == b"ab"


def test_empty_response_has_length_zero(kitchen: Server) -> None:
    response = get(kitchen, "/empty")
    assert response.status == 200
    assert response.header("content-length") == "0"


def test_post_without_any_body_header(kitchen: Server) -> None:
    assert exchange(kitchen, b"POST /echo HTTP/1.1\r\nHost: a\r\n\r\n").body == b""


# Connections


def test_keep_alive_serves_many_requests(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        for number in range(50):
            connection.send_request("POST", "/echo", body=b"number %d" % number)
            response = connection.read_response()
            assert response.body == b"number %d" % number
            assert response.header("connection") in (None, "keep-alive")


def test_connection_close_is_obeyed(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        connection.send_request("GET", "/hello", [("Connection", "close")])
        assert connection.read_response().header("connection") == "close"
        assert connection.closed_within(2)


def test_pipelined_responses_come_in_order(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        requests = b"GET /slow?ms=50 HTTP/1.1\r\nHost: a\r\n\r\n"
        for number in range(20):
            body = b"number %d" % number
            requests += b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        requests += b"HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
        connection.send(requests)
        assert connection.read_response().body == b"slow\n"
        for number in range(20):
            assert connection.read_response().body == b"number %d" % number
        assert connection.read_response("HEAD").body == b""
        assert connection.read_response().body == b"Hello, world!\n"


def test_waiting_requests_do_not_hold_back_a_stream(kitchen: Server, interface: str) -> None:
    """A chunk leaves at once also when the next request is here already."""
    label = f"pipelined-{interface}"
    with Connection(kitchen) as connection:
        second = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
        connection.send(f"GET /stream-gated?label={label} HTTP/1.1\r\nHost: a\r\n\r\n".encode() + second)
        connection.read_head()
        assert connection.read_chunk() == b"first"
        get(kitchen, f"/open-gate?label={label}")
        assert connection.read_chunk() == b"second"
        assert connection.read_chunk() is None
        assert connection.read_response().body == b"Hello, world!\n"


def test_http_1_0_closes(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        connection.send(b"GET /hello HTTP/1.0\r\n\r\n")
        head, _, body = connection.read_to_end().partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"200"
    assert body == b"Hello, world!\n"


def test_http_1_0_keep_alive_when_asked(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        connection.send(b"GET /hello HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
        head = connection.read_line()
        assert head.split(b" ")[1] == b"200"
        fields = []
        while (line := connection.read_line()) != b"\r\n":
            fields.append(line.lower())
        assert b"connection: keep-alive\r\n" in fields
        assert b"content-length: 14\r\n" in fields
        assert connection.read_exactly(14) == b"Hello, world!\n"
        connection.send(b"GET /hello HTTP/1.0\r\nHost: a\r\n\r\n")
        assert connection.read_to_end().endswith(b"\r\n\r\nHello, world!\n")


def test_http_1_0_stream_is_never_chunked(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        connection.send(b"GET /stream/3 HTTP/1.0\r\n\r\n")
        head, _, body = connection.read_to_end().partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert body == b"chunk 0\nchunk 1\nchunk 2\n"


@pytest.mark.parametrize("target", ["/stream/3", "/hello"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_http_1_0_keep_alive_is_said_only_when_it_is_so(kitchen: Server, method: bytes, target: str) -> None:
    """A response whose end is that of the connection says `close`, though `keep-alive` was asked for."""
    with Connection(kitchen) as connection:
        connection.send(b"%b %b HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n" % (method, target.encode()))
        assert connection.read_line() == b"HTTP/1.0 200 OK\r\n"
        fields = {}
        while (line := connection.read_line()) != b"\r\n":
            name, _, value = line.lower().partition(b":")
            fields[name] = value.strip()
        delimited = method == b"GET" and b"content-length" not in fields
        assert fields[b"connection"] == (b"close" if delimited else b"keep-alive")
        assert b"transfer-encoding" not in fields
        if delimited:
            assert connection.read_to_end() == b"chunk 0\nchunk 1\nchunk 2\n"
            return
        if method == b"GET":
            connection.read_exactly(int(fields[b"content-length"]))
        connection.send(b"GET /hello HTTP/1.0\r\nHost: a\r\n\r\n")
        assert connection.read_to_end().endswith(b"\r\n\r\nHello, world!\n")


def test_http_1_0_error_that_closes_says_nothing_else(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        connection.send(b"POST /echo HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\nContent-Length: x\r\n\r\n")
        head = connection.read_to_end().partition(b"\r\n\r\n")[0].lower()
    assert b"\r\nconnection: close" in head
    assert b"keep-alive" not in head


def test_request_in_single_bytes(kitchen: Server) -> None:
    data = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    with Connection(kitchen) as connection:
        for byte in data:
            connection.send(bytes([byte]))
        assert connection.read_response().body == b"abc"


def test_half_closed_client_gets_its_response(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        connection.send_request("POST", "/echo", body=b"all of it")
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.read_response().body == b"all of it"


def test_half_closed_client_gets_a_response_that_takes_its_time(kitchen: Server) -> None:
    """Longer than it takes until who listens is told; and so do the requests behind it."""
    with Connection(kitchen) as connection:
        slow = b"GET /slow?ms=1500 HTTP/1.1\r\nHost: a\r\n\r\n"
        connection.send(slow + b"GET /stream/3 HTTP/1.1\r\nHost: a\r\n\r\n" + b"GET /hel")
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.read_response().body == b"slow\n"
        assert connection.read_response().body == b"chunk 0\nchunk 1\nchunk 2\n"
        assert connection.closed_within(2)


def test_leading_empty_line_is_skipped(kitchen: Server) -> None:
    assert exchange(kitchen, b"\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n").body == b"Hello, world!\n"


# Request bodies


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 1_500_000])
def test_body_with_a_length(kitchen: Server, size: int) -> None:
    body = bytes(number % 251 for number in range(1000)) * (size // 1000 + 1)
    response = post(kitchen, "/echo", body[:size])
    assert response.status == 200
    assert response.body == body[:size]


@pytest.mark.parametrize("chunks", [[], [b"a"], [b"first", b"second", b"x" * 100_000]])
def test_chunked_body(kitchen: Server, chunks: list[bytes]) -> None:
    assert request(kitchen, "POST", "/echo", chunks=chunks).body == b"".join(chunks)


def test_chunked_body_with_extensions_and_trailers(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        connection.send(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'3;name=value\r\nabc\r\n3;quoted="a b"\r\ndef\r\n0\r\nX-Trailer: 1\r\n\r\n'
        )
        assert connection.read_response().body == b"abcdef"
        connection.send_request("GET", "/hello")
        assert connection.read_response().body == b"Hello, world!\n"


def test_chunk_sizes_may_be_upper_case_with_leading_zeros(kitchen: Server) -> None:
    data = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n00A\r\n0123456789\r\n0\r\n\r\n"
    assert exchange(kitchen, data).body == b"0123456789"


def test_trailers_never_become_headers(kitchen: Server) -> None:
    response = exchange(
        kitchen,
        b"POST /headers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\na\r\n0\r\nContent-Length: 5\r\nX-Smuggled: 1\r\n\r\n",
    )
    names = [name for name, _ in response.json()]
    assert "x-smuggled" not in names


def test_unread_body_does_not_become_the_next_request(kitchen: Server) -> None:
    """Either the rest is read and thrown away, or the connection is closed; it is never taken for a request."""
    inside = b"GET /status/418 HTTP/1.1\r\nHost: a\r\n\r\n"
    with Connection(kitchen) as connection:
        connection.send_request("POST", "/no-read-413", body=inside)
        assert connection.read_response().status == 413
        connection.send_request("GET", "/hello")
        rest = connection.read_some() if not connection.closed_within(0.5) else b""
    assert b" 418 " not in rest


# Expect: 100-continue


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_continue_comes_once_when_the_app_reads(kitchen: Server, framing: str) -> None:
    field = b"Content-Length: 6" if framing == "length" else b"Transfer-Encoding: chunked"
    with Connection(kitchen) as connection:
        connection.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n%b\r\n\r\n" % field)
        interim = connection.read_head()
        assert interim.status == 100
        body = b"abcdef" if framing == "length" else chunk_bytes(b"abc") + chunk_bytes(b"def") + b"0\r\n\r\n"
        connection.send(body)
        response = connection.read_response()
        assert response.interim == []
        assert response.body == b"abcdef"


def test_continue_never_comes_when_the_app_does_not_read(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        connection.send(
            b"POST /no-read-413 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n"
        )
        response = connection.read_response()
        assert response.status == 413
        assert response.interim == []
        # What the client sends next is either the body after all or a new request: only closing is unambiguous.
        assert connection.closed_within(5)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        (b"Expect: 100-continue\r\nContent-Length: 1000000\r\n", b""),
        (b"Expect: 100-continue\r\nContent-Length: 5\r\n", b""),
        (b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", b""),
        (b"Content-Length: 5000000\r\n", b"x" * 3_000_000),
    ],
    ids=["expect", "expect-few", "expect-chunked", "part-of-a-large-one"],
)
def test_response_to_a_body_that_was_not_read_says_close(kitchen: Server, fields: bytes, sent: bytes) -> None:
    """Always: a client that was told nothing would send its next request into a closed connection."""
    for _ in range(12):
        with Connection(kitchen) as connection:
            connection.send(b"POST /no-read-413 HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                connection.send(sent)
            response = connection.read_response()
            assert (response.status, response.all("connection")) == (413, ["close"])
            assert connection.closed_within(5)


def test_response_to_a_body_that_is_skipped_keeps_the_connection(kitchen: Server) -> None:
    """It came with its head, so what follows it is the next request."""
    with Connection(kitchen) as connection:
        for expect in ("", "Expect: 100-continue\r\n") * 5:
            connection.send(f"POST /no-read-413 HTTP/1.1\r\nHost: a\r\n{expect}Content-Length: 5\r\n\r\nabcde".encode())
            response = connection.read_response()
            assert (response.status, response.header("connection")) == (413, None)


@pytest.mark.parametrize("field", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_response_to_a_body_that_was_read_keeps_the_connection(kitchen: Server, field: bytes) -> None:
    body = b"abcde" if b"5" in field else b"5\r\nabcde\r\n0\r\n\r\n"
    with Connection(kitchen) as connection:
        for _ in range(20):
            connection.send(b"POST /echo HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % field + body)
            response = connection.read_response()
            assert (response.body, response.header("connection")) == (b"abcde", None)


def test_continue_is_for_1_1_only(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        connection.send(b"POST /echo HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc")
        data = connection.read_to_end()
    assert b" 100 " not in data.partition(b"\r\n")[0]
    assert data.endswith(b"\r\n\r\nabc")


def test_continue_without_a_body_is_not_needed(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        connection.send(b"GET /hello HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n")
        response = connection.read_response()
    assert response.status == 200
    assert response.interim == []


def test_transfer_coding_that_is_not_undone_is_501(kitchen: Server) -> None:
    """The body's end is known, but what it is is not: that is no mistake of the client (RFC 9112 6.1)."""
    head = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
    response = exchange(kitchen, head + b"1\r\nx\r\n0\r\n\r\n")
    assert (response.status, response.header("connection")) == (501, "close")
    assert b"chunked" in response.body


# Targets


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/seen", "/seen", ""),
        ("/seen?", "/seen", ""),
        ("/seen?a=1&b=%20&c=%C3%A9", "/seen", "a=1&b=%20&c=%C3%A9"),
        ("/seen?a?b/c", "/seen", "a?b/c"),
        ("/seen/caf%C3%A9", "/seen/caf\xe9", ""),
        ("/seen/a%2Fb", "/seen/a/b", ""),
        ("/seen//double///slash/", "/seen//double///slash/", ""),
        ("/seen/../seen/./x", "/seen/../seen/./x", ""),
        ("/seen/a%20b%3Fc%25", "/seen/a b?c%", ""),
        ("/seen/;p=1,2&x=y", "/seen/;p=1,2&x=y", ""),
        ("/seen/100%", "/seen/100%", ""),
        ("/seen/%zz%4", "/seen/%zz%4", ""),
    ],
)
def test_paths_and_queries(kitchen: Server, target: str, path: str, query: str) -> None:
    seen = get(kitchen, target).json()
    assert seen["path"] == path
    assert seen["query"] == query
    assert seen["raw_path"] == target.partition("?")[0]
    assert seen["root"] == ""


def test_absolute_form_target(kitchen: Server) -> None:
    response = exchange(kitchen, b"GET http://example.com:81/seen/x?y=1 HTTP/1.1\r\nHost: example.com:81\r\n\r\n")
    seen = response.json()
    assert (seen["path"], seen["query"]) == ("/seen/x", "y=1")


def test_absolute_form_wins_over_host(kitchen: Server) -> None:
    """RFC 9112, section 3.2.2: the authority of the target replaces what Host says."""
    response = exchange(kitchen, b"GET http://example.com/headers HTTP/1.1\r\nHost: other.example\r\n\r\n")
    assert dict(response.json())["host"] == "example.com"


def test_absolute_form_without_a_path(kitchen: Server) -> None:
    response = exchange(kitchen, b"GET http://example.com?x HTTP/1.1\r\nHost: example.com\r\n\r\n")
    assert response.status == 404
    assert response.body == b"kitchen: no such path\n"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "M-SEARCH"])
def test_methods_reach_the_app(kitchen: Server, method: str) -> None:
    assert request(kitchen, method, "/seen").json()["method"] == method


def test_http_version_reaches_the_app(kitchen: Server) -> None:
    assert get(kitchen, "/seen").json()["version"] == "1.1"
    with Connection(kitchen) as connection:
        connection.send(b"GET /seen HTTP/1.0\r\nHost: a\r\n\r\n")
        assert b'"version": "1.0"' in connection.read_to_end()


# Request headers


def test_underscore_names_are_dropped(kitchen: Server) -> None:
    headers = get(kitchen, "/headers", ("X_Forged", "1"), ("X-Forged", "2"), ("Content_Length", "3")).json()
    assert [value for name, value in headers if "forged" in name] == ["2"]
    assert "3" not in [value for _, value in headers]


def test_proxy_header_never_becomes_http_proxy(wsgi_server: Server, bridge_server: Server) -> None:
    for server in (wsgi_server, bridge_server):
        response = get(server, "/environ", ("Proxy", "http://evil.example"))
        assert "HTTP_PROXY" not in response.json()


def test_names_ignore_case_and_values_are_trimmed(kitchen: Server) -> None:
    headers = get(kitchen, "/headers", ("x-MiXeD", " \t spaced \t ")).json()
    assert ["x-mixed", "spaced"] in headers


def test_repeated_cookies_arrive_as_one_string(kitchen: Server) -> None:
    assert get(kitchen, "/cookies", ("Cookie", "a=1"), ("Cookie", "b=2; c=3")).body == b"a=1; b=2; c=3"


def test_content_headers_arrive(kitchen: Server) -> None:
    headers = dict(post(kitchen, "/headers", b"abc", ("Content-Type", "text/x-kitchen")).json())
    assert headers["content-type"] == "text/x-kitchen"
    assert headers["content-length"] == "3"


def test_empty_header_value_arrives(kitchen: Server) -> None:
    assert ["x-empty", ""] in get(kitchen, "/headers", ("X-Empty", "")).json()


# Listeners


def test_unix_socket(start_kitchen: Callable[..., Server], tmp_path: Path) -> None:
    path = tmp_path / "rsgi.sock"
    server = start_kitchen("--uds", str(path))
    assert server.address == str(path)
    assert get(server, "/hello").body == b"Hello, world!\n"
    assert post(server, "/echo", b"over a socket file").body == b"over a socket file"
    server.stop()
    assert not path.exists()


def test_ipv6(start_kitchen: Callable[..., Server]) -> None:
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6 loopback address")
    server = start_kitchen("--host", "::1")
    assert isinstance(server.address, tuple)
    assert server.address[0] == "::1"
    assert get(server, "/hello").body == b"Hello, world!\n"


def test_several_addresses(start: Callable[..., Server], tmp_path: Path) -> None:
    path = tmp_path / "second.sock"
    addresses = ("--bind", "127.0.0.1:0", "--bind", f"unix:{path}")
    server = start("--wsgi", "wsgi_kitchen:app", *addresses, listeners=2)
    assert len(server.addresses) == 2
    for address in list(server.addresses):
        server.addresses.insert(0, address)
        assert get(server, "/hello").body == b"Hello, world!\n"


def test_stale_socket_file_is_replaced(start: Callable[..., Server], tmp_path: Path) -> None:
    path = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    server = start("--wsgi", "wsgi_kitchen:app", "--uds", str(path))
    assert get(server, "/hello").body == b"Hello, world!\n"


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
