"""Responses that ask to be held: `wsgi` does it with a plain WSGI application, `asgi` with a plain ASGI one.

The query of `/hold` is the `Grip-*` fields of the response, `body`, and `type`, its media type. `/publish` publishes its
body with `rsgi.publish`. `/seen` shows the fields that the application got, `/threads` how many threads have served `/hold`.
`/next`, `/again` and `/slow` are for `Grip-Link`.
"""

import json
import os
import threading
from urllib.parse import parse_qsl

import rsgi

_threads = set()
_asked = []
_lock = threading.Lock()
_released = threading.Event()
_slow = {"now": 0, "most": 0}


def _response(path, query, fields, body):
    """Status, fields and body of a response; neither interface knows more."""
    _asked.append(path)
    said = parse_qsl(query, keep_blank_values=True)
    if path == "/hold":
        _threads.add(threading.get_ident())
        headers = [(name, value) for name, value in said if name.lower().startswith(("grip-", "x-"))]
        content = dict(said).get("body", "held\n")
        kind = dict(said).get("type", "text/event-stream")
        return 200, [("content-type", kind), *headers], content.encode()
    if path == "/publish":
        rsgi.publish(**json.loads(body))
        return 200, [], b"published\n"
    if path == "/seen":
        return 200, [], json.dumps(fields).encode()
    if path == "/threads":
        return 200, [], str(len(_threads)).encode()
    if path == "/asked":
        return 200, [], json.dumps(_asked).encode()
    if path == "/pid":
        return 200, [], str(os.getpid()).encode()
    if path == "/again":
        # Every page has another one.
        return 200, [("grip-link", "</again>; rel=next")], b"page\n"
    if path == "/slow":
        return 200, [], _wait(float(query or 20)).encode()
    if path == "/release":
        _released.set()
        return 200, [], json.dumps(_slow).encode()
    if path == "/slow-now":
        return 200, [], str(_slow["now"]).encode()
    if path == "/next":
        # What a stream goes on with; the client's position comes in Grip-Last.
        headers = [("grip-hold", "stream"), ("grip-channel", "news; prev-id=9"), ("grip-link", "</next>; rel=next")]
        return 200, headers, f"next after {fields.get('grip-last')}\n".encode()
    return 404, [], b"not here\n"


def _wait(seconds):
    """Wait for `/release`, or for some seconds, and count how many do so at the same time."""
    with _lock:
        _slow["now"] += 1
        _slow["most"] = max(_slow.values())
    _released.wait(seconds)
    with _lock:
        _slow["now"] -= 1
    return "slow\n"


def wsgi(environ, start_response):
    names = [name for name in environ if name.startswith("HTTP_GRIP_")]
    fields = {name[5:].lower().replace("_", "-"): environ[name] for name in names}
    body = environ["wsgi.input"].read()
    status, headers, content = _response(environ["PATH_INFO"], environ["QUERY_STRING"], fields, body)
    start_response(f"{status} X", [(name, value) for name, value in headers])
    return [content]


async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    body = (await receive()).get("body", b"")
    fields = {name.decode(): value.decode() for name, value in scope["headers"] if name.startswith(b"grip-")}
    status, headers, content = _response(scope["path"], scope["query_string"].decode(), fields, body)
    headers = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content[:1], "more_body": True})
    await send({"type": "http.response.body", "body": content[1:]})
