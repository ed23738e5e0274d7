"""Streams: what holds them back, and what happens to them when the client leaves.

Apart from `test_limits.py`, where the server ends things by itself. Each test runs over WSGI, ASGI and the bridge.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from server import Server, wait_until
from wire import Connection, get, many_connections

MIB = 1024 * 1024


def pieces_made(server: Server, label: str) -> int:
    return len(get(server, f"/record?label={label}").json())


@pytest.mark.parametrize(("spool", "most"), [("0", 12), ("8MiB", 20)], ids=["unspooled", "spooled"])
def test_stalled_client_stops_the_app(start_kitchen: Callable[..., Server], spool: str, most: int) -> None:
    """The app runs ahead of the client by the response buffer, the spool and the kernel's buffers, and no further."""
    label = "stalled"
    kitchen = start_kitchen("--response-spool", spool)
    with Connection(kitchen, receive_buffer=65536) as connection:
        connection.send_request("GET", f"/counted-download?label={label}")
        connection.read_head()
        counts: list[int] = []

        def settled() -> bool:
            counts.append(pieces_made(kitchen, label))
            assert counts[-1] * 65536 < most * MIB, "the app runs on without its client"
            return len(counts) > 30 and counts[-1] == counts[-30]

        wait_until(settled, 10, "the app waits for the client")
        before = counts[-1]
        for _ in range(200 + 16 * most):
            connection.read_some(65536)
        wait_until(lambda: pieces_made(kitchen, label) > before, 5, "the app goes on when the client does")
    assert get(kitchen, "/hello").status == 200


def test_stream_is_not_collected(kitchen: Server, interface: str) -> None:
    """The first chunk is here while the second does not exist yet."""
    label = f"collected-{interface}"
    with Connection(kitchen) as connection:
        connection.send_request("GET", f"/stream-gated?label={label}")
        response = connection.read_head()
        assert response.header("transfer-encoding") == "chunked"
        assert connection.read_chunk() == b"first"
        assert connection.silent_for(0.1)
        get(kitchen, f"/open-gate?label={label}")
        assert connection.read_chunk() == b"second"
        assert connection.read_chunk() is None


def test_client_that_leaves_ends_the_stream(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        connection.send_request("GET", "/endless")
        connection.read_head()
        assert get(kitchen, "/endless-open").body == b"1"
    wait_until(lambda: get(kitchen, "/endless-open").body == b"0", 2, "the stream has ended")


@pytest.mark.parametrize("reading", [True, False], ids=["reading", "stalled"])
def test_a_hundred_clients_leave(kitchen: Server, reading: bool) -> None:
    """The demo of the whole idea: nothing is left behind, and the next request is served."""
    mark = kitchen.log_mark()
    with many_connections(kitchen, 100, receive_buffer=None if reading else 4096) as connections:
        for connection in connections:
            connection.send_request("GET", "/endless")
        wait_until(lambda: sum(connection.readable() for connection in connections) >= 2, 10, "streams run")
        for connection in connections:
            if reading and connection.readable():
                connection.read_some()
    began = time.monotonic()
    assert get(kitchen, "/hello").body == b"Hello, world!\n"
    wait_until(lambda: get(kitchen, "/endless-open").body == b"0", 2, "all streams have ended")
    assert time.monotonic() - began < 2.5
    log = kitchen.log(since=mark)
    assert "failed" not in log, "a client that left is no error of the application"
    assert "Traceback" not in log


def test_clients_that_leave_before_their_turn_cost_nothing(kitchen: Server) -> None:
    for _ in range(200):
        with Connection(kitchen) as connection:
            connection.send_request("GET", "/endless")
    wait_until(lambda: get(kitchen, "/endless-open").body == b"0", 5, "nobody is left")
    assert get(kitchen, "/hello").body == b"Hello, world!\n"


def test_client_that_leaves_in_its_upload(kitchen: Server) -> None:
    label = "left-upload"
    for _ in range(20):
        with Connection(kitchen) as connection:
            head = f"POST /upload-hash?label={label} HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n".encode()
            connection.send(head + b"x" * 2_000_000)
    assert get(kitchen, "/hello").status == 200

    def settled() -> bool:
        events = get(kitchen, f"/record?label={label}").json()
        return events.count("started") == events.count("interrupted")

    wait_until(settled, 5, "every upload that began was interrupted")


def test_download_while_uploading(kitchen: Server) -> None:
    """A large body both ways, the response larger than all buffers."""
    body = b"0123456789abcdef" * 200_000
    with Connection(kitchen) as connection:
        connection.send_request("POST", "/echo", body=body)
        response = connection.read_response()
    assert response.complete
    assert response.body == body
