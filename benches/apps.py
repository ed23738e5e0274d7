"""The applications that are served: they do next to nothing, so what is measured is the server.

Apart because every server imports it, from its own virtual environment: it needs nothing but the standard library.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

BODY = b"Hello, World!"
# How much of an upload is read at a time, in bytes.
PIECE = 64 * 1024
SLEEP_SECONDS = 0.01
_CHUNK = b"x" * 1024
_CHUNKS = 100

_WSGI_HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]
_ASGI_HEADERS = [(name.lower().encode(), value.encode()) for name, value in _WSGI_HEADERS]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def _respond(start_response: Callable[..., Any]) -> Iterable[bytes]:
    # A fresh list for each request, as frameworks make one: a server may change the list it is given.
    start_response("200 OK", _WSGI_HEADERS.copy())
    return [BODY]


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Reads what it is sent, piece by piece, and greets."""
    if environ["REQUEST_METHOD"] == "POST":
        while environ["wsgi.input"].read(PIECE):
            pass
    return _respond(start_response)


def wsgi_read(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Reads what it is sent at once, and greets."""
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return _respond(start_response)


def wsgi_sleep(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Waits, as for a database, and greets."""
    time.sleep(SLEEP_SECONDS)
    return _respond(start_response)


def _http_only(scope: Message) -> None:
    # It has no lifespan and says so, as the specification has it, with an exception.
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])


async def asgi(scope: Message, receive: Receive, send: Send) -> None:
    """Reads what it is sent, and greets."""
    _http_only(scope)
    if scope["method"] == "POST":
        while (await receive()).get("more_body", False):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": _ASGI_HEADERS.copy()})
    await send({"type": "http.response.body", "body": BODY})


async def asgi_echo(scope: Message, receive: Receive, send: Send) -> None:
    """Sends back what it is sent; without a body it greets."""
    _http_only(scope)
    message = await receive()
    body = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
    body = body or BODY
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def asgi_stream(scope: Message, receive: Receive, send: Send) -> None:
    """Sends a hundred pieces, without a length."""
    _http_only(scope)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for _ in range(_CHUNKS):
        await send({"type": "http.response.body", "body": _CHUNK, "more_body": True})
    await send({"type": "http.response.body"})


async def asgi_sleep(scope: Message, receive: Receive, send: Send) -> None:
    """Waits without holding the loop, and greets."""
    _http_only(scope)
    await asyncio.sleep(SLEEP_SECONDS)
    await asgi(scope, receive, send)


async def asgi_block(scope: Message, receive: Receive, send: Send) -> None:
    """Greets; a path that ends in `/block` holds the loop for a second first, which no application should do."""
    _http_only(scope)
    if scope["path"].endswith("/block"):
        time.sleep(1)
    await asgi(scope, receive, send)


async def websocket_echo(scope: Message, receive: Receive, send: Send) -> None:
    """Sends each message back; over HTTP it greets."""
    if scope["type"] != "websocket":
        return await asgi(scope, receive, send)
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message["bytes"]})


_listeners: set[Send] = set()


async def websocket_broadcast(scope: Message, receive: Receive, send: Send) -> None:
    """Sends each message to all that are connected; over HTTP it greets."""
    if scope["type"] != "websocket":
        return await asgi(scope, receive, send)
    await receive()
    await send({"type": "websocket.accept"})
    _listeners.add(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            for listener in tuple(_listeners):
                await listener({"type": "websocket.send", "bytes": message["bytes"]})
    finally:
        _listeners.discard(send)
