"""The WebSocket half of the ASGI kitchen: one small conversation per path.

Apart from `asgi_kitchen` because these speak another vocabulary; that module passes its `record`, so that
`/record?label=…` shows what happened here. Answers for the ASGI WebSocket specification, version 2.5.
"""

import asyncio
import json
from urllib.parse import parse_qs

HANDLERS = {}


async def app(scope, receive, send, record):
    """Find the conversation by the path, take the connect message, and go on with it."""
    name = scope["path"].removeprefix(scope.get("root_path", "")).removeprefix("/ws/")
    handler = HANDLERS.get(name)
    message = await receive()
    assert message == {"type": "websocket.connect"}, message
    if handler is None:
        await send({"type": "websocket.close"})
        return
    await handler(scope, receive, send, record)


def path(name):
    """Make the decorated conversation answer at `/ws/name`."""

    def register(handler):
        HANDLERS[name] = handler
        return handler

    return register


def query(scope):
    return {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}


async def accept(send, **more):
    await send({"type": "websocket.accept", **more})


async def say(send, value):
    await send({"type": "websocket.send", "text": json.dumps(value)})


async def until_disconnect(receive):
    while (message := await receive())["type"] != "websocket.disconnect":
        pass
    return message


@path("echo")
async def echo(scope, receive, send, record):
    await accept(send)
    while (message := await receive())["type"] == "websocket.receive":
        found = [key for key in ("text", "bytes") if message.get(key) is not None]
        assert len(found) == 1, message
        await send({"type": "websocket.send", found[0]: message[found[0]]})


@path("lengths")
async def lengths(scope, receive, send, record):
    """Answer each message with its kind and length."""
    await accept(send)
    while (message := await receive())["type"] == "websocket.receive":
        data = message.get("text")
        await say(send, ["text", len(data)] if data is not None else ["bytes", len(message["bytes"])])


@path("subprotocol")
async def subprotocol(scope, receive, send, record):
    headers = [(b"x-accepted", b"yes"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    await accept(send, subprotocol=scope["subprotocols"][-1], headers=headers)
    await say(send, scope["subprotocols"])
    await until_disconnect(receive)


@path("scope")
async def show_scope(scope, receive, send, record):
    await accept(send)
    shown = {name: scope[name] for name in ("type", "path", "scheme", "http_version", "subprotocols")}
    shown["query"] = scope["query_string"].decode()
    shown["raw_path"] = scope["raw_path"].decode()
    shown["root"] = scope.get("root_path", "")
    shown["asgi"] = scope["asgi"]
    shown["client"], shown["server"] = scope["client"], scope["server"]
    shown["headers"] = [[name.decode(), value.decode()] for name, value in scope["headers"]]
    shown["extensions"] = sorted(scope.get("extensions") or {})
    await say(send, shown)
    await until_disconnect(receive)


@path("close-code")
async def close_code(scope, receive, send, record):
    await accept(send)
    await send({"type": "websocket.close", "code": 4001, "reason": "the kitchen closes"})


@path("close-default")
async def close_default(scope, receive, send, record):
    await accept(send)
    await send({"type": "websocket.close"})


@path("close-then-receive")
async def close_then_receive(scope, receive, send, record):
    await accept(send)
    await send({"type": "websocket.close", "code": 4002})
    record(query(scope)["label"], (await receive())["type"])


@path("return-after-accept")
async def return_after_accept(scope, receive, send, record):
    await accept(send)


@path("return-before-accept")
async def return_before_accept(scope, receive, send, record):
    return None


@path("reject")
async def reject(scope, receive, send, record):
    await send({"type": "websocket.close", "code": 4003})


@path("record-close")
async def record_close(scope, receive, send, record):
    await accept(send)
    await say(send, "ready")
    message = await until_disconnect(receive)
    record(query(scope)["label"], [message["code"], message.get("reason")])


@path("send-after-disconnect")
async def send_after_disconnect(scope, receive, send, record):
    label = query(scope)["label"]
    await accept(send)
    await until_disconnect(receive)
    try:
        await say(send, "to nobody")
        record(label, "nothing")
    except OSError:
        record(label, "OSError")
        raise


@path("big")
async def big(scope, receive, send, record):
    await accept(send)
    await send({"type": "websocket.send", "bytes": b"x" * int(query(scope)["bytes"])})
    await until_disconnect(receive)


@path("burst")
async def burst(scope, receive, send, record):
    """Send N messages without waiting for anybody, then close."""
    await accept(send)
    for number in range(int(query(scope)["messages"])):
        await send({"type": "websocket.send", "text": str(number)})
    await send({"type": "websocket.close"})


@path("flood")
async def flood(scope, receive, send, record):
    """Send without an end, and count under a label what was handed over."""
    label = query(scope)["label"]
    await accept(send)
    try:
        while True:
            record(label, "sent")
            await send({"type": "websocket.send", "bytes": b"x" * 65536})
    finally:
        record(label, "ended")


@path("raise-before-accept")
async def raise_before_accept(scope, receive, send, record):
    raise RuntimeError("kitchen: raised before the accept")


@path("raise-after-accept")
async def raise_after_accept(scope, receive, send, record):
    await accept(send)
    raise RuntimeError("kitchen: raised after the accept")


@path("wrong-caught")
async def wrong_caught(scope, receive, send, record):
    """Mistakes raise inside the app, before the accept and after it, and leave it able to go on."""
    raised = []

    async def attempt(message):
        try:
            await send(message)
            raised.append("nothing")
        except Exception as error:
            raised.append(type(error).__name__)

    await attempt({"type": "websocket.send", "text": "before the accept"})
    await attempt({"type": "websocket.unknown"})
    await attempt({"type": "http.response.start", "status": 200})
    await attempt({"type": "websocket.accept", "headers": [(b"x-bad", b"a\r\nb")]})
    await accept(send)
    await attempt({"type": "websocket.accept"})
    await attempt({"type": "websocket.send"})
    await attempt({"type": "websocket.send", "text": None, "bytes": None})
    await attempt({"type": "websocket.send", "text": b"bytes"})
    await attempt({"type": "websocket.send", "bytes": "text"})
    await attempt({"type": "websocket.close", "code": 99})
    await say(send, raised)
    await until_disconnect(receive)


@path("own-extension")
async def own_extension(scope, receive, send, record):
    """An app that answers what is between the client and the server."""
    try:
        await accept(send, headers=[(b"sec-websocket-extensions", b"permessage-deflate")])
    except ValueError as error:
        await accept(send)
        await say(send, f"{type(error).__name__}: {error}")
    await until_disconnect(receive)


@path("background")
async def background(scope, receive, send, record):
    """Two tasks at once: one sends, one listens."""
    await accept(send)

    async def tick():
        for number in range(3):
            await send({"type": "websocket.send", "text": f"tick {number}"})
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    message = await receive()
    await ticking
    await send({"type": "websocket.send", "text": f"heard {message.get('text')}"})
    await until_disconnect(receive)
