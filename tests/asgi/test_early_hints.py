"""`http.response.early_hint`: a 103 before the response, as bytes on the wire.

Apart from `test_asgi_extensions.py` because a hint is not part of the response. Spec: RFC 8297; RFC 9110 15.2; the ASGI
extension "Early Hints".
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from http2_wire import get2
from server import Server, start_rsgi
from wire import Connection, get

HINTED = ("--asgi-extensions", "early_hint")
LINKS = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nlink: </b.js>; rel=preload\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = start_rsgi("--asgi", "early_app:app", "--lifespan", "off", *HINTED)
    yield started
    started.stop()


def test_hints_leave_before_the_response_is_known(server: Server) -> None:
    with Connection(server) as connection:
        connection.send_request("GET", "/gated")
        assert connection.read_exactly(len(LINKS)) == LINKS
        assert connection.silent_for(0.1)
        assert get(server, "/open").status == 200
        response = connection.read_response()
        assert (response.status, response.interim, response.body) == (200, [], b"hello")
        connection.send_request("GET", "/open")
        assert connection.read_response().interim == []


def test_hints_come_as_often_as_they_are_sent(server: Server) -> None:
    response = get(server, "/twice")
    assert (response.interim, response.status, response.body) == ([103, 103], 200, b"hello")


def test_hints_keep_their_place_among_pipelined_responses(server: Server) -> None:
    with Connection(server) as connection:
        connection.send(
            b"".join(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path for path in (b"/open", b"/twice", b"/open"))
        )
        assert [connection.read_response().interim for _ in range(3)] == [[], [103, 103], []]


def test_hints_are_offered_over_http_1_1_only(server: Server) -> None:
    assert get(server, "/offered").json() is True
    assert get2(server, "/offered").body == b"false"
    for path, response in ((b"/offered", b"false"), (b"/hint", b"hello")):
        with Connection(server) as connection:
            connection.send(b"GET %b HTTP/1.0\r\n\r\n" % path)
            data = connection.read_to_end()
        assert data.startswith(b"HTTP/1.0 200 ")
        assert data.endswith(b"\r\n\r\n" + response)


def test_mistakes_raise_in_the_application(server: Server) -> None:
    assert get(server, "/after").interim == []
    assert get(server, "/wrong").interim == []
    seen = get(server, "/seen").json()
    assert "RuntimeError: 'http.response.early_hint' was sent after 'http.response.start'" in seen
    assert "TypeError: each of 'links' must be bytes, not str (text)" in [
        each.replace("'text'", "text") for each in seen
    ]
    assert any(each.startswith("ValueError: a link has a control character") for each in seen)
