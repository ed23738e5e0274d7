"""Falcon over both interfaces: the same resources, with a base class for each."""

import falcon
import falcon.asgi

from values import EVENTS, FILES, LARGE, LINES, facts, work_async


class Index:
    def on_get(self, request, response):
        response.content_type, response.text = "text/plain", "index\n"

    on_head = on_get


class User:
    def on_get(self, request, response, name):
        response.media = {"name": name, "page": request.get_param("page")}


class Cookies:
    def on_get(self, request, response):
        response.media = {"seen": dict(sorted(request.cookies.items()))}
        response.set_cookie("first", "1", secure=False)
        response.set_cookie("second", "two", path="/x", max_age=60, secure=False, http_only=False)


class Fields:
    def on_get(self, request, response):
        response.media = {"host": request.netloc, "url": request.url, "test": request.get_header("X-Test")}


class Large:
    def on_get(self, request, response):
        response.content_type, response.data = "application/octet-stream", LARGE


class Moved:
    def on_get(self, request, response):
        raise falcon.HTTPFound("/")


class Error:
    def on_get(self, request, response):
        raise RuntimeError("asked for")


class Form:
    def on_post(self, request, response):
        response.media = _lists(request.get_media())


class Upload:
    def on_post(self, request, response):
        found = {}
        for part in request.get_media():
            if part.name == "document":
                found |= {"name": part.filename, **facts(part.stream.read())}
            else:
                found[part.name] = part.text
        response.media = dict(sorted(found.items()))


class Json:
    def on_post(self, request, response):
        response.media = request.get_media()


class Raw:
    def on_post(self, request, response):
        response.media = facts(request.bounded_stream.read())


class Item:
    def on_put(self, request, response, number):
        response.media = {"number": number, "body": request.bounded_stream.read().decode()}

    def on_delete(self, request, response, number):
        response.status = falcon.HTTP_204


class Stream:
    def __init__(self, pieces, kind):
        self.pieces, self.kind = pieces, kind

    def on_get(self, request, response):
        response.content_type, response.stream = self.kind, (piece.encode() for piece in self.pieces)


def _lists(sent):
    return {name: value if isinstance(value, list) else [value] for name, value in sent.items()}


def _asynchronous(kind):
    """A resource whose responders are coroutines, as Falcon wants them over ASGI."""

    def of(responder):
        async def call(self, request, response, **named):
            responder(self, request, response, **named)

        return call

    made = {name: of(value) for name, value in vars(kind).items() if name.startswith("on_")}
    return type(kind.__name__, (), made)()


class AsyncForm:
    async def on_post(self, request, response):
        response.media = _lists(await request.get_media())


class AsyncUpload:
    async def on_post(self, request, response):
        found = {}
        async for part in await request.get_media():
            if part.name == "document":
                found |= {"name": part.filename, **facts(await part.stream.read())}
            else:
                found[part.name] = await part.text
        response.media = dict(sorted(found.items()))


class AsyncJson:
    async def on_post(self, request, response):
        response.media = await request.get_media()


class AsyncRaw:
    async def on_post(self, request, response):
        response.media = facts(await request.stream.read())


class AsyncItem:
    async def on_put(self, request, response, number):
        response.media = {"number": number, "body": (await request.stream.read()).decode()}

    async def on_delete(self, request, response, number):
        response.status = falcon.HTTP_204


class AsyncStream:
    def __init__(self, pieces, kind):
        self.pieces, self.kind = pieces, kind

    async def on_get(self, request, response):
        async def encoded():
            for piece in self.pieces:
                yield piece.encode()

        response.content_type, response.stream = self.kind, encoded()


class Later:
    async def on_post(self, request, response):
        response.content_type, response.text = "text/plain", "later\n"
        response.schedule(work_async)


class Echo:
    async def on_websocket(self, request, websocket):
        await websocket.accept(subprotocol="chat" if "chat" in websocket.subprotocols else None)
        try:
            while True:
                said = await websocket.receive_text()
                if said == "bye":
                    await websocket.close(4001)
                    return
                await websocket.send_text(f"echo {said}")
        except falcon.WebSocketDisconnected:
            pass


_SAME = {
    "/": Index,
    "/users/{name}": User,
    "/cookies": Cookies,
    "/fields": Fields,
    "/large": Large,
    "/moved": Moved,
    "/error": Error,
}
app, asgi = falcon.App(), falcon.asgi.App()
for _path, _kind in _SAME.items():
    app.add_route(_path, _kind())
    asgi.add_route(_path, _asynchronous(_kind))
for _path, _old, _new in (
    ("/form", Form, AsyncForm),
    ("/upload", Upload, AsyncUpload),
    ("/json", Json, AsyncJson),
    ("/raw", Raw, AsyncRaw),
    ("/items/{number:int}", Item, AsyncItem),
):
    app.add_route(_path, _old())
    asgi.add_route(_path, _new())
for _path, _pieces, _kind in (("/stream", LINES, "text/plain"), ("/events", EVENTS, "text/event-stream")):
    app.add_route(_path, Stream(_pieces, _kind))
    asgi.add_route(_path, AsyncStream(_pieces, _kind))
for _each in (app, asgi):
    _each.add_static_route("/files", FILES)
asgi.add_route("/later", Later())
asgi.add_route("/ws", Echo())
