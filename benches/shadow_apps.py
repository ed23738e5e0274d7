"""The applications of `shadow.py`: the same list of items as JSON, over WSGI and ASGI.

Apart from `apps.py`, because they work about as long as a small view of a framework does. Otherwise, half load would
be a test of the client.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

_ITEMS = [{"id": number, "name": f"item {number}", "price": number * 1.25, "tags": ["a", "b"]} for number in range(100)]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def _body() -> bytes:
    return json.dumps({"items": _ITEMS}).encode()


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The old application."""
    body = _body()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope: Message, receive: Receive, send: Send) -> None:
    """The new application."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    body = _body()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
