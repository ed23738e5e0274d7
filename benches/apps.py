"""The applications that every server serves: 13 bytes of text, with their length. Nothing else is measured."""

_BODY = b"Hello, world!"


def wsgi(environ, start_response):
    """Hello as a WSGI application."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [_BODY]


async def asgi(scope, receive, send):
    """Hello as an ASGI application."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"13")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": _BODY})
