"""Falcon applications with every kind of route: `app` is ASGI, `wsgi` the same for WSGI."""

from pathlib import Path

import falcon
import falcon.asgi


class Item:
    async def on_get(self, req, resp, **parameters):
        resp.media = {"app": "falcon", **{name: str(value) for name, value in parameters.items()}}

    async def on_delete(self, req, resp, **parameters):
        resp.media = {"app": "falcon"}

    async def on_post_collection(self, req, resp):
        resp.media = {"app": "falcon"}


class Chat:
    async def on_websocket(self, req, ws, room):
        await ws.accept()
        await ws.send_text(f"falcon {room}")
        await ws.close()


class Page:
    def on_get(self, req, resp, **parameters):
        resp.media = {"app": "falcon"}


async def sink(req, resp, ws=None, **parameters):
    resp.media = {"app": "falcon", "sink": req.path}


def wsgi_sink(req, resp, **parameters):
    resp.media = {"app": "falcon", "sink": req.path}


app = falcon.asgi.App()
app.add_route("/items", Item(), suffix="collection")
app.add_route("/items/{number:int}", Item())
app.add_route("/positive/{number:int(min=1)}", Item())
app.add_route("/documents/{document:uuid}", Item())
app.add_route("/repos/{owner}:{branch}/{name}.{ending}", Item())
app.add_route("/wiki/{page:path}", Item())
app.add_route("/ws/{room}", Chat())
app.add_sink(sink, r"/legacy/v\d+/")
app.add_static_route("/static", str(Path(__file__).parent))

wsgi = falcon.App()
wsgi.add_route("/", Page())
wsgi.add_route("/items/{number:int}", Page())
wsgi.add_sink(wsgi_sink, "/legacy")
