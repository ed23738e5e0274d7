"""`Grip-Link` has bounds: how many streams ask the application at a time, and how many links follow each other.

Apart from `test_grip.py`, where one stream follows one link.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import urlencode

from admin import Admin
from server import Server, wait_until
from wire import Connection, get, post

Start = Callable[..., Server]


def held(server: Server, link: str, channel: str = "news") -> Connection:
    fields = {"Grip-Hold": "stream", "Grip-Channel": channel, "Grip-Link": f"<{link}>; rel=next"}
    client = Connection(server)
    client.send_request("GET", f"/hold?{urlencode(fields)}")
    assert client.read_head().status == 200
    assert client.read_chunk() == b"held\n"
    return client


def hint(server: Server, channel: str = "news") -> None:
    items = {"items": [{"channel": channel, "http-stream": {"action": "hint"}}]}
    assert post(Admin(server).server, "/publish/", json.dumps(items).encode()).status == 200


def test_few_streams_ask_at_the_same_time(start: Start) -> None:
    arguments = ("--grip", "--grip-max-followers", "2", "--admin", "127.0.0.1:0", "--wsgi-threads", "6")
    server = start("--wsgi", "grip_app:wsgi", *arguments)
    clients = [held(server, "/slow", channel) for channel in ("first", "first", "later", "later", "later")]
    gone = held(server, "/slow", "later")
    hint(server, "first")
    wait_until(lambda: get(server, "/slow-now").text == "2", 10, "two of them ask")
    hint(server, "later")
    server.wait_for_log("more than 2 held streams follow their `Grip-Link` at the same time")
    gone.socket.close()
    Admin(server).wait_for(5, "rsgi_grip_holds")
    assert get(server, "/release").json()["most"] == 2
    for client in clients:
        assert client.read_chunk() == b"slow\n"
        assert client.read_chunk() is None, "there was nothing more"
        client.socket.close()
    assert get(server, "/release").json() == {"now": 0, "most": 2}
    assert server.log().count("--grip-max-followers") == 1


def test_links_that_never_end_are_said(start: Start) -> None:
    server = start("--wsgi", "grip_app:wsgi", "--grip", "--admin", "127.0.0.1:0")
    with held(server, "/again") as client:
        hint(server)
        got = b""
        for _ in range(200):
            chunk = client.read_chunk()
            if chunk is None:
                break
            got += chunk
        assert got == b"page\n" * 101
    server.wait_for_log("it has followed 100 links one after another, and the response to `Grip-Link: </again>`")


def test_the_end_of_the_server_does_not_wait_for_links(start: Start) -> None:
    server = start("--wsgi", "grip_app:wsgi", "--grip", "--admin", "127.0.0.1:0")
    with held(server, "/slow?3") as client:
        hint(server)
        wait_until(lambda: get(server, "/slow-now").text == "1", 10, "it asks")
        server.send_signal()
        assert client.read_chunk() is None, "complete, and without the answer"
    assert server.wait() == 0
