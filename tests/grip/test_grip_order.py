"""Published items come in the order of their ids, whoever publishes them and in whatever order they arrive.

Apart from `test_grip.py`, whose items arrive in order.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from admin import Admin
from server import Server
from wire import Connection, get, post

Start = Callable[..., Server]
GRIP = ("--wsgi", "grip_app:wsgi", "--grip", "--admin", "127.0.0.1:0", "--wsgi-threads", "2")
STREAM = "/hold?Grip-Hold=stream&Grip-Channel=news"


def held(server: Server, target: str = STREAM) -> Connection:
    client = Connection(server)
    client.send_request("GET", target)
    assert client.read_head().status == 200
    assert client.read_chunk() == b"held\n"
    return client


def item(number: int, prev_id: int | None, **more: object) -> dict[str, object]:
    ids = {"id": str(number)} if prev_id is None else {"id": str(number), "prev-id": str(prev_id)}
    return {"channel": "news", "http-stream": {"content": f"{number}\n"}, **ids, **more}


def publish(server: Server, *items: dict[str, object]) -> None:
    assert post(Admin(server).server, "/publish/", json.dumps({"items": items}).encode()).status == 200


def read(client: Connection, length: int) -> bytes:
    got = b""
    while len(got) < length:
        got += client.read_chunk() or b"(the end)"
    return got


def test_an_item_waits_for_the_one_before(start: Start) -> None:
    server = start(*GRIP)
    with held(server) as client:
        publish(server, item(1, None), item(4, 3), item(3, 2), item(3, 2))
        publish(server, {"channel": "news", "http-stream": {"content": "without an id\n"}})
        assert read(client, 16) == b"1\nwithout an id\n"
        publish(server, item(2, 1), item(2, 1), item(5, 4))
        assert read(client, 8) == b"2\n3\n4\n5\n"


def test_an_item_does_not_wait_for_ever(start: Start) -> None:
    server = start(*GRIP, "--grip-message-wait", "0.3", "--log-level", "debug")
    with held(server) as client:
        publish(server, item(1, None))
        assert read(client, 2) == b"1\n"
        began = time.monotonic()
        publish(server, item(4, 3), item(3, 2))
        assert read(client, 4) == b"3\n4\n"
        assert 0.25 < time.monotonic() - began < 8
        server.wait_for_log("the item `3` goes on without the one before it, `2`")
        publish(server, item(2, 1), item(5, 4))
        assert read(client, 4) == b"2\n5\n", "late, but not lost"


def test_an_item_may_say_that_it_has_no_order(start: Start) -> None:
    server = start(*GRIP)
    with held(server) as client:
        publish(server, item(1, None), item(7, 6, **{"no-seq": True}), item(2, 1))
        assert read(client, 6) == b"1\n7\n2\n"


def test_a_gap_that_stays_is_filled_by_the_application(start: Start) -> None:
    server = start(*GRIP, "--grip-message-wait", "0.3")
    target = "/hold?Grip-Hold=stream&Grip-Channel=news%3B+prev-id%3D1&Grip-Link=%3C/next%3E%3B+rel%3Dnext"
    with held(server, target) as client:
        publish(server, item(2, 1), item(5, 4))
        assert read(client, 2) == b"2\n"
        assert client.read_chunk() == b"next after news; last-id=2\n"


def test_workers_may_publish_in_any_order(start: Start) -> None:
    server = start(*GRIP, "--workers", "2")
    publishers: dict[str, Connection] = {}
    for _ in range(200):
        client = Connection(server)
        client.send_request("GET", "/pid")
        if publishers.setdefault(client.read_response().text, client) is not client:
            client.socket.close()
        if len(publishers) == 2:
            break
    one, two = publishers.values()

    def say(publisher: Connection, number: int, prev_id: int | None) -> None:
        said = {"channel": "news", "content": f"{number}\n", "id": str(number)}
        more = {} if prev_id is None else {"prev_id": str(prev_id)}
        publisher.send_request("POST", "/publish", body=json.dumps({**said, **more}).encode())
        assert publisher.read_response().text == "published\n"

    clients = [held(server) for _ in range(20)]
    say(one, 0, None)
    assert [read(client, 2) for client in clients] == [b"0\n"] * 20
    for number in range(1, 41, 4):
        say(two, number + 3, number + 2)
        say(one, number + 1, number)
        say(two, number + 2, number + 1)
        say(one, number, number - 1)
    wanted = "".join(f"{number}\n" for number in range(1, 41)).encode()
    assert [read(client, len(wanted)) for client in clients] == [wanted] * 20
    for client in (*clients, one, two):
        client.socket.close()
    assert get(server, "/pid").status == 200
