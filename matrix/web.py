"""The requests for web frameworks: each application of `matrix/apps` with the list `web` has these paths.

Forms, uploads, JSON, bodies of every framing, streams, files with ranges, cookies, errors, event streams, WebSockets, and
work that goes on when the server is told to stop.
"""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Iterable
from typing import Any

from matrix.observing import Case, seen, status_is
from matrix.servers import FrameworkServer
from server import Server, wait_until
from websocket_wire import CLOSE, TEXT, WebSocketConnection
from wire import Connection, Header, request

_FORM = ("Content-Type", "application/x-www-form-urlencoded")
_JSON = ("Content-Type", "application/json")
_BYTES = ("Content-Type", "application/octet-stream")
_FILE = "/files/sample.txt"
_BOUNDARY = "boundary-of-the-matrix"
_MULTIPART = ("Content-Type", f"multipart/form-data; boundary={_BOUNDARY}")
_TIMEOUT = 15.0


def _case(
    name: str,
    group: str,
    method: str,
    target: str,
    *headers: Header,
    status: int | Iterable[int] = 200,
    body: bytes | None = None,
    chunks: list[bytes] | None = None,
    compare_body: bool = True,
    contains: str = "",
) -> Case:
    codes = (status,) if isinstance(status, int) else tuple(status)

    def ask(server: Server) -> Any:
        response = request(server, method, target, headers, body, chunks, timeout=_TIMEOUT)
        return seen(server, response, body=compare_body)

    return Case(name, group, ask, status_is(*codes, contains=contains))


