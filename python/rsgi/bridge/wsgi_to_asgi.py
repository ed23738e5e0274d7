"""`rsgi.WsgiToAsgi`: a WSGI application as an ASGI callable.

It runs under any ASGI server. The application runs in a bounded pool of threads. What it sees (`environ`, `wsgi.input`,
`start_response`) is the Rust code of the server. This file is the coroutine between `receive`, `send` and that pool.
`rsgi serve` does not use it: the server calls the application directly.

Spec: PEP 3333; ASGI HTTP 2.5, WebSocket 2.5, Lifespan 2.0.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from http import HTTPStatus

import rsgi.bridge.forked  # noqa: F401 - a forked child may not be able to import it
from rsgi._rsgi import BodySpool, BridgeCall, BridgeRequest, StoredBody, WsgiBridge, WsgiPool
from rsgi._types import Message, Receive, Scope, Send, WSGIApp
from rsgi.apps.importer import target_name
from rsgi.bridge.ending import end_calls_at_exit
from rsgi.settings.defaults import default_wsgi_threads

KIB = 1024
MIB = 1024 * KIB

# How long a call may take before its client is watched, in seconds: most are over by then, and a watch costs a task.
_UNWATCHED = 0.02

# How long a cancelled call waits for its thread to close the iterable, in seconds.
_LAST_WORDS = 1.0

_BUSY = "too many requests wait for a thread; try again"
_NO_WEBSOCKET = b"404 Not Found: this is a WSGI application, it accepts no WebSocket\n"
_TEXT = (b"content-type", b"text/plain; charset=utf-8")


class WsgiToAsgi:
    """Makes an ASGI application of a WSGI application.

    Bodies stream both ways, with bounded buffers; a client that leaves ends the call. A body without a length is kept
    whole first (in memory, above 1 MiB in a temporary file), because many applications read no more than CONTENT_LENGTH. The
    threads are started with the first request of each process, so it may be made before a fork; any event loop may call it,
    several at once too.

    Args:
        app: The WSGI application.
        threads: How many threads call the application. The default is that of the server. With 1, it is never called twice
            at a time, and `wsgi.multithread` is false.
        queue: How many requests may wait for a thread. Further requests get 503.
        pool: A pool to share with other bridges, instead of `threads` and `queue`.
        request_buffer_bytes: How much of a request body waits in memory for the application.
        response_buffer_bytes: How much of a response waits in memory for the client.
        response_spool_bytes: How much more of a response goes to a temporary file for a slow client. With 0, the
            application waits instead.
        duplicate_header_limit: How often one request header may be repeated. More repeats get 431.
        max_body_bytes: The largest request body. A larger one gets 413. With `None`, only the host has a limit.
        reraise_exc_info: Whether to raise an error that the application answered itself (`start_response` with `exc_info`)
            to the outer ASGI middleware after the response. Errors that it did not answer are always raised.

    Raises:
        ValueError: when a number is below 1, or when you pass `pool` together with `threads` or `queue`.
    """

    def __init__(
        self,
        app: WSGIApp,
        *,
        threads: int | None = None,
        queue: int | None = None,
        pool: WsgiPool | None = None,
        request_buffer_bytes: int = 256 * KIB,
        response_buffer_bytes: int = 256 * KIB,
        response_spool_bytes: int = 64 * MIB,
        duplicate_header_limit: int = 100,
        max_body_bytes: int | None = None,
        reraise_exc_info: bool = False,
    ) -> None:
        if pool is not None and (threads is not None or queue is not None):
            raise ValueError("give `pool`, or `threads` and `queue`, not both")
        if min(request_buffer_bytes, response_buffer_bytes, duplicate_header_limit) < 1:
            raise ValueError("the buffers and duplicate_header_limit must be at least 1")
        if response_spool_bytes < 0:
            raise ValueError("response_spool_bytes must be at least 0")
        self.wsgi_app = app
        self.pool = pool or WsgiPool(default_wsgi_threads() if threads is None else threads, queue or 1024)
        self.request_buffer_bytes = request_buffer_bytes
        self.response_buffer_bytes = response_buffer_bytes
        self.response_spool_bytes = response_spool_bytes
        self.duplicate_header_limit = duplicate_header_limit
        self.max_body_bytes = max_body_bytes
        self.reraise_exc_info = reraise_exc_info
        self.bridge = WsgiBridge(app, target_name(app), self.pool, self)
        end_calls_at_exit(self.pool)

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
        request = self.bridge.request(dict(scope))
        if request.refusal is not None:
            status, reason = request.refusal
            await _respond(send, status, reason)
            return
        body: bytes | BodySpool | None = None
        first: Message | None = None
        if not request.streams:
            first = await receive()
            if first["type"] != "http.request":
                return  # the client has gone before anything was asked
            if not first.get("more_body", False):
                body = bytes(first.get("body", b""))
            elif not request.has_length:
                body = await self._spool(first, receive)
                if body is None:
                    return
                if self.max_body_bytes is not None and body.length > self.max_body_bytes:
                    await _respond(send, 413, f"the body is larger than {self.max_body_bytes} bytes")
                    return
        loop = asyncio.get_running_loop()
        call = self.bridge.call(request, loop, contextvars.copy_context(), body)
        if call is None:
            await _respond(send, 503, _BUSY, (b"retry-after", b"1"))
            return
        beside: asyncio.Task[None] | _LaterTask
        if body is None:
            beside = loop.create_task(_feed(call, request, receive, first))
        else:
            beside = _LaterTask(loop, lambda: _next(call, receive))
        try:
            await _send_all(call, send)
        except asyncio.CancelledError:
            # A host that cancels may be about to end the process: `close()` of the application should run before that.
            call.disconnect()
            await asyncio.wait({loop.create_task(call.over())}, timeout=_LAST_WORDS)
            raise
        finally:
            call.disconnect()
            beside.cancel()

    async def _spool(self, message: Message, receive: Receive) -> BodySpool | None:
        """The whole body, or as much as is too much; `None` when the client leaves."""
        spool, loop = BodySpool(), asyncio.get_running_loop()
        most = self.max_body_bytes
        while message["type"] == "http.request":
            full = spool.add(bytes(message.get("body", b"")))
            if full:
                await loop.run_in_executor(None, spool.flush)
            if not message.get("more_body", False) or (most is not None and spool.length > most):
                return spool
            message = await receive()
        return None


class _LaterTask:
    """A task that begins only if it is not cancelled soon."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Callable[[], Coroutine[object, object, object]]
    ) -> None:
        self._loop, self._coroutine = loop, coroutine
        self._task: asyncio.Task[object] | None = None
        self._timer = loop.call_later(_UNWATCHED, self._start)

    def _start(self) -> None:
        self._task = self._loop.create_task(self._coroutine())

    def cancel(self) -> None:
        """End it, or see that it never begins."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()


async def _send_all(call: BridgeCall, send: Send) -> None:
    """Send what the application answers; its errors, and those of a response that breaks off, are raised."""
    while (messages := await call.messages()) is not None:
        for message in messages:
            sent = _sent_stored(message, send) if isinstance(message, StoredBody) else _sent(message, send)
            if not await sent:
                return


async def _sent(message: Message, send: Send) -> bool:
    try:
        await send(message)
    except OSError:
        return False  # the client has gone, and the server says so (ASGI 2.4)
    return True


async def _sent_stored(body: StoredBody, send: Send) -> bool:
    loop = asyncio.get_running_loop()
    while (message := await loop.run_in_executor(None, body.read)) is not None:
        if not await _sent(message, send):
            return False
    return True


async def _feed(call: BridgeCall, request: BridgeRequest, receive: Receive, message: Message | None) -> None:
    """Bring the request body in, and then watch for the client to leave."""
    if request.expects_continue and not await call.wanted():
        return  # the first `receive` would have invited the body
    more = True
    while more:
        if message is None:
            message = await _next(call, receive)
        if message["type"] != "http.request":
            return
        await call.feed(bytes(message.get("body", b"")))
        more, message = message.get("more_body", False), None
    call.finish_body()
    await _next(call, receive)


async def _next(call: BridgeCall, receive: Receive) -> Message:
    """The next message; one that says that the client has left ends the call, and so does a host that breaks down."""
    try:
        message = await receive()
    except BaseException:
        call.disconnect()
        raise
    if message["type"] != "http.request":
        call.disconnect()
    return message


async def _respond(send: Send, status: int, reason: str, *headers: tuple[bytes, bytes]) -> None:
    body = f"{status} {HTTPStatus(status).phrase}: {reason}\n".encode()
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
