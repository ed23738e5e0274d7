"""Applications with work that goes on after their responses, or after their clients, and that say on stderr how it went."""

import asyncio
import sys
import time
from contextlib import asynccontextmanager

from rsgi import WsgiToAsgi


def say(text):
    print(f"draining app: {text}", file=sys.stderr, flush=True)


@asynccontextmanager
async def lifespan(app):
    yield
    say("lifespan ended")


async def job(label: str, seconds: float):
    say(f"{label} began")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        say(f"{label} cancelled")
        raise
    say(f"{label} done")


def slow_job(label, seconds):
    say(f"{label} began")
    time.sleep(seconds)
    say(f"{label} done")


def _old():
    from flask import Flask
    from flask import Response as OldResponse

    old = Flask(__name__)

    @old.get("/job/<float:seconds>")
    def after_the_answer(seconds):
        response = OldResponse("accepted")
        response.call_on_close(lambda: slow_job("job", seconds))
        return response

    @old.get("/work/<float:seconds>")
    def old_work(seconds):
        slow_job("work", seconds)
        return "worked"

    @old.get("/events")
    def old_events():
        def forever():
            try:
                while True:
                    yield "data: tick\n\n"
                    time.sleep(0.05)
            finally:
                slow_job("cleaning", 0.5)

        return OldResponse(forever(), mimetype="text/event-stream")

    return old


def _new():
    from fastapi import BackgroundTasks, FastAPI, Request, WebSocket, WebSocketDisconnect
    from fastapi.responses import PlainTextResponse, Response, StreamingResponse

    new = FastAPI(lifespan=lifespan)

    class Events(Response):
        """An event stream that only sends, and cleans up where it sends from."""

        async def __call__(self, scope, receive, send):
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
            )
            try:
                while True:
                    await send({"type": "http.response.body", "body": b"data: tick\n\n", "more_body": True})
                    await asyncio.sleep(0.05)
            finally:
                await job("cleaning", 0.5)

    @new.get("/job")
    async def background(tasks: BackgroundTasks, seconds: float, label: str = "job"):
        tasks.add_task(job, label, seconds)
        return {"accepted": label}

    @new.get("/work")
    async def work(seconds: float):
        await job("work", seconds)
        return {"worked": seconds}

    @new.get("/events")
    async def events():
        return Events()

    @new.get("/listening")
    async def listening(request: Request):
        async def until_left():
            while not await request.is_disconnected():
                yield "data: tick\n\n"
                await asyncio.sleep(0.05)
            say("listening saw the end")
            yield "data: too late\n\n"

        return StreamingResponse(until_left(), media_type="text/event-stream")

    @new.get("/measured")
    async def measured(pieces: int):
        async def some():
            for _ in range(pieces):
                yield b"x" * 100
                await asyncio.sleep(0.1)

        return StreamingResponse(some(), headers={"Content-Length": str(100 * pieces)})

    @new.get("/stubborn")
    async def stubborn():
        try:
            await asyncio.sleep(60)
        finally:
            say("stubborn was cancelled")
        return PlainTextResponse("never")

    @new.websocket("/cleaning")
    async def cleaning(socket: WebSocket):
        await socket.accept()
        try:
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            await job("cleaning", 0.5)

    @new.websocket("/slowly")
    async def slowly(socket: WebSocket):
        await socket.accept()
        try:
            while True:
                text = await socket.receive_text()
                await asyncio.sleep(0.1)
                say(f"read {text}")
        except WebSocketDisconnect:
            say("read all")

    return new


def __getattr__(name):
    """Each application is made, and its framework imported, when it is asked for: a server has one of them mostly."""
    makers = {"old": _old, "new": _new, "bridged": lambda: WsgiToAsgi(__getattr__("old"))}
    if name not in makers:
        raise AttributeError(name)
    return globals().setdefault(name, makers[name]())