def _content(size: int) -> bytes:
    return (bytes(number % 251 for number in range(1004)) * (size // 1004 + 1))[:size]


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _upload(size: int) -> bytes:
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="note"\r\n\r\na note\r\n'.encode(),
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="document"; filename="paper.bin"\r\n'.encode(),
        b"Content-Type: application/octet-stream\r\n\r\n" + _content(size) + b"\r\n",
        f"--{_BOUNDARY}--\r\n".encode(),
    ]
    return b"".join(parts)


def _pieces(body: bytes, size: int) -> list[bytes]:
    return [body[begin : begin + size] for begin in range(0, len(body), size)]


def _not_modified(server: Server) -> Any:
    """A file, asked for again with what its first response said."""
    first = request(server, "GET", _FILE)
    again = [("If-None-Match", value) for value in first.all("etag")]
    again += [] if again else [("If-Modified-Since", value) for value in first.all("last-modified")]
    return seen(server, request(server, "GET", _FILE, again))


def _on_one_connection(server: Server) -> Any:
    with Connection(server, timeout=_TIMEOUT) as connection:
        found = []
        for target, body in (("/", None), ("/raw", b"x" * 70_000), ("/", None)):
            connection.send_request("GET" if body is None else "POST", target, [_BYTES] if body else [], body)
            found.append(seen(server, connection.read_response()))
        return {"status": found[0]["status"], "complete": True, "all": found}


def _pipelined(server: Server) -> Any:
    with Connection(server, timeout=_TIMEOUT) as connection:
        one = f"GET /users/NAME HTTP/1.1\r\nHost: {server.authority}\r\n\r\n"
        connection.send("".join(one.replace("NAME", name) for name in ("a", "b", "c")).encode())
        found = [seen(server, connection.read_response()) for _ in range(3)]
        return {"status": found[0]["status"], "complete": True, "all": found}


def _expecting(server: Server) -> Any:
    with Connection(server, timeout=_TIMEOUT) as connection:
        connection.send_request("POST", "/raw", [_BYTES, ("Expect", "100-continue"), ("Content-Length", "5")])
        interim = connection.read_head()
        connection.send(b"hello")
        return {"interim": interim.status, **seen(server, connection.read_response("POST"))}


def _talk(server: Server) -> Any:
    with WebSocketConnection(server, timeout=_TIMEOUT) as client:
        opened = client.upgrade("/ws")
        client.send_frame(TEXT, "caf\xe9".encode())
        said = client.read_data_frame()
        client.send_frame(TEXT, b"x" * 70_000)
        longer = client.read_data_frame()
        return {"opened": opened.status, "said": said.payload.decode(), "longer": len(longer.payload)}


def _subprotocol(server: Server) -> Any:
    with WebSocketConnection(server, timeout=_TIMEOUT) as client:
        opened = client.upgrade("/ws", [("Sec-WebSocket-Protocol", "other, chat")])
        return {"opened": opened.status, "chosen": opened.header("sec-websocket-protocol")}


def _closed(server: Server) -> Any:
    with WebSocketConnection(server, timeout=_TIMEOUT) as client:
        opened = client.upgrade("/ws")
        client.send_frame(TEXT, b"bye")
        frame = client.read_data_frame()
        return {"opened": opened.status, "closed": frame.opcode == CLOSE, "code": frame.close_code}


def _refused(server: Server) -> Any:
    with WebSocketConnection(server, timeout=_TIMEOUT) as client:
        return {"refused": client.upgrade("/nowhere").status >= 400}


def _later(server: Server) -> Any:
    """Work that a request leaves behind is over before the server is: it is told to stop while the work runs."""
    assert isinstance(server, FrameworkServer)
    folder = server.scratch
    response = request(server, "POST", "/later", body=b"", timeout=_TIMEOUT)
    wait_until((folder / "begun").exists, 10, "the work has begun")
    server.send_signal(signal.SIGTERM)
    (folder / "release").touch()
    server.wait(30)
    return {"status": response.status, "done": (folder / "done").exists()}


def _json_of(value: object) -> bytes:
    return json.dumps(value).encode()


_MANY = b"name=caf%C3%A9&many=1&many=2"

CASES = (
    _case("GET", "http", "GET", "/"),
    _case("HEAD", "head", "HEAD", "/", status=(200, 405)),
    _case("path and query", "http", "GET", "/users/anna?page=2", contains="anna"),
    _case("a percent-encoded path", "http", "GET", "/users/caf%C3%A9%20%2B?page=%C3%BC", contains="caf"),
    _case("a form", "form", "POST", "/form", _FORM, body=_MANY, contains='"2"'),
    _case("a chunked form", "form", "POST", "/form", _FORM, chunks=[_MANY[:7], _MANY[7:]], contains='"2"'),
    _case("an upload", "multipart", "POST", "/upload", _MULTIPART, body=_upload(100), contains=_sha(_content(100))),
    _case(
        "an upload of 3 MB",
        "multipart",
        "POST",
        "/upload",
        _MULTIPART,
        body=_upload(3_000_000),
        contains=_sha(_content(3_000_000)),
    ),
    _case(
        "a chunked upload",
        "chunked multipart",
        "POST",
        "/upload",
        _MULTIPART,
        chunks=_pieces(_upload(90_000), 9000),
        contains=_sha(_content(90_000)),
    ),
    _case("JSON", "json", "POST", "/json", _JSON, body=_json_of({"name": "caf\xe9", "list": [1, 2.5, None, True]})),
    # Bottle 0.12 answers 500.
    _case("malformed JSON", "json", "POST", "/json", _JSON, body=b'{"name":', status=(400, 422, 500)),
    _case(
        "a body", "body", "POST", "/raw", _BYTES, body=bytes(range(256)) * 500, contains=_sha(bytes(range(256)) * 500)
    ),
    _case("an empty body", "body", "POST", "/raw", _BYTES, body=b""),
    _case(
        "a chunked body",
        "body",
        "POST",
        "/raw",
        _BYTES,
        chunks=[b"a" * 10, b"b" * 70_000],
        contains=_sha(b"a" * 10 + b"b" * 70_000),
    ),
    Case("100-continue", "body", _expecting, lambda found: found["interim"] == 100 and found["status"] == 200),
    _case("PUT", "http", "PUT", "/items/7", ("Content-Type", "text/plain"), body=b"seven", contains="seven"),
    _case("DELETE with 204", "http", "DELETE", "/items/7", status=204),
    _case("cookies out", "cookies", "GET", "/cookies"),
    _case("cookies in", "cookies", "GET", "/cookies", ("Cookie", "b=2; a=1"), contains='"b"'),
    _case("host, URL and header fields", "http", "GET", "/fields?x=1", ("X-Test", "one, two"), contains="one, two"),
    _case("a stream", "stream", "GET", "/stream", contains="line 4"),
    _case("a response of 1 MiB", "http", "GET", "/large", contains="1048576 bytes"),
    _case("a file", "files", "GET", _FILE),
    _case("HEAD of a file", "files", "HEAD", _FILE, status=(200, 405)),
    _case("a range of a file", "range", "GET", _FILE, ("Range", "bytes=100-199"), status=(206, 200)),
    _case("a range that is not there", "range", "GET", _FILE, ("Range", "bytes=999999-"), status=(416, 200)),
    Case("304 for a file", "files", _not_modified, status_is(304, 200)),
    _case("no such file", "files", "GET", "/files/none.txt", status=404),
    _case("a redirect", "http", "GET", "/moved", status=(302, 303)),
    _case("404", "http", "GET", "/nowhere", status=404),
    _case("405", "http", "DELETE", "/users/anna", status=(405, 404, 200)),
    _case("OPTIONS", "http", "OPTIONS", "/users/anna", status=(200, 204, 405, 404)),
    _case("500 for an exception", "http", "GET", "/error", status=500, compare_body=False),
    _case("after the exception", "http", "GET", "/users/after"),
    _case("an event stream", "sse", "GET", "/events", contains="event 2"),
    Case("three requests on a connection", "http", _on_one_connection, status_is(200)),
    Case("three requests at once (pipelining)", "http", _pipelined, status_is(200)),
    Case("WebSocket", "websocket", _talk, lambda found: found["said"] == "echo caf\xe9" and found["longer"] == 70_005),
    Case("a WebSocket subprotocol", "subprotocol", _subprotocol, lambda found: found["chosen"] == "chat"),
    Case("a WebSocket close code", "close code", _closed, lambda found: found["code"] == 4001),
    Case("a WebSocket that nobody takes", "websocket", _refused, lambda found: found["refused"]),
    # The last one: it ends the server.
    Case("work after a response, at SIGTERM", "background", _later, lambda found: found["done"]),
)
