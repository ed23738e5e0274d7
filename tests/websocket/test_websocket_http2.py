"""WebSocket over HTTP/2: extended CONNECT, many on one connection, and how their streams end.

Apart from `test_websocket.py`, whose client has a connection for each WebSocket. What the application sees and sends is the
same over both, so here is what the way there changes. Covers RFC 8441 as a server.
"""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator

import h2.errors
import pytest
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from certificates import Certificates
from http2_wire import Header, Http2Connection
from server import Server, start_rsgi, wait_until
from websocket_http2_wire import WebSocketStream
from websocket_wire import CONTINUATION, PING, TEXT, WebSocketConnection, frame_bytes
from wire import Connection, get

MIB = 1024 * 1024
CANCEL = int(h2.errors.ErrorCodes.CANCEL)
ENABLE_CONNECT_PROTOCOL = 0x8


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def tls_server(certificates: Certificates) -> Iterator[Server]:
    server = start_rsgi("--asgi", "asgi_kitchen:app", *certificates.flags())
    yield server
    server.stop()


@pytest.fixture(params=["clear", "tls"])
def connection(request: pytest.FixtureRequest, asgi_server: Server) -> Iterator[Http2Connection]:
    """A connection to the ASGI kitchen, with prior knowledge or over TLS."""
    if request.param == "clear":
        opened = Http2Connection(asgi_server)
    else:
        server: Server = request.getfixturevalue("tls_server")
        certificates: Certificates = request.getfixturevalue("certificates")
        opened = Http2Connection(server, certificates.context("h2"))
    with opened:
        yield opened


def recorded(connection: Http2Connection, label: str) -> list[object]:
    def found() -> list[object]:
        return list(connection.get(f"/record?label={label}").json())

    return wait_until(found, 5, f"an entry under {label}")


# The handshake


def test_it_is_offered(connection: Http2Connection) -> None:
    """RFC 8441 3: a client may ask only where the setting says so."""
    assert connection.get("/hello").status == 200
    assert connection.settings[ENABLE_CONNECT_PROTOCOL] == 1


def test_response_to_the_handshake(connection: Http2Connection) -> None:
    socket = WebSocketStream(connection, "/ws/subprotocol", [("sec-websocket-protocol", "chat.v1, chat.v2")])
    stream = socket.responded()
    names = {name for name, _ in stream.headers}
    assert stream.status == 200
    assert stream.header("sec-websocket-protocol") == "chat.v2"
    assert stream.header("x-accepted") == "yes"
    assert [value for name, value in stream.headers if name == "set-cookie"] == ["a=1", "b=2"]
    assert names.isdisjoint({"connection", "upgrade", "sec-websocket-accept", "content-length", "transfer-encoding"})
    assert {"date", "server"} <= names
    assert json.loads(socket.text()) == ["chat.v1", "chat.v2"]


def test_scope(connection: Http2Connection) -> None:
    headers = [("sec-websocket-protocol", "one, two"), ("origin", "https://a"), ("cookie", "a=1"), ("cookie", "b=2")]
    scope = json.loads(WebSocketStream(connection, "/ws/scope?x=%20", headers).opened().text())
    encrypted = hasattr(connection.socket, "version")
    assert (scope["type"], scope["http_version"]) == ("websocket", "2")
    assert scope["scheme"] == ("wss" if encrypted else "ws")
    assert (scope["path"], scope["raw_path"], scope["query"], scope["root"]) == ("/ws/scope", "/ws/scope", "x=%20", "")
    assert scope["subprotocols"] == ["one", "two"]
    assert scope["extensions"] == (["tls"] if encrypted else []) + ["websocket.http.response"]
    assert scope["headers"] == [
        ["host", connection.authority],
        ["sec-websocket-version", "13"],
        ["sec-websocket-protocol", "one, two"],
        ["origin", "https://a"],
        ["cookie", "a=1; b=2"],
    ]


