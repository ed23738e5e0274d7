"""Applications that differ in what they do with the lifespan protocol; each answers HTTP with its state as JSON.

Covers the ASGI lifespan specification: start-up complete and failed, exceptions as "not supported", shutdown,
and the state that requests get a copy of.
"""

import asyncio
import json
import sys


async def respond(scope, send, value):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


def say(text):
    print(text, file=sys.stderr, flush=True)


def living(name):
    """An app that puts its name into the state and says on stderr when it starts and ends."""

    async def app(scope, receive, send):
        if scope["type"] != "lifespan":
            state = scope.get("state")
            if state is not None:
                state["request only"] = True
            await respond(scope, send, state)
            return
        assert (await receive()) == {"type": "lifespan.startup"}
        say(f"{name}: started")
        scope["state"]["name"] = name
        scope["state"]["shared"] = ["one list for all requests"]
        await send({"type": "lifespan.startup.complete"})
        assert (await receive()) == {"type": "lifespan.shutdown"}
        say(f"{name}: ended")
        await send({"type": "lifespan.shutdown.complete"})

    return app


first = living("first")
second = living("second")


async def failing(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "the kitchen has no gas"})


async def raising(scope, receive, send):
    """No lifespan support: the exception says so, and requests work all the same."""
    if scope["type"] != "http":
        raise ValueError("kitchen: what is a lifespan?")
    await respond(scope, send, "state" in scope)


async def raising_after_startup_message(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        raise ValueError("kitchen: the start went wrong")
    await respond(scope, send, "answered")


async def returning(scope, receive, send):
    """No lifespan support, shown by returning at once."""
    if scope["type"] == "http":
        await respond(scope, send, "answered")


async def never_complete(scope, receive, send):
    await receive()
    await asyncio.Event().wait()


async def shutdown_failing(scope, receive, send):
    if scope["type"] == "http":
        await respond(scope, send, "answered")
        return
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": "the kitchen is on fire"})


async def same_task(scope, receive, send):
    """A context variable or a task group of the start must be usable by the shutdown: it is one call."""
    if scope["type"] == "http":
        await respond(scope, send, "answered")
        return
    async with asyncio.timeout(None) if sys.version_info >= (3, 11) else _Nothing():
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
    say("same task: ended")
    await send({"type": "lifespan.shutdown.complete"})


class _Nothing:
    """A context that does nothing, where asyncio.timeout is not there yet."""

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        return None
