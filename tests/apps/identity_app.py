"""Applications that say by which names a request came, and fail below `/fail`."""

import json

from rsgi import WsgiToAsgi


def body_of(**seen):
    return json.dumps(seen).encode()


def old(environ, start_response):
    if environ["PATH_INFO"].endswith("/fail"):
        raise RuntimeError("the application failed")
    body = body_of(
        header=environ.get("HTTP_X_REQUEST_ID"),
        environ=environ.get("rsgi.request_id"),
        traceparent=environ.get("HTTP_TRACEPARENT"),
    )
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("X-App", 'a"b')]
    )
    return [body]


async def new(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"].endswith("/fail"):
        raise RuntimeError("the application failed")
    fields = {name.decode(): value.decode() for name, value in scope["headers"]}
    body = body_of(header=fields.get("x-request-id"), traceparent=fields.get("traceparent"))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), (b"x-app", b'a"b')]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


bridged = WsgiToAsgi(old)