def test_other_version_is_told_the_right_one(connection: Http2Connection) -> None:
    """With a 400: the 426 of HTTP/1.1 needs an `Upgrade`, which HTTP/2 does not have."""
    stream = WebSocketStream(connection, "/ws/echo", version="12").refused()
    assert (stream.status, stream.header("sec-websocket-version")) == (400, "13")
    assert stream.header("upgrade") is None
    assert connection.get("/hello").status == 200


def test_version_is_missing(connection: Http2Connection) -> None:
    head = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/ws/echo")]
    stream = connection.request_fields([*head, (":authority", connection.authority)], end=False)
    assert connection.read(stream).status == 400


@pytest.mark.parametrize("protocol", ["connect-udp", "h2c", "websockets"])
def test_other_protocols_are_not_implemented(connection: Http2Connection, protocol: str) -> None:
    stream = WebSocketStream(connection, "/ws/echo", protocol=protocol).refused()
    assert stream.status == 501
    assert stream.body == b"501 Not Implemented: no other :protocol than websocket is spoken here\n"
    assert connection.get("/hello").status == 200


PROTOCOL = (":protocol", "websocket")


@pytest.mark.parametrize(
    "fields",
    [
        [(":method", "GET"), PROTOCOL, (":scheme", "http"), (":path", "/ws/echo")],
        [(":method", "CONNECT"), PROTOCOL, (":path", "/ws/echo")],
        [(":method", "CONNECT"), PROTOCOL, (":scheme", "http")],
        [(":method", "CONNECT"), PROTOCOL, (":scheme", "http"), (":path", "ws/echo")],
    ],
)
def test_malformed_handshake(connection: Http2Connection, fields: list[Header]) -> None:
    head = [*fields, (":authority", connection.authority), ("sec-websocket-version", "13")]
    assert connection.read(connection.request_fields(head, end=False)).reset is not None
    assert connection.get("/hello").status == 200


def test_handshake_for_another_host(connection: Http2Connection) -> None:
    """The head is checked as that of any request."""
    stream = WebSocketStream(connection, "/ws/echo", [("host", "elsewhere")]).refused()
    assert stream.status == 400


def test_client_that_sends_before_it_is_answered(connection: Http2Connection) -> None:
    socket = WebSocketStream(connection, "/ws/echo")
    socket.send_raw(frame_bytes(TEXT, b"early") + frame_bytes(TEXT, b"bird"))
    socket.opened()
    assert (socket.text(), socket.text()) == ("early", "bird")


# Who is asked


def test_no_application_takes_websockets(wsgi_server: Server) -> None:
    with Http2Connection(wsgi_server) as connection:
        stream = WebSocketStream(connection, "/count?label=websocket2").refused()
        assert (stream.status, stream.body) == (404, b"404 Not Found: no application accepts a WebSocket here\n")
        assert connection.get("/record?label=websocket2").json() == []


@pytest.mark.parametrize(
    "mode",
    [
        ("--wsgi", "wsgi_kitchen:app", "--asgi", "/new=asgi_kitchen:app"),
        ("--wsgi", "wsgi_kitchen:app", "--asgi", "asgi_kitchen:app", "--fallback", "probe"),
        ("--wsgi", "wsgi_kitchen:app", "--asgi", "asgi_kitchen:app", "--route", "GET /ws/{rest:path}=asgi"),
    ],
    ids=["mounts", "probe", "rule"],
)
def test_who_answers_is_the_same_over_both(start: Callable[..., Server], mode: tuple[str, ...]) -> None:
    server = start(*mode)
    paths = ["/ws/echo", "/new/ws/echo", "/hello", "/new/nothing"]
    with Http2Connection(server) as connection:
        over_2 = [WebSocketStream(connection, path).responded().status for path in paths]
    over_1 = []
    for path in paths:
        with WebSocketConnection(server) as client:
            over_1.append(client.upgrade(path).status)
    assert over_2 == [200 if status == 101 else status for status in over_1]
    assert {200, 404} <= set(over_2) or {200, 403} <= set(over_2)


