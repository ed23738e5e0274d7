"""Calls that run on until they are released, and the bridges around them."""

import threading

from rsgi import WsgiPool, WsgiToAsgi

released = threading.Event()
waiting = []  # the calls that the next `/release-once` releases


def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/stuck":
        print("stuck", file=environ["wsgi.errors"], flush=True)
        released.wait(60)
    elif path == "/stuck-again":
        print("stuck", file=environ["wsgi.errors"], flush=True)
        waiting.append(threading.Event())
        waiting[-1].wait(60)
    elif path == "/release-once":
        while waiting:
            waiting.pop().set()
    elif path == "/stuck-later":
        return stuck_later(environ, start_response)
    elif path == "/release":
        released.set()
    elif path == "/scope":
        start_response("200 OK", [])
        scope = environ["asgi.scope"]
        return [
            repr((scope["type"], scope["path"], scope["root_path"], scope["state"], len(scope["headers"]))).encode()
        ]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [threading.current_thread().name.encode()]


def stuck_later(environ, start_response):
    start_response("200 OK", [])
    yield b"first"
    print("stuck", file=environ["wsgi.errors"], flush=True)
    released.wait(60)
    yield b"second"


pool = WsgiPool(threads=2, queue=8)
bridged = WsgiToAsgi(app, pool=pool)
strict = WsgiToAsgi(app, reraise_exc_info=True)


async def blocking(scope, receive, send):
    """An ASGI app whose `/block` holds up its event loop for as long as it takes."""
    if scope["type"] == "http":
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"].endswith("/block"):
            released.wait(60)
        await send({"type": "http.response.body", "body": b"blocked"})


async def dispatcher(scope, receive, send):
    """A hand-made dispatcher: the bridge is inside, so it is called as any host would."""
    await bridged(scope, receive, send)
