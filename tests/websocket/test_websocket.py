"""WebSocket: the handshake, messages both ways, closing, and clients and applications that get it wrong.

Covers RFC 6455 as a server and for the WebSocket half of ASGI's HTTP & WebSocket document, version 2.5.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close
from websockets.sync.client import ClientConnection, connect
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Ping, Request, TextMessage
from wsproto.extensions import PerMessageDeflate

from server import Server, start_rsgi, wait_until
from websocket_wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, WebSocketConnection, frame_bytes
from wire import Connection, get


def open_client(server: Server, path: str, **options: object) -> ClientConnection:
    """A well-behaved client of the `websockets` package."""
    return connect(f"ws://{server.authority}{path}", open_timeout=10, close_timeout=10, proxy=None, **options)  # type: ignore[arg-type]


def recorded(server: Server, label: str) -> list[object]:
    return wait_until(lambda: get(server, f"/record?label={label}").json(), 5, f"an entry under {label}")


# The handshake


def test_handshake_on_the_wire(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        response = client.upgrade("/ws/echo")
        assert response.status == 101
        assert response.reason == "Switching Protocols"
        assert response.header("content-length") is None
        assert response.header("transfer-encoding") is None
        assert response.header("sec-websocket-protocol") is None


def test_scope(asgi_server: Server) -> None:
    with open_client(asgi_server, "/ws/scope?x=%20", subprotocols=["one", "two"]) as client:
        scope = json.loads(client.recv(timeout=5))
    headers = dict(scope.pop("headers"))
    assert scope["type"] == "websocket"
    assert scope["scheme"] == "ws"
    assert (scope["path"], scope["raw_path"], scope["query"], scope["root"]) == ("/ws/scope", "/ws/scope", "x=%20", "")
    assert scope["http_version"] == "1.1"
    assert scope["subprotocols"] == ["one", "two"]
    assert scope["server"] == ["127.0.0.1", asgi_server.port]
    assert scope["asgi"]["spec_version"] in ("2.4", "2.5")
    assert scope["extensions"] == ["websocket.http.response"]
    assert headers["upgrade"].lower() == "websocket"
    assert headers["host"] == asgi_server.authority


def test_subprotocol_and_headers_of_the_accept(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        response = client.upgrade("/ws/subprotocol", [("Sec-WebSocket-Protocol", "chat.v1, chat.v2")])
        assert response.header("sec-websocket-protocol") == "chat.v2"
        assert response.header("x-accepted") == "yes"
        assert response.all("set-cookie") == ["a=1", "b=2"]
        assert json.loads(client.read_data_frame().payload) == ["chat.v1", "chat.v2"]


def test_subprotocols_in_repeated_headers(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade("/ws/subprotocol", [("Sec-WebSocket-Protocol", "a"), ("Sec-WebSocket-Protocol", "b,c")])
        assert json.loads(client.read_data_frame().payload) == ["a", "b", "c"]


def test_reject_before_the_accept(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        response = client.upgrade("/ws/reject")
        assert response.status == 403
        assert response.complete


@pytest.mark.parametrize("path", ["/ws/raise-before-accept", "/ws/return-before-accept"])
def test_failure_before_the_accept(asgi_server: Server, path: str) -> None:
    mark = asgi_server.log_mark()
    with WebSocketConnection(asgi_server) as client:
        response = client.upgrade(path)
        assert response.status == 500
        assert response.text == "500 Internal Server Error: the application failed\n"
    log = asgi_server.wait_for_log(f"app `asgi_kitchen:app` failed: WEBSOCKET {path}", since=mark)
    assert log.count("error: app") == 1


def test_other_version_is_told_the_right_one(asgi_server: Server) -> None:
    with Connection(asgi_server) as connection:
        headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", "x" * 22 + "==")]
        connection.send_request("GET", "/ws/echo", [*headers, ("Sec-WebSocket-Version", "12")])
        response = connection.read_response()
    assert response.status in (400, 426)
    assert response.header("sec-websocket-version") == "13"


@pytest.mark.parametrize("key", [None, "short", "not base 64 at all!!!!!!"])
def test_bad_key_is_refused(asgi_server: Server, key: str | None) -> None:
    headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
    with Connection(asgi_server) as connection:
        connection.send_request("GET", "/ws/echo", headers + ([("Sec-WebSocket-Key", key)] if key else []))
        assert connection.read_response().status == 400
    assert get(asgi_server, "/hello").status == 200


def test_upgrade_is_for_get_only(asgi_server: Server) -> None:
    headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
    with Connection(asgi_server) as connection:
        connection.send_request("POST", "/ws/echo", [*headers, ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")], b"")
        response = connection.read_response()
        assert response.status in (400, 404)


def test_upgrade_to_something_else_is_ignored(kitchen: Server) -> None:
    response = get(kitchen, "/hello", ("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"))
    assert response.status == 200
    assert response.body == b"Hello, world!\n"


def test_upgrade_without_the_connection_header_is_plain_http(asgi_server: Server) -> None:
    response = get(asgi_server, "/hello", ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"))
    assert response.status in (200, 400)


def test_wsgi_apps_are_never_asked(wsgi_server: Server) -> None:
    with WebSocketConnection(wsgi_server) as client:
        response = client.upgrade("/count?label=websocket")
        assert 400 <= response.status < 500
        assert "WebSocket" in response.text
        assert response.complete
    assert get(wsgi_server, "/record?label=websocket").json() == []


def test_bridged_apps_refuse(bridge_server: Server) -> None:
    with WebSocketConnection(bridge_server) as client:
        response = client.upgrade("/count?label=websocket-bridge")
        assert 400 <= response.status < 500
    assert get(bridge_server, "/record?label=websocket-bridge").json() == []


# Messages


@pytest.mark.parametrize(
    "message", ["", "text", "caf\xe9 \U0001f600", "x" * 70_000, b"", b"\0\xff binary", b"x" * 300_000]
)
def test_echo(asgi_server: Server, message: str | bytes) -> None:
    with open_client(asgi_server, "/ws/echo") as client:
        client.send(message)
        assert client.recv(timeout=10) == message


def test_many_messages_keep_their_order(asgi_server: Server) -> None:
    with open_client(asgi_server, "/ws/echo") as client:
        for number in range(500):
            client.send(f"message {number}")
        assert [client.recv(timeout=10) for _ in range(500)] == [f"message {number}" for number in range(500)]


def test_burst_arrives_whole_before_the_close(asgi_server: Server) -> None:
    with open_client(asgi_server, "/ws/burst?messages=2000") as client:
        assert list(client) == [str(number) for number in range(2000)]
        assert client.close_code == 1000


def test_many_messages_at_once_leave_turns_to_other_tasks(asgi_server: Server) -> None:
    """All are there before the app takes the first. Neither `receive` nor `send` has to wait for anything."""
    with open_client(asgi_server, "/ws/turns?messages=200&pause=0.5") as client:
        for number in range(200):
            client.send(str(number))
        *sent, most = [client.recv(timeout=30) for _ in range(201)]
    assert sent == ["x"] * 200
    most = json.loads(most)
    assert most["received"] <= 64
    assert 10 <= most["sent"] <= 64


@pytest.mark.parametrize("size", [125, 126, 65535, 65536, 5_000_000])
def test_large_messages_from_the_server(asgi_server: Server, size: int) -> None:
    with open_client(asgi_server, f"/ws/big?bytes={size}", max_size=None) as client:
        assert client.recv(timeout=10) == b"x" * size


def test_first_frames_in_the_packet_of_the_handshake(asgi_server: Server) -> None:
    """An impatient client does not wait for the response; nothing of what it sends may be lost."""
    client = WebSocketConnection(asgi_server)
    with client:
        head = (
            b"GET /ws/echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + client.key + b"\r\n\r\n"
        )
        client.send(head + frame_bytes(TEXT, b"early") + frame_bytes(TEXT, b"bird"))
        assert client.read_head().status == 101
        assert client.read_data_frame().payload == b"early"
        assert client.read_data_frame().payload == b"bird"


def test_fragments_are_joined_around_a_ping(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade("/ws/lengths")
        client.send_frame(TEXT, b"abc", final=False)
        client.send_frame(PING, b"between")
        client.send_frame(CONTINUATION, "d\xe9".encode()[:2], final=False)
        client.send_frame(CONTINUATION, "d\xe9".encode()[2:])
        pong = client.read_frame()
        assert (pong.opcode, pong.payload) == (PONG, b"between")
        assert json.loads(client.read_data_frame().payload) == ["text", 5]


def test_frames_in_single_bytes(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade("/ws/echo")
        for byte in frame_bytes(TEXT, b"one by one"):
            client.send(bytes([byte]))
        assert client.read_data_frame().payload == b"one by one"


def test_unasked_pong_is_ignored(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade("/ws/echo")
        client.send_frame(PONG, b"nobody asked")
        client.send_frame(TEXT, b"go on")
        assert client.read_data_frame().payload == b"go on"


def test_sending_and_listening_at_once(asgi_server: Server) -> None:
    with open_client(asgi_server, "/ws/background") as client:
        assert [client.recv(timeout=5) for _ in range(3)] == ["tick 0", "tick 1", "tick 2"]
        client.send("me")
        assert client.recv(timeout=5) == "heard me"


def test_wrong_messages_raise_inside_the_app(asgi_server: Server) -> None:
    with open_client(asgi_server, "/ws/wrong-caught") as client:
        raised = json.loads(client.recv(timeout=5))
    assert len(raised) == 10
    assert "nothing" not in raised
    assert set(raised) <= {"RuntimeError", "TypeError", "ValueError", "KeyError", "AssertionError"}


def test_errors_say_what_was_wrong_and_what_was_expected(asgi_server: Server) -> None:
    with open_client(asgi_server, "/ws/wrong-said?label=wrong-said") as client:
        said = json.loads(client.recv(timeout=5))
        with pytest.raises(ConnectionClosedError) as closed:
            client.recv(timeout=5)
        assert closed.value.rcvd == Close(4999, "\xe9" * 61)
    codes = "ValueError: 'code' must be one that may be sent: 1000-1003, 1007-1014 or 3000-4999"
    wrong_codes = (0, 999, 1005, 1006, 1015, 1016, 2999, 5000, 2**70, -1)
    assert said == {
        "early send": "RuntimeError: 'websocket.send' was sent before 'websocket.accept'",
        "subprotocol type": "TypeError: 'subprotocol' must be str, not bytes (b'chat')",
        "subprotocol": 'ValueError: the subprotocol "chat" is not one that the client offered: []',
        "subprotocol header": "ValueError: the subprotocol is accepted with 'subprotocol', not with a header",
        "length header": "ValueError: the response that accepts a WebSocket has no body, and so no Content-Length",
        "no dict": "TypeError: send() takes a dict, not str ('websocket.accept')",
        "no type": "ValueError: the message has no 'type'",
        "type": "ValueError: send() does not take 'websocket.shout' here; expected 'websocket.accept', 'websocket.send', "
        "'websocket.close', 'websocket.http.response.start' or 'websocket.http.response.body'",
        "accept": "RuntimeError: 'websocket.accept' was sent after 'websocket.accept'",
        "neither": "ValueError: 'websocket.send' has neither 'text' (str) nor 'bytes' (bytes)",
        "both": "ValueError: 'websocket.send' has both 'text' and 'bytes'; it takes one of them",
        "text": "TypeError: 'text' must be str, not bytes (b'x')",
        "bytes": "TypeError: 'bytes' must be bytes, not str ('x')",
        "surrogate": "UnicodeEncodeError: 'utf-8' codec can't encode character '\\ud800' in position 0: surrogates not "
        "allowed",
        "code type": "TypeError: 'code' must be an int, not str ('1000')",
        **{f"code {code}": codes for code in wrong_codes},
        "reason type": "TypeError: 'reason' must be str, not bytes (b'x')",
        "reason": "ValueError: 'reason' must be at most 123 bytes in UTF-8, not 124",
    }
    assert recorded(asgi_server, "wrong-said") == [
        {
            "late send": "RuntimeError: 'websocket.send' was sent after the WebSocket was closed",
            "late close": "RuntimeError: 'websocket.close' was sent after the WebSocket was closed",
            "late accept": "RuntimeError: 'websocket.accept' was sent after the WebSocket was closed",
        }
    ]


def test_bytes_may_be_any_buffer(asgi_server: Server) -> None:
    with open_client(asgi_server, "/ws/kinds-of-bytes") as client:
        assert list(client) == [b"bytes", b"bytearray", b"memoryview"]


def test_slow_app_stops_the_client(asgi_server: Server) -> None:
    """What the client may send ahead is bounded; nothing of it is lost."""
    size, most = 8192, 4000
    with WebSocketConnection(asgi_server, timeout=0.5) as client:
        client.upgrade("/ws/slow?pause=1.5&label=slow")
        frame = frame_bytes(BINARY, b"x" * size)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < most * len(frame):
                sent += client.socket.send(frame[sent % len(frame) :])
        assert sent < most * len(frame), "the client was never stopped"
        client.socket.settimeout(20)
        client.send(frame[sent % len(frame) :] if sent % len(frame) else b"")
        client.send_frame(TEXT, b"how many?")
        assert json.loads(client.read_data_frame().payload) == -(-sent // len(frame)) + 1


def test_stalled_client_stops_the_app(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade("/ws/flood?label=flood")
        counts: list[int] = []

        def settled() -> bool:
            counts.append(len(get(asgi_server, "/record?label=flood").json()))
            assert counts[-1] * 65536 < 32 * 1024 * 1024, "the app runs on without its client"
            return len(counts) > 30 and counts[-1] == counts[-30]

        wait_until(settled, 10, "the app waits for the client")
    assert get(asgi_server, "/hello").status == 200


@pytest.mark.parametrize("compressed", [False, True])
def test_the_wsproto_package(asgi_server: Server, compressed: bool) -> None:
    """A second opinion: handshake, echo and close, as another implementation reads them."""
    extensions = [PerMessageDeflate()] if compressed else []
    peer = WSConnection(ConnectionType.CLIENT)
    with Connection(asgi_server) as connection:

        def wait_for(kind: type[Event]) -> Any:
            while True:
                for event in peer.events():
                    if isinstance(event, kind):
                        return event
                    assert isinstance(event, Ping), event
                    connection.send(peer.send(event.response()))
                peer.receive_data(connection.read_some())

        connection.send(peer.send(Request(asgi_server.authority, "/ws/echo", extensions=extensions)))
        peer.receive_data(connection.read_some())
        accepted = wait_for(AcceptConnection)
        assert [type(extension) for extension in accepted.extensions] == [PerMessageDeflate] * compressed
        for text in ("caf\xe9 " * 2000, "short", ""):
            connection.send(peer.send(TextMessage(text)))
            received = ""
            while True:
                part = wait_for(TextMessage)
                received += part.data
                if part.message_finished:
                    break
            assert received == text
        connection.send(peer.send(CloseConnection(4000, "enough")))
        closed = wait_for(CloseConnection)
        assert (closed.code, closed.reason) == (4000, "enough")
        assert connection.closed_within(5)


# Closing


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [("/ws/close-code", 4001, "the kitchen closes"), ("/ws/close-default", 1000, "")],
)
def test_close_by_the_app(asgi_server: Server, path: str, code: int, reason: str) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade(path)
        frame = client.read_data_frame()
        assert (frame.opcode, frame.close_code, frame.close_reason) == (CLOSE, code, reason)
        client.send_frame(CLOSE, frame.payload)
        assert client.closed_within(5)


def test_return_after_the_accept_closes(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade("/ws/return-after-accept")
        frame = client.read_data_frame()
        assert frame.opcode == CLOSE
        assert frame.close_code in (1000, 1011)


def test_failure_after_the_accept_closes_with_1011(asgi_server: Server) -> None:
    mark = asgi_server.log_mark()
    with WebSocketConnection(asgi_server) as client:
        client.upgrade("/ws/raise-after-accept")
        frame = client.read_data_frame()
        assert (frame.opcode, frame.close_code) == (CLOSE, 1011)
        assert "kitchen" not in frame.close_reason
    log = asgi_server.wait_for_log("kitchen: raised after the accept", since=mark)
    assert log.count("error: app `asgi_kitchen:app` failed") == 1


@pytest.mark.parametrize(
    ("payload", "code", "reason"),
    [
        ((4321).to_bytes(2, "big") + "tsch\xfcss".encode(), 4321, "tsch\xfcss"),
        ((1001).to_bytes(2, "big"), 1001, ""),
        ((1014).to_bytes(2, "big"), 1014, ""),
        ((1014).to_bytes(2, "big") + b"bad gateway", 1014, "bad gateway"),
        (b"", 1005, ""),
    ],
)
def test_close_by_the_client_reaches_the_app(asgi_server: Server, payload: bytes, code: int, reason: str) -> None:
    label = f"client-close-{code}-{len(payload)}"
    with WebSocketConnection(asgi_server) as client:
        client.upgrade(f"/ws/record-close?label={label}")
        assert client.read_data_frame().payload == b'"ready"'
        client.send_frame(CLOSE, payload)
        response = client.read_data_frame()
        assert response.opcode == CLOSE
        assert response.payload[:2] == payload[:2]
        assert client.closed_within(5)
    assert [[found[0], found[1] or ""] for found in recorded(asgi_server, label)] == [[code, reason]]


def test_close_in_single_bytes_reaches_the_app(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade("/ws/record-close?label=single-bytes")
        client.read_data_frame()
        client.send_frame(PONG, (1014).to_bytes(2, "big"))  # which is none
        for byte in frame_bytes(CLOSE, (1014).to_bytes(2, "big") + b"slowly"):
            client.send(bytes([byte]))
        assert client.read_data_frame().payload == (1014).to_bytes(2, "big") + b"slowly"
    assert recorded(asgi_server, "single-bytes") == [[1014, "slowly"]]


def test_pong_that_waits_is_not_taken_for_the_close_behind_it(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade("/ws/record-close?label=pong-and-close")
        client.read_data_frame()
        code = (1014).to_bytes(2, "big")
        client.send(frame_bytes(PONG, code) + frame_bytes(PONG, code) + frame_bytes(CLOSE, code + b"why"))
        assert client.read_data_frame().payload == code + b"why"
    assert recorded(asgi_server, "pong-and-close") == [[1014, "why"]]


def test_close_of_the_client_is_told_the_same_each_time(asgi_server: Server) -> None:
    """Whatever the application does in between: what it may not or can no longer send is never taken for the client's."""
    with WebSocketConnection(asgi_server) as client:
        client.upgrade("/ws/close-too-late?label=too-late")
        client.read_data_frame()
        client.send_close(4321, "the client's")
        client.read_data_frame()
    said = ["websocket.disconnect", 4321, "the client's"]
    wrong = "ValueError: 'code' must be one that may be sent: 1000-1003, 1007-1014 or 3000-4999"
    left = "ClientDisconnected: the client has left the WebSocket"
    assert recorded(asgi_server, "too-late") == [[wrong, said, wrong, said, left, said, said]]


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ([("Content-Length", "5")], b""),
        ([("Content-Length", "5")], frame_bytes(TEXT, b"x")[:5]),
        ([("Transfer-Encoding", "chunked")], b""),
        ([("Transfer-Encoding", "chunked")], b"0\r\n\r\n"),
    ],
    ids=["length", "length-sent", "chunked", "chunked-sent"],
)
def test_handshake_with_a_body_is_400(asgi_server: Server, fields: list[tuple[str, str]], body: bytes) -> None:
    """Its bytes were taken for frames, or not: by when they came."""
    with WebSocketConnection(asgi_server) as client:
        client.send_request("GET", "/ws/echo", [*client.handshake(), *fields])
        client.send(body)
        response = client.read_response()
        assert (response.status, response.header("connection")) == (400, "close")
        assert b"body" in response.body