def test_table(start: Callable[..., Server]) -> None:
    """A route for HTTP is none for a WebSocket."""
    server = start("--wsgi", "wsgi_kitchen:app", "--asgi", "denying_app:app", "--fallback", "table")
    with Http2Connection(server) as connection:
        assert WebSocketStream(connection, "/denied").refused().status == 403
        assert WebSocketStream(connection, "/no-such-route").refused().status == 404


# Messages


@pytest.mark.parametrize("compressed", [False, True])
def test_echo(connection: Http2Connection, compressed: bool) -> None:
    socket = WebSocketStream(connection, "/ws/echo", compressed=compressed).opened()
    for text in ("", "text", "caf\xe9 \U0001f600 " * 20_000, "text", "text"):
        socket.send(TextMessage(text))
        assert socket.text() == text
    for data in (b"", b"\0\xff" * 150_000, bytes(range(256))):
        socket.send(BytesMessage(bytearray(data)))
        assert socket.bytes() == data


def test_compression_is_agreed_on(start: Callable[..., Server]) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--ws-compression", "off")
    offer = [("sec-websocket-extensions", "permessage-deflate; client_max_window_bits")]
    with Http2Connection(server) as connection:
        stream = WebSocketStream(connection, "/ws/echo", offer).responded()
        assert (stream.status, stream.header("sec-websocket-extensions")) == (200, None)


def test_fragments_are_joined_around_a_ping(connection: Http2Connection) -> None:
    """Frames need not begin where DATA frames do."""
    socket = WebSocketStream(connection, "/ws/lengths").opened()
    socket.send_raw(frame_bytes(TEXT, b"abc", final=False) + frame_bytes(PING, b"between"))
    for byte in frame_bytes(CONTINUATION, b"de"):
        socket.send_raw(bytes([byte]))
    assert socket.pong() == b"between"
    assert json.loads(socket.text()) == ["text", 5]


def test_many_messages_keep_their_order(connection: Http2Connection) -> None:
    socket = WebSocketStream(connection, "/ws/burst?messages=2000").opened()
    assert [socket.text() for _ in range(2000)] == [str(number) for number in range(2000)]
    assert socket.close() == (1000, "")


