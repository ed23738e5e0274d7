"""New applications in wrappers: some answer paths by themselves, and their router does not know.

`Specified` is made as Connexion's `FlaskApp` is: an ASGI application that holds a Flask application in `app` and answers
what its specification says before Flask is asked.
"""

from asgiref.wsgi import WsgiToAsgi
from flask import Flask, jsonify, request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

old = Flask("old", static_folder=None)


@old.route("/", defaults={"rest": ""})
@old.route("/<path:rest>")
def everything(rest):
    return jsonify(app="old", path=request.path)


class Specified:
    def __init__(self):
        self.app = Flask("inner", static_folder=None)
        self.app.add_url_rule("/inner", "inner", lambda: jsonify(app="new"))
        self._asgi = WsgiToAsgi(self.app.wsgi_app)

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"].endswith("/specified"):
            return await JSONResponse({"app": "new"})(scope, receive, send)
        return await self._asgi(scope, receive, send)


specified = Specified()
mounting = Starlette(routes=[Mount("/v2", specified), Route("/page", lambda request: JSONResponse({"app": "new"}))])


async def page(request):
    return JSONResponse({"app": "new"})


class Health:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"].endswith("/healthz"):
            return await JSONResponse({"app": "new"})(scope, receive, send)
        return await self.app(scope, receive, send)


async def timing(request, call_next):
    return await call_next(request)


def starlette(*middleware):
    return Starlette(routes=[Route("/page", page)], middleware=middleware)


bare = starlette(Middleware(GZipMiddleware))
wrapped = Health(GZipMiddleware(bare))
added = starlette(Middleware(Health), Middleware(BaseHTTPMiddleware, dispatch=timing))
inside = Starlette(routes=[Mount("/sub", Health(bare))])
