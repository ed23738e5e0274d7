"""The stream of `/events`: what comes, how many can listen, and that nobody else waits for them."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from board import ADMIN, APPS, INSIDE, Board, Start, everything
from server import wait_until
from wire import get

MOST_STREAMS = 16


class Stream:
    """One client of `/events`."""

    def __init__(self, board: Board) -> None:
        address = board.admin.address
        assert isinstance(address, tuple)
        self._socket = socket.create_connection(address, timeout=10)
        self._socket.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        self.headers = {}
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()

    def read(self) -> Any:
        """The next message, out of the chunks of the body."""
        text = b""
        while not text.endswith(b"\n\n"):
            size = int(self._file.readline(), 16)
            assert size, "the stream has ended"
            text += self._file.read(size)
            self._file.readline()
        assert text.startswith(b"data: ")
        return json.loads(text[6:])

    def ended(self) -> bool:
        return self._file.read() is not None

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def status_of_one_more(board: Board) -> int:
    """Ask for one more stream, and leave."""
    stream = Stream(board)
    stream.close()
    return stream.status


@pytest.mark.parametrize("workers", ["1", "2"])
def test_messages_have_the_numbers_of_now(start: Start, workers: str) -> None:
    board = Board(start(*APPS, *ADMIN, "--workers", workers))
    index = next(at for at, each in enumerate(board.routes()["routes"]) if each["path"] == "/users/{number:int}")
    stream = Stream(board)
    assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
    assert stream.headers["cache-control"] == "no-store"
    first = stream.read()
    assert first["numbers"] == []
    assert first["revision"] == board.routes()["revision"]
    board.ask("/users/1", 5, INSIDE)

    def seen() -> Any:
        return [numbers for numbers in stream.read()["numbers"] if numbers[:2] == [index, "new"] and numbers[2][0] == 5]

    (numbers,) = wait_until(seen, 10, "the requests are in a message")
    route = board.route("/users/{number:int}")["new"]
    assert numbers[2] == [5, 0, route["p50"], route["p99"]]
    assert numbers[4] == route["last_seen"]
    stream.close()


def test_a_stream_lasts_longer_than_other_connections(start: Start) -> None:
    board = Board(start(*APPS, *ADMIN))
    stream = Stream(board)
    began = time.monotonic()
    messages = 0
    while time.monotonic() - began < 12:
        stream.read()
        messages += 1
    assert 9 <= messages <= 14, "about one each second"
    stream.close()


def test_streams_have_a_bound_of_their_own(start: Start) -> None:
    board = Board(start(*APPS, *ADMIN))
    with contextlib.ExitStack() as open_streams:
        for _ in range(MOST_STREAMS):
            stream = Stream(board)
            open_streams.callback(stream.close)
            assert stream.status == 200
        more = Stream(board)
        assert (more.status, more.headers["retry-after"]) == (503, "10")
        more.close()
        # Connections that ask nothing push each other out, and no stream.
        idle = [socket.create_connection(board.admin.address) for _ in range(80)]  # type: ignore[arg-type]
        assert board.admin.get("/healthz").status == 200
        assert stream.read()["revision"] == 1
        for each in idle:
            each.close()
    wait_until(lambda: status_of_one_more(board) == 200, 10, "a place is free again")


def test_who_does_not_read_is_closed_and_delays_nobody(start: Start) -> None:
    board = Board(start(*APPS, *ADMIN))
    address = board.admin.address
    assert isinstance(address, tuple)
    deaf = []
    for _ in range(MOST_STREAMS):
        client = socket.socket()
        # Little room, so that it is full soon.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect(address)
        client.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        deaf.append(client)
    wait_until(lambda: status_of_one_more(board) == 503, 5, "all places are taken")
    began = time.monotonic()
    assert board.admin.get("/healthz").status == 200
    assert time.monotonic() - began < 1
    for client in deaf:
        client.close()
    wait_until(lambda: status_of_one_more(board) == 200, 20, "their places are free")


def test_a_client_that_stalls_holds_no_memory_and_no_other_client(start: Start) -> None:
    """Messages are large here: there are many routes, and all were asked."""
    routes = 500
    board = Board(start("--wsgi", "dashboard_old:app", *ADMIN, environment={"DASHBOARD_ROUTES": str(routes)}))
    with ThreadPoolExecutor(4) as pool:
        paths = [f"/area{number % 20}/thing{number}/1" for number in range(routes)]
        assert {response.status for response in pool.map(lambda path: get(board.served, path), paths)} == {200}
    wait_until(lambda: everything(board.routes()) == routes, 20, "all are counted")
    reader = Stream(board)
    size = len(json.dumps(reader.read()))
    assert size > 15_000
    board.served.reset_memory()
    before = board.served.memory()
    address = board.admin.address
    assert isinstance(address, tuple)
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.connect(address)
            client.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            stack.callback(client.close)
        moments = [reader.read()["now"] for _ in range(12)]
        grown = board.served.memory() - before
    reader.close()
    assert moments == sorted(moments)
    assert moments[-1] - moments[0] >= 8, "about one message each second"
    # All messages for all who do not read would be more: 10 times 12 of them.
    assert grown < 60 * size, f"{grown} bytes, with messages of {size}"


def test_streams_end_with_the_server(start: Start) -> None:
    board = Board(start(*APPS, *ADMIN))
    stream = Stream(board)
    stream.read()
    assert board.served.stop() == 0
    with contextlib.suppress(ConnectionError, OSError):
        assert stream.ended()
    stream.close()