def test_many_on_one_connection(connection: Http2Connection) -> None:
    """And ordinary requests between them."""
    sockets = [WebSocketStream(connection, "/ws/echo") for _ in range(50)]
    for number, socket in enumerate(sockets):
        socket.opened().send(TextMessage(f"socket {number}"))
    assert connection.get("/hello").body == b"Hello, world!\n"
    body = b"0123456789abcdef" * (MIB // 16)
    assert connection.read(connection.request("POST", "/upload-hash", body=body)).json()["bytes"] == MIB
    for number, socket in reversed(list(enumerate(sockets))):
        assert socket.text() == f"socket {number}"
    assert len(connection.get("/download?mib=2").body) == 2 * MIB
    for socket in sockets[::2]:
        socket.send(CloseConnection(1000))
        assert socket.close() == (1000, "")
    for socket in sockets[1::2]:
        socket.send(TextMessage("still here"))
        assert socket.text() == "still here"


# Back-pressure


def test_slow_app_stops_its_client_and_no_other(asgi_server: Server) -> None:
    with Http2Connection(asgi_server) as connection:
        slow = WebSocketStream(connection, "/ws/slow?pause=1.5").opened()
        other = WebSocketStream(connection, "/ws/echo").opened()
        frame = frame_bytes(0x2, b"x" * 8000)
        window, sent = connection.h2.local_flow_control_window, 0
        while connection.wait_for(lambda: window(slow.stream.number) >= len(frame), 0.3):
            slow.send_raw(frame)
            sent += 1
            assert sent * len(frame) < 4 * MIB, "nothing holds the client back"
        other.send(TextMessage("go on"))
        assert other.text() == "go on"
        assert connection.get("/hello").status == 200
        slow.send(TextMessage("how many?"))
        assert json.loads(slow.text()) == sent + 1


def flooded(server: Server, label: str) -> list[str]:
    return list(get(server, f"/record?label={label}").json())


def settled(server: Server, label: str) -> Callable[[], bool]:
    """Whether an app that floods has stopped to do so."""
    counts: list[int] = []

    def check() -> bool:
        counts.append(len(flooded(server, label)))
        assert counts[-1] * 65536 < 32 * MIB, "the app runs on without its client"
        return len(counts) > 30 and counts[-1] == counts[-30]

    return check


def test_stalled_client_stops_the_app_and_no_other(asgi_server: Server) -> None:
    with Http2Connection(asgi_server, window=65535, reading=False) as connection:
        WebSocketStream(connection, "/ws/flood?label=flood2").opened()
        # Room for others on the connection, and none on the stream of the flood.
        connection.h2.increment_flow_control_window(4 * MIB)
        wait_until(settled(asgi_server, "flood2"), 10, "the app waits for the client")
        other = WebSocketStream(connection, "/ws/echo").opened()
        other.send(TextMessage("go on"))
        assert other.text() == "go on"
        assert connection.get("/hello").status == 200
    wait_until(lambda: "ended" in flooded(asgi_server, "flood2"), 5, "the flood ends with its connection")


# The end of a WebSocket


def test_close_by_the_client(connection: Http2Connection) -> None:
    socket = WebSocketStream(connection, "/ws/record-close?label=close2").opened()
    assert socket.text() == '"ready"'
    socket.send(CloseConnection(4321, "tsch\xfcss"))
    assert socket.close() == (4321, "tsch\xfcss")
    assert connection.wait_for(lambda: socket.stream.ended), "the server ends the stream in order"
    assert recorded(connection, "close2")[-1] == [4321, "tsch\xfcss"]


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        ("/ws/close-code", 4001, "the kitchen closes"),
        ("/ws/close-default", 1000, ""),
        ("/ws/return-after-accept", 1000, ""),
        ("/ws/raise-after-accept", 1011, "the application failed"),
    ],
)
def test_close_by_the_app(connection: Http2Connection, path: str, code: int, reason: str) -> None:
    socket = WebSocketStream(connection, path).opened()
    assert socket.close() == (code, reason)
    assert connection.wait_for(lambda: socket.stream.ended)
    assert connection.get("/hello").status == 200


def test_reset_is_1006(connection: Http2Connection) -> None:
    socket = WebSocketStream(connection, "/ws/record-close?label=reset2").opened()
    assert socket.text() == '"ready"'
    socket.reset()
    assert recorded(connection, "reset2")[-1] == [1006, ""]


def test_end_without_a_close_is_1006(connection: Http2Connection) -> None:
    """What a connection that was just shut is over HTTP/1.1."""
    socket = WebSocketStream(connection, "/ws/record-close?label=shut2").opened()
    assert socket.text() == '"ready"'
    socket.connection.h2.end_stream(socket.stream.number)
    socket.connection.flush()
    assert recorded(connection, "shut2")[-1] == [1006, ""]
    assert connection.wait_for(lambda: socket.stream.over)


def test_lost_connection_is_1006(asgi_server: Server) -> None:
    with Http2Connection(asgi_server) as connection:
        sockets = [WebSocketStream(connection, "/ws/record-close?label=lost2") for _ in range(3)]
        assert [socket.opened().text() for socket in sockets] == ['"ready"'] * 3
    wait_until(lambda: len(flooded(asgi_server, "lost2")) == 3, 5, "all are told")
    assert flooded(asgi_server, "lost2") == [[1006, ""]] * 3