def test_handshake_with_an_empty_body_is_accepted(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        assert client.upgrade("/ws/echo", [("Content-Length", "0")]).status == 101


def test_lost_connection_is_1006(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade("/ws/record-close?label=lost")
        client.read_data_frame()
    assert recorded(asgi_server, "lost")[0][0] == 1006


def test_send_after_the_client_left_is_an_oserror(asgi_server: Server) -> None:
    mark = asgi_server.log_mark()
    with open_client(asgi_server, "/ws/send-after-disconnect?label=ws-left"):
        pass
    assert recorded(asgi_server, "ws-left") == ["OSError"]
    get(asgi_server, "/hello")
    assert "failed" not in asgi_server.log(since=mark)


def test_receive_after_the_own_close_says_disconnect(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade("/ws/close-then-receive?label=own-close")
        frame = client.read_data_frame()
        assert (frame.opcode, frame.close_code) == (CLOSE, 4002)
        client.send_frame(CLOSE, frame.payload)
    assert recorded(asgi_server, "own-close") == ["websocket.disconnect"]


VIOLATIONS = {
    "not masked": (frame_bytes(TEXT, b"abc", masked=False), 1002),
    "reserved bit": (frame_bytes(TEXT, b"abc", reserved=4), 1002),
    "unknown opcode": (frame_bytes(0x3, b"abc"), 1002),
    "continuation of nothing": (frame_bytes(CONTINUATION, b"abc"), 1002),
    "text inside fragments": (frame_bytes(TEXT, b"a", final=False) + frame_bytes(TEXT, b"b"), 1002),
    "large ping": (frame_bytes(PING, b"x" * 126), 1002),
    "fragmented ping": (frame_bytes(PING, b"x", final=False), 1002),
    "text that is no utf-8": (frame_bytes(TEXT, b"\xff\xfe"), 1007),
    "close code 1005": (frame_bytes(CLOSE, (1005).to_bytes(2, "big")), 1002),
    "close code 0": (frame_bytes(CLOSE, (0).to_bytes(2, "big")), 1002),
    "close with one byte": (frame_bytes(CLOSE, b"x"), 1002),
    "close reason that is no utf-8": (frame_bytes(CLOSE, (1000).to_bytes(2, "big") + b"\xff"), 1007),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_protocol_violation_closes(asgi_server: Server, name: str) -> None:
    data, code = VIOLATIONS[name]
    label = f"violation-{name.replace(' ', '-')}"
    with WebSocketConnection(asgi_server) as client:
        client.upgrade(f"/ws/record-close?label={label}")
        client.read_data_frame()
        client.send(data)
        frame = client.read_data_frame()
        assert frame.opcode == CLOSE
        assert frame.close_code in {code, 1002}
        assert client.closed_within(5)
    assert recorded(asgi_server, label)
    assert get(asgi_server, "/hello").status == 200


# Limits


@pytest.fixture(scope="module")
def limited() -> Iterator[Server]:
    """A server with small messages and quick pings."""
    limits = ("--ws-max-message", "64KiB", "--ws-ping-interval", "0.2", "--ws-ping-timeout", "1")
    server = start_rsgi("--asgi", "asgi_kitchen:app", *limits)
    yield server
    server.stop()


def test_message_at_the_limit(limited: Server) -> None:
    with open_client(limited, "/ws/echo") as client:
        client.send(b"x" * 65536)
        assert client.recv(timeout=5) == b"x" * 65536


@pytest.mark.parametrize("fragments", [1, 5])
def test_message_over_the_limit_is_1009(limited: Server, fragments: int) -> None:
    label = f"over-{fragments}"
    with WebSocketConnection(limited) as client:
        client.upgrade(f"/ws/record-close?label={label}")
        client.read_data_frame()
        size = 70_000 // fragments
        for number in range(fragments):
            opcode = CONTINUATION if number else BINARY
            client.send_frame(opcode, b"x" * size, final=number + 1 == fragments)
        frame = client.read_data_frame()
        assert (frame.opcode, frame.close_code) == (CLOSE, 1009)
    assert recorded(limited, label) == [[1009, "the message is too large"]]


def test_server_pings(limited: Server) -> None:
    with WebSocketConnection(limited) as client:
        client.upgrade("/ws/echo")
        for _ in range(3):
            ping = client.read_frame()
            assert ping.opcode == PING
            client.send_frame(PONG, ping.payload)
        client.send_frame(TEXT, b"still here")
        assert client.read_data_frame().payload == b"still here"


def test_client_that_reads_nothing_is_dropped(limited: Server) -> None:
    """The application that fills its connection is told, and the connection does not stay for ever."""
    with WebSocketConnection(limited) as client:
        client.upgrade("/ws/flood?label=unread")
        wait_until(lambda: flood_ended(limited, "unread"), 10, "the flood ends")
    assert get(limited, "/hello").status == 200


def flood_ended(server: Server, label: str) -> bool:
    return "ended" in get(server, f"/record?label={label}").json()


def test_slow_app_does_not_cost_the_client_its_connection(limited: Server) -> None:
    """While its messages wait for the app nothing is read, so that its pongs are not seen is not its fault."""
    with open_client(limited, "/ws/slow?pause=2&label=patient") as client:
        for _ in range(300):
            client.send(b"x" * 8192)
        client.send("how many?")
        assert json.loads(client.recv(timeout=10)) == 301


def test_message_that_takes_longer_than_a_ping(limited: Server) -> None:
    """Its sender cannot answer in between, and lives all the same."""
    frame = frame_bytes(TEXT, b"x" * 1500)
    with WebSocketConnection(limited) as client:
        client.upgrade("/ws/lengths")
        for start in range(0, len(frame), 100):
            client.send(frame[start : start + 100])
            time.sleep(0.1)  # the pace of this client
        assert json.loads(client.read_data_frame_unanswered().payload) == ["text", 1500]


def test_close_with_1009_reaches_a_client_that_goes_on_sending(limited: Server) -> None:
    with WebSocketConnection(limited) as client:
        client.upgrade("/ws/echo")
        client.send(frame_bytes(BINARY, b"x" * 250_000))
        frame = client.read_data_frame()
        assert (frame.opcode, frame.close_code, frame.close_reason) == (CLOSE, 1009, "the message is too large")


def test_client_that_answers_no_ping_is_dropped(limited: Server) -> None:
    with WebSocketConnection(limited, timeout=5) as client:
        client.upgrade("/ws/record-close?label=no-pong")
        client.read_frame()
        client.read_to_end()
    assert recorded(limited, "no-pong") == [[1006, "the client answered no ping"]]


def test_pings_of_a_client_that_reads_nothing_do_not_fill_the_memory(start: Callable[..., Server]) -> None:
    """It is read no further, and goes on where it was as soon as it reads."""
    server = start("--asgi", "asgi_kitchen:app", "--ws-ping-interval", "0")
    pings = frame_bytes(PING, b"p" * 125) * 500
    with WebSocketConnection(server, timeout=3) as client:
        client.upgrade("/ws/echo")
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 256 << 20:
                sent += client.socket.send(pings[sent % len(pings) :])
        # What the kernel keeps of both directions, and not what the server keeps.
        assert sent < 64 << 20
        assert server.memory() < 200 << 20
        reading = threading.Thread(
            target=client.send, args=[pings[sent % len(pings) :] + frame_bytes(TEXT, b"still here")]
        )
        reading.start()
        frame = client.read_frame()
        while frame.opcode == PONG:
            frame = client.read_frame()
        reading.join()
        assert (frame.opcode, frame.payload) == (TEXT, b"still here")
    assert get(server, "/hello").status == 200


def test_pings_can_be_switched_off(start: Callable[..., Server]) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--ws-ping-interval", "0", "--ws-ping-timeout", "0.1")
    with WebSocketConnection(server) as client:
        client.upgrade("/ws/echo")
        assert client.silent_for(0.5)


def test_many_open_connections(asgi_server: Server) -> None:
    with contextlib.ExitStack() as opened:
        clients = [opened.enter_context(WebSocketConnection(asgi_server)) for _ in range(200)]
        for client in clients:
            assert client.upgrade("/ws/echo").status == 101
        for number, client in enumerate(clients):
            client.send_frame(TEXT, b"client %d" % number)
        for number, client in enumerate(clients):
            assert client.read_data_frame().payload == b"client %d" % number
