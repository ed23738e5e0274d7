"""A connection between two requests: after a moment without any it rests, which nobody can tell but by its memory.

Apart from `test_wire.py`, whose connections never wait long enough to rest, and from `test_memory.py`, which looks at that.
Answers for RFC 9112, 9.3.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from certificates import Certificates, TlsConnection
from server import Server, wait_until
from websocket_wire import TEXT, WebSocketConnection
from wire import Connection, get

# How long a client says nothing here; a connection rests after a second.
NAP = 1.3
HELLO = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"


def greet(connection: Connection) -> None:
    connection.send(HELLO)
    assert connection.read_response().body == b"Hello, world!\n"


@pytest.fixture
def rested(kitchen: Server) -> Iterator[Connection]:
    """A connection that had an answer, and rests."""
    with Connection(kitchen) as connection:
        greet(connection)
        time.sleep(NAP)
        yield connection


def test_requests_after_a_rest(rested: Connection) -> None:
    for _ in range(2):
        greet(rested)
        rested.send_request("POST", "/echo", body=b"body" * 50_000)
        assert rested.read_response().body == b"body" * 50_000
        time.sleep(NAP)
    rested.send(HELLO * 3)
    assert [rested.read_response().body for _ in range(3)] == [b"Hello, world!\n"] * 3


def test_a_head_in_pieces_ends_a_rest(rested: Connection) -> None:
    for piece in (b"\r\n", HELLO[:7], HELLO[7:30], HELLO[30:]):
        rested.send(piece)
        assert rested.silent_for(0.05) or piece == HELLO[30:]
    assert rested.read_response().body == b"Hello, world!\n"


def test_a_head_longer_than_what_is_read_at_first(rested: Connection) -> None:
    rested.send(b"GET /hello HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 30_000 + b"\r\n\r\n" + HELLO)
    assert [rested.read_response().body for _ in range(2)] == [b"Hello, world!\n"] * 2


def test_a_refused_head_after_a_rest(rested: Connection) -> None:
    rested.send(b"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    response = rested.read_response()
    assert response.status == 400
    assert response.header("connection") == "close"
    assert rested.closed_within(2)


def test_upgrade_after_a_rest(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as connection:
        greet(connection)
        time.sleep(NAP)
        assert connection.upgrade("/ws/echo").status == 101
        time.sleep(NAP)
        connection.send_frame(TEXT, b"awake")
        assert connection.read_frame().payload == b"awake"


def test_a_rest_over_tls(start_kitchen: Callable[..., Server], tmp_path: Path) -> None:
    certificates = Certificates.make(tmp_path)
    server = start_kitchen(*certificates.flags())
    with TlsConnection(server, certificates.context()) as connection:
        for _ in range(2):
            greet(connection)
            time.sleep(NAP)
        connection.send(HELLO * 2)
        assert [connection.read_response().body for _ in range(2)] == [b"Hello, world!\n"] * 2


def test_a_request_that_lasts_longer_than_a_moment_is_no_rest(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        connection.send_request("GET", f"/slow?ms={NAP * 1000:.0f}")
        assert connection.read_response().status == 200
        greet(connection)


def test_the_idle_time_counts_from_the_answer(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--keep-alive-timeout", "3")
    with Connection(server) as connection:
        greet(connection)
        assert not connection.closed_within(2)
        greet(connection)
        began = time.monotonic()
        assert connection.closed_within(5)
        assert time.monotonic() - began > 2.5


def test_connections_that_rest_are_closed_at_once(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--grace", "30")
    with contextlib.ExitStack() as cleanup:
        connections = [cleanup.enter_context(Connection(server)) for _ in range(5)]
        for connection in connections:
            greet(connection)
        time.sleep(NAP)
        server.send_signal()
        # At once is long before the grace time, also on a machine that has much to do.
        assert all(connection.closed_within(10) for connection in connections)
        assert server.wait(5) == 0


def test_nothing_is_asked_of_a_closed_connection_after_a_rest(wsgi_server: Server) -> None:
    with Connection(wsgi_server) as connection:
        target = b"/compute?ms=1&label=after the close".replace(b" ", b"%20")
        connection.send(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET " + target)
        assert connection.read_response().body == b"Hello, world!\n"
        time.sleep(NAP)
        with contextlib.suppress(ConnectionError):
            connection.send(b" HTTP/1.1\r\nHost: a\r\n\r\n")
            connection.read_to_end()
    assert get(wsgi_server, "/record?label=after%20the%20close").json() == []


def test_a_client_that_leaves_while_it_rests(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen()
    with contextlib.ExitStack() as cleanup:
        for _ in range(50):
            greet(cleanup.enter_context(Connection(server)))
        descriptors = Path(f"/proc/{server.pid}/fd")
        many = len(list(descriptors.iterdir()))
        time.sleep(NAP)
    wait_until(lambda: len(list(descriptors.iterdir())) <= many - 50, 5, "the server closed what its clients had left")
