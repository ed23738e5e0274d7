"""A Flask and a FastAPI application that take their time until they are released, and ways to serve them."""

import asyncio
import threading

from rsgi import WsgiPool, WsgiToAsgi

released = threading.Event()


def hang_in_the_database():
    print("old hangs", flush=True)
    released.wait(60)


cancelled: list[str] = []


async def wait_for_the_database():
    print("new hangs", flush=True)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        cancelled.append("yes")
        raise


async def inside(scope, receive, send):
    """The bridge in an ASGI application of its own, so that it is called as any host would."""
    await __getattr__("bridged")(scope, receive, send)


async def opaque(scope, receive, send):
    """An ASGI application whose routes cannot be read."""
    await __getattr__("new")(scope, receive, send)


def _old():
    from flask import Flask, Response, request

    old = Flask(__name__)

    @old.get("/hang")
    def old_hang():
        hang_in_the_database()
        return "late"

    @old.get("/fast")
    def old_fast():
        return threading.current_thread().name

    @old.get("/release")
    def old_release():
        released.set()
        return "released"

    @old.get("/stream")
    def old_stream():
        def pieces():
            yield "first "
            released.wait(60)
            yield "second"

        return Response(pieces(), mimetype="text/plain")

    @old.post("/upload")
    def old_upload():
        length = 0
        while piece := request.stream.read(16384):
            length += len(piece)
        return str(length)

    @old.get("/many")
    def old_many():
        return {"multithread": request.environ["wsgi.multithread"]}

    return old


def _new():
    from fastapi import FastAPI, Request, WebSocket
    from fastapi.responses import PlainTextResponse, StreamingResponse

    new = FastAPI()

    @new.get("/hang")
    async def new_hang():
        await wait_for_the_database()
        return "late"

    @new.get("/fast", response_class=PlainTextResponse)
    async def new_fast():
        return "fast"

    @new.get("/cancelled")
    async def new_cancelled():
        return {"cancelled": len(cancelled)}

    @new.get("/release", response_class=PlainTextResponse)
    async def new_release():
        released.set()
        return "released"

    @new.get("/stream")
    async def new_stream():
        async def pieces():
            yield "first "
            while not released.is_set():
                await asyncio.sleep(0.01)
            yield "second"

        return StreamingResponse(pieces(), media_type="text/plain")

    @new.post("/upload", response_class=PlainTextResponse)
    async def new_upload(incoming: Request):
        length = 0
        async for piece in incoming.stream():
            length += len(piece)
        return str(length)

    @new.websocket("/never-accepts")
    async def never_accepts(websocket: WebSocket):
        await wait_for_the_database()

    @new.websocket("/echo")
    async def echo(websocket: WebSocket):
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(text)

    return new


def _bridged(threads):
    return WsgiToAsgi(__getattr__("old"), pool=WsgiPool(threads=threads))


def __getattr__(name):
    """Each application is made, and its framework imported, when it is asked for: a server has one of them mostly."""
    makers = {"old": _old, "new": _new, "bridged": lambda: _bridged(4), "narrow": lambda: _bridged(2)}
    if name not in makers:
        raise AttributeError(name)
    return globals().setdefault(name, makers[name]())
