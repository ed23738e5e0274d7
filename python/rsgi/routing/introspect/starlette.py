"""Reads the routes of Starlette and FastAPI applications.

FastAPI from 0.137 on keeps included routers nested, as objects without a path. `fastapi.routing.iter_route_contexts`
lists their routes. Earlier versions keep one flat list. A slash that Starlette would redirect is not a route. Routes are
tried in the order of definition. A route without the method is skipped. But a mount owns everything below it, including
its 404s.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from rsgi.routing.introspect.guards import guards_of, guards_of_dependencies
from rsgi.routing.introspect.middleware import unknown
from rsgi.routing.introspect.regex import parameter
from rsgi.routing.introspect.table import Gaps, Guard, ReadInner, Route, RouteKind, RouteTable
from rsgi.routing.introspect.template import Parameter, Place, Tokens, for_host, split_parameters
from rsgi.routing.introspect.unwrap import defined, is_instance, layers, loaded, own_attribute, text_or_none

_PARAMETER = re.compile(r"\{([a-zA-Z_]\w*)(?::[a-zA-Z_]\w*)?\}")
_ANYTHING = re.compile(r"\{[^{}]*:path\}$")
_HTTP_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def read(app: object, inner: ReadInner) -> RouteTable | None:
    """The routes of a Starlette or FastAPI application, or of a router alone."""
    router = app if _is(app, "Router") else own_attribute(app, "router")
    if not _is(router, "Router"):
        return None
    gaps = Gaps()
    gaps.looked_through(_middleware_of(app, router))
    framework = "FastAPI" if is_instance(router, "fastapi.routing", "APIRouter") else "Starlette"
    return gaps.table(framework, _Reading(inner, gaps).router(router, Place()))


def _middleware_of(app: object, router: object) -> tuple[str, ...]:
    """The names of middleware that was added to an application or its router, and that may answer paths by itself."""
    added = [_named_middleware(each) for each in _list_of(app, "user_middleware")]
    inside = itertools.takewhile(lambda each: each is not router, layers(own_attribute(router, "middleware_stack")))
    return unknown((*added, *inside))


def _named_middleware(entry: object) -> object:
    """Its class, or the function that `@app.middleware("http")` was written above."""
    written = getattr(entry, "kwargs", None)
    function = written.get("dispatch") if isinstance(written, Mapping) else None
    return function or getattr(entry, "cls", entry)


def _is(value: object, name: str) -> bool:
    return is_instance(value, "starlette.routing", name)


@dataclass(frozen=True)
class _Reading:
    """One reading of one application."""

    inner: ReadInner
    gaps: Gaps

    def router(self, router: object, place: Place) -> Iterator[Route]:
        redirects = bool(getattr(router, "redirect_slashes", False))
        for route in (*_contexts(_list_of(router, "routes")), *_low_priority(router)):
            yield from self.route(route, place, redirects=redirects)
        if not _has_own_default(router):
            yield place.everything_below("any", None, defined(getattr(router, "default", None)))

    def route(self, context: object, place: Place, *, redirects: bool) -> Iterator[Route]:
        """The routes that one entry stands for; `context` is a route, or FastAPI's view of one.

        With `redirects` its router sends a path without its last slash to the one that has it.
        """
        original = getattr(context, "original_route", context)
        effective = getattr(context, "starlette_route", None) or (
            original if getattr(context, "path", None) is None else context
        )
        if _is(original, "Host"):
            yield from self.host(effective, place)
        elif isinstance(getattr(effective, "path", None), str):
            yield from self.with_path(original, effective, place, redirects=redirects)
        elif _looks_like_frontends(original):
            yield from _frontends(original, str(getattr(context, "frontend_prefix", "")), place)
        else:
            self.gaps.add(f"`{type(original).__name__}` does not show what it answers")

    def with_path(self, original: object, effective: object, place: Place, *, redirects: bool) -> Iterator[Route]:
        if _is(original, "Mount"):
            yield from self.mount(effective, place, redirects=redirects)
        elif _is(original, "WebSocketRoute"):
            yield _single("websocket", effective, place, None)
        elif _is(original, "Route"):
            route = _single("http", effective, place, _methods(effective))
            depended = (guard for each in (effective, original) for guard in _guards_of_dependencies(each))
            yield replace(route, guards=tuple(dict.fromkeys((*route.guards, *depended))))
        else:
            self.gaps.add(f"`{type(original).__name__}` does not show what it answers")

    def mount(self, mount: object, place: Place, *, redirects: bool) -> Iterator[Route]:
        """What is below a mount, and its root, which is asked as `/metrics` and answered as `/metrics/`."""
        below = place.below(*_tokens(str(getattr(mount, "path", "")).rstrip("/"), mount))
        routes = self.mounted(getattr(mount, "app", None), below, mount)
        is_below = redirects and any(below.prefix)
        yield from (_with_root(each, below) if is_below else each for each in routes)

    def host(self, host: object, place: Place) -> Iterator[Route]:
        name = for_host(_tokens(str(getattr(host, "host", "")), host))
        yield from self.mounted(getattr(host, "app", None), replace(place, host=name), host)

    def mounted(self, app: object, place: Place, mount: object) -> Iterator[Route]:
        """What is mounted: its routes if they can be read, else all below."""
        table = self.inner(app)
        if table is None:
            folders = [each for each in layers(app) if is_instance(each, "starlette.staticfiles", "StaticFiles")]
            where = defined(folders[0] if folders else app)
            below = place.everything_below("any", text_or_none(getattr(mount, "name", None)), where)
            yield replace(below, files=bool(folders))
            return
        self.gaps.looked_through(table.through)
        if table.why is not None:
            self.gaps.add(table.why)
        yield from map(place.moved, table.rows)
        # Not of the mount's own path without a slash: that is a route of its own, or none.
        yield place.everything_below("any", None, None).refusal()


def _with_root(route: Route, place: Place) -> Route:
    """The route, which also takes the mount it is below without a slash at the end if it takes that with one."""
    with_slash, root = place.route("http", None, ("/",)).matched, place.route("http", None, ()).matched
    takes_root = any(_ANYTHING.sub("", each) in with_slash for each in route.matched)
    if route.kind == "websocket" or route.refuses or not takes_root:
        return route
    return replace(route, templates=(*route.matched, *root))


def _list_of(owner: object, name: str) -> list[object]:
    found = getattr(owner, name, None)
    return list(found) if isinstance(found, Iterable) else []


def _contexts(routes: list[object]) -> Iterator[object]:
    """The routes with included routers resolved (FastAPI from 0.137 on); as they are otherwise."""
    iterate = loaded("fastapi.routing", "iter_route_contexts")
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


def _single(kind: RouteKind, route: object, place: Place, methods: tuple[str, ...] | None) -> Route:
    path = str(getattr(route, "path", ""))
    endpoint = getattr(route, "endpoint", None)
    single = place.route(
        kind,
        methods,
        _tokens(path, route),
        name=text_or_none(getattr(route, "name", None)),
        defined=defined(endpoint),
        original=path if _has_own_convertors(route) else None,
        guards=guards_of(getattr(route, "endpoint", None), methods),
    )
    # Its pages of documentation are functions of the module that makes the application.
    return replace(single, built_in=getattr(endpoint, "__module__", None) == "fastapi.applications")


def _guards_of_dependencies(route: object) -> Iterator[Guard]:
    yield from guards_of_dependencies(getattr(route, "dependant", None))
    yield from guards_of_dependencies(route)  # those of its routers


def _looks_like_frontends(route: object) -> bool:
    members = _list_of(route, "routes")
    return bool(members) and all(isinstance(getattr(each, "path", None), str) for each in members)


def _frontends(group: object, prefix: str, place: Place) -> Iterator[Route]:
    for frontend in _list_of(group, "routes"):
        below = place.below(prefix.rstrip("/") + str(getattr(frontend, "path", "/")).rstrip("/"))
        methods, where = _methods(frontend), defined(frontend)
        if any(below.prefix):
            yield below.route("http", methods, (), defined=where, opaque=True, files=True)
        yield below.route("http", methods, ("/", Parameter("path", "path")), defined=where, opaque=True, files=True)


def _convertors(route: object) -> Mapping[str, object]:
    found = getattr(route, "param_convertors", None)
    return found if isinstance(found, Mapping) else {}


def _has_own_convertors(route: object) -> bool:
    return any(not type(each).__module__.startswith("starlette.") for each in _convertors(route).values())


def _tokens(path: str, route: object) -> Tokens:
    """A path or host with each parameter's kind; what a convertor accepts is its regular expression."""
    convertors = _convertors(route)

    def one(name: str) -> Parameter:
        expression = getattr(convertors.get(name), "regex", None)
        return parameter(name, expression) if isinstance(expression, str) else Parameter(name)

    return split_parameters(path, _PARAMETER, [one(found[1]) for found in _PARAMETER.finditer(path)])


def _methods(route: object) -> tuple[str, ...] | None:
    methods = getattr(route, "methods", None)
    if isinstance(methods, Iterable):
        listed = tuple(sorted({str(method).upper() for method in methods}))
        return listed or None
    return _endpoint_methods(getattr(route, "endpoint", None))


def _endpoint_methods(endpoint: object) -> tuple[str, ...] | None:
    """The methods that an `HTTPEndpoint` class answers, HEAD by `get`; `None` for any other ASGI callable."""
    base = loaded("starlette.endpoints", "HTTPEndpoint")
    if not (isinstance(base, type) and isinstance(endpoint, type) and issubclass(endpoint, base)):
        return None
    has = {each for each in _HTTP_METHODS if getattr(endpoint, each.lower(), None) is not None}
    return tuple(sorted(has | {"HEAD"} if "GET" in has else has)) or None
