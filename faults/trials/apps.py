"""The applications under load, over WSGI and ASGI: the same paths, and jobs that are written down.

Apart from the clients because these run in the server's process. A job runs after the response: in `close()` over WSGI,
behind the last message over ASGI. It is written down when it begins and when it is done.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

JOBS = "FAULTS_JOBS"
BROKEN = "FAULTS_BROKEN"  # a file; as long as it is there, this module cannot be imported

PIECE, PIECES = b"d" * 16384, 16
DOWNLOAD = PIECE * PIECES
LARGE_PIECE, LARGE_PIECES = b"l" * 65536, 512
PAUSE = 0.01
JOB = 0.05

if Path(os.environ.get(BROKEN, "/nonexistent")).exists():
    raise RuntimeError("this version is broken")

_kept: list[bytes] = []


def _note(what: str) -> None:
    descriptor = os.open(os.environ[JOBS], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{what} {os.getpid()}\n".encode())
    finally:
        os.close(descriptor)


def _response(path: str, body: bytes) -> bytes:
    if path == "/leak":
        _kept.append(b"x" * (1 << 18))
    return hashlib.sha256(body).hexdigest().encode()


class _Job:
    """An iterable whose `close` takes its time."""

    def __iter__(self) -> Iterator[bytes]:
        _note("begun")
        yield b"job"

    def close(self) -> None:
        """The job."""
        time.sleep(JOB)
        _note("done")


def _download() -> Iterator[bytes]:
    for _ in range(PIECES):
        yield PIECE
        time.sleep(PAUSE)


def _large() -> Iterator[bytes]:
    for _ in range(LARGE_PIECES):
        yield LARGE_PIECE


def _events() -> Iterator[bytes]:
    while True:
        yield b"data: x\n\n"
        time.sleep(PAUSE)


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Over WSGI."""
    path = environ["PATH_INFO"].removeprefix("/w")
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    if path == "/job":
        return _Job()
    if path == "/download":
        return _download()
    if path == "/events":
        return _events()
    if path == "/large":
        return _large()
    if path == "/discard":
        while environ["wsgi.input"].read(65536):
            pass
        return [b"discarded"]
    if path == "/fail":
        raise RuntimeError("it fails")
    if path == "/slow":
        time.sleep(0.2)
    return [_response(path, environ["wsgi.input"].read())]


async def asgi(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    """Over ASGI."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "websocket":
        await _websocket(scope["path"], receive, send)
    else:
        await _http(scope["path"].removeprefix("/a"), receive, send)


async def _lifespan(receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _websocket(path: str, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    """Echo; `/push` sends as fast as it may until the client has left."""
    await receive()
    await send({"type": "websocket.accept"})
    while path.endswith("/push"):
        try:
            await send({"type": "websocket.send", "bytes": LARGE_PIECE})
        except OSError:
            return
    while (message := await receive())["type"] == "websocket.receive":
        kind = "text" if message.get("text") is not None else "bytes"
        await send({"type": "websocket.send", kind: message[kind]})


async def _http(path: str, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body = b"" if path == "/discard" else body + message.get("body", b"")
        more = message.get("more_body", False)
    if path == "/fail":
        raise RuntimeError("it fails")
    if path == "/slow":
        await asyncio.sleep(0.2)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if path == "/job":
        await _job(send)
        return
    if path in _STREAMS:
        piece, pieces, pause = _STREAMS[path]
        for _ in range(pieces):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(pause)
    await send({"type": "http.response.body", "body": b"" if path in _STREAMS else _response(path, body)})


_STREAMS = {
    "/download": (PIECE, PIECES, PAUSE),
    "/events": (b"data: x\n\n", 1_000_000, PAUSE),
    "/large": (LARGE_PIECE, LARGE_PIECES, 0),
}


async def _job(send: Callable[..., Any]) -> None:
    _note("begun")
    await send({"type": "http.response.body", "body": b"job"})
    await asyncio.sleep(JOB)
    _note("done")
