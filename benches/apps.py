"""Two applications that do nothing but read what they are sent and answer `Hello, World!`: what is measured is the server.

Apart because every server imports it, from its own virtual environment: it needs nothing but the standard library.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

BODY = b"Hello, World!"
# How much of an upload is read at a time, in bytes.
PIECE = 64 * 1024

_WSGI_HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]
_ASGI_HEADERS = [(name.lower().encode(), value.encode()) for name, value in _WSGI_HEADERS]

Message = MutableMapping[str, Any]


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The WSGI application; it has no state and may run in any number of threads."""
    if environ["REQUEST_METHOD"] == "POST":
        while environ["wsgi.input"].read(PIECE):
            pass
    # A fresh list for each request, as frameworks make one: a server may change the list it is given.
    start_response("200 OK", _WSGI_HEADERS.copy())
    return [BODY]


async def asgi(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The ASGI application. It has no lifespan and says so, as the specification has it, with an exception."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    if scope["method"] == "POST":
        while (await receive()).get("more_body", False):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": _ASGI_HEADERS.copy()})
    await send({"type": "http.response.body", "body": BODY})
