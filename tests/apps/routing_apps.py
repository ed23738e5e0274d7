"""Applications that say who they are and what they saw: for tests about which one answers.

`old_*` are WSGI, `new_*` ASGI. `opaque` is an ASGI callable whose routes nobody can read; it owns `/new` and fails in
all the ways that must not be mistaken for "not mine".
"""

import json


def wsgi_named(name):
    def app(environ, start_response):
        body = environ["wsgi.input"].read()
        found = {
            "app": name,
            "interface": "wsgi",
            "method": environ["REQUEST_METHOD"],
            "root": environ["SCRIPT_NAME"],
            "path": environ["PATH_INFO"],
            "query": environ["QUERY_STRING"],
            "body": body.decode("latin-1"),
        }
        start_response("200 OK", [("Content-Type", "application/json"), ("X-App", name)])
        return [json.dumps(found).encode()]

    return app


def asgi_named(name):
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            raise NotImplementedError
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": json.dumps([name, scope["root_path"], scope["path"]])})
            await send({"type": "websocket.close"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        found = {"app": name, "interface": "asgi", "method": scope["method"], "root": scope["root_path"]}
        found |= {"path": scope["path"], "query": scope["query_string"].decode(), "body": body.decode("latin-1")}
        await respond(send, 200, found, name)

    return app


async def respond(send, status, value, name):
    headers = [(b"content-type", b"application/json"), (b"x-app", name.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(value).encode()})


old_a = wsgi_named("old_a")
old_b = wsgi_named("old_b")
new_a = asgi_named("new_a")
new_b = asgi_named("new_b")


async def opaque(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    path = scope["path"]
    if path == "/new":
        await new_a(scope, receive, send)
    elif path == "/broken":
        await respond(send, 500, "opaque: broken", "opaque")
    elif path == "/raise":
        raise RuntimeError("opaque: raised")
    elif path == "/forbidden":
        await respond(send, 403, "opaque: forbidden", "opaque")
    elif path == "/reads-then-404":
        while (await receive()).get("more_body"):
            pass
        await respond(send, 404, "opaque: read it all, not mine", "opaque")
    else:
        await respond(send, 404, "opaque: not mine", "opaque")
