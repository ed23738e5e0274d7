"""Applications that keep what a request gave them, for tests of what the next request gets.

`/keep` keeps everything, `/use` uses what was kept and then answers by itself, `/plain` does neither.
"""

import contextvars
import json
import weakref
from typing import Any

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE")

KEPT: list[Any] = []
WEAK: list[weakref.ref[Any]] = []


def _seen(mapping: dict[str, Any]) -> dict[str, str]:
    return {
        key: repr(value) for key, value in mapping.items() if isinstance(value, (str, bytes, tuple, list, dict, int))
    }


def wsgi(environ, start_response):  # type: ignore[no-untyped-def]
    """Answers with what it sees, and what came of what it kept."""
    shown = {"environ": _seen(environ), "variable": VARIABLE.get("unset"), "weak": [ref() is not None for ref in WEAK]}
    path = environ["PATH_INFO"]
    errors = []
    if path == "/set":
        VARIABLE.set("set")
    if path == "/weak":
        WEAK.append(weakref.ref(start_response))
    if path == "/use":
        for kept_environ, kept_start, kept_write, _ in KEPT:
            errors.append(kept_environ["wsgi.input"] is environ["wsgi.input"] or kept_start is start_response)
            for use in (lambda: kept_start("500 Kept", []), lambda: kept_write(b"kept")):
                try:
                    use()
                except Exception as error:
                    errors.append(type(error).__name__)
    environ["REQUEST_METHOD"] = environ["HTTP_HOST"] = environ["REMOTE_ADDR"] = "spoilt"
    environ["spoilt"] = "spoilt"
    write = start_response("200 OK", [("Content-Type", "application/json")])
    if path == "/keep":
        KEPT.append((environ, start_response, write, contextvars.copy_context()))
    return [json.dumps({**shown, "errors": errors}).encode()]


async def asgi(scope, receive, send):  # type: ignore[no-untyped-def]
    """The same over ASGI."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    seen = {**_seen(scope), "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]]}
    shown = {"environ": seen, "variable": VARIABLE.get("unset"), "weak": [ref() is not None for ref in WEAK]}
    errors = []
    path = scope["path"]
    if path == "/set":
        VARIABLE.set("set")
    if path == "/weak":
        WEAK.append(weakref.ref(send))
    if path == "/keep":
        KEPT.append((receive, send))
    if path == "/use":
        for kept_receive, kept_send in KEPT:
            errors.append(kept_receive == receive or kept_send == send)
            errors.append((await kept_receive())["type"])
            try:
                await kept_send({"type": "http.response.body", "body": b"kept"})
                errors.append("ignored")
                await kept_send({"type": "http.response.start", "status": 500, "headers": []})
            except Exception as error:
                errors.append(type(error).__name__)
    for key in ("method", "client", "server", "root_path"):
        scope[key] = "spoilt"
    scope["headers"].append((b"spoilt", b"spoilt"))
    scope["asgi"]["version"] = scope["extensions"]["spoilt"] = "spoilt"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps({**shown, "errors": errors}).encode()})
