"""Applications that get in the way of the server's end, each in its own way."""

import asyncio
import os
import signal
import sys
import threading
import time
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

HOW = os.environ.get("STOPPING_APP", "")


def say(text):
    print(f"stopping app: {text}", file=sys.stderr, flush=True)


def on_signal(number, frame):
    say(f"handler of {signal.Signals(number).name}")
    if HOW == "import-exit":
        sys.exit(7)


if HOW.startswith("import"):
    signal.signal(signal.SIGTERM, on_signal)


@asynccontextmanager
async def lifespan(app):
    if HOW == "lifespan":
        signal.signal(signal.SIGTERM, on_signal)
    if HOW == "loop":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, say, "handler of the loop")
    yield
    say("lifespan ended")


async def stop(request):
    asyncio.get_running_loop().stop()
    return PlainTextResponse("stopped")


async def leave(request):
    async def leaving():
        sys.exit(3)

    task = asyncio.create_task(leaving())
    await asyncio.sleep(0)
    return PlainTextResponse(f"left {task.done()}")


async def leave_when_woken(request):
    async def leaving():
        while (await request.receive())["type"] != "http.disconnect":
            pass
        sys.exit(3)

    task = asyncio.create_task(leaving())
    await asyncio.sleep(0)
    say("waits for the client to leave")
    await asyncio.wait([task])
    return PlainTextResponse("nobody reads this")


async def interrupt(request):
    def raise_it():
        raise KeyboardInterrupt

    asyncio.get_running_loop().call_soon(raise_it)
    return PlainTextResponse("interrupted")


async def slow(request):
    say("slow began")
    await asyncio.sleep(float(request.query_params["seconds"]))
    say("slow ended")
    return PlainTextResponse("slow")


async def block(request):
    say("blocked")
    time.sleep(120)


def keep(seconds):
    time.sleep(seconds)
    say("the thread ended")


async def thread(request):
    name = request.query_params["name"]
    seconds = float(request.query_params["seconds"])
    threading.Thread(target=keep, args=(seconds,), name=name).start()
    return PlainTextResponse("started")


async def process_id(request):
    return PlainTextResponse(str(os.getpid()))


new = Starlette(
    routes=[
        Route("/stop", stop),
        Route("/leave", leave),
        Route("/leave-when-woken", leave_when_woken),
        Route("/interrupt", interrupt),
        Route("/slow", slow),
        Route("/block", block),
        Route("/thread", thread),
        Route("/pid", process_id),
    ],
    lifespan=lifespan,
)


def old(environ, start_response):
    if environ["PATH_INFO"] == "/thread":
        threading.Thread(target=keep, args=(60,), name="old-thread").start()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"old"]
