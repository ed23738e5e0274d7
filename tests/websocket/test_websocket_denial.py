"""Handshakes that the application denies with a response of its own.

Apart from `test_websocket.py` because after the handshake everything is HTTP. Covers the extension "WebSocket Denial
Response" of the ASGI specification; the rules for heads and bodies are those of every other response.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from server import Server, wait_until
from websocket_wire import WebSocketConnection
from wire import get


def test_status_headers_and_body(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        response = client.upgrade("/ws/deny")
        assert (response.status, response.reason) == (401, "Unauthorized")
        assert response.body == b'{"detail": "who are you?"}'
        assert response.header("content-length") == str(len(response.body))
        assert response.header("content-type") == "application/json"
        assert response.header("www-authenticate") == 'Basic realm="kitchen"'
        assert response.all("set-cookie") == ["a=1", "b=2"]
        assert response.header("x-latin") == "caf\xe9"
        assert response.header("date")
        # The connection is the server's affair.
        assert response.all("connection") == response.all("upgrade") == response.all("transfer-encoding") == []
        assert response.header("sec-websocket-accept") is None
        # It goes on as HTTP.
        client.send_request("GET", "/hello")
        assert client.read_response().status == 200


def test_a_second_handshake_on_the_same_connection(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        assert client.upgrade("/ws/deny").status == 401
        assert client.upgrade("/ws/lengths").status == 101
        client.send_frame(1, b"abc")
        assert json.loads(client.read_data_frame().payload) == ["text", 3]


@pytest.mark.parametrize("status", [200, 302, 418, 429, 500, 599])
def test_any_final_status(asgi_server: Server, status: int) -> None:
    with WebSocketConnection(asgi_server) as client:
        response = client.upgrade(f"/ws/deny-status?status={status}")
        assert (response.status, response.body) == (status, b"has a body if it may")


@pytest.mark.parametrize("status", [204, 304])
def test_status_without_a_body(asgi_server: Server, status: int) -> None:
    with WebSocketConnection(asgi_server) as client:
        response = client.upgrade(f"/ws/deny-status?status={status}")
        assert (response.status, response.body, response.header("transfer-encoding")) == (status, b"", None)
        client.send_request("GET", "/hello")
        assert client.read_response().status == 200


def test_streamed_body(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        response = client.upgrade("/ws/deny-stream?label=deny-stream")
        assert (response.status, response.framing, response.complete) == (503, "chunked", True)
        assert response.body == b"piece 0\npiece 1\npiece 2\n"
    found = wait_until(lambda: get(asgi_server, "/record?label=deny-stream").json(), 5, "the app went on")
    assert found == ["websocket.disconnect"]


def test_stalled_client_stops_the_app(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.send_request("GET", "/ws/deny-flood?label=deny-flood", client.handshake())
        client.read_head()
        counts: list[int] = []

        def settled() -> bool:
            counts.append(len(get(asgi_server, "/record?label=deny-flood").json()))
            assert counts[-1] * 65536 < 32 * 1024 * 1024, "the app runs on without its client"
            return len(counts) > 30 and counts[-1] == counts[-30]

        wait_until(settled, 10, "the app waits for the client")
    wait_until(lambda: "ended" in get(asgi_server, "/record?label=deny-flood").json(), 10, "the flood ends")


def test_client_that_leaves(asgi_server: Server) -> None:
    mark = asgi_server.log_mark()
    with WebSocketConnection(asgi_server) as client:
        client.send_request("GET", "/ws/deny-disconnect?label=deny-left", client.handshake())
        assert client.read_head().status == 403
        assert client.read_exactly(10) == b"5\r\nbegun\r\n"
    found = wait_until(
        lambda: [found for found in [get(asgi_server, "/record?label=deny-left").json()] if len(found) == 2], 5, "both"
    )
    assert found == [[["websocket.disconnect", 1006], "OSError"]]
    assert "failed" not in asgi_server.log(since=mark)


def test_body_longer_than_declared_is_cut_there(asgi_server: Server) -> None:
    mark = asgi_server.log_mark()
    with WebSocketConnection(asgi_server) as client:
        response = client.upgrade("/ws/deny-length?declared=7")
        assert (response.body, response.complete) == (b"1234567", True)
    assert "WEBSOCKET /ws/deny-length" in asgi_server.wait_for_log("/ws/deny-length", since=mark)


def test_body_shorter_than_declared_is_a_cut_connection(asgi_server: Server) -> None:
    mark = asgi_server.log_mark()
    with WebSocketConnection(asgi_server) as client:
        response = client.upgrade("/ws/deny-length?declared=11")
        assert (response.body, response.complete) == (b"1234567890", False)
    asgi_server.wait_for_log("WEBSOCKET /ws/deny-length", since=mark)


@pytest.mark.parametrize("after", [0, 1])
def test_failure_before_the_first_byte_is_a_500(asgi_server: Server, after: int) -> None:
    mark = asgi_server.log_mark()
    with WebSocketConnection(asgi_server) as client:
        response = client.upgrade(f"/ws/deny-raise?after={after}")
        assert (response.status, response.text) == (500, "500 Internal Server Error: the application failed\n")
    log = asgi_server.wait_for_log("kitchen: raised while denying", since=mark)
    assert log.count("error: app `asgi_kitchen:app` failed: WEBSOCKET /ws/deny-raise") == 1


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/ws/deny-raise?after=2", "kitchen: raised while denying"),
        ("/ws/deny-return", "the application returned before it had sent its whole response"),
    ],
)
def test_failure_after_the_first_byte_is_a_cut_connection(asgi_server: Server, path: str, said: str) -> None:
    mark = asgi_server.log_mark()
    with WebSocketConnection(asgi_server) as client:
        response = client.upgrade(path)
        assert (response.status, response.body, response.complete) == (401, b"half", False)
    asgi_server.wait_for_log(said, since=mark)


def test_mistakes_raise_inside_the_app(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        response = client.upgrade("/ws/deny-wrong")
        assert response.status == 401
        raised = response.json()
    expected = [
        "RuntimeError: 'websocket.http.response.body' was sent before 'websocket.http.response.start'",
        "ValueError: the message that starts the response has no 'status'",
        "TypeError: status must be an int from 200 to 999, not str ('401')",
        "ValueError: status must be from 200 to 999, not 101",
        'ValueError: the value of header "x-bad" has a control character',
        'ValueError: "bad name" is not a header name',
        "TypeError: a header name must be bytes, not str ('str')",
        'ValueError: Content-Length is not a number: "ten"',
        "TypeError: 'body' must be bytes, not str ('text')",
        "RuntimeError: 'websocket.http.response.start' was sent after 'websocket.http.response.start'",
        "RuntimeError: 'websocket.accept' was sent after 'websocket.http.response.start'",
        "RuntimeError: 'websocket.send' was sent after 'websocket.http.response.start'",
        "RuntimeError: 'websocket.close' was sent after 'websocket.http.response.start'",
    ]
    assert len(raised) == len(expected)
    for said, start in zip(raised, expected, strict=True):
        assert said.startswith(start)


def test_not_after_the_accept(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        assert client.upgrade("/ws/deny-after-accept").status == 101
        assert json.loads(client.read_data_frame().payload) == [
            "RuntimeError: 'websocket.http.response.start' was sent after 'websocket.accept'",
            "RuntimeError: 'websocket.http.response.body' was sent after 'websocket.accept'",
        ]


def test_access_log(start: Callable[..., Server]) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--access-log")
    with WebSocketConnection(server) as client:
        client.upgrade("/ws/deny")
    line = server.wait_for_access_log("/ws/deny")
    assert '"GET /ws/deny HTTP/1.1" 401' in line


def test_starlette(start: Callable[..., Server]) -> None:
    """`HTTPException` before the accept and `send_denial_response`, as FastAPI and Starlette users write them."""
    with WebSocketConnection(start("--asgi", "denying_app:app")) as client:
        response = client.upgrade("/denied")
        assert (response.status, response.json()) == (403, {"detail": "members only"})
        assert response.header("content-type") == "application/json"
        response = client.upgrade("/raised")
        assert (response.status, response.text) == (429, "slow down")
