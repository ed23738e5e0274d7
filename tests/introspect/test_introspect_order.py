"""Which route of an application answers: the table against each framework itself, on many generated sets of routes.

Apart from the readers' own tests, which look at one kind of route after the other: here routes overlap, and what is
compared is who answers a request at all. Frameworks differ in it: some try routes as they were defined, some literal
segments first; some go on when a method is missing, some answer 405.
"""

from __future__ import annotations

import asyncio
import importlib
import io
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest

from rsgi.routing.coverage.survey import Survey
from rsgi.routing.introspect import RouteTable, read_table
from rsgi.routing.plan import App, Plan
from server import APPS

SEGMENTS = ("a", "b", "{x}", "{n:int}", "{rest:path}")
METHODS = (("GET",), ("POST",), ("GET", "POST"))
ASKED = ("a", "b", "c", "7")
SETS = 12


@dataclass(frozen=True)
class Wanted:
    """One route of a generated application."""

    number: int
    methods: tuple[str, ...]
    segments: tuple[str, ...]


def generate(seed: int) -> list[Wanted]:
    """A set of routes; no two of one shape and method, which some frameworks refuse."""
    chance = random.Random(seed)
    routes: list[Wanted] = []
    taken: set[tuple[str, str]] = set()
    for _ in range(chance.randint(2, 7)):
        segments = tuple(chance.choice(SEGMENTS[:4]) for _ in range(chance.randint(1, 3)))
        if chance.random() < 0.15:
            segments = (*segments[:-1], "{rest:path}")
        methods = chance.choice(METHODS)
        # A parameter for the rest and one for a segment at one place are one node in Litestar.
        shape = "/".join("{}" if each.startswith("{") else each for each in segments)
        rest = {(shape, "rest")} if "{rest:path}" in segments else set()
        wanted = {(shape, method) for method in methods} | rest
        if not taken & {*wanted, (shape, "rest")} and not (rest and any(other == shape for other, _ in taken)):
            taken |= wanted
            routes.append(Wanted(len(routes), methods, segments))
    return routes


def paths() -> list[str]:
    found = ["/"]
    for first in ASKED:
        found.append(f"/{first}")
        for second in ASKED:
            found += [f"/{first}/{second}", *(f"/{first}/{second}/{third}" for third in ASKED)]
    return found


def endpoint(number: int, result: Callable[[], Any], *, coroutine: bool) -> Any:
    """A handler that has its number as its name."""
    if coroutine:

        async def handler(*_: Any, **__: Any) -> Any:
            return result()
    else:

        def handler(*_: Any, **__: Any) -> Any:
            return result()

    handler.__name__ = handler.__qualname__ = f"route{number}"
    return handler


def distinct(route: Wanted) -> Wanted:
    """The same with a name of its own for each parameter."""
    named = (each.replace("x}", f"x{at}}}").replace("{n", f"{{n{at}") for at, each in enumerate(route.segments))
    return Wanted(route.number, route.methods, tuple(named))


def of_braces(route: Wanted) -> str:
    return "/" + "/".join(distinct(route).segments)


def of_angles(route: Wanted) -> str:
    def one(segment: str) -> str:
        name, colon, kind = segment.strip("{}").partition(":")
        return f"<{kind}{colon}{name}>" if segment.startswith("{") else segment

    return "/" + "/".join(map(one, distinct(route).segments))


def starlette_app(routes: list[Wanted]) -> Any:
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    return Starlette(
        routes=[
            Route(
                of_braces(each),
                endpoint(each.number, lambda each=each: PlainTextResponse(str(each.number)), coroutine=True),
                methods=list(each.methods),
            )
            for each in routes
        ]
    )


