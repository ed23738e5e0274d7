"""`http.response.trailers`: fields after the body, over HTTP/1.1 and HTTP/2, as bytes and frames on the wire.

Covers the ASGI extension "HTTP Trailers" and RFC 9110 6.5.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from http2_wire import Http2Connection
from server import Server, start_rsgi
from wire import Connection, get, request

TE = [("TE", "trailers"), ("Connection", "close")]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = start_rsgi("--asgi", "trailer_app:app", "--lifespan", "off", "--asgi-extensions", "trailers")
    yield started
    started.stop()


def asked(server: Server, path: str, method: str = "GET") -> tuple[bytes, bytes]:
    """The head and everything after it, as they came, from a client that takes trailers."""
    with Connection(server) as connection:
        connection.send_request(method, path, TE)
        head, _, rest = connection.read_to_end().partition(b"\r\n\r\n")
    return head.lower(), rest


def said(server: Server) -> str:
    """What was raised in the application last."""
    return get(server, "/said").body.decode()


def test_trailers_follow_the_last_chunk(server: Server) -> None:
    head, rest = asked(server, "/trailers")
    assert b"\r\ntransfer-encoding: chunked" in head
    assert b"\r\ntrailer: x-sum, x-more" in head
    assert rest == b"3\r\nhel\r\n2\r\nlo\r\n0\r\nx-sum: 5d41\r\n\r\n"


def test_several_messages_are_one_section_with_their_repeats(server: Server) -> None:
    _, rest = asked(server, "/in-pieces")
    body, _, section = rest.partition(b"0\r\n")
    assert body == b"5\r\nhello\r\n"
    assert section == b"x-sum: 5d41\r\nx-sum: again\r\nx-more: m\xe9\r\n\r\n"


def test_none_after_all_is_a_whole_response(server: Server) -> None:
    assert asked(server, "/none-after-all")[1] == b"5\r\nhello\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("value", "offered"),
    [("trailers", True), ("gzip, Trailers", True), ("gzip", False), ("trailersx", False), (None, False)],
)
def test_offered_to_clients_that_say_that_they_take_them(server: Server, value: str | None, offered: bool) -> None:
    headers = [] if value is None else [("TE", value)]
    names = request(server, "GET", "/offered", headers).body.decode().split(",")
    assert ("http.response.trailers" in names) is offered


def test_not_offered_over_http_1_0(server: Server) -> None:
    with Connection(server) as connection:
        connection.send(b"GET /offered HTTP/1.0\r\nHost: x\r\nTE: trailers\r\n\r\n")
        assert b"trailers" not in connection.read_to_end()


def test_a_promise_that_nobody_asked_for(server: Server) -> None:
    assert get(server, "/trailers").status == 500
    assert said(server).startswith("ValueError: 'trailers' is true, but the client takes none")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/trailers?unnamed", "ValueError: 'trailers' is true, but no 'Trailer' among the headers names the fields"),
        ("/trailers?length=5", "ValueError: trailers follow a chunked body: leave Content-Length out"),
    ],
)
def test_a_head_that_leaves_no_place_for_them(server: Server, path: str, error: str) -> None:
    # The query `unnamed` has no value, which `parse_qs` leaves out.
    head, _ = asked(server, path.replace("unnamed", "unnamed=1"))
    assert head.startswith(b"http/1.1 500 ")
    assert said(server).startswith(error)


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (
            "/unpromised",
            "RuntimeError: 'http.response.trailers' was sent, but 'http.response.start' did not promise it",
        ),
        ("/early", "RuntimeError: 'http.response.trailers' was sent before the body was whole"),
        ("/field?name=content-length", 'ValueError: "content-length" may not follow a body (RFC 9110 6.5.1)'),
        ("/field?name=set-cookie", 'ValueError: "set-cookie" may not follow a body (RFC 9110 6.5.1)'),
        ("/field?name=x-other", "ValueError: the trailer \"x-other\" is not named in the 'Trailer' header"),
        ("/field?name=a%0Ab", 'ValueError: "a\\nb" is not a header name'),
    ],
)
def test_mistakes_raise_in_the_application_and_cut_the_response(server: Server, path: str, error: str) -> None:
    head, rest = asked(server, path)
    assert head.startswith(b"http/1.1 200 ")
    assert b"hello" in rest
    assert not rest.endswith(b"0\r\n\r\n")
    assert said(server).startswith(error)


def test_a_broken_promise_never_looks_whole(server: Server) -> None:
    _, rest = asked(server, "/broken-promise")
    assert rest == b"5\r\nhello\r\n"
    assert "the application returned before it had sent its whole response" in server.wait_for_log("whole response")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_response_without_a_body_has_none(server: Server, method: str, status: int) -> None:
    head, rest = asked(server, f"/trailers?status={status}", method)
    assert head.startswith(f"http/1.1 {status} ".encode())
    assert rest == b""


def test_a_trailer_header_without_a_promise_is_left_out(server: Server) -> None:
    with Connection(server) as connection:
        connection.send_request("GET", "/unpromised", TE)
        assert b"trailer" not in connection.read_to_end().lower()


def test_frames_of_http2(server: Server) -> None:
    with Http2Connection(server) as connection:
        for path in ("/trailers", "/trailers?unnamed=1", "/in-pieces"):
            stream = connection.read(connection.get(path))
            assert (stream.status, stream.body, stream.ended) == (200, b"hello", True)
            assert ("x-sum", "5d41") in stream.trailers
        assert stream.trailers == [("x-sum", "5d41"), ("x-sum", "again"), ("x-more", "m\xe9")]


def test_a_broken_promise_over_http2_is_a_reset(server: Server) -> None:
    with Http2Connection(server) as connection:
        stream = connection.read(connection.get("/broken-promise"))
        assert (stream.status, stream.ended) == (200, False)
        assert stream.reset is not None
