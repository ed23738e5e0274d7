"""Applications in which a literal path and a parameter overlap, and which have GET without HEAD: one for each framework.

Apart from the frameworks' other applications because each has the same two routes: GET of `/a/{x}`, POST of `/a/b`. All
answer with the name of their framework. An application is made when it is asked for, so that only its framework is imported.
"""

from __future__ import annotations

from typing import Any

from flask import Flask

old = Flask("old", static_folder=None)


@old.route("/", defaults={"rest": ""}, methods=["GET", "POST"])
@old.route("/<path:rest>", methods=["GET", "POST"])
def everything(rest: str) -> str:
    """Answer all."""
    return "the old one"


documented = Flask("documented", static_folder=None)


@documented.get("/docs/")
def docs() -> str:
    """The old application's own documentation."""
    return "old docs"


@documented.get("/<page>")
def page(page: str) -> str:
    """Any other page: no page of that name."""
    return f"old {page}"


def starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    async def respond(request: Any) -> Any:
        return PlainTextResponse("new")

    inner = Starlette(routes=[Route("/in", respond)])
    routes = [Route("/a/{x}", respond), Route("/a/b", respond, methods=["POST"]), Mount("/m", app=inner)]
    return Starlette(routes=[*routes, Route("/m/late", respond)])


def fastapi() -> Any:
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    app = FastAPI()

    async def respond() -> Any:
        return PlainTextResponse("new")

    app.get("/a/{x}")(respond)
    app.post("/a/b")(respond)
    return app


def litestar() -> Any:
    from litestar import Litestar, MediaType, get, post

    @get("/a/{x:str}", media_type=MediaType.TEXT)
    async def read() -> str:
        return "new"

    @post("/a/b", media_type=MediaType.TEXT)
    async def write() -> str:
        return "new"

    return Litestar([read, write])


def quart() -> Any:
    from quart import Quart

    app = Quart("new", static_folder=None)

    async def respond(**_: Any) -> str:
        return "new"

    app.add_url_rule("/a/<x>", "read", respond)
    app.add_url_rule("/a/b", "write", respond, methods=["POST"])
    return app


def falcon() -> Any:
    import falcon.asgi

    async def respond(self: Any, request: Any, response: Any, **_: Any) -> None:
        response.text = "new"

    app = falcon.asgi.App()
    app.add_route("/a/{x}", type("Read", (), {"on_get": respond})())
    app.add_route("/a/b", type("Write", (), {"on_post": respond})())
    return app


def django() -> Any:
    from types import ModuleType

    import django as package
    from django.conf import settings
    from django.http import HttpResponse
    from django.urls import path
    from django.views import View
    from django.views.decorators.http import require_GET

    urls: Any = ModuleType("urls_of_order_apps")
    settings.configure(ROOT_URLCONF=urls, ALLOWED_HOSTS=["*"], SECRET_KEY="not secret")
    package.setup()

    class Write(View):
        def post(self, request: Any) -> Any:
            return HttpResponse("new")

    class Read(View):
        def get(self, request: Any, x: str) -> Any:
            return HttpResponse("new")

    def only_get(request: Any) -> Any:
        return HttpResponse("new")

    urls.urlpatterns = [path("a/b", Write.as_view()), path("a/<x>", Read.as_view()), path("get", require_GET(only_get))]
    from django.core.asgi import get_asgi_application

    return get_asgi_application()
