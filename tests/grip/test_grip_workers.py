"""GRIP with several processes: what is published anywhere reaches all clients, and a rolling restart loses none.

Apart from `test_grip.py`, where one process does it all.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from admin import Admin
from server import Server, wait_until
from wire import Connection, post

Start = Callable[..., Server]
TARGET = "/hold?Grip-Hold=stream&Grip-Channel=news"
ITEM = {"channel": "news", "http-stream": {"content": "x\n"}}


@pytest.fixture
def server(start: Start) -> Server:
    arguments = ("--wsgi", "grip_app:wsgi", "--grip", "--admin", "127.0.0.1:0", "--workers", "2", "--wsgi-threads", "2")
    return start(*arguments)


@pytest.fixture
def clients(server: Server) -> Iterator[list[Connection]]:
    """So many clients that each worker has some."""
    with ExitStack() as stack:
        clients = []
        for _ in range(40):
            client = stack.enter_context(Connection(server))
            client.send_request("GET", TARGET)
            client.read_head()
            assert client.read_chunk() == b"held\n"
            clients.append(client)
        workers = Admin(server).status()["workers"]
        assert len(workers) == 2
        yield clients


def test_what_is_published_reaches_the_clients_of_all_workers(server: Server, clients: list[Connection]) -> None:
    admin = Admin(server)
    admin.wait_for(40, "rsgi_grip_holds")
    assert post(admin.server, "/publish/", json.dumps({"items": [ITEM]}).encode()).text == "Published\n"
    assert [client.read_chunk() for client in clients] == [b"x\n"] * 40
    # The worker that answers publishes for both.
    assert post(server, "/publish", b'{"channel": "news", "content": "y\\n"}').status == 200
    assert [client.read_chunk() for client in clients] == [b"y\n"] * 40
    admin.wait_for(4, "rsgi_grip_items_total")


def test_a_rolling_restart_ends_streams_and_new_ones_are_held(server: Server, clients: list[Connection]) -> None:
    admin = Admin(server)
    before = {worker["pid"] for worker in admin.status()["workers"]}
    server.send_signal(signal.SIGHUP)
    assert [client.read_chunk() for client in clients] == [None] * 40, "each is complete"
    wait_until(lambda: not before & {worker["pid"] for worker in admin.status()["workers"]}, 20, "both are new")
    with Connection(server) as client:
        client.send_request("GET", TARGET)
        client.read_head()
        assert client.read_chunk() == b"held\n"
        admin.wait_for(1, "rsgi_grip_holds")
        assert post(admin.server, "/publish/", json.dumps({"items": [ITEM]}).encode()).status == 200
        assert client.read_chunk() == b"x\n"
