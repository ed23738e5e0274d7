"""Two applications that say who they are, and answer with the header fields that the query names: for tests about shares."""

from urllib.parse import parse_qsl


def old(environ, start_response):
    environ["wsgi.input"].read()
    fields = parse_qsl(environ["QUERY_STRING"])
    status = dict(fields).get("status", "200")
    start_response(f"{status} Said", [(name, value) for name, value in fields if name != "status"])
    return [b"old"]


async def new(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "new"})
        await send({"type": "websocket.close"})
        return
    fields = parse_qsl(scope["query_string"].decode())
    status = int(dict(fields).get("status", "200"))
    headers = [(name.encode(), value.encode()) for name, value in fields if name != "status"]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"new"})


async def other(scope, receive, send):
    """A second ASGI application, with WebSockets."""
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "other"})
        await send({"type": "websocket.close"})
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"other"})


def failing(environ, start_response):
    raise RuntimeError("for the test")
