"""The FastAPI application that takes over from `compare_old.py`, with some mistakes."""

import asyncio
import time
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI, Request, Response
from fastapi.responses import HTMLResponse


@asynccontextmanager
async def lifespan(app):
    print("started", flush=True)
    yield {"zone": "UTC"}
    print("stopped", flush=True)


app = FastAPI(lifespan=lifespan)


@app.get("/users/{number}")
def user(number: int, tasks: BackgroundTasks):
    tasks.add_task(print, "background", flush=True)
    return {"id": number, "name": "Ada", "price": "19.90", "tags": ["b", "a"]}


@app.get("/clock")
def clock(request: Request):
    return {"zone": request.state.zone, "at": time.time()}


@app.get("/page")
def page():
    return HTMLResponse(
        '<html>\n<body> <p class="b a">Hello</p> <ul><li>1</li><li>2</li></ul></body></html>',
        headers={"x-version": "2"},
    )


@app.get("/whoami")
def whoami(request: Request):
    session = request.cookies.get("session", "nobody")
    return {"session": session, "scheme": request.url.scheme, "host": request.headers["host"]}


@app.get("/image")
def image():
    return Response(b"\x89PNG1234", media_type="image/png")


@app.get("/broken")
def broken():
    raise ValueError("this is broken")


async def slow(scope, receive, send):
    await asyncio.sleep(60)


async def silent(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan")
