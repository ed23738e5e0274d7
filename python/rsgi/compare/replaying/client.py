"""Calls an ASGI application with a recorded request, in this process and without a socket.

`rsgi replay` uses it. A WSGI application is called through `rsgi.WsgiToAsgi`.

Spec: ASGI HTTP 2.5.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from rsgi._types import ASGIApp, Message, Receive, Scope, Send
from rsgi.compare.exchange import RequestRecord, ResponseRecord

# How much of a body is kept for the comparison.
_LIMIT = 16 * 1024 * 1024

# How long an application may go on after its response, for its background tasks, in seconds.
_AFTERWARDS = 1.0


@dataclass
class _Response:
    """A response while it comes in."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytearray = field(default_factory=bytearray)
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    ended: float = 0.0

    def take(self, message: Message) -> None:
        """Add what one message says.

        Raises:
            RuntimeError: when it may not come now.
        """
        kind = message["type"]
        if kind == "http.response.start" and not self.status:
            self.status = int(message["status"])
            headers = message.get("headers", ())
            self.headers = tuple((bytes(n).decode("latin-1"), bytes(v).decode("latin-1")) for n, v in headers)
        elif kind == "http.response.body" and self.status and not self.over.is_set():
            part = bytes(message.get("body", b""))
            self.size += len(part)
            self.digest.update(part)
            self.body += part[: max(_LIMIT - len(self.body), 0)]
            if not message.get("more_body", False):
                self.ended = time.perf_counter()
                self.over.set()
        else:
            raise RuntimeError(f"the application sent an unexpected message: {kind}")

    def record(self, method: str, started: float) -> ResponseRecord:
        """The response as a record. A response to HEAD has no body."""
        body = b"" if method == "HEAD" else bytes(self.body)
        size = 0 if method == "HEAD" else self.size
        digest = self.digest.hexdigest() if size else None
        return ResponseRecord(self.status, self.headers, body, size, len(body) == size, digest, self.ended - started)


@dataclass
class Client:
    """Calls one application.

    Attributes:
        application: The application.
        state: The state of its lifespan.
        root_path: Where it is mounted.
        scheme: `http` or `https`.
        timeout: How long a response may take, in seconds.
    """

    application: ASGIApp
    state: dict[str, Any]
    root_path: str = ""
    scheme: str = "http"
    timeout: float = 30.0

    async def ask(self, request: RequestRecord) -> tuple[ResponseRecord, BaseException | None]:
        """Send a request, and wait for its response. Also return the exception of the application."""
        response, started = _Response(), time.perf_counter()
        asked = False

        async def receive() -> Message:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": request.body, "more_body": False}
            await response.over.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            response.take(message)

        call = _call(self.application, self._scope(request), receive, send)
        task = asyncio.ensure_future(call)
        over = asyncio.ensure_future(response.over.wait())
        await asyncio.wait({task, over}, timeout=self.timeout, return_when=asyncio.FIRST_COMPLETED)
        if response.over.is_set():
            await asyncio.wait({task}, timeout=_AFTERWARDS)
        over.cancel()
        why, error = await _end(task)
        if response.over.is_set():
            return response.record(request.method, started), error
        took = time.perf_counter() - started
        return ResponseRecord(response.status, response.headers, b"", 0, True, None, took, why), error

    def _scope(self, request: RequestRecord) -> Scope:
        raw_path, _, query = request.target.partition("?")
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers]
        host = next((value for name, value in request.headers if name.lower() == "host"), "localhost")
        name, port = _address(host, self.scheme)
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": self.scheme,
            "path": unquote(raw_path, errors="replace"),
            "raw_path": raw_path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": self.root_path,
            "headers": headers,
            "client": ("127.0.0.1", 0),
            "server": (name, port),
            "state": dict(self.state),
            "extensions": {},
        }


async def _call(application: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await application(scope, receive, send)  # what it returns may be any awaitable


async def _end(task: asyncio.Task[None]) -> tuple[str, BaseException | None]:
    """Why there is no response, if there is none, and what the application raised."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_AFTERWARDS)
        return "timeout", None
    error = None if task.cancelled() else task.exception()
    if error is None:
        return "exception: it returned without a whole response", None
    return f"exception {type(error).__name__}", error


def _address(host: str, scheme: str) -> tuple[str, int]:
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit() and not name.endswith(":"):
        return name.strip("[]"), int(port)
    return host.strip("[]"), 443 if scheme == "https" else 80