def fastapi_app(routes: list[Wanted]) -> Any:
    from fastapi import APIRouter, FastAPI
    from fastapi.responses import PlainTextResponse

    app, router = FastAPI(openapi_url=None), APIRouter()
    for each in routes:

        async def handler(each: Any = each.number) -> Any:
            return PlainTextResponse(str(each))

        handler.__qualname__ = f"route{each.number}"
        # Every other route comes from a router that is included.
        (router if each.number % 2 else app).add_api_route(of_braces(each), handler, methods=list(each.methods))
    app.include_router(router)
    return app


def litestar_app(routes: list[Wanted]) -> Any:
    from litestar import Litestar, route

    def made(each: Wanted) -> Any:
        async def respond() -> str:
            return str(each.number)

        respond.__name__ = respond.__qualname__ = f"route{each.number}"
        path = of_braces(each).replace("}", ":str}").replace("int:str}", "int}").replace("path:str}", "path}")
        return route(path, http_method=list(each.methods), status_code=200)(respond)  # type: ignore[arg-type]

    return Litestar([made(each) for each in routes], openapi_config=None)


def quart_app(routes: list[Wanted]) -> Any:
    from quart import Quart

    app = Quart(__name__, static_folder=None)
    for each in routes:
        view = endpoint(each.number, lambda each=each: str(each.number), coroutine=True)
        app.add_url_rule(of_angles(each), str(each.number), view, methods=list(each.methods))
    return app


def flask_app(routes: list[Wanted]) -> Any:
    from flask import Flask

    app = Flask(__name__, static_folder=None)
    for each in routes:
        view = endpoint(each.number, lambda each=each: str(each.number), coroutine=False)
        # Some have a slash at the end, which werkzeug redirects to.
        app.add_url_rule(
            of_angles(each) + ("/" if each.number % 3 == 2 else ""), str(each.number), view, methods=list(each.methods)
        )
    return app


def falcon_resource(each: Wanted) -> Any:
    async def respond(self: Any, request: Any, response: Any, **_: Any) -> None:
        response.text = str(each.number)

    responders = {f"on_{method.lower()}": respond for method in each.methods}
    return type(f"route{each.number}", (), responders)()


def falcon_app(routes: list[Wanted]) -> Any:
    import falcon.asgi

    app = falcon.asgi.App()
    by_path: dict[str, list[Wanted]] = {}
    for each in routes:
        by_path.setdefault(of_braces(each), []).append(each)
    for path, same in by_path.items():
        try:
            app.add_route(path, falcon_resource(same[0]))
        except ValueError:
            continue  # two parameters of different kinds at one place
    return app


def bottle_app(routes: list[Wanted]) -> Any:
    from bottle import Bottle

    app = Bottle()
    for each in routes:
        view = endpoint(each.number, lambda each=each: str(each.number), coroutine=False)
        path = of_braces(each).replace("{", "<").replace("}", ">")
        app.route(path, method=list(each.methods), callback=view)
    return app


def pyramid_app(routes: list[Wanted]) -> Any:
    from pyramid.config import Configurator
    from pyramid.response import Response

    config = Configurator()
    for each in routes:
        view = endpoint(each.number, lambda each=each: Response(str(each.number)), coroutine=False)
        pattern = of_braces(each).replace(":int}", ":[0-9]+}").replace("{rest:path}", "*rest")
        name = f"route{each.number}"
        # Every other one asks for the method in the route itself, so that the next route has its turn.
        if each.number % 2:
            config.add_route(name, pattern, request_method=each.methods)
            config.add_view(view, route_name=name)
        else:
            config.add_route(name, pattern)
            config.add_view(view, route_name=name, request_method=each.methods)
    return config.make_wsgi_app()


