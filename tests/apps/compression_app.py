"""Answers that are worth compressing, and those that never are, over WSGI and ASGI; the same paths in both.

`/gated/LABEL` sends a piece and waits for `/open/LABEL` before the next, so that a test sees when a piece arrives.
"""

import asyncio
import threading

from rsgi import WsgiToAsgi

TEXT = b"All work and no play makes Jack a dull boy.\n" * 200
LARGE = TEXT * 600
PIECES = [b"%d: %b" % (number, TEXT) for number in range(50)]
HTML = ("Content-Type", "text/html; charset=utf-8")

# Status, fields and body of each response that comes in one piece.
WHOLE = {
    "/text": ("200 OK", [HTML, ("ETag", '"v1"'), ("Vary", "Cookie"), ("Accept-Ranges", "bytes")], TEXT),
    "/order": ("200 OK", [("X-A", "1"), HTML, ("X-B", "2"), ("X-A", "3"), ("Content-Length", "8800")], TEXT),
    "/weak": ("200 OK", [HTML, ("ETag", 'W/"v1"'), ("Vary", "accept-encoding")], TEXT),
    "/large": ("200 OK", [HTML], LARGE),
    "/middle": ("200 OK", [HTML], TEXT * 20),
    "/small": ("200 OK", [HTML], b"small"),
    "/error": ("404 Not Found", [HTML], TEXT),
    "/json": ("200 OK", [("Content-Type", "application/problem+json")], TEXT),
    "/png": ("200 OK", [("Content-Type", "image/png")], TEXT),
    "/untyped": ("200 OK", [], TEXT),
    "/events": ("200 OK", [("Content-Type", "text/event-stream")], TEXT),
    "/encoded": ("200 OK", [HTML, ("Content-Encoding", "identity")], TEXT),
    "/no-transform": ("200 OK", [HTML, ("Cache-Control", "private, no-transform")], TEXT),
    "/part": ("206 Partial Content", [HTML, ("Content-Range", "bytes 0-8799/9000")], TEXT),
    "/none": ("204 No Content", [HTML], b""),
    "/unchanged": ("304 Not Modified", [HTML, ("ETag", '"v1"')], b""),
}

_gates = {}
_lock = threading.Lock()


def gate(label):
    with _lock:
        return _gates.setdefault(label, threading.Event())


def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    if path in WHOLE:
        status, headers, body = WHOLE[path]
        start_response(status, headers)
        return [body]
    start_response("200 OK", [HTML, ("ETag", '"v1"')])
    return pieces_of(path)


def pieces_of(path):
    kind, _, label = path.lstrip("/").partition("/")
    if kind == "open":
        gate(label).set()
        yield b"opened"
    elif kind == "gated":
        yield b"first"
        gate(label).wait(10)
        yield b"second"
    elif kind == "broken":
        yield from PIECES[:3]
        raise RuntimeError("broken in the middle")
    else:
        yield from PIECES


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    path = scope["path"]
    status, headers, body = WHOLE.get(path, ("200 OK", [HTML, ("ETag", '"v1"')], None))
    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": int(status[:3]), "headers": raw})
    if body is not None:
        await send({"type": "http.response.body", "body": body})
        return
    pieces = pieces_of(path)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})


bridge = WsgiToAsgi(wsgi)


async def trailed(scope, receive, send):
    """The pieces, and a field after them."""
    headers = [(b"content-type", b"text/plain"), (b"trailer", b"x-after")]
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})
    for piece in PIECES:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})
    await send({"type": "http.response.trailers", "headers": [(b"x-after", b"all")]})


async def sent_file(scope, receive, send):
    """A file that the server reads; its path is the query."""
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.pathsend", "path": scope["query_string"].decode()})
