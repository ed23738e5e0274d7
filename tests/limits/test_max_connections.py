"""`--max-connections`: so many are open, and further ones wait in the kernel until one closes.

Apart from `test_limits.py` because here nobody is refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from http2_wire import Http2Connection
from server import Server, run_rsgi
from websocket_wire import WebSocketConnection
from wire import Connection, get

Start = Callable[..., Server]


def responded(connection: Connection) -> bool:
    connection.send_request("GET", "/hello")
    return connection.read_response().status == 200


def test_further_connections_wait_until_one_closes(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--max-connections", "2")
    with Connection(server) as first, Connection(server) as second, Connection(server) as third:
        assert responded(first)
        assert responded(second)
        third.send_request("GET", "/hello")
        server.wait_for_log(
            "warning: 2 connections are open, as many as `--max-connections` allows: further ones wait in the kernel\n"
        )
        assert not third.readable(0.3)
        # Those that are open go on.
        assert responded(first)
        first.socket.close()
        assert third.read_response().status == 200
        assert responded(second)
    server.wait_for_log("there is room for connections again after ")
    assert get(server, "/hello").status == 200
    assert server.log().count("warning: 2 connections") == 1


def test_an_http2_connection_is_one(start: Start) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--max-connections", "1")
    with contextlib.ExitStack() as open_connections:
        with Http2Connection(server) as connection:
            assert connection.get("/hello").status == 200
            waiting = open_connections.enter_context(Connection(server))
            waiting.send_request("GET", "/hello")
            streams = [connection.request("GET", "/hello") for _ in range(5)]
            assert [connection.read(stream).status for stream in streams] == [200] * 5
            assert not waiting.readable(0.2)
        assert waiting.read_response().status == 200


def test_a_websocket_keeps_its_place(start: Start) -> None:
    server = start("--asgi", "overdue_app:new", "--max-connections", "1")
    with contextlib.ExitStack() as open_connections:
        with WebSocketConnection(server) as connection:
            assert connection.upgrade("/echo").status == 101
            waiting = open_connections.enter_context(Connection(server))
            waiting.send_request("GET", "/fast")
            connection.send_frame(1, b"mine")
            assert connection.read_data_frame().payload == b"mine"
            assert not waiting.readable(0.2)
        assert waiting.read_response().status == 200


def test_all_addresses_share_the_places(start: Start, tmp_path: Path) -> None:
    server = start(
        "--wsgi", "wsgi_kitchen:app", "--max-connections", "1", "--bind", "127.0.0.1:0", "--bind", f"unix:{tmp_path}/s",
        listeners=2,
    )  # fmt: skip
    assert get(server, "/hello").status == 200
    server.addresses.reverse()
    with Connection(server) as first:
        assert responded(first)
        server.addresses.reverse()
        with Connection(server) as second:
            second.send_request("GET", "/hello")
            assert not second.readable(0.3)
            first.socket.close()
            assert second.read_response().status == 200


def test_another_worker_takes_those_that_wait(start: Start) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--workers", "2", "--max-connections", "2")
    connections = [Connection(server) for _ in range(4)]
    try:
        assert all(responded(connection) for connection in connections)
        with Connection(server) as waiting:
            waiting.send_request("GET", "/hello")
            assert not waiting.readable(0.3)
            connections.pop().socket.close()
            assert waiting.read_response().status == 200
    finally:
        for connection in connections:
            connection.socket.close()


def test_a_full_server_drains(start: Start) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--max-connections", "1")
    with Connection(server) as first, Connection(server) as waiting:
        assert responded(first)
        waiting.send_request("GET", "/hello")
        server.wait_for_log("further ones wait in the kernel")
        assert server.stop() == 0


def test_it_has_to_be_a_number() -> None:
    ended = run_rsgi("--wsgi", "wsgi_kitchen:app", "--max-connections", "0")
    assert ended.returncode != 0
    assert "0 is less than 1" in ended.stderr
