"""A small Starlette application (ASGI)."""

import hashlib

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

_background = []


async def index(request):
    return PlainTextResponse("Starlette index\n")


async def form(request):
    sent = await request.form()
    return JSONResponse({name: sent.getlist(name) for name in sent})


async def upload(request):
    async with request.form() as sent:
        content = await sent["document"].read()
        name = sent["document"].filename
    return JSONResponse({"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})


async def echo_json(request):
    return JSONResponse(await request.json())


async def raw(request):
    return Response(await request.body(), media_type="application/octet-stream")


async def visits(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JSONResponse({"visits": request.session["visits"]})


async def stream(request):
    async def lines():
        for number in range(3):
            yield f"line {number} of {request.query_params['name']}\n"

    return StreamingResponse(lines(), media_type="text/plain")


async def file(request):
    return FileResponse(__file__, media_type="text/x-python")


async def boom(request):
    raise RuntimeError("starlette: boom")


async def background(request):
    return PlainTextResponse("later\n", background=BackgroundTask(_background.append, "done"))


async def background_done(request):
    return JSONResponse(_background)


async def echo_websocket(websocket):
    await websocket.accept()
    async for message in websocket.iter_text():
        await websocket.send_text(f"starlette: {message}")


app = Starlette(
    routes=[
        Route("/", index),
        Route("/form", form, methods=["POST"]),
        Route("/upload", upload, methods=["POST"]),
        Route("/json", echo_json, methods=["POST"]),
        Route("/raw", raw, methods=["POST"]),
        Route("/visits", visits),
        Route("/stream", stream),
        Route("/file", file),
        Route("/boom", boom),
        Route("/background", background),
        Route("/background-done", background_done),
        WebSocketRoute("/ws/echo", echo_websocket),
    ],
    middleware=[Middleware(SessionMiddleware, secret_key="for tests only")],
)
