"""The WebSocket half of the ASGI kitchen: one small application per path.

Apart from `asgi_kitchen` because these speak another vocabulary; that module passes its `record`, so that
`/record?label=…` shows what happened here. Answers for the ASGI WebSocket specification, version 2.5.
"""

import asyncio
import json
import time
from urllib.parse import parse_qs

HANDLERS = {}


async def app(scope, receive, send, record):
    """Find the application by the path, take the connect message, and go on with it."""
    name = scope["path"].removeprefix(scope.get("root_path", "")).removeprefix("/ws/")
    handler = HANDLERS.get(name)
    message = await receive()
    assert message == {"type": "websocket.connect"}, message
    if handler is None:
        await send({"type": "websocket.close"})
        return
    await handler(scope, receive, send, record)


def path(name):
    """Make the decorated function serve `/ws/name`."""

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


@path("close-too-late")
async def close_too_late(scope, receive, send, record):
    """Closes with a code that is none, and too late; what it hears in between is recorded."""
    heard = []

    async def attempt(code):
        try:
            await send({"type": "websocket.close", "code": code})
        except Exception as error:
            heard.append(f"{type(error).__name__}: {error}")

    async def listen():
        message = await receive()
        heard.append([message["type"], message["code"], message.get("reason")])

    await accept(send)
    await say(send, "ready")
    await attempt(1)
    await listen()
    await attempt(1)
    await listen()
    await attempt(4001)
    await listen()
    await listen()
    record(query(scope)["label"], heard)


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


async def deny(send, status=401, headers=(), **more):
    await send({"type": "websocket.http.response.start", "status": status, "headers": list(headers), **more})


async def deny_body(send, body=b"", more_body=False):
    await send({"type": "websocket.http.response.body", "body": body, "more_body": more_body})


@path("deny")
async def deny_whole(scope, receive, send, record):
    """Denied with a status, headers of all kinds, and a body."""
    headers = [
        (b"content-type", b"application/json"),
        (b"WWW-Authenticate", b'Basic realm="kitchen"'),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"x-latin", "caf\xe9".encode("latin-1")),
        (b"connection", b"x-secret"),
        (b"upgrade", b"h2c"),
        (b"transfer-encoding", b"gzip"),
    ]
    await deny(send, 401, headers, unknown="ignored")
    await deny_body(send, b'{"detail": "who are you?"}')
    await deny_body(send, b"after the end")


@path("deny-status")
async def deny_status(scope, receive, send, record):
    await deny(send, int(query(scope)["status"]))
    await deny_body(send, b"has a body if it may")


@path("deny-stream")
async def deny_stream(scope, receive, send, record):
    """Each piece leaves at once: the client lets the next one go."""
    await deny(send, 503)
    for number in range(3):
        await deny_body(send, b"piece %d\n" % number, more_body=True)
    await deny_body(send)
    record(query(scope)["label"], (await receive())["type"])


@path("deny-flood")
async def deny_flood(scope, receive, send, record):
    label = query(scope)["label"]
    await deny(send, 403)
    try:
        while True:
            record(label, "sent")
            await deny_body(send, b"x" * 65536, more_body=True)
    finally:
        record(label, "ended")


@path("deny-disconnect")
async def deny_disconnect(scope, receive, send, record):
    """Listens while it answers, and writes down what it hears and what its send says afterwards."""
    label = query(scope)["label"]
    await deny(send, 403)
    await deny_body(send, b"begun", more_body=True)
    message = await receive()
    record(label, [message["type"], message["code"]])
    try:
        await deny_body(send, b"more", more_body=True)
        record(label, "nothing")
    except OSError:
        record(label, "OSError")
        raise


@path("deny-length")
async def deny_length(scope, receive, send, record):
    await deny(send, 400, [(b"content-length", query(scope)["declared"].encode())])
    await deny_body(send, b"12345", more_body=True)
    await deny_body(send, b"67890")


@path("deny-raise")
async def deny_raise(scope, receive, send, record):
    """Raises after so many messages."""
    steps = int(query(scope)["after"])
    if steps > 0:
        await deny(send, 401)
    if steps > 1:
        await deny_body(send, b"half", more_body=True)
    raise RuntimeError("kitchen: raised while denying")


@path("deny-return")
async def deny_return(scope, receive, send, record):
    await deny(send, 401)
    await deny_body(send, b"half", more_body=True)


