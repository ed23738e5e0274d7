"""The application behind a proxy, over WSGI and ASGI: it writes down each request that it was called for, and says it too.

Apart from the pair because it runs in the server's process, whichever server that is. A line of the record is one write, so
that threads and processes do not mix theirs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

RECORD = "FAULTS_RECORD"
MARK = "x-proxy-request"

Fields = list[tuple[str, str]]

# What a wrong application answers: status, fields, body.
_WRONG: dict[str, tuple[int, Fields, bytes]] = {
    "short": (200, [("content-length", "500")], b"short"),
    "long": (200, [("content-length", "2")], b"long HTTP/1.1 200 OK\r\n\r\n"),
    "no-content": (204, [], b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    "not-modified": (304, [("content-length", "5")], b"12345"),
    "own-chunks": (200, [("transfer-encoding", "chunked")], b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
    "list-length": (200, [("content-length", "5, 5")], b"12345"),
    "split": (200, [("x-a", "b\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK")], b"split"),
    "informational": (102, [], b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
}


def _write(method: str, path: str, mark: str, body: bytes) -> bytes:
    said = {"method": method, "path": path, "mark": mark, "body": body.decode("latin-1")}
    line = json.dumps(said).encode() + b"\n"
    descriptor = os.open(os.environ[RECORD], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)
    return line


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with what came; `/early` before it reads, and `/wrong-…` wrongly."""
    path = environ.get("SCRIPT_NAME", "") + environ["PATH_INFO"]
    mark = environ.get("HTTP_X_PROXY_REQUEST", "")
    if "/early" in path:
        _write(environ["REQUEST_METHOD"], path, mark, b"")
        start_response("403 Forbidden", [("content-length", "2")])
        return [b"no"]
    body = _read(environ["wsgi.input"])
    line = _write(environ["REQUEST_METHOD"], path, mark, body)
    _, wrong, name = path.partition("/wrong-")
    status, fields, content = _WRONG.get(name, _WRONG["short"]) if wrong else (200, [], line)
    start_response(f"{status} It", fields or [("content-length", str(len(content)))] * (status == 200))
    return [content]


def _read(stream: Any) -> bytes:
    found: bytes = stream.read()
    return found


async def asgi(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    """The same over ASGI."""
    if scope["type"] == "websocket":
        _write("WEBSOCKET", scope["path"], _mark(scope), b"")
        await receive()
        await send({"type": "websocket.close"})
        return
    if scope["type"] != "http":
        raise RuntimeError("only HTTP")
    early = "/early" in scope["path"]
    body = b"" if early else await _received(receive)
    line = _write(scope["method"], scope["path"], _mark(scope), body)
    _, wrong, name = scope["path"].partition("/wrong-")
    status, fields, content = _WRONG.get(name, _WRONG["short"]) if wrong else (403 if early else 200, [], line)
    if not fields and status != 204:
        fields = [("content-length", str(len(content)))]
    raw = [(name.encode(), value.encode()) for name, value in fields]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})


def _mark(scope: dict[str, Any]) -> str:
    return ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == MARK.encode())


async def _received(receive: Callable[..., Any]) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise OSError("the body broke off")
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body
