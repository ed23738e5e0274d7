"""Answers of 4 MiB in every way that a WSGI application has to give one, endless streams, and the bridges around them."""

import threading

from rsgi import WsgiPool, WsgiToAsgi

SIZE = 4 * 1024 * 1024
MIB = 1024 * 1024

_lock = threading.Lock()
_open = 0
_closed = []


def body(size):
    """The same bytes in whatever pieces they come."""
    return (b"%015d\n" * (size // 16)) % tuple(range(size // 16))


BODY = body(SIZE)


def pieces(size):
    for start in range(0, SIZE, size):
        yield BODY[start : start + size]


class Endless:
    """A stream that counts itself, and says how it ended."""

    def __init__(self, label):
        global _open
        self.label = label
        with _lock:
            _open += 1

    def __iter__(self):
        try:
            while True:
                yield BODY[:65536]
        except GeneratorExit:
            _closed.append(self.label)
            raise

    def close(self):
        global _open
        with _lock:
            _open -= 1


def app(environ, start_response):
    kind = environ["PATH_INFO"].rpartition("/")[2]
    headers = [("Content-Length", str(SIZE))] if kind == "declared" else []
    write = start_response("200 OK", headers)
    if kind == "write":
        for piece in pieces(MIB):
            write(piece)
        return []
    responses = {
        "chunks": lambda: pieces(65536),
        "crumbs": lambda: pieces(512),
        "declared": lambda: pieces(65536),
        "one": lambda: pieces(SIZE),
        "list": lambda: list(pieces(MIB)),
        "endless": lambda: Endless(environ["QUERY_STRING"]),
        "open": lambda: [str(_open).encode()],
    }
    return responses.get(kind, lambda: [b"ok"])()


bridged = WsgiToAsgi(app, pool=WsgiPool(threads=6))


async def dispatcher(scope, receive, send):
    """A hand-made dispatcher: the bridge is inside, so it is called as any host would."""
    await bridged(scope, receive, send)
