"""Applications that are hard to look at: one holds the interpreter, one its event loop, and one takes its time to start."""

import asyncio
import ctypes
import os
import sys
import time
from pathlib import Path


def say(text):
    print(f"admin app: {text}", file=sys.stderr, flush=True)


def holding(environ, start_response):
    if environ["PATH_INFO"] == "/hold":
        say("holds")
        # Other than a sleep of Python's, this one keeps the interpreter for itself.
        ctypes.PyDLL(None).usleep(ctypes.c_uint(1_500_000))
        say("let go")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"here"]


async def blocking(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["path"] == "/block":
        say("blocks")
        time.sleep(1.5)
        say("unblocked")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"here"})


async def starting(scope, receive, send):
    """Starts when the file is there that the variable GATE names."""
    if scope["type"] != "lifespan":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"started"})
        return
    await receive()
    while not Path(os.environ["GATE"]).exists():
        await asyncio.sleep(0.01)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
