"""Answers that take their time, for clients that leave: what the application is told, and what `send` does then.

What it saw is at `/seen?LABEL`. The second half is Starlette, whose streams and middleware listen in their own way.
"""

import asyncio
import gc
import json
from collections import defaultdict

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

# So that no collection comes by of itself: what is seen here is what the server does.
gc.set_threshold(1_000_000, 50, 50)

_seen = defaultdict(list)
_gates = defaultdict(asyncio.Event)


def label_of(scope):
    return scope["query_string"].decode()


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["path"] == "/seen":
        await respond(send, json.dumps(_seen[label_of(scope)]).encode())
    elif scope["path"] == "/open":
        _gates[label_of(scope)].set()
        await respond(send, b"")
    elif scope["path"].startswith("/starlette"):
        await starlette(scope, receive, send)
    elif scope["path"].startswith("/bare"):
        await bare(scope, receive, send)
    else:
        await HANDLERS[scope["path"]](scope, receive, send, _seen[label_of(scope)].append)


async def respond(send, body):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive):
    while (message := await receive())["type"] == "http.request" and message["more_body"]:
        pass


async def send_until_told(send, see):
    """Sends until that fails, and says how: as a class, and whether it is an `OSError`."""
    try:
        while True:
            await send({"type": "http.response.body", "body": b"more\n", "more_body": True})
            await asyncio.sleep(0.001)
    except Exception as error:
        see(f"send raised {type(error).__name__}, OSError: {isinstance(error, OSError)}")
        raise


async def listening_beside_a_stream(scope, receive, send, see):
    await body_of(receive)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"begun\n", "more_body": True})

    async def listen():
        see((await receive())["type"])
        see((await receive())["type"])

    await asyncio.gather(listen(), send_until_told(send, see), return_exceptions=True)
    see("ended")


async def waiting_with_the_response(scope, receive, send, see):
    await body_of(receive)
    see("waits")
    see((await receive())["type"])
    for message in ({"type": "http.response.start", "status": 200}, {"type": "http.response.body", "body": b"late"}):
        try:
            await send(message)
        except OSError:
            see(f"{message['type']} raised an OSError")


async def reading_the_body(scope, receive, send, see):
    """The client leaves in the middle of its body."""
    while (message := await receive())["type"] == "http.request":
        see(f"{len(message['body'])} bytes")
        assert message["more_body"]
    see(message["type"])


async def stream_that_its_error_holds(scope, receive, send, see):
    """The error is kept in a frame of its own traceback, and the generator with it: task groups do the same."""

    async def lines():
        try:
            while True:
                yield b"line\n"
        finally:
            see("generator ended")

    generator = lines()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        async for line in generator:
            await send({"type": "http.response.body", "body": line, "more_body": True})
            await asyncio.sleep(0)
    except OSError as error:
        kept = error
        raise kept


async def stream_that_its_listener_cancels(scope, receive, send, see):
    """As Django does it. The stream is always in `send`, which waits for the client or not."""
    await body_of(receive)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    body = b"x" * (1_000_000 if scope["path"] == "/cancelled/waiting" else 10)

    async def stream():
        try:
            while True:
                await send({"type": "http.response.body", "body": body, "more_body": True})
                await asyncio.sleep(0)
        except BaseException as error:
            see(type(error).__name__)
            raise

    tasks = [asyncio.create_task(receive()), asyncio.create_task(stream())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    see(f"receive first: {tasks[0].done() and not tasks[1].done()}")
    tasks[1].cancel()
    await asyncio.wait(tasks)
    see("ended")


HANDLERS = {
    "/held": stream_that_its_error_holds,
    "/cancelled/waiting": stream_that_its_listener_cancels,
    "/cancelled/busy": stream_that_its_listener_cancels,
    "/stream": listening_beside_a_stream,
    "/wait": waiting_with_the_response,
    "/body": reading_the_body,
}


async def starlette_stream(request):
    see = _seen[label_of(request.scope)].append

    async def lines():
        try:
            while True:
                yield b"line\n"
                await asyncio.sleep(0.001)
        finally:
            see("generator ended")

    return StreamingResponse(lines(), background=BackgroundTask(see, "background"))


async def starlette_polling(request):
    """Asks again and again whether the client is there."""
    see = _seen[label_of(request.scope)].append
    polls = 0
    while not await request.is_disconnected():
        polls += 1
        if polls == 2:
            see("polls")
        await asyncio.sleep(0.001)
    see("disconnected")
    return PlainTextResponse("to nobody")


async def starlette_whole(request):
    """A stream that ends, with work behind it that waits until it is let go on."""
    label = label_of(request.scope)

    async def work():
        await _gates[label].wait()
        _seen[label].append("background")

    async def lines():
        for number in range(3):
            yield f"{number} "
            await asyncio.sleep(0)

    return StreamingResponse(lines(), background=BackgroundTask(work))


class Wrapping(BaseHTTPMiddleware):
    """Hands messages from task to task."""

    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-wrapped"] = "yes"
        return response


# Behind `BaseHTTPMiddleware` Starlette's `is_disconnected` never says yes, whatever the server.
bare = Starlette(routes=[Route("/bare/polling", starlette_polling), Route("/bare/stream", starlette_stream)])
starlette = Starlette(
    routes=[
        Route("/starlette/stream", starlette_stream),
        Route("/starlette/whole", starlette_whole, methods=["GET", "POST"]),
    ],
    middleware=[Middleware(Wrapping), Middleware(Wrapping)],
)
