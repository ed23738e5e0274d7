"""GRIP on the wire: what is held, what is published to it, and what ends it. Over WSGI and ASGI, which know nothing of it.

`test_grip_workers.py` has several processes, `test_eventstream.py` the real django-eventstream.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from admin import Admin
from http2_wire import Http2Connection
from server import Server, run_rsgi, wait_until
from wire import Connection, Response, get, post

Start = Callable[..., Server]
KEY = "changeme"
GRIP = ("--grip", "--grip-key", KEY, "--admin", "127.0.0.1:0", "--wsgi-threads", "2")
STREAM = (("Grip-Hold", "stream"), ("Grip-Channel", "news"))
LONG_POLL = (("Grip-Hold", "response"), ("Grip-Channel", "news"))


@pytest.fixture(params=["wsgi", "asgi"])
def server(request: pytest.FixtureRequest, start: Start) -> Server:
    """A server with `--grip`, over each interface."""
    return start(f"--{request.param}", f"grip_app:{request.param}", *GRIP)


def hold(*fields: tuple[str, str], **more: str) -> str:
    return "/hold?" + urlencode([*fields, *more.items()])


def held(server: Server, *fields: tuple[str, str], **more: str) -> tuple[Connection, Response]:
    """A client whose stream has begun."""
    client = Connection(server)
    client.send_request("GET", hold(*fields, **more))
    head = client.read_head()
    assert head.status == 200
    assert client.read_chunk() == more.get("body", "held\n").encode()
    return client, head


def publish(server: Server, *items: dict[str, object]) -> Response:
    admin = Admin(server)
    return post(admin.server, "/publish/", json.dumps({"items": items}).encode())


def text(content: str, channel: str = "news", **more: object) -> dict[str, object]:
    return {"channel": channel, "http-stream": {"content": content}, **more}


def holds(server: Server, number: int) -> None:
    Admin(server).wait_for(number, "rsgi_grip_holds")


def test_a_stream_gets_what_is_published(server: Server) -> None:
    client, head = held(server, *STREAM)
    with client:
        assert head.header("transfer-encoding") == "chunked"
        assert not [name for name, _ in head.headers if name.lower().startswith("grip-")]
        response = publish(server, text("one\n"), text("other\n", "sports"), text("two\n"))
        assert (response.status, response.text) == (200, "Published\n")
        got = b""
        while len(got) < 8:
            got += client.read_chunk() or b""
        assert got == b"one\ntwo\n"
        assert publish(server, {"channel": "news", "http-stream": {"action": "close"}}).status == 200
        assert client.read_chunk() is None
    holds(server, 0)


def test_many_clients_need_no_thread(server: Server) -> None:
    clients = [held(server, *STREAM)[0] for _ in range(20)]
    holds(server, 20)
    assert get(server, "/seen").status == 200, "both threads are free"
    publish(server, text("x\n"))
    assert [client.read_chunk() for client in clients] == [b"x\n"] * 20
    for client in clients:
        client.socket.close()
    holds(server, 0)


def test_http2_streams_are_held(server: Server) -> None:
    with Http2Connection(server) as client:
        streams = [client.request("GET", hold(*STREAM)) for _ in range(5)]
        holds(server, 5)
        publish(server, text("x\n"))
        assert client.wait_for(lambda: all(stream.body == b"held\nx\n" for stream in streams))
        publish(server, {"channel": "news", "http-stream": {"action": "close"}})
        assert client.wait_for(lambda: all(stream.over for stream in streams))


def test_a_request_is_held_until_there_is_a_response(server: Server) -> None:
    with Connection(server) as client:
        client.send_request("GET", hold(*LONG_POLL))
        holds(server, 1)
        reply = {
            "code": 201,
            "reason": "Made",
            "headers": {"X-A": "b"},
            "body-bin": base64.b64encode(b"\x00hi").decode(),
        }
        publish(server, {"channel": "news", "http-response": reply})
        response = client.read_response()
        assert (response.status, response.reason, response.header("x-a"), response.body) == (
            201,
            "Made",
            "b",
            b"\x00hi",
        )
        client.send_request("GET", "/seen")
        assert client.read_response().status == 200, "the connection goes on"
    holds(server, 0)


def test_a_held_request_times_out_with_the_response_of_the_application(server: Server) -> None:
    began = time.monotonic()
    response = get(server, hold(*LONG_POLL, ("Grip-Timeout", "1"), ("Grip-Status", "304"), ("X-A", "b")))
    assert 0.9 < time.monotonic() - began < 8
    assert (response.status, response.header("x-a"), response.body) == (304, "b", b"")


def test_a_held_request_that_missed_something_is_not_held(server: Server) -> None:
    publish(server, text("", id="2", **{"prev-id": "1"}))
    response = get(server, hold(("Grip-Hold", "response"), ("Grip-Channel", "news; prev-id=1")))
    assert response.text == "held\n"


def test_keep_alives_come_when_nothing_else_does(server: Server) -> None:
    client, _ = held(server, *STREAM, ("Grip-Keep-Alive", r"event: ka\n\n; format=cstring; timeout=1"))
    with client:
        assert client.read_chunk() == b"event: ka\n\n"
        assert client.read_chunk() == b"event: ka\n\n"


def test_filters_and_meta_make_each_client_its_own_copy(server: Server) -> None:
    channel = ("Grip-Channel", "news; prev-id=1; filter=build-id; filter=skip-users, user-7; filter=require-sub")
    meta = ("Grip-Set-Meta", 'id_format="n:%(news)s", user="7"')
    with Connection(server) as client:
        client.send_request("GET", hold(("Grip-Hold", "stream"), channel, meta, body="start %I 100%%\n"))
        client.read_head()
        assert client.read_chunk() == b"start n:1 100%\n"
        skipped = {"meta": {"skip_users": "6,7"}, "id": "2", "prev-id": "1"}
        kick = {"meta": {"require_sub": "sports"}}
        publish(
            server,
            text("not for 7\n", **skipped),
            text("not subscribed\n", "user-7", **kick),
            text("id: %I\n", **{"id": "3", "prev-id": "2"}),
        )
        assert client.read_chunk() == b"id: n:3\n"


def test_a_gap_is_filled_by_the_application(server: Server) -> None:
    fields = (("Grip-Hold", "stream"), ("Grip-Channel", "news; prev-id=1"), ("Grip-Link", "</next>; rel=next"))
    client, _ = held(server, *fields)
    with client:
        publish(server, text("never\n", **{"id": "8", "prev-id": "7"}))
        assert client.read_chunk() == b"next after news; last-id=1\n"
        publish(server, text("old\n", **{"id": "9", "prev-id": "8"}), text("ten\n", **{"id": "10", "prev-id": "9"}))
        assert client.read_chunk() == b"ten\n", "the application had 9 already"


def test_applications_publish(server: Server) -> None:
    client, _ = held(server, *STREAM)
    with client:
        said = json.dumps({"channel": "news", "content": "from inside\n"}).encode()
        assert post(server, "/publish", said).text == "published\n"
        assert client.read_chunk() == b"from inside\n"


def test_only_the_server_signs(server: Server) -> None:
    seen = get(server, "/seen", ("Grip-Sig", "mine"), ("Grip-Last", "a")).json()
    assert list(seen) == ["grip-sig"]
    head, claims, tag = seen["grip-sig"].split(".")
    expected = hmac.new(KEY.encode(), f"{head}.{claims}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(tag + "=") == expected
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert said["iss"] == "rsgi"
    assert time.time() + 3000 < said["exp"] < time.time() + 3700


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([("Grip-Hold", "forever"), ("Grip-Channel", "a")], "`forever`, and must be `response` or `stream`"),
        ([("Grip-Hold", "stream")], "no channel (`Grip-Channel`)"),
        ([("Grip-Hold", "stream"), ("Grip-Channel", ",".join(map(str, range(33))))], "--grip-max-channels"),
        ([*STREAM, ("Grip-Keep-Alive", "x; timeout=soon")], "not a number of seconds"),
    ],
)
def test_a_mistake_is_a_500_and_a_line_of_log(start: Start, fields: list[tuple[str, str]], reason: str) -> None:
    server = start("--wsgi", "grip_app:wsgi", *GRIP)
    response = get(server, hold(*fields))
    assert response.status == 500
    assert "GRIP instruction" in response.text
    assert "error: app `grip_app:wsgi`: GET /hold" in server.wait_for_log(reason)


def test_without_grip_the_fields_are_like_others(start: Start) -> None:
    server = start("--wsgi", "grip_app:wsgi", "--admin", "127.0.0.1:0")
    response = get(server, hold(*STREAM))
    assert (response.header("grip-hold"), response.text) == ("stream", "held\n")
    assert get(server, "/seen", ("Grip-Sig", "mine")).json() == {"grip-sig": "mine"}
    refused = publish(server, text("x"))
    assert (refused.status, refused.text) == (404, "nothing is held here: see `--grip`\n")
    assert post(server, "/publish", b'{"channel": "news", "content": "x"}').status == 500
    server.wait_for_log("works in an application that rsgi serves with `--grip`")


def test_a_response_without_a_hold_loses_the_fields(server: Server) -> None:
    response = get(server, hold(("Grip-Channel", "news"), ("X-A", "b")))
    assert (response.text, response.header("grip-channel"), response.header("x-a")) == ("held\n", None, "b")


def test_publishing_has_the_rules_of_the_admin_listener(start: Start) -> None:
    server = start("--wsgi", "grip_app:wsgi", *GRIP, "--admin-token", "secret")
    admin, item = Admin(server), json.dumps({"items": [text("x\n")]}).encode()
    client, _ = held(server, *STREAM)
    token = ("Authorization", "Bearer secret")
    with client:
        assert post(admin.server, "/publish/", item).status == 401
        assert post(admin.server, "/publish/", item, token, ("Origin", "http://elsewhere")).status == 403
        assert get(admin.server, "/publish/", token).status == 405
        wrong = post(admin.server, "/publish/", b'{"items": [{"channel": "news"}]}', token)
        assert (wrong.status, "neither `http-stream`" in wrong.text) == (400, True)
        assert post(admin.server, "/publish/", b"x" * 5_000_000, token).status == 413
        assert post(admin.server, "/publish", item, token).status == 200
        assert client.read_chunk() == b"x\n"


def test_holds_have_a_limit(start: Start) -> None:
    server = start("--wsgi", "grip_app:wsgi", *GRIP, "--grip-max-holds", "2")
    clients = [held(server, *STREAM)[0] for _ in range(2)]
    refused = get(server, hold(*STREAM))
    assert (refused.status, refused.header("retry-after")) == (503, "1")
    server.wait_for_log("--grip-max-holds")
    clients.pop().socket.close()
    holds(server, 1)
    held(server, *STREAM)[0].socket.close()
    clients.pop().socket.close()


def test_a_slow_client_is_dropped_and_the_others_are_not(start: Start) -> None:
    server = start("--wsgi", "grip_app:wsgi", *GRIP, "--grip-buffer", "64KiB")
    fast, _ = held(server, *STREAM)
    slow = Connection(server, receive_buffer=4096)
    slow.send_request("GET", hold(*STREAM))
    holds(server, 2)
    item, got = "x" * 40_000 + "\n", 0
    with fast, slow:
        for number in range(1, 500):
            publish(server, text(item))
            while got < number * len(item):
                got += len(fast.read_chunk() or b"")
            if "was dropped" in server.log():
                break
        assert "takes too little, and was dropped" in server.wait_for_log("--grip-buffer")
        holds(server, 1)
        publish(server, text("end\n"))
        assert (fast.read_chunk() or b"").endswith(b"end\n")


def test_held_clients_do_not_count_as_running_requests(start: Start) -> None:
    server = start("--wsgi", "grip_app:wsgi", *GRIP, "--limit-concurrency", "1")
    with held(server, *STREAM)[0], held(server, *STREAM)[0]:
        holds(server, 2)
        assert get(server, "/seen").status == 200


def test_the_end_of_the_server_ends_holds_completely(server: Server) -> None:
    stream, _ = held(server, *STREAM)
    waiting = Connection(server)
    waiting.send_request("GET", hold(*LONG_POLL))
    holds(server, 2)
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 3
    with stream, waiting:
        assert stream.read_chunk() is None, "complete"
        assert waiting.read_response().text == "held\n"


def test_a_head_is_not_held(server: Server) -> None:
    with Connection(server) as client:
        client.send_request("HEAD", hold(*STREAM))
        response = client.read_response("HEAD")
        assert (response.status, response.header("grip-hold")) == (200, None)


def test_settings_that_cannot_work_are_refused() -> None:
    several = run_rsgi("--wsgi", "grip_app:wsgi", "--grip", "--workers", "2")
    assert several.returncode == 1
    assert "`--grip` with several processes needs `--admin`" in several.stderr
    key = run_rsgi("--wsgi", "grip_app:wsgi", "--grip", "--grip-key", "base64:?")
    assert key.returncode == 1
    assert "`--grip-key` is no key" in key.stderr


def test_a_client_that_leaves_is_forgotten(server: Server) -> None:
    client, _ = held(server, *STREAM)
    waiting = Connection(server)
    waiting.send_request("GET", hold(*LONG_POLL))
    holds(server, 2)
    client.socket.close()
    waiting.socket.close()
    wait_until(lambda: Admin(server).number("rsgi_grip_holds") == 0, 10, "both are gone")
