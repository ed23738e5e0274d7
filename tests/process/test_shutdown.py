"""The end of the server: what is under way finishes, what is idle is closed, and nothing keeps it for ever.

Apart from `test_lifespan.py`, which is about what applications are told. Every test has a server of its own.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from collections.abc import Callable

import pytest

from server import Server, wait_until
from websocket_wire import CLOSE, WebSocketConnection
from wire import Connection, get


def refuses_connections(server: Server) -> bool:
    """Whether a new client is turned away: no connection, or one that is closed at once."""
    assert isinstance(server.address, tuple)
    try:
        with socket.create_connection(server.address, timeout=1) as client:
            client.settimeout(0.2)
            return client.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def begin_slow(server: Server, connection: Connection, milliseconds: int) -> None:
    """Send a slow request, and wait until the app works on it."""
    connection.send_request("GET", f"/slow?ms={milliseconds}&label=begun")
    wait_until(lambda: get(server, "/record?label=begun").json(), 5, "the slow request runs")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_request_in_flight_finishes(start_kitchen: Callable[..., Server], number: int) -> None:
    server = start_kitchen("--grace", "10")
    with Connection(server) as connection:
        begin_slow(server, connection, 1000)
        server.send_signal(number)
        wait_until(lambda: refuses_connections(server), 2, "new connections are refused")
        response = connection.read_response()
        assert response.status == 200
        assert response.body == b"slow\n"
        assert response.header("connection") == "close"
        assert connection.closed_within(2)
    assert server.wait(5) == 0
    assert "Traceback" not in server.log()


def test_idle_server_ends_at_once(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--grace", "30")
    assert get(server, "/hello").status == 200
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 2
    assert "Traceback" not in server.log()


def test_idle_connections_are_closed_at_once(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--grace", "10")
    with Connection(server) as slow, Connection(server) as idle, Connection(server) as silent:
        idle.send_request("GET", "/hello")
        assert idle.read_response().status == 200
        begin_slow(server, slow, 1500)
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert idle.closed_within(1)
        assert silent.closed_within(1)
        assert time.monotonic() - began < 1.2
        assert slow.read_response().body == b"slow\n"
    assert server.wait(5) == 0


def test_stream_in_flight_finishes(start_kitchen: Callable[..., Server]) -> None:
    """A response that began is sent to its end; here the end comes when a second request of the drain allows it."""
    server = start_kitchen("--grace", "10")
    with Connection(server) as connection, Connection(server) as opener:
        connection.send_request("GET", "/stream-gated?label=drain")
        connection.read_head()
        assert connection.read_chunk() == b"first"
        opener.send_request("GET", "/slow?ms=700&label=opener")
        wait_until(lambda: get(server, "/record?label=opener").json(), 5, "the second request runs")
        get(server, "/open-gate?label=drain")
        server.send_signal(signal.SIGTERM)
        assert connection.read_chunk() == b"second"
        assert connection.read_chunk() is None
        assert opener.read_response().body == b"slow\n"
    assert server.wait(5) == 0


def test_grace_time_is_the_most_it_waits(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--grace", "0.5")
    with Connection(server) as connection:
        begin_slow(server, connection, 30_000)
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert server.wait(8) in (0, 1)
        assert 0.3 < time.monotonic() - began < 5
        assert not connection.read_to_end().endswith(b"slow\n")


def test_endless_stream_does_not_outlive_the_grace_time(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--grace", "0.5")
    with Connection(server) as connection:
        connection.send_request("GET", "/endless")
        connection.read_head()
        server.send_signal(signal.SIGTERM)
        began = time.monotonic()
        body = connection.read_to_end()
        assert not body.endswith(b"0\r\n\r\n"), "a stream that was cut must not look complete"
        assert time.monotonic() - began < 5
    assert server.wait(8) in (0, 1)


def test_close_is_called_at_the_end_of_the_grace_time(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "closing_app:app", "--grace", "0.5")
    with Connection(server) as connection:
        connection.send_request("GET", "/")
        connection.read_head()
        server.send_signal(signal.SIGTERM)
        connection.read_to_end()
    server.wait(8)
    assert server.log().count("closing app: closed") == 1


def test_second_signal_ends_at_once(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--grace", "30")
    with Connection(server) as connection:
        begin_slow(server, connection, 30_000)
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: refuses_connections(server), 3, "the drain began")
        assert server.running()
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert server.wait(5) == 1
        assert time.monotonic() - began < 3
        with contextlib.suppress(ConnectionResetError):
            assert not connection.read_to_end().endswith(b"slow\n")


def test_websockets_are_told_1012(start: Callable[..., Server]) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--grace", "10")
    with WebSocketConnection(server) as client:
        client.upgrade("/ws/echo")
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        frame = client.read_data_frame()
        assert (frame.opcode, frame.close_code) == (CLOSE, 1012)
        client.send_frame(CLOSE, frame.payload)
        assert client.closed_within(3)
    assert server.wait(5) == 0
    assert time.monotonic() - began < 5


def test_websocket_client_that_ignores_the_close_does_not_hold_the_server(start: Callable[..., Server]) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--grace", "1")
    with WebSocketConnection(server) as client:
        client.upgrade("/ws/echo")
        server.send_signal(signal.SIGTERM)
        assert client.read_data_frame().close_code == 1012
        assert server.wait(6) in (0, 1)


def test_lifespan_shutdown_comes_after_the_last_request(start: Callable[..., Server]) -> None:
    server = start("--asgi", "closing_app:living", "--grace", "10")
    with Connection(server) as connection:
        connection.send_request("GET", "/")
        server.wait_for_log("closing app: request began")
        server.send_signal(signal.SIGTERM)
        assert connection.read_response().body == b"answered"
    assert server.wait(5) == 0
    log = server.log()
    assert log.index("closing app: request ended") < log.index("closing app: lifespan ended")


def test_slow_client_does_not_lose_the_rest_of_its_response(start_kitchen: Callable[..., Server]) -> None:
    """What the app has handed over is delivered, though the app is done long before."""
    server = start_kitchen("--grace", "10")
    with Connection(server, receive_buffer=65536) as connection:
        connection.send_request("GET", "/download?mib=1")
        head = connection.read_head()
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: refuses_connections(server), 2, "the drain began")
        connection.read_body(head)
        assert head.complete
        assert len(head.body) == 1024 * 1024
    assert server.wait(5) == 0