@path("deny-wrong")
async def deny_wrong(scope, receive, send, record):
    """Mistakes before and while it denies, told in the body."""
    raised = []

    async def attempt(message):
        try:
            await send(message)
            raised.append("nothing")
        except Exception as error:
            raised.append(f"{type(error).__name__}: {error}")

    start, body = "websocket.http.response.start", "websocket.http.response.body"
    await attempt({"type": body, "body": b"too early"})
    await attempt({"type": start})
    await attempt({"type": start, "status": "401"})
    await attempt({"type": start, "status": 101})
    await attempt({"type": start, "status": 401, "headers": [(b"x-bad", b"a\r\nset-cookie: b")]})
    await attempt({"type": start, "status": 401, "headers": [(b"bad name", b"")]})
    await attempt({"type": start, "status": 401, "headers": [("str", "str")]})
    await attempt({"type": start, "status": 401, "headers": [(b"content-length", b"ten")]})
    await deny(send, 401)
    await attempt({"type": body, "body": "text"})
    await attempt({"type": start, "status": 401})
    await attempt({"type": "websocket.accept"})
    await attempt({"type": "websocket.send", "text": "too late"})
    await attempt({"type": "websocket.close"})
    await deny_body(send, json.dumps(raised).encode())


@path("deny-after-accept")
async def deny_after_accept(scope, receive, send, record):
    await accept(send)
    raised = []
    for kind in ("start", "body"):
        try:
            await send({"type": f"websocket.http.response.{kind}", "status": 401, "body": b""})
        except Exception as error:
            raised.append(f"{type(error).__name__}: {error}")
    await say(send, raised)


@path("wrong-said")
async def wrong_said(scope, receive, send, record):
    """What the errors of malformed messages say."""
    raised = {}

    async def attempt(name, message):
        try:
            await send(message)
            raised[name] = "nothing"
        except Exception as error:
            raised[name] = f"{type(error).__name__}: {error}"

    await attempt("early send", {"type": "websocket.send", "text": "x"})
    await attempt("subprotocol type", {"type": "websocket.accept", "subprotocol": b"chat"})
    await attempt("subprotocol", {"type": "websocket.accept", "subprotocol": "chat"})
    await attempt("subprotocol header", {"type": "websocket.accept", "headers": [(b"Sec-WebSocket-Protocol", b"chat")]})
    await attempt("length header", {"type": "websocket.accept", "headers": [(b"content-length", b"0")]})
    await attempt("no dict", "websocket.accept")
    await attempt("no type", {"text": "x"})
    await attempt("type", {"type": "websocket.shout"})
    await accept(send, unknown="ignored")
    await attempt("accept", {"type": "websocket.accept"})
    await attempt("neither", {"type": "websocket.send"})
    await attempt("both", {"type": "websocket.send", "text": "x", "bytes": b"x"})
    await attempt("text", {"type": "websocket.send", "text": b"x"})
    await attempt("bytes", {"type": "websocket.send", "bytes": "x"})
    await attempt("surrogate", {"type": "websocket.send", "text": "\ud800"})
    await attempt("code type", {"type": "websocket.close", "code": "1000"})
    for code in (0, 999, 1005, 1006, 1015, 1016, 2999, 5000, 2**70, -1):
        await attempt(f"code {code}", {"type": "websocket.close", "code": code})
    await attempt("reason type", {"type": "websocket.close", "reason": b"x"})
    await attempt("reason", {"type": "websocket.close", "reason": "\xe9" * 62})
    await say(send, raised)
    await send({"type": "websocket.close", "code": 4999, "reason": "\xe9" * 61, "unknown": "ignored"})
    raised.clear()
    await attempt("late send", {"type": "websocket.send", "text": "x"})
    await attempt("late close", {"type": "websocket.close"})
    await attempt("late accept", {"type": "websocket.accept"})
    record(query(scope)["label"], raised)


@path("kinds-of-bytes")
async def kinds_of_bytes(scope, receive, send, record):
    await accept(send)
    for data in (b"bytes", bytearray(b"bytearray"), memoryview(b"memoryview")):
        await send({"type": "websocket.send", "bytes": data, "text": None})


@path("slow")
async def slow(scope, receive, send, record):
    """Takes its messages only after a pause, and counts them."""
    await accept(send)
    await asyncio.sleep(float(query(scope)["pause"]))
    count = 0
    while (message := await receive())["type"] == "websocket.receive":
        count += 1
        if message.get("text") == "how many?":
            await say(send, count)
    record(query(scope)["label"], [count, message["code"]])


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


@path("turns")
async def turns(scope, receive, send, record):
    """After a pause, receive and send many messages, each with some work. Say how many passed at most between two turns
    of other tasks.
    """
    loop, messages, most = asyncio.get_running_loop(), int(query(scope)["messages"]), {}

    async def count(name, step):
        passed = 0

        def others():
            nonlocal passed, handle
            most[name], passed = max(most.get(name, 0), passed), 0
            handle = loop.call_soon(others)

        handle = loop.call_soon(others)
        for _ in range(messages):
            await step()
            time.sleep(0.001)
            passed += 1
        handle.cancel()
        most[name] = max(most.get(name, 0), passed)

    await accept(send)
    await asyncio.sleep(float(query(scope)["pause"]))
    await count("received", receive)
    await count("sent", lambda: send({"type": "websocket.send", "text": "x"}))
    await say(send, most)
    await until_disconnect(receive)
