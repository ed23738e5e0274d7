"""An old and a new application that write down who ran for which request, and with which body.

A request says who it is in `x-id`; `/ran/{id}` tells. With `x-read` a middleware of the new application reads the whole
body before its router looks, as session or logging middleware does.
"""

import hashlib
import json
from collections import defaultdict

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

RAN = defaultdict(list)


def old(environ, start_response):
    steps = RAN[environ.get("HTTP_X_ID")]
    steps.append("old")
    try:
        body = environ["wsgi.input"].read()
    except OSError as error:
        steps[-1] = f"old: {type(error).__name__}"
        raise
    path = environ["PATH_INFO"]
    headers = [("Content-Type", "application/json"), ("X-App", "old"), ("Set-Cookie", "old=1")]
    status = "200 OK"
    if path.startswith("/neither"):
        status = "405 Method Not Allowed"
        headers.append(("Allow", "GET, PATCH"))
    start_response(status, headers)
    found = {"hash": hashlib.sha256(body).hexdigest(), "length": len(body), "method": environ["REQUEST_METHOD"]}
    return [json.dumps(found).encode()]


async def not_found(request):
    raise HTTPException(404, "there is no such row")


async def not_allowed(request):
    raise HTTPException(405, "a handler says so", headers={"Allow": "GET, POST, PUT"})


async def broken(request):
    return PlainTextResponse("broken", 500, headers={"x-rsgi-pass": "1"})


async def stream(request):
    async def chunks():
        for number in range(5):
            yield b"chunk %d\n" % number

    return StreamingResponse(chunks())


async def passes(request):
    """A catch-all that knows better: it streams a response that nobody should see."""

    async def chunks():
        for _ in range(100):
            yield b"x" * 100_000

    return StreamingResponse(chunks(), 404, headers={"x-rsgi-pass": "1", "set-cookie": "new=1"})


async def stays(request):
    return PlainTextResponse("stays", 404, headers={"X-Rsgi-Pass": "1" if "go" in request.query_params else "0"})


async def page(request):
    return PlainTextResponse("new")


async def ran(request):
    return JSONResponse(RAN[request.path_params["id"]])


class OnlyPatch(HTTPEndpoint):
    async def patch(self, request):
        return PlainTextResponse("patched")


async def static(scope, receive, send):
    """A mounted application that nobody can look into."""
    await PlainTextResponse("no such file", 404)(scope, receive, send)


EVERY = ["GET", "HEAD", "POST", "PUT", "DELETE"]

starlette = Starlette(
    routes=[
        Route("/ran/{id}", ran),
        Route("/handler-404", not_found, methods=EVERY),
        Route("/handler-405", not_allowed, methods=EVERY),
        Route("/only-put", page, methods=["PUT"]),
        Route("/neither", page, methods=["PUT", "PATCH"]),
        Route("/only-patch", OnlyPatch),
        Route("/slash/", page, methods=EVERY),
        Route("/broken", broken, methods=EVERY),
        Route("/stream", stream, methods=EVERY),
        Route("/pass", passes, methods=EVERY),
        Route("/stays", stays, methods=EVERY),
        Mount("/mounted", routes=[Route("/here", page, methods=EVERY), Route("/row", not_found, methods=EVERY)]),
        Mount("/static", app=static),
    ]
)


async def new(scope, receive, send):
    if scope["type"] != "http":
        return await starlette(scope, receive, send)
    headers = dict(scope["headers"])
    if not scope["path"].startswith("/ran/"):
        RAN[headers.get(b"x-id", b"").decode()].append("new")
    if b"x-read" in headers:
        receive = await whole(receive)
    await starlette(scope, receive, send)


async def whole(receive):
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())

    async def again():
        return messages.pop(0) if messages else await receive()

    return again


async def copying(scope, receive, send):
    await starlette(dict(scope), receive, send)