def django_app(routes: list[Wanted]) -> Any:
    # A process has one set of settings. It is that of the Django project which other tests import.
    pytest.importorskip("channels")
    importlib.import_module("django_app")
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse
    from django.urls import clear_url_caches, path, set_urlconf
    from django.views.decorators.http import require_http_methods

    patterns = []
    for each in routes:
        view = endpoint(each.number, lambda each=each: HttpResponse(str(each.number)), coroutine=False)
        limited = require_http_methods(list(each.methods))(view)
        patterns.append(path(of_angles(each)[1:], limited))
    module = ModuleType("generated_urls")
    module.urlpatterns = patterns  # type: ignore[attr-defined]
    sys.modules["generated_urls"] = module
    clear_url_caches()
    set_urlconf(None)
    return WSGIHandler()


def ask_asgi(app: Any, method: str, path: str) -> str | None:
    return asyncio.run(_ask_asgi(app, method, path))


async def _ask_asgi(app: Any, method: str, path: str) -> str | None:
    scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "scheme": "http"}
    scope |= {"method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": ""}
    scope |= {"headers": [(b"host", b"x.test")], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80)}
    sent: list[Any] = []

    body = iter([{"type": "http.request", "body": b"", "more_body": False}])

    ended = asyncio.Event()

    async def receive() -> Any:
        message = next(body, None)
        if message is None:
            await ended.wait()
        return message or {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            ended.set()

    await app(scope, receive, send)
    return "".join(str(each.get("body", b""), "latin1") for each in sent[1:]) if sent[0]["status"] < 300 else None


def ask_wsgi(app: Any, method: str, path: str) -> str | None:
    environ = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "SERVER_PORT": "80"}
    environ |= {"SERVER_NAME": "x.test", "HTTP_HOST": "x.test", "SERVER_PROTOCOL": "HTTP/1.1", "CONTENT_LENGTH": "0"}
    more = {"wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr, "wsgi.url_scheme": "http", "wsgi.version": (1, 0)}
    more |= {"wsgi.multithread": False, "wsgi.multiprocess": False, "wsgi.run_once": False}
    statuses: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        statuses.append(status)
        return lambda data: None

    body = app({**environ, **more}, start_response)
    text = b"".join(body).decode("latin1")
    if hasattr(body, "close"):
        body.close()
    return text if statuses[-1] < "3" else None


FRAMEWORKS = {
    "starlette": (starlette_app, ask_asgi),
    "fastapi": (fastapi_app, ask_asgi),
    "litestar": (litestar_app, ask_asgi),
    "quart": (quart_app, ask_asgi),
    "falcon": (falcon_app, ask_asgi),
    "flask": (flask_app, ask_wsgi),
    "bottle": (bottle_app, ask_wsgi),
    "pyramid": (pyramid_app, ask_wsgi),
    "django": (django_app, ask_wsgi),
}


def survey_of(table: RouteTable) -> Survey:
    only = App("only", "wsgi", "", None, "only")
    return Survey(Plan((only,), (), "mounts", (), ""), (table,))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_table_finds_the_route_that_the_framework_finds(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(framework)
    if framework == "django":
        monkeypatch.syspath_prepend(str(APPS))
        django_app([])
        monkeypatch.setattr("django.conf.settings.ROOT_URLCONF", "generated_urls", raising=False)
        monkeypatch.setattr("django.conf.settings.MIDDLEWARE", [], raising=False)
    make, ask = FRAMEWORKS[framework]
    responded = 0
    for seed in range(SETS):
        routes = generate(seed)
        app = make(routes)
        table = read_table(app)
        assert table is not None
        assert table.complete, table.why
        survey = survey_of(table)
        for path in paths():
            if framework == "falcon" and path == "/":
                continue  # its `{x}` takes no text, too; the table's does not
            for method in ("GET", "HEAD", "POST"):
                text = ask(app, method, path)
                found = survey.own_route(0, method, path, [("host", "x.test")])
                name = None if found is None else str(found.defined).rpartition(".")[2]
                owned = found is not None
                said = (framework, method, path, routes)
                assert owned is (text is not None), said
                if method != "HEAD" and text is not None:
                    assert name == f"route{text}", said
                responded += owned
    assert responded > 100, "most requests find nothing"
