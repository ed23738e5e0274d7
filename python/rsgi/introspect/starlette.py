"""Reads the routes of Starlette and FastAPI applications.

Apart because it knows their classes. FastAPI from 0.137 on keeps included routers nested, as objects without a path;
`fastapi.routing.iter_route_contexts` lists what they come to, and earlier versions keep one flat list.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from rsgi.introspect import Route, read_routes

_DEPTH = 16
_PARAMETER = re.compile(r"\{(?P<name>[a-zA-Z_]\w*)(?::[a-zA-Z_]\w*)?\}")
_HTTP_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

# What a convertor accepts is its regular expression; the name it is registered under says nothing for sure.
_KIND_BY_REGEX = {
    "[^/]+": "",
    ".*": ":path",
    "[0-9]+": ":int",
    r"[0-9]+(\.[0-9]+)?": ":float",
    r"[0-9]+(.[0-9]+)?": ":float",
    "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}": ":uuid",
    # Earlier versions insisted on the dashes, and some on small letters.
    "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}": ":uuid",
    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}": ":uuid",
}


class _UnreadableError(Exception):
    """There is a route that does not say what it answers."""


@dataclass(frozen=True)
class _Place:
    """Where a list of routes hangs: below which path, and on which host."""

    prefix: str = ""
    host: str | None = None
    depth: int = 0

    def below(self, path: str) -> _Place:
        """The place of what is mounted at `path`."""
        if self.depth >= _DEPTH:
            raise _UnreadableError("mounts within mounts, without end")
        return replace(self, prefix=self.prefix + path, depth=self.depth + 1)


def read(app: object) -> list[Route] | None:
    """The routes of `app`, or `None` if it is not a Starlette or FastAPI application, or not readable to the last."""
    router = _find_router(app)
    if router is None:
        return None
    try:
        return list(_read_router(router, _Place()))
    except _UnreadableError:
        return None


def framework_name(app: object) -> str:
    """`FastAPI` for an application whose router is FastAPI's, else `Starlette`."""
    router_class = getattr(sys.modules.get("fastapi.routing"), "APIRouter", None)
    return "FastAPI" if isinstance(router_class, type) and isinstance(_find_router(app), router_class) else "Starlette"


def _starlette(name: str) -> type | None:
    """A class of `starlette.routing`, if Starlette is imported: else nothing can be an instance of it."""
    found = getattr(sys.modules.get("starlette.routing"), name, None)
    return found if isinstance(found, type) else None


def _is(value: object, name: str) -> bool:
    known = _starlette(name)
    return known is not None and isinstance(value, known)


def _find_router(app: object) -> object | None:
    """The router of an application, also of one wrapped in middleware (`CORSMiddleware(app)` and the like)."""
    if _starlette("Router") is None:
        return None
    for _ in range(_DEPTH):
        if _is(app, "Router"):
            return app
        router = getattr(app, "router", None)
        if _is(router, "Router"):
            return router
        inner = getattr(app, "__dict__", {}).get("app")
        if inner is None or inspect.isroutine(app):
            return None
        app = inner
    return None


def _read_router(router: object, place: _Place) -> Iterator[Route]:
    for route in _contexts(_list_of(router, "routes")):
        yield from _read_route(route, place)
    for route in _low_priority(router):
        yield from _read_route(route, place)
    if not _has_own_default(router):
        default = getattr(router, "default", None)
        yield _everything_below(place, "", name=None, defined=_defined(default))


def _list_of(owner: object, name: str) -> list[object]:
    found = getattr(owner, name, None)
    return list(found) if isinstance(found, Iterable) else []


def _contexts(routes: list[object]) -> Iterator[object]:
    """The routes with included routers resolved (FastAPI from 0.137 on); as they are otherwise."""
    iterate = getattr(sys.modules.get("fastapi.routing"), "iter_route_contexts", None)
    if callable(iterate):
        yield from iterate(routes)
        return
    for route in routes:
        effective = getattr(route, "effective_route_contexts", None)  # 0.137.0 and .1: nested, with no iterator yet
        if callable(effective):
            yield from effective()
        else:
            yield route


def _low_priority(router: object) -> Iterator[object]:
    """FastAPI's frontends (`app.frontend(...)`), which are tried after all routes and are not among them."""
    iterate = getattr(router, "_iter_low_priority_routes", None)
    if callable(iterate):
        yield from iterate()


def _has_own_default(router: object) -> bool:
    """Whether what no route takes is answered by the router's own 404, not by something put in its place."""
    default = getattr(router, "default", None)
    return default is None or getattr(default, "__func__", None) is getattr(type(router), "not_found", None)


def _read_route(context: object, place: _Place) -> Iterator[Route]:
    """The routes that one entry stands for; `context` is a route, or FastAPI's view of one."""
    original = getattr(context, "original_route", context)
    effective = getattr(context, "starlette_route", None) or (
        original if getattr(context, "path", None) is None else context
    )
    if _is(original, "Mount"):
        yield from _read_mount(effective, place)
    elif _is(original, "Host"):
        yield from _read_host(effective, place)
    elif _is(original, "WebSocketRoute"):
        yield _single("websocket", effective, place, None)
    elif _is(original, "Route"):
        yield _single("http", effective, place, _methods(effective))
    elif _looks_like_frontends(original):
        yield from _read_frontends(original, str(getattr(context, "frontend_prefix", "")), place)
    else:
        raise _UnreadableError(repr(original))