def test_reset_before_the_response(asgi_server: Server) -> None:
    """A denial that is under way ends with the stream."""
    mark = asgi_server.log_mark()
    with Http2Connection(asgi_server) as connection:
        socket = WebSocketStream(connection, "/ws/deny-disconnect?label=deny2")
        assert connection.wait_for(lambda: socket.stream.body == b"begun")
        socket.reset()
        wait_until(lambda: len(flooded(asgi_server, "deny2")) == 2, 5, "the app has heard of it")
        assert connection.get("/hello").status == 200
    assert flooded(asgi_server, "deny2") == [["websocket.disconnect", 1006], "OSError"]
    assert "failed" not in asgi_server.log(since=mark)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(frame_bytes(TEXT, b"abc", masked=False), 1002, id="unmasked"),
        pytest.param(frame_bytes(TEXT, b"\xff\xfe"), 1007, id="no UTF-8"),
        pytest.param(frame_bytes(0x3, b"abc"), 1002, id="reserved opcode"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 1002, id="no frame"),
    ],
)
def test_violation_closes_one_stream(connection: Http2Connection, data: bytes, code: int) -> None:
    socket = WebSocketStream(connection, "/ws/echo").opened()
    socket.send_raw(data)
    assert socket.close()[0] == code
    assert connection.wait_for(lambda: socket.stream.over)
    assert connection.get("/hello").status == 200


# Handshakes that are denied


def test_refusal(connection: Http2Connection) -> None:
    assert WebSocketStream(connection, "/ws/reject").refused().status == 403
    assert WebSocketStream(connection, "/ws/raise-before-accept").refused().status == 500
    assert connection.get("/hello").status == 200


def test_denial_with_status_headers_and_body(connection: Http2Connection) -> None:
    stream = WebSocketStream(connection, "/ws/deny").refused()
    assert (stream.status, stream.body, stream.ended) == (401, b'{"detail": "who are you?"}', True)
    assert stream.header("www-authenticate") == 'Basic realm="kitchen"'
    assert stream.header("content-length") == str(len(stream.body))
    assert {name for name, _ in stream.headers}.isdisjoint({"connection", "upgrade", "transfer-encoding"})


def test_denial_in_pieces(connection: Http2Connection) -> None:
    stream = WebSocketStream(connection, "/ws/deny-stream?label=pieces2").refused()
    assert (stream.status, stream.body, stream.ended) == (503, b"piece 0\npiece 1\npiece 2\n", True)


@pytest.mark.parametrize("status", [302, 304, 418, 500])
def test_denial_with_any_other_status(connection: Http2Connection, status: int) -> None:
    stream = WebSocketStream(connection, f"/ws/deny-status?status={status}").refused()
    assert stream.status == status
    assert stream.body == (b"" if status == 304 else b"has a body if it may")


@pytest.mark.parametrize("status", [200, 204, 299])
def test_denial_that_would_accept(asgi_server: Server, status: int) -> None:
    """Over HTTP/2 any 2xx is the response that accepts, so an application cannot deny with one."""
    mark = asgi_server.log_mark()
    with Http2Connection(asgi_server) as connection:
        assert WebSocketStream(connection, f"/ws/deny-status?status={status}").refused().status == 500
    said = f"ValueError: a WebSocket over HTTP/2 is not denied with {status}: any 2xx would accept it"
    asgi_server.wait_for_log(said, since=mark)


# Clocks and limits


@pytest.fixture(scope="module")
def pressing() -> Iterator[Server]:
    """Short timeouts, small messages, quick pings."""
    clocks = ("--header-timeout", "0.5", "--keep-alive-timeout", "0.5", "--min-data-rate-grace", "0.5")
    pings = ("--ws-ping-interval", "0.2", "--ws-ping-timeout", "0.4", "--ws-max-message", "64KiB")
    server = start_rsgi("--asgi", "asgi_kitchen:app", *clocks, *pings)
    yield server
    server.stop()


