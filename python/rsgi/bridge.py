"""`WsgiToAsgi`: a WSGI application as an ASGI callable.

Apart from the server because it runs under any of them. The application runs in a bounded pool of threads of its own; what
it sees (`environ`, `wsgi.input`, `start_response`) is the server's own Rust code. This file is the coroutine between
`receive`, `send` and that pool.

Spec: PEP 3333; ASGI HTTP 2.5, WebSocket 2.5, Lifespan 2.0.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading

from rsgi._rsgi import BridgeCall, WsgiBridge
from rsgi._types import Message, Receive, Scope, Send, WSGIApp
from rsgi.config import default_wsgi_threads
from rsgi.importer import target_name

_BUSY = b"503 Service Unavailable: too many requests wait for a thread; try again\n"
_NO_WEBSOCKET = b"404 Not Found: this is a WSGI application, it accepts no WebSocket\n"
_TEXT = (b"content-type", b"text/plain; charset=utf-8")


class WsgiToAsgi:
    """Makes an ASGI application of a WSGI application.

    Bodies stream both ways, with bounded buffers; a client that leaves ends the call. The threads are started with the first
    request of each process.

    Args:
        app: The WSGI application.
        threads: How many threads call it; as many as the server would take without it.
        queue: How many requests may wait for a thread; more get 503.
    """

    def __init__(self, app: WSGIApp, *, threads: int | None = None, queue: int | None = None) -> None:
        self.wsgi_app = app
        self._threads = default_wsgi_threads() if threads is None else threads
        self._queue = 1024 if queue is None else queue
        if self._threads < 1 or self._queue < 1:
            raise ValueError("threads and queue must be at least 1")
        self._bridge: WsgiBridge | None = None
        self._process = 0
        self._starting = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "lifespan":
            await _lifespan(receive, send)
        elif kind == "websocket":
            await _refuse_websocket(scope, receive, send)
        else:
            raise ValueError(f"WsgiToAsgi does not know the ASGI scope type {kind!r}")

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = self._pool().call(dict(scope), asyncio.get_running_loop(), contextvars.copy_context())
        if call is None:
            await _answer(send, 503, _BUSY, (b"retry-after", b"1"))
            return
        feeding = asyncio.create_task(_feed(call, receive, expects_continue=_expects_continue(scope)))
        try:
            while (messages := await call.messages()) is not None:
                for message in messages:
                    await send(message)
        except OSError:
            pass  # the client has gone, and the server says so (ASGI 2.4)
        finally:
            call.disconnect()
            feeding.cancel()

    def _pool(self) -> WsgiBridge:
        """The pool of this process: threads do not survive a fork."""
        with self._starting:
            if self._bridge is None or self._process != os.getpid():
                self._process = os.getpid()
                self._bridge = WsgiBridge(self.wsgi_app, target_name(self.wsgi_app), self._threads, self._queue)
            return self._bridge


async def _feed(call: BridgeCall, receive: Receive, *, expects_continue: bool) -> None:
    """Bring the request body in, and then watch for the client to leave."""
    if expects_continue and not await call.wanted():
        return  # the first `receive` would have invited the body
    while True:
        message = await receive()
        if message["type"] != "http.request":
            call.disconnect()
            return
        await call.feed(bytes(message.get("body", b"")))
        if not message.get("more_body", False):
            call.finish_body()


def _expects_continue(scope: Scope) -> bool:
    return any(name.lower() == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"])


async def _answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [_TEXT, length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message: Message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _refuse_websocket(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    if "websocket.http.response" in (scope.get("extensions") or {}):
        headers = [_TEXT, (b"content-length", str(len(_NO_WEBSOCKET)).encode())]
        await send({"type": "websocket.http.response.start", "status": 404, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": _NO_WEBSOCKET})
    else:
        await send({"type": "websocket.close", "code": 1000})
