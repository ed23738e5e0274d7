"""Says which context variables it sees, and sets some: at import, in the lifespan, in middleware, in the application.

Every response is a JSON object from the name of each variable to what was seen of it before this request set its own. The
lifespan's state is shown the same way. Written to run alike in every ASGI server.
"""

import asyncio
import contextvars
import json

PLACES = ("import", "lifespan", "plain middleware", "middleware", "app", "task", "after the response")
VARIABLES = {place: contextvars.ContextVar(place, default=None) for place in PLACES}

VARIABLES["import"].set("set at import")


def seen():
    return {place: variable.get() for place, variable in VARIABLES.items()}


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    elif scope["type"] == "websocket":
        await talk(scope, receive, send)
    elif scope["path"].startswith("/state"):
        await show_state(scope, send)
    else:
        await show_context(scope, send)


async def lifespan(scope, receive, send):
    await receive()
    VARIABLES["lifespan"].set("set in the lifespan")
    scope["state"].update(name="lifespan", shared=[])
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def respond(send, value):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


async def show_context(scope, send):
    before = scope["before"]
    VARIABLES["app"].set(scope["path"])
    in_a_task = asyncio.create_task(set_in_a_task(scope["path"]))
    in_the_task = await in_a_task
    await respond(send, [before, seen(), in_the_task])
    VARIABLES["after the response"].set(scope["path"])


async def set_in_a_task(path):
    """What a task sets, its parent does not see."""
    VARIABLES["task"].set(path)
    return seen()


async def talk(scope, receive, send):
    """A WebSocket: each message is answered with what is seen, and sets the application's variable to itself."""
    await receive()
    await send({"type": "websocket.accept"})
    state = scope["state"]
    state["mine"] = scope["path"]
    state["shared"].append(scope["path"])
    await send({"type": "websocket.send", "text": json.dumps([scope["before"], state])})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": json.dumps(seen())})
        VARIABLES["app"].set(message["text"])


async def show_state(scope, send):
    """Top-level keys are this request's own; what they refer to is everybody's."""
    state = scope["state"]
    before = json.loads(json.dumps(state))
    state["mine"] = scope["path"]
    state["name"] = "overwritten"
    state["shared"].append(scope["path"])
    await respond(send, [before, state])


async def middleware(scope, receive, send):
    VARIABLES["middleware"].set(scope["path"] if "path" in scope else "lifespan")
    await app(scope, receive, send)


class Outermost:
    """Middleware whose `__call__` is no coroutine function, in front of all."""

    def __call__(self, scope, receive, send):
        scope["before"] = seen()
        VARIABLES["plain middleware"].set(scope["path"] if "path" in scope else "lifespan")
        return middleware(scope, receive, send)


plain = Outermost()


async def outermost(scope, receive, send):
    scope["before"] = seen()
    await middleware(scope, receive, send)
