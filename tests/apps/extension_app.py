"""An ASGI application that waits between its messages, and sends files by their paths."""

import asyncio
import copy
import json
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from rsgi import WsgiToAsgi

gate = None
sent = []


async def app(scope, receive, send):
    global gate
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    gate = gate or asyncio.Event()
    query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}
    headers = [(b"x-app", b"extension")]
    if "length" in query:
        headers.append((b"content-length", query["length"].encode()))
    start = {"type": "http.response.start", "status": int(query.get("status", "200")), "headers": headers}
    body = {"type": "http.response.body", "body": b"hello"}
    sends_file = {"type": "http.response.pathsend", "path": query.get("path", "")}
    match scope["path"]:
        case "/offered":
            names = ",".join(sorted(scope["extensions"]))
            scope["extensions"]["mine"] = {}
            await send(start)
            await send({**body, "body": names.encode()})
        case "/scribbled":
            seen = {key: copy.deepcopy(scope[key]) for key in ("asgi", "extensions")}
            scope["asgi"]["mine"] = scope["extensions"]["mine"] = 1
            for offered in scope["extensions"].values():
                if isinstance(offered, dict):
                    offered["mine"] = 1
            await send(start)
            await send({**body, "body": json.dumps(seen).encode()})
        case "/not-offered":
            await send({**start, "trailers": query["name"] == "trailers"})
            with open(query["path"], "rb") as file:
                await send({**sends_file, "type": f"http.response.{query['name']}", "file": file})
        case "/gated":
            await send(start)
            await gate.wait()
            await send(body)
        case "/gated-in-a-task":

            async def respond():
                await send(start)
                await gate.wait()
                await send(body)

            await asyncio.create_task(respond())
        case "/open":
            gate.set()
            await send(start)
            await send(body)
        case "/turns":
            await send(start)
            for _ in range(int(query["turns"])):
                await asyncio.sleep(0)
            await send(body)
        case "/file":
            await send(start)
            await send(sends_file)
        case "/late-file":
            await send(start)
            await gate.wait()
            await send(sends_file)
        case "/file-after-body":
            await send(start)
            await send({**body, "more_body": True})
            await send(sends_file)
        case "/file-first":
            await send(sends_file)


def file_app(environ, start_response):
    """A WSGI application that sends the file that the query names."""
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](open(parse_qs(environ["QUERY_STRING"])["path"][0], "rb"))


bridged = WsgiToAsgi(file_app)


async def inside(scope, receive, send):
    """The WSGI application inside an ASGI one, which looks at its messages; `/sent` shows their types."""

    async def watched(message):
        sent.append(message["type"])
        await send(message)

    if scope["type"] == "http" and scope["path"] == "/sent":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": ",".join(sent).encode()})
    else:
        await bridged(scope, receive, watched)


def upper(app):
    """Middleware that changes the body, and knows no message but those of the specification's core."""

    async def changed(scope, receive, send):
        async def send_upper(message):
            if message["type"] != "http.response.start":
                message = {**message, "body": message["body"].upper()}
            await send(message)

        await app(scope, receive, send_upper)

    return changed


async def relative(request):
    return FileResponse("extension_app.py")


files = StaticFiles(directory=".")
compressed = GZipMiddleware(
    Starlette(routes=[Route("/relative", relative), Mount("/static", files), Mount("/upper", upper(files))])
)