def _single(kind: str, route: object, place: _Place, methods: tuple[str, ...] | None) -> Route:
    return Route(
        kind="websocket" if kind == "websocket" else "http",
        methods=methods,
        host=place.host,
        path=place.prefix + _template(route),
        name=_text(getattr(route, "name", None)),
        defined=_defined(getattr(route, "endpoint", None)),
    )


def _read_mount(mount: object, place: _Place) -> Iterator[Route]:
    prefix = _template(mount)
    prefix = prefix.rstrip("/")
    app = getattr(mount, "app", None)
    router = _find_router(app)
    if router is not None:
        yield from _read_router(router, place.below(prefix))
        return
    inner = read_routes(app)
    if inner is None:
        yield _everything_below(place, prefix, name=_text(getattr(mount, "name", None)), defined=_defined(app))
        return
    below = place.below(prefix)
    for route in inner:
        yield replace(route, path=below.prefix + route.path, host=route.host or below.host)


def _read_host(host: object, place: _Place) -> Iterator[Route]:
    name = _with_kinds(str(getattr(host, "host", "")), host)
    inner = replace(place.below(""), host=name)
    app = getattr(host, "app", None)
    router = _find_router(app)
    if router is None:
        yield _everything_below(inner, "", name=_text(getattr(host, "name", None)), defined=_defined(app))
    else:
        yield from _read_router(router, inner)


def _looks_like_frontends(route: object) -> bool:
    members = _list_of(route, "routes")
    return bool(members) and all(isinstance(getattr(each, "path", None), str) for each in members)


def _read_frontends(group: object, prefix: str, place: _Place) -> Iterator[Route]:
    for frontend in _list_of(group, "routes"):
        path = place.prefix + prefix.rstrip("/") + str(getattr(frontend, "path", "/")).rstrip("/")
        methods = _methods(frontend)
        if path:
            yield Route("http", methods, place.host, path, defined=_defined(frontend), opaque=True)
        yield Route("http", methods, place.host, f"{path}/{{path:path}}", defined=_defined(frontend), opaque=True)


def _everything_below(place: _Place, path: str, *, name: str | None, defined: str | None) -> Route:
    return Route("any", None, place.host, f"{place.prefix}{path}/{{path:path}}", name, defined, opaque=True)


def _template(route: object) -> str:
    """The path of a route with each parameter's kind as the router of this server knows it."""
    path = getattr(route, "path", None)
    if not isinstance(path, str):
        raise _UnreadableError(repr(route))
    return _with_kinds(path, route)


def _with_kinds(template: str, route: object) -> str:
    found = getattr(route, "param_convertors", None)
    convertors: Mapping[str, object] = found if isinstance(found, Mapping) else {}
    return _PARAMETER.sub(lambda found: f"{{{found['name']}{_kind(convertors.get(found['name']))}}}", template)


def _kind(convertor: object) -> str:
    regex = getattr(convertor, "regex", None)
    if not isinstance(regex, str):
        return ""
    known = _KIND_BY_REGEX.get(regex)
    if known is not None:
        return known
    # A convertor of the application's own. A segment is the nearest to it; one that may span segments takes the rest,
    # since to own too much (the application answers 404) is better than to lose what is owned.
    return ":path" if _may_span_segments(regex) else ""


def _may_span_segments(regex: str) -> bool:
    samples = ("a/b", "/", "/a", "a/", "1/2", "2026/01/31", "a/b/c")
    return "/" in regex.replace("[^/]", "") or any(re.fullmatch(regex, sample) for sample in samples)


def _methods(route: object) -> tuple[str, ...] | None:
    methods = getattr(route, "methods", None)
    if isinstance(methods, Iterable):
        listed = tuple(sorted({str(method).upper() for method in methods}))
        return listed or None
    return _endpoint_methods(getattr(route, "endpoint", None))


def _endpoint_methods(endpoint: object) -> tuple[str, ...] | None:
    """The methods that an `HTTPEndpoint` class has handlers for; `None` for any other ASGI callable."""
    base = getattr(sys.modules.get("starlette.endpoints"), "HTTPEndpoint", None)
    if not (isinstance(base, type) and isinstance(endpoint, type) and issubclass(endpoint, base)):
        return None
    return tuple(sorted(each for each in _HTTP_METHODS if getattr(endpoint, each.lower(), None) is not None)) or None


def _defined(code: object) -> str | None:
    while isinstance(code, functools.partial):
        code = code.func
    if code is None:
        return None
    named: object = code if hasattr(code, "__qualname__") else type(code)
    return f"{getattr(named, '__module__', '?')}.{getattr(named, '__qualname__', '?')}"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