def test_idle_for_longer_than_a_connection_may_be(start: Callable[..., Server]) -> None:
    """A WebSocket in which nothing happens keeps its connection from being idle; the end of it does not."""
    server = start("--asgi", "asgi_kitchen:app", "--keep-alive-timeout", "0.5", "--header-timeout", "0.5")
    with Http2Connection(server) as connection:
        socket = WebSocketStream(connection, "/ws/echo").opened()
        assert not connection.ends_within(4), (
            "four seconds: the timeout, and what an idle client has to read the `GOAWAY`"
        )
        assert connection.goaway is None
        socket.send(TextMessage("still here"))
        assert socket.text() == "still here"
        assert connection.get("/hello").status == 200
        socket.send(CloseConnection(1000))
        assert socket.close() == (1000, "")
        assert connection.ends_within(5)
        assert connection.goaway == 0


def test_server_pings(pressing: Server) -> None:
    with Http2Connection(pressing) as connection:
        socket = WebSocketStream(connection, "/ws/echo").opened()
        for _ in range(8):
            ping = socket.next_unanswered()
            assert isinstance(ping, Ping)
            socket.send(ping.response())
        socket.send(TextMessage("still here"))
        assert socket.text() == "still here"


def test_client_that_answers_no_ping_is_dropped(pressing: Server) -> None:
    """Its stream is reset, as its connection is over HTTP/1.1; another goes on."""
    with Http2Connection(pressing) as connection:
        socket = WebSocketStream(connection, "/ws/record-close?label=no-pong2").opened()
        request = connection.request("GET", "/slow?ms=1200")
        connection.read(socket.stream)
        assert (socket.stream.ended, socket.stream.reset) == (False, CANCEL)
        assert connection.read(request).body == b"slow\n"
    assert flooded(pressing, "no-pong2") == [[1006, "the client answered no ping"]]


def test_client_that_reads_nothing_is_dropped(pressing: Server) -> None:
    """What its window does not let out is given up with its stream."""
    with Http2Connection(pressing, reading=False) as connection:
        socket = WebSocketStream(connection, "/ws/flood?label=unread2").opened()
        wait_until(lambda: "ended" in flooded(pressing, "unread2"), 10, "the flood ends")
        assert connection.wait_for(lambda: socket.stream.over)
        assert socket.stream.reset == CANCEL


def test_message_over_the_limit_is_1009(pressing: Server) -> None:
    with Http2Connection(pressing) as connection:
        socket = WebSocketStream(connection, "/ws/echo").opened()
        socket.send(BytesMessage(bytearray(65536)))
        assert len(socket.bytes()) == 65536
        socket.send(BytesMessage(bytearray(65537)))
        assert socket.close() == (1009, "the message is too large")


def test_streams_are_those_of_requests(start: Callable[..., Server]) -> None:
    """`--h2-max-streams` counts both, and a WebSocket that has ended no longer."""
    server = start("--asgi", "asgi_kitchen:app", "--h2-max-streams", "2")
    with Http2Connection(server) as connection:
        first, second = (WebSocketStream(connection, "/ws/echo").opened() for _ in range(2))
        connection.h2.remote_settings.max_concurrent_streams = 100  # our side's check, not the server's
        connection.h2.remote_settings.acknowledge()
        assert connection.get("/hello").reset == int(h2.errors.ErrorCodes.REFUSED_STREAM)
        first.send(CloseConnection(1000))
        assert first.close() == (1000, "")
        connection.read(first.stream)
        second.send(TextMessage("other"))
        assert second.text() == "other"
        wait_until(lambda: connection.get("/hello").status == 200, 5, "the place is free again")


def test_rapid_handshakes_that_are_accepted_are_none_given_up(asgi_server: Server) -> None:
    """Only handshakes that are reset before their response count as those of a client that makes what it does not want."""
    with Http2Connection(asgi_server) as connection:
        for _ in range(300):
            WebSocketStream(connection, "/ws/echo").opened().reset()
        assert connection.get("/hello").status == 200
        assert connection.goaway is None


def test_rapid_reset(asgi_server: Server) -> None:
    with Http2Connection(asgi_server) as connection:
        for _ in range(40):
            for _ in range(50):
                with contextlib.suppress(Exception):
                    WebSocketStream(connection, "/ws/echo").reset()
            if connection.ended:
                break
        assert connection.ends_within(5)
    assert get(asgi_server, "/hello").status == 200


