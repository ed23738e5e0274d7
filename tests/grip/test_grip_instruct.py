"""Instructions in the body of a response (`application/grip-instruct`), the older form of the `Grip-*` fields.

Apart from `test_grip.py`, whose applications send fields.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlencode

import pytest

from admin import Admin
from server import Server
from wire import Connection, get, post

Start = Callable[..., Server]
KIND = "application/grip-instruct"
CHANNELS = [{"name": "news"}]


@pytest.fixture(params=["wsgi", "asgi"])
def server(request: pytest.FixtureRequest, start: Start) -> Server:
    return start(f"--{request.param}", f"grip_app:{request.param}", "--grip", "--admin", "127.0.0.1:0")


def asking(body: str, *fields: tuple[str, str]) -> str:
    return "/hold?" + urlencode([("type", KIND), ("body", body), *fields])


def publish(server: Server, item: dict[str, Any]) -> None:
    items = json.dumps({"items": [{"channel": "news", **item}]}).encode()
    assert post(Admin(server).server, "/publish/", items).status == 200


def test_a_stream_begins_with_the_response_of_the_instruction(server: Server) -> None:
    response = {"headers": {"Content-Type": "text/event-stream", "X-A": "b"}, "body": "begun\n"}
    hold = {"mode": "stream", "channels": CHANNELS, "keep-alive": {"content": ":\n\n", "timeout": 50}}
    with Connection(server) as client:
        client.send_request("GET", asking(json.dumps({"hold": hold, "response": response}), ("X-B", "c")))
        head = client.read_head()
        assert (head.status, head.header("content-type"), head.header("x-a")) == (200, "text/event-stream", "b")
        assert head.header("x-b") is None, "the response is that of the instruction"
        assert client.read_chunk() == b"begun\n"
        publish(server, {"http-stream": {"content": "one\n"}})
        assert client.read_chunk() == b"one\n"


def test_a_request_is_held(server: Server) -> None:
    body = json.dumps({"hold": {"mode": "response", "channels": CHANNELS, "timeout": 50}, "response": {"body": "late"}})
    with Connection(server) as client:
        client.send_request("GET", asking(body))
        Admin(server).wait_for(1, "rsgi_grip_holds")
        publish(server, {"http-response": {"code": 201, "body": "now"}})
        answer = client.read_response()
        assert (answer.status, answer.text) == (201, "now")


def test_a_held_request_ends_with_the_response_of_the_instruction(server: Server) -> None:
    body = {"hold": {"channels": CHANNELS, "timeout": 0}, "response": {"code": 408, "reason": "Late", "body": "late\n"}}
    answer = get(server, asking(json.dumps(body)))
    assert (answer.status, answer.reason, answer.text) == (408, "Late", "late\n")


def test_a_response_without_a_hold_is_sent(server: Server) -> None:
    answer = get(server, asking(json.dumps({"response": {"code": 202, "headers": [["X-A", "b"]], "body": "done\n"}})))
    assert (answer.status, answer.header("x-a"), answer.header("content-type")) == (202, "b", None)
    assert (answer.text, answer.header("content-length")) == ("done\n", "5")


def test_a_stream_may_go_on_with_a_link_in_a_field(server: Server) -> None:
    body = json.dumps({"hold": {"mode": "stream", "channels": CHANNELS}, "response": {"body": "begun\n"}})
    with Connection(server) as client:
        client.send_request("GET", asking(body, ("Grip-Link", "</seen>; rel=next")))
        client.read_head()
        assert client.read_chunk() == b"begun\n"
        publish(server, {"http-stream": {"action": "hint"}})
        assert b"grip-sig" in (client.read_chunk() or b"")
        assert client.read_chunk() is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("not JSON", "`application/grip-instruct`: expected"),
        ('{"hold": {"mode": "forever", "channels": [{"name": "a"}]}}', "`forever`, and must be"),
        ('{"hold": {"channels": []}}', "no channel"),
    ],
)
def test_a_mistake_is_a_500_and_not_a_body_in_json(server: Server, body: str, reason: str) -> None:
    answer = get(server, asking(body))
    assert (answer.status, "GRIP instruction" in answer.text) == (500, True)
    server.wait_for_log(reason)


def test_a_head_is_not_held(server: Server) -> None:
    with Connection(server) as client:
        client.send_request("HEAD", asking(json.dumps({"hold": {"channels": CHANNELS}})))
        answer = client.read_response("HEAD")
        assert (answer.status, answer.header("content-type")) == (200, None)


@pytest.mark.skipif(find_spec("gripcontrol") is None, reason="needs gripcontrol (pip install gripcontrol)")
def test_what_gripcontrol_writes_is_read(server: Server) -> None:
    from gripcontrol import Channel, Response, create_hold_response, create_hold_stream

    stream = create_hold_stream(Channel("news", "1"), Response(headers={"X-A": "b"}, body="begun\n"))
    with Connection(server) as client:
        client.send_request("GET", asking(stream))
        assert client.read_head().header("x-a") == "b"
        assert client.read_chunk() == b"begun\n"
        Admin(server).wait_for(1, "rsgi_grip_holds")
    answer = get(server, asking(create_hold_response(Channel("news"), Response(body="late\n"), timeout=1)))
    assert answer.text == "late\n"
