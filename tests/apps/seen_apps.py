"""Say what they see of the client and of the way to them, alike over WSGI, ASGI, the bridge and WebSocket.

Below `/fail` they fail, for the record of it. Apart from `proxied_apps`, which needs frameworks.
"""

import json

from rsgi import WsgiToAsgi


def old(environ, start_response):
    if environ["PATH_INFO"].startswith("/fail"):
        raise RuntimeError("this application fails")
    seen = {
        "client": [environ["REMOTE_ADDR"], int(environ.get("REMOTE_PORT", 0))],
        "scheme": environ["wsgi.url_scheme"],
        "https": environ.get("HTTPS"),
        "host": environ.get("HTTP_HOST"),
        "server": [environ["SERVER_NAME"], int(environ["SERVER_PORT"])],
        "root": environ["SCRIPT_NAME"],
        "path": environ["PATH_INFO"],
        "raw": environ["RAW_URI"],
        "for": environ.get("HTTP_X_FORWARDED_FOR"),
    }
    body = json.dumps(seen).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


bridge = WsgiToAsgi(old)


async def new(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    headers = [(name.decode(), value.decode("latin-1")) for name, value in scope["headers"]]
    if scope["path"].removeprefix(scope["root_path"]).startswith("/fail"):
        raise RuntimeError("this application fails")
    query = scope["query_string"].decode()
    hosts = [value for name, value in headers if name == "host"]
    assert len(hosts) < 2
    seen = {
        "client": list(scope["client"] or ("", 0)),
        "scheme": scope["scheme"],
        "https": "on" if scope["scheme"] in ("https", "wss") else None,
        "host": hosts[0] if hosts else None,
        "server": list(scope["server"] or ("", 0)),
        "root": scope["root_path"],
        "path": scope["path"].removeprefix(scope["root_path"]),
        "raw": scope["raw_path"].decode() + (f"?{query}" if query else ""),
        "for": ",".join(value for name, value in headers if name == "x-forwarded-for") or None,
    }
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": json.dumps(seen)})
        await send({"type": "websocket.close"})
        return
    body = json.dumps(seen).encode()
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}
    await send(start)
    await send({"type": "http.response.body", "body": body})