@pytest.mark.parametrize("version", ["1", "2"])
def test_concurrency_limit(start: Callable[..., Server], version: str) -> None:
    """An open WebSocket is one of the requests that an application may have."""
    server = start("--asgi", "asgi_kitchen:app", "--limit-concurrency", "2")
    with Http2Connection(server) as connection, WebSocketConnection(server) as client, Connection(server) as plain:
        socket = WebSocketStream(connection, "/ws/echo").opened()
        assert client.upgrade("/ws/echo").status == 101
        if version == "1":
            plain.send_request("GET", "/hello")
            response = plain.read_response()
            assert (response.status, response.header("retry-after")) == (503, "1")
            with WebSocketConnection(server) as third:
                assert third.upgrade("/ws/echo").status == 503
        else:
            stream = WebSocketStream(connection, "/ws/echo").refused()
            assert (stream.status, stream.header("retry-after")) == (503, "1")
        socket.reset()
        wait_until(lambda: get(server, "/hello").status == 200, 5, "a place is free again")


# The end of the server


def test_drain_closes_with_1012(start: Callable[..., Server]) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--grace", "10")
    with Http2Connection(server) as connection:
        sockets = [WebSocketStream(connection, "/ws/echo").opened() for _ in range(3)]
        slow = connection.request("GET", "/slow?ms=1000&label=begun2")
        wait_until(lambda: flooded(server, "begun2"), 5, "the slow request runs")
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        for socket in sockets:
            assert socket.close() == (1012, "the server is restarting")
        assert connection.wait_for(lambda: all(socket.stream.ended for socket in sockets))
        assert connection.read(slow).body == b"slow\n"
        assert connection.ends_within(3)
        assert connection.goaway == 0
    assert server.wait(5) == 0
    assert time.monotonic() - began < 5
    assert "Traceback" not in server.log()


def test_drain_waits_for_the_response_to_its_close(start: Callable[..., Server]) -> None:
    """Only then our side of the stream ends (RFC 6455 7.1.1)."""
    server = start("--asgi", "asgi_kitchen:app", "--grace", "20")
    with Http2Connection(server) as connection:
        socket = WebSocketStream(connection, "/ws/echo").opened()
        server.send_signal(signal.SIGTERM)
        event = socket.next()
        assert isinstance(event, CloseConnection)
        assert event.code == 1012
        assert not connection.wait_for(lambda: socket.stream.over, 0.5)
        socket.send(event.response())
        assert connection.wait_for(lambda: socket.stream.over, 1)
        assert socket.stream.ended
        assert connection.ends_within(5)
    assert server.wait(5) == 0


def test_drain_does_not_wait_for_long(start: Callable[..., Server]) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--grace", "20")
    with Http2Connection(server) as connection:
        socket = WebSocketStream(connection, "/ws/echo").opened()
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert isinstance(socket.next(), CloseConnection)
        assert connection.wait_for(lambda: socket.stream.ended)
        assert connection.ends_within(5)
        assert server.wait(5) == 0
        assert time.monotonic() - began < 8


def test_grace_time_is_the_most_it_waits(start: Callable[..., Server]) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--grace", "0.5")
    with Http2Connection(server) as connection:
        socket = WebSocketStream(connection, "/ws/echo").opened()
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert isinstance(socket.next(), CloseConnection)
        assert server.wait(8) in (0, 1)
        assert time.monotonic() - began < 5


def test_access_log(start: Callable[..., Server]) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--access-log")
    with Http2Connection(server) as connection:
        WebSocketStream(connection, "/ws/echo?x=y").opened()
        assert '"CONNECT /ws/echo?x=y HTTP/2" 200 0 ' in server.wait_for_access_log("/ws/echo")
        WebSocketStream(connection, "/ws/deny").refused()
        assert '"CONNECT /ws/deny HTTP/2" 401 26 ' in server.wait_for_access_log("/ws/deny")
