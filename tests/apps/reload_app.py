"""What a server with `--reload` serves: tests copy it to a folder of their own and change it there."""

import asyncio
import os
import time

VERSION = "one"

# How long the end of the lifespan takes, for tests of what does not hold up a restart.
END = float(os.environ.get("TEST_LIFESPAN_END", "0"))


def old(environ, start_response):
    """`/stream` never ends, `/slow` takes ten seconds, `/line` gives a line of standard input."""
    path = environ["PATH_INFO"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path.endswith("/stream"):
        return endless()
    if path.endswith("/slow"):
        os.write(2, b"the slow call begins\n")
        time.sleep(10)
    if path.endswith("/line"):
        return [input().encode()]
    return [VERSION.encode()]


def endless():
    while True:
        yield b"data: tick\n\n"
        time.sleep(0.05)


async def app(scope, receive, send):
    """`/stream` never ends, and a WebSocket is open until its client leaves; else the version."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
    else:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        while scope["path"].endswith("/stream"):
            await send({"type": "http.response.body", "body": b"data: tick\n\n", "more_body": True})
            await asyncio.sleep(0.05)
        if scope["path"].endswith("/stubborn"):
            await send({"type": "http.response.body", "body": b"data: tick\n\n", "more_body": True})
            await asyncio.sleep(600)
        await send({"type": "http.response.body", "body": VERSION.encode()})


async def lifespan(receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await asyncio.sleep(END)
    await send({"type": "lifespan.shutdown.complete"})
