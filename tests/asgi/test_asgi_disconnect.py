"""What an application is told when its client leaves: by closing the connection, or by resetting its HTTP/2 stream.

Apart from `test_asgi.py` because each test leaves in the middle of something, over both protocols and on both loops. Covers
ASGI HTTP 2.5 "Disconnect - receive event" and "Disconnected Client - send exception".
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Protocol, TypeAlias

import pytest

from http2_wire import Http2Connection, Stream
from server import Server, start_asgi_host, wait_until
from wire import Connection, get, post

CANCEL = 8

# When to leave: as soon as this is true, without it with the first byte of the response's body.
Begun: TypeAlias = Callable[[], object] | None


class Leave(Protocol):
    """Sends a request, waits, and leaves."""

    def __call__(self, server: Server, target: str, begun: Begun = None, /) -> None: ...


_labels = itertools.count()


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    started = start_asgi_host(request.param, "leaving_app:app")
    yield started
    log = started.log()
    started.stop()
    assert "Traceback" not in log, log


@pytest.fixture
def label() -> str:
    return f"label-{next(_labels)}"


def seen(server: Server, label: str) -> list[str]:
    found: list[str] = get(server, f"/seen?{label}").json()
    return found


def seen_at_last(server: Server, label: str, last: str) -> list[str]:
    wait_until(lambda: last in seen(server, label), 5, f"{last!r} under {label}")
    return seen(server, label)


def leave_http1(server: Server, target: str, begun: Begun = None) -> None:
    with Connection(server) as connection:
        connection.send_request("GET", target)
        if begun is None:
            connection.read_head()
            assert connection.read_chunk()
        else:
            wait_until(begun, 5, f"{target} has begun")


def open_http2(connection: Http2Connection, server: Server, target: str, begun: Begun) -> Stream:
    stream = connection.request("GET", target)
    if begun is None:
        assert connection.wait_for(lambda: stream.body != b"")
    else:
        wait_until(begun, 5, f"{target} has begun")
    return stream


def leave_http2(server: Server, target: str, begun: Begun = None) -> None:
    """Resets one stream; the connection goes on and serves the next."""
    with Http2Connection(server) as connection:
        stream = open_http2(connection, server, target, begun)
        connection.h2.reset_stream(stream.number, error_code=CANCEL)
        after = connection.get("/seen?none")
        assert (after.status, after.body) == (200, b"[]")


def leave_http2_altogether(server: Server, target: str, begun: Begun = None) -> None:
    with Http2Connection(server) as connection:
        open_http2(connection, server, target, begun)


leaving = pytest.mark.parametrize("leave", [leave_http1, leave_http2, leave_http2_altogether])


@leaving
def test_stream_is_told_by_receive_and_by_send(server: Server, label: str, leave: Leave) -> None:
    """A task that listens is told once and again, and `send` raises an `OSError` in the one that streams."""
    leave(server, f"/stream?{label}")
    found = seen_at_last(server, label, "ended")
    assert found.count("http.disconnect") == 2
    assert "send raised ClientDisconnected, OSError: True" in found


@leaving
def test_application_that_has_not_answered_is_told(server: Server, label: str, leave: Leave) -> None:
    leave(server, f"/wait?{label}", lambda: seen(server, label) == ["waits"])
    found = seen_at_last(server, label, "http.response.start raised an OSError")
    assert found[:2] == ["waits", "http.disconnect"]


def test_body_that_breaks_off_is_told(server: Server, label: str) -> None:
    with Connection(server) as connection:
        connection.send(f"POST /body?{label} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc".encode())
        wait_until(lambda: seen(server, label) == ["3 bytes"], 5, "the first bytes")
    assert seen_at_last(server, label, "http.disconnect") == ["3 bytes", "http.disconnect"]


def test_body_that_is_reset_is_told(server: Server, label: str) -> None:
    with Http2Connection(server) as connection:
        stream = connection.request("POST", f"/body?{label}", body=b"abc", end=False)
        wait_until(lambda: seen(server, label) == ["3 bytes"], 5, "the first bytes")
        connection.h2.reset_stream(stream.number, error_code=CANCEL)
        connection.flush()
        assert seen_at_last(server, label, "http.disconnect") == ["3 bytes", "http.disconnect"]


@leaving
def test_generator_that_an_error_holds_is_ended(server: Server, label: str, leave: Leave) -> None:
    """A ring of traceback and frames holds it; its `finally` does not wait until the collector comes by."""
    leave(server, f"/held?{label}")
    assert seen_at_last(server, label, "generator ended") == ["generator ended"]


@leaving
@pytest.mark.parametrize("stream", ["waiting", "busy"])
def test_listener_hears_of_it_before_send_raises(server: Server, label: str, leave: Leave, stream: str) -> None:
    """So that a framework whose listener cancels the stream, as Django's, can do so in order."""
    leave(server, f"/cancelled/{stream}?{label}")
    assert seen_at_last(server, label, "ended") == ["receive first: True", "CancelledError", "ended"]


@leaving
def test_bare_starlette_ends_its_stream(server: Server, label: str, leave: Leave) -> None:
    """Without middleware the error of `send` finds the generator between two lines."""
    leave(server, f"/bare/stream?{label}")
    assert seen_at_last(server, label, "generator ended") == ["generator ended"]


@pytest.mark.parametrize("stream", ["bare", "starlette"])
def test_stream_that_nobody_gets_ends_with_its_connection(server: Server, label: str, stream: str) -> None:
    """HEAD has no body; the stream behind it goes on, and ends when the client leaves."""
    with Connection(server) as connection:
        connection.send_request("HEAD", f"/{stream}/stream?{label}")
        assert connection.read_head().status == 200
    assert seen_at_last(server, label, "generator ended") == ["generator ended"]


@leaving
def test_starlette_ends_its_stream(server: Server, label: str, leave: Leave) -> None:
    """Also behind two layers of `BaseHTTPMiddleware`, each of which hands every message to another task."""
    leave(server, f"/starlette/stream?{label}")
    assert seen_at_last(server, label, "generator ended")[0] == "generator ended"


@leaving
def test_starlette_sees_it_when_it_asks(server: Server, label: str, leave: Leave) -> None:
    leave(server, f"/bare/polling?{label}", lambda: seen(server, label) == ["polls"])
    assert seen_at_last(server, label, "disconnected") == ["polls", "disconnected"]


def test_starlette_goes_on_behind_a_response_that_is_complete(server: Server, label: str) -> None:
    response = post(server, f"/starlette/whole?{label}", b"body")
    assert (response.status, response.header("x-wrapped"), response.body) == (200, "yes", b"0 1 2 ")
    assert seen(server, label) == []
    get(server, f"/open?{label}")
    assert seen_at_last(server, label, "background") == ["background"]
