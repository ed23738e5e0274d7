"""An ASGI application that says something before its response."""

import asyncio
import json

gate = None
seen = []


async def app(scope, receive, send):
    global gate
    gate = gate or asyncio.Event()
    start = {"type": "http.response.start", "status": 200, "headers": [(b"x-app", b"early")]}
    body = {"type": "http.response.body", "body": b"hello"}
    hint = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]}
    match scope["path"]:
        case "/offered":
            offered = "http.response.early_hint" in (scope.get("extensions") or {})
            await send(start)
            await send({**body, "body": json.dumps(offered).encode()})
            return
        case "/open":
            gate.set()
        case "/gated":
            await send(hint)
            await gate.wait()
        case "/twice":
            await send(hint)
            await send({"type": "http.response.early_hint"})
        case "/after":
            await send(start)
            await raised(send, hint)
            await send(body)
            return
        case "/wrong":
            for links in (["text"], [b"a\r\nb"], 7):
                await raised(send, {**hint, "links": links})
        case "/hint":
            await raised(send, hint)
        case "/seen":
            body["body"] = json.dumps(seen).encode()
    await send(start)
    await send(body)


async def raised(send, message):
    try:
        await send(message)
    except Exception as error:
        seen.append(f"{type(error).__name__}: {error}")
