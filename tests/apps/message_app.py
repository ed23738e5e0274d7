"""Sends messages that are wrong, and answers with what `send` raised for each; in the lifespan, too.

The HTTP mistakes are made before a response that is right; those of the lifespan are kept until a request asks for them.
"""

import json

HTTP = [
    None,
    {},
    {"type": 7},
    {"type": "http.response"},
    {"type": "websocket.accept"},
    {"type": "http.response.body", "body": b"too early"},
    {"type": "http.response.start"},
    {"type": "http.response.start", "status": "200"},
    {"type": "http.response.start", "status": True},
    {"type": "http.response.start", "status": 103},
    {"type": "http.response.start", "status": 1000},
    {"type": "http.response.start", "status": 200, "headers": 7},
    {"type": "http.response.start", "status": 200, "headers": [b"x-one: 1"]},
    {"type": "http.response.start", "status": 200, "headers": [(b"x-one", b"1", b"2")]},
    {"type": "http.response.start", "status": 200, "headers": [("x-one", b"1")]},
    {"type": "http.response.start", "status": 200, "headers": [(b"x-one", "1")]},
    {"type": "http.response.start", "status": 200, "headers": [(b"x one", b"1")]},
    {"type": "http.response.start", "status": 200, "headers": [(b"", b"1")]},
    {"type": "http.response.start", "status": 200, "headers": [(b"x-one", b"1\r\nx-two: 2")]},
    {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"five")]},
    {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1"), (b"content-length", b"2")]},
]

AFTER_THE_START = [
    {"type": "http.response.start", "status": 200},
    {"type": "http.response.body", "body": "text"},
    {"type": "http.response.body", "body": 5},
    {"type": "http.response.body", "body": None},
]

LIFESPAN = [
    None,
    {},
    {"type": "http.response.start", "status": 200},
    {"type": "lifespan.shutdown.complete"},
    {"type": "lifespan.startup.failed", "message": 7},
]

_in_the_lifespan = []


async def raised_by(send, messages):
    """What each message raised: the class and the text."""
    raised = []
    for message in messages:
        try:
            await send(message)
        except Exception as error:
            raised.append(f"{type(error).__name__}: {error}")
        else:
            raised.append("nothing")
    return raised


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        assert set(scope) == {"type", "asgi", "state"}, scope
        assert await receive() == {"type": "lifespan.startup"}
        _in_the_lifespan.extend(await raised_by(send, LIFESPAN))
        await send({"type": "lifespan.startup.complete", "later": "spec"})
        _in_the_lifespan.extend(await raised_by(send, [{"type": "lifespan.startup.complete"}]))
        assert await receive() == {"type": "lifespan.shutdown"}
        await send({"type": "lifespan.shutdown.complete"})
        return
    raised = await raised_by(send, HTTP)
    await send({"type": "http.response.start", "status": 200})
    raised += await raised_by(send, AFTER_THE_START)
    await send({"type": "http.response.body", "body": json.dumps([raised, _in_the_lifespan]).encode()})
