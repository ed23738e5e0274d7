"""Reading route tables: Starlette and FastAPI in all the shapes their routes take; recognising Django.

What is read is compared with what the framework itself answers, so that a new version that keeps its routes in another
way fails here and not in production.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("starlette")
fastapi = pytest.importorskip("fastapi")

from fastapi import APIRouter, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles

from rsgi.routing.introspect import Route as Found
from rsgi.routing.introspect import RouteTable, read_table
from rsgi.routing.introspect.channels import answers_http_with_django, speaks_websocket_only
from rsgi.routing.introspect.django import is_django_wsgi
from server import APPS


async def page(request: Any) -> Any:
    return PlainTextResponse("here")


async def socket(websocket: Any) -> None: ...


async def opaque(scope: Any, receive: Any, send: Any) -> None: ...


def table(app: object) -> RouteTable:
    found = read_table(app)
    assert found is not None
    return found


def read(app: object) -> tuple[Found, ...]:
    found = table(app)
    assert found.complete, found.why
    return found.routes


def shapes(app: object) -> list[tuple[str, tuple[str, ...] | None, str | None, str]]:
    return [(route.kind, route.methods, route.host, route.path) for route in read(app)]


def api() -> FastAPI:
    """A FastAPI application without the pages that it documents itself with."""
    return FastAPI(openapi_url=None)


def test_what_is_not_known_is_not_read() -> None:
    for app in (opaque, object(), lambda scope: None, SimpleNamespace(routes=[1]), SimpleNamespace(app=opaque)):
        assert read_table(app) is None


def test_routes_of_starlette() -> None:
    app = Starlette(
        routes=[
            Route("/", page),
            Route("/users/{id:int}", page, methods=["post", "DELETE"], name="user"),
            Route("/any", opaque_class(), methods=None),
            WebSocketRoute("/ws/{room}", socket),
        ]
    )
    assert shapes(app) == [
        ("http", ("GET", "HEAD"), None, "/"),
        ("http", ("DELETE", "POST"), None, "/users/{id:int}"),
        ("http", None, None, "/any"),
        ("websocket", None, None, "/ws/{room}"),
    ]
    user = read(app)[1]
    assert (user.name, user.defined, user.opaque) == ("user", f"{__name__}.page", False)
    assert table(app).framework == "Starlette"


def opaque_class() -> Any:
    class Application:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    return Application()


def test_a_router_alone_is_an_application() -> None:
    assert shapes(Router(routes=[Route("/x", page)])) == [("http", ("GET", "HEAD"), None, "/x")]


def test_an_application_without_routes_owns_nothing() -> None:
    assert read(Starlette()) == ()


def test_endpoint_classes_own_the_methods_they_have() -> None:
    class Users(HTTPEndpoint):
        async def get(self, request: Any) -> None: ...

        async def delete(self, request: Any) -> None: ...

    class Chat(WebSocketEndpoint): ...

    app = Starlette(routes=[Route("/users", Users), WebSocketRoute("/chat", Chat)])
    assert shapes(app) == [("http", ("DELETE", "GET", "HEAD"), None, "/users"), ("websocket", None, None, "/chat")]


def test_parameters_keep_their_kind() -> None:
    path = "/{a}/{b:str}/{c:int}/{d:float}/{e:uuid}/v{f}.json/{g:path}"
    assert read(Starlette(routes=[Route(path, page)]))[0].path == (
        "/{a}/{b}/{c:int}/{d:float}/{e:uuid}/v{f}.json/{g:path}"
    )


def test_parameters_of_the_applications_own_kind() -> None:
    class Date(Convertor[str]):
        regex = "[0-9]{4}-[0-9]{2}-[0-9]{2}"

    class Folders(Convertor[str]):
        regex = "[a-z]+(/[a-z]+)*"

    class Anything(Convertor[str]):
        regex = ".+"

    for name, convertor in {"rsgidate": Date(), "rsgifolders": Folders(), "rsgiall": Anything()}.items():
        register_url_convertor(name, convertor)
    routes = [Route(f"/{{x:{name}}}", page) for name in ("rsgidate", "rsgifolders", "rsgiall")]
    date, folders, everything = read(Starlette(routes=routes))
    assert (date.path, date.original) == ("/{x}", "/{x:rsgidate}")
    assert date.matched == ("/{x:int}-{x_2:int}-{x_3:int}",)
    assert (folders.path, folders.matched) == ("/{x:path}", ("/{x}{x_2:path}",))
    assert (everything.path, everything.matched) == ("/{x:path}", ("/{x}", "/{x}/{x_2:path}", "//{x:path}"))


def test_mounts_are_looked_into_and_opaque_ones_own_all_below() -> None:
    inner = Starlette(routes=[Route("/", page), Route("/{id}", page, methods=["PUT"])])
    app = Starlette(
        routes=[
            Mount("/one", app=inner),
            Mount(
                "/two/{tenant:int}", routes=[Mount("/deep", routes=[Route("/x", page)]), WebSocketRoute("/ws", socket)]
            ),
            Mount("/wrapped", app=GZipMiddleware(inner)),
            Mount("/static", app=StaticFiles(directory=APPS), name="static"),
            Mount("/raw", app=opaque),
        ]
    )
    assert shapes(app) == [
        ("http", ("GET", "HEAD"), None, "/one/"),
        ("http", ("PUT",), None, "/one/{id}"),
        ("http", ("GET", "HEAD"), None, "/two/{tenant:int}/deep/x"),
        ("websocket", None, None, "/two/{tenant:int}/ws"),
        ("http", ("GET", "HEAD"), None, "/wrapped/"),
        ("http", ("PUT",), None, "/wrapped/{id}"),
        ("any", None, None, "/static/{path:path}"),
        ("any", None, None, "/raw/{path:path}"),
    ]
    static = read(app)[6]
    assert (static.opaque, static.name) == (True, "static")
    assert static.defined == "starlette.staticfiles.StaticFiles"


def test_a_mount_without_a_path() -> None:
    inner = Starlette(routes=[Route("/x", page)])
    assert [route.path for route in read(Starlette(routes=[Mount("", app=inner)]))] == ["/x"]
    assert [route.path for route in read(Starlette(routes=[Mount("/", app=inner)]))] == ["/x"]
    assert shapes(Starlette(routes=[Mount("/", app=opaque)])) == [("any", None, None, "/{path:path}")]


def test_hosts() -> None:
    inner = Router(routes=[Route("/x", page), Mount("/m", routes=[Route("/y", page)])])
    app = Starlette(routes=[Host("API.example.org", inner), Host("{tenant}.example.org:80", opaque), Route("/z", page)])
    assert [(route.host, route.path, route.opaque) for route in read(app)] == [
        ("API.example.org", "/x", False),
        ("API.example.org", "/m/y", False),
        ("{tenant}.example.org:80", "/{path:path}", True),
        (None, "/z", False),
    ]


def test_middleware_around_an_application_is_looked_through() -> None:
    app = Starlette(routes=[Route("/x", page)])
    app.add_middleware(GZipMiddleware)
    wrapped = CORSMiddleware(GZipMiddleware(app), allow_origins=["*"])
    assert shapes(wrapped) == [("http", ("GET", "HEAD"), None, "/x")]


def test_an_application_that_answers_all_the_rest_itself_owns_it() -> None:
    app = Starlette(routes=[Route("/x", page)])
    app.router.default = opaque
    assert shapes(app)[1:] == [("any", None, None, "/{path:path}")]


def test_a_route_that_says_nothing_makes_the_table_unreadable() -> None:
    class Silent(BaseRoute): ...

    found = table(Starlette(routes=[Route("/x", page), Silent()]))
    assert not found.complete
    assert found.why == "`Silent` does not show what it answers"
    assert [route.path for route in found.routes] == ["/x"]
    inner = Starlette(routes=[Silent(), Route("/y", page)])
    found = table(Starlette(routes=[Mount("/m", app=inner)]))
    assert not found.complete
    assert [route.path for route in found.routes] == ["/m/y"]


def test_mounts_without_end_are_unreadable_and_not_a_hang() -> None:
    app = Starlette()
    app.mount("/again", app)
    found = table(app)
    assert not found.complete
    assert found.why == "an application is mounted inside itself"


def test_fastapi_with_its_own_pages() -> None:
    paths = {route.path for route in read(FastAPI())}
    assert {"/openapi.json", "/docs", "/redoc"} <= paths
    assert table(CORSMiddleware(FastAPI(), allow_origins=["*"])).framework == "FastAPI"


def nested_fastapi() -> FastAPI:
    """Routers within routers, with every kind of route in the innermost."""
    inner = APIRouter(prefix="/inner")
    inner.get("/items/{number}")(page)
    inner.post("/items")(page)
    inner.websocket("/ws/{room}")(chat)
    inner.add_route("/plain", page, methods=["PUT"])
    inner.mount("/files", StaticFiles(directory=APPS))
    outer = APIRouter()
    outer.include_router(inner, prefix="/outer")
    outer.get("/direct")(page)
    app = api()
    app.include_router(outer, prefix="/v1")
    app.include_router(outer, prefix="/v{version:int}")
    app.get("/top")(page)
    return app


async def chat(websocket: WebSocket) -> None: ...


def test_included_routers_of_fastapi_are_resolved() -> None:
    found = set(shapes(nested_fastapi()))
    for prefix in ("/v1", "/v{version:int}"):
        assert ("http", ("GET",), None, f"{prefix}/outer/inner/items/{{number}}") in found
        assert ("http", ("POST",), None, f"{prefix}/outer/inner/items") in found
        assert ("websocket", None, None, f"{prefix}/outer/inner/ws/{{room}}") in found
        assert ("http", ("PUT",), None, f"{prefix}/outer/plain") in found
        assert ("http", ("GET",), None, f"{prefix}/direct") in found
    assert ("http", ("GET",), None, "/top") in found
    defined = {route.defined for route in read(nested_fastapi()) if route.path.endswith("/ws/{room}")}
    assert defined == {f"{__name__}.chat"}


def test_included_routers_without_the_iterator_are_resolved_too(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(fastapi.routing, "iter_route_contexts"):
        pytest.skip("this FastAPI keeps a flat list")
    with_iterator = shapes(nested_fastapi())
    monkeypatch.delattr(fastapi.routing, "iter_route_contexts")
    assert shapes(nested_fastapi()) == with_iterator


def test_a_flat_list_of_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    """How FastAPI kept them before 0.137: each route has its whole path, and there is nothing to resolve them with."""
    monkeypatch.delattr(fastapi.routing, "iter_route_contexts", raising=False)
    app = api()
    app.get("/v1/items/{number}", name="item")(page)
    app.websocket("/v1/ws")(chat)
    app.mount("/v1/files", StaticFiles(directory=APPS))
    assert not any(hasattr(route, "effective_route_contexts") for route in app.routes)
    assert shapes(app) == [
        ("http", ("GET",), None, "/v1/items/{number}"),
        ("websocket", None, None, "/v1/ws"),
        ("any", None, None, "/v1/files/{path:path}"),
    ]


def test_a_fastapi_below_a_fastapi() -> None:
    app, inner = api(), api()
    inner.include_router(nested_fastapi().router, prefix="/more")
    app.mount("/sub", inner)
    assert ("http", ("GET",), None, "/sub/more/v1/direct") in shapes(app)


def test_frontends_of_fastapi_own_all_below(tmp_path: Path) -> None:
    app = api()
    if not hasattr(app, "frontend"):
        pytest.skip("this FastAPI has no frontends")
    (tmp_path / "index.html").write_text("<p>here</p>")
    app.frontend("/shop", directory=tmp_path)
    assert [(route.methods, route.path, route.opaque) for route in read(app)] == [
        (("GET", "HEAD"), "/shop", True),
        (("GET", "HEAD"), "/shop/{path:path}", True),
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/top"),
        ("GET", "/v1/direct"),
        ("GET", "/v1/outer/inner/items/7"),
        ("POST", "/v1/outer/inner/items"),
        ("PUT", "/v3/outer/plain"),
        ("GET", "/v1/outer/files/nothing"),
        ("GET", "/nowhere"),
        ("GET", "/vx/direct"),
        ("DELETE", "/top"),
    ],
)
def test_the_table_owns_what_fastapi_itself_matches(method: str, path: str) -> None:
    app = nested_fastapi()
    owned = any(
        (route.methods is None or method in route.methods) and _fits(route.path, path)
        for route in read(app)
        if route.kind != "websocket"
    )
    assert owned is asyncio.run(_is_matched(app, method, path))


def _fits(template: str, path: str) -> bool:
    from starlette.routing import compile_path

    return compile_path(template)[0].match(path) is not None


async def _is_matched(app: FastAPI, method: str, path: str) -> bool:
    """Whether the framework finds a route for a request; it notes the endpoint in the scope."""
    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    await app(scope, receive, send)
    return statuses[0] != 405 and ("endpoint" in scope or statuses[0] not in (404, 405))


@pytest.fixture
def django_app(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("channels")
    monkeypatch.syspath_prepend(str(APPS))
    import django_app

    return django_app  # type: ignore[no-any-return]


class Wrapper:
    """Middleware of either kind: it keeps what it wraps as `application`."""

    def __init__(self, application: object) -> None:
        self.application = application

    def __call__(self, *arguments: object) -> None: ...


def test_django_is_recognised_bare_and_wrapped(django_app: ModuleType) -> None:
    for app in (django_app.wsgi, Wrapper(Wrapper(django_app.wsgi))):
        assert is_django_wsgi(app)
        assert not answers_http_with_django(app)
    for app in (django_app.asgi, django_app._django_asgi, Wrapper(django_app._django_asgi), Wrapper(django_app.asgi)):
        assert answers_http_with_django(app)
        assert not is_django_wsgi(app)
    assert not speaks_websocket_only(django_app.asgi)
    assert not is_django_wsgi(opaque)
    assert not answers_http_with_django(opaque)


def test_a_router_without_http_speaks_websocket_only(django_app: ModuleType) -> None:
    from channels.routing import ProtocolTypeRouter

    router = ProtocolTypeRouter({"websocket": opaque})
    assert speaks_websocket_only(router)
    assert not answers_http_with_django(router)
    other = ProtocolTypeRouter({"http": opaque})
    assert not answers_http_with_django(other)
    assert not speaks_websocket_only(other)


def test_a_framework_that_is_not_imported_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> Iterator[str]:
        yield from ("starlette.routing", "django.core.handlers.wsgi", "django.core.handlers.asgi", "channels.routing")

    for name in names():
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert read_table(Starlette()) is None
    assert not is_django_wsgi(opaque)
    assert not answers_http_with_django(opaque)
    assert not any(name in sys.modules for name in names())
