"""Reads the routes of Litestar applications.

Apart because it knows their classes. Litestar takes `/x` and `/x/` for the same URL, and reads numbers as Python does: of
the many spellings of a number (`1_0`, `+1`, `1e3`) a template takes digits, with or without a minus sign. Its mounts at
`/x` also answer `/xy`; here they end at a slash, as mounts do everywhere else.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from rsgi.introspect.table import Gaps, Guard, ReadInner, Route, RouteKind, RouteTable
from rsgi.introspect.template import REST, SIGNED_FLOAT, SIGNED_INT, Parameter, Place, Token, Tokens, named
from rsgi.introspect.unwrap import defined, is_instance, text_or_none


def read(app: object, inner: ReadInner) -> RouteTable | None:
    """The routes of a Litestar application."""
    if not is_instance(app, "litestar.app", "Litestar"):
        return None
    gaps = Gaps()
    routes = [each for route in getattr(app, "routes", ()) for each in _read_route(route, inner, gaps)]
    return gaps.table("Litestar", routes)


def _read_route(route: Any, inner: ReadInner, gaps: Gaps) -> Iterator[Route]:  # noqa: ANN401 - of Litestar's classes
    kind = str(getattr(route.scope_type, "value", route.scope_type))
    tokens = _tokens(route.path_components)
    if kind == "http":
        yield from _read_http(route, tokens)
    elif kind == "websocket":
        yield _single("websocket", None, tokens, route.route_handler, route.path)
    elif kind == "asgi":
        yield from _read_asgi(route, tokens, inner, gaps)
    else:
        gaps.add(f"`{type(route).__name__}` does not say what it answers")


def _read_http(route: Any, tokens: Tokens) -> Iterator[Route]:  # noqa: ANN401
    methods: dict[int, tuple[object, list[str]]] = {}
    for method, entry in route.route_handler_map.items():
        handler = entry[0] if isinstance(entry, tuple) else entry
        methods.setdefault(id(handler), (handler, []))[1].append(str(getattr(method, "value", method)))
    # Litestar keeps the handlers of one path in an order of chance.
    for handler, names in sorted(methods.values(), key=lambda each: sorted(each[1])):
        if not _answers_options_by_itself(handler):
            yield _single("http", tuple(sorted(names)), tokens, handler, route.path)


def _answers_options_by_itself(handler: object) -> bool:
    """Whether Litestar put it there, to answer `OPTIONS` for a path whose application does not."""
    return str(getattr(_function(handler), "__module__", "")).startswith("litestar.routes")


def _function(handler: object) -> object:
    function = getattr(handler, "fn", None)
    return getattr(function, "value", function)  # a reference to it, in earlier versions


def _single(kind: RouteKind, methods: tuple[str, ...] | None, tokens: Tokens, handler: Any, original: str) -> Route:  # noqa: ANN401
    return Place().route(
        kind,
        methods,
        tokens,
        name=text_or_none(getattr(handler, "name", None)),
        defined=defined(_function(handler)),
        original=original,
        slash_is_optional=tokens != ("/",),
        guards=_guards_of(handler),
        files=str(getattr(_function(handler), "__module__", "")).startswith("litestar.static_files"),
    )


def _guards_of(handler: Any) -> tuple[Guard, ...]:  # noqa: ANN401
    resolve = getattr(handler, "resolve_guards", None)
    listed = resolve() if callable(resolve) else ()
    functions = (getattr(each, "func", each) for each in listed)  # what makes it asynchronous has none of its name
    return tuple(Guard(getattr(each, "__name__", type(each).__name__)) for each in functions)


def _read_asgi(route: Any, tokens: Tokens, inner: ReadInner, gaps: Gaps) -> Iterator[Route]:  # noqa: ANN401
    handler = route.route_handler
    if not handler.is_mount:
        yield _single("any", None, tokens, handler, route.path)
        return
    place = Place(() if tokens == ("/",) else tokens)
    table = inner(_function(handler))
    if table is None:
        where = defined(_function(handler))
        if place.prefix:
            yield place.route("any", None, (), name=text_or_none(handler.name), defined=where, opaque=True)
        yield place.everything_below("any", text_or_none(handler.name), where)
        return
    gaps.looked_through(table.through)
    if table.why is not None:
        gaps.add(table.why)
    yield from map(place.moved, table.routes)


def _tokens(components: list[object]) -> Tokens:
    tokens: list[Token] = []
    for component in components:
        tokens.append("/")
        tokens.append(component if isinstance(component, str) else _parameter(component))
    return tuple(tokens) or ("/",)


def _parameter(definition: Any) -> Parameter:  # noqa: ANN401 - `PathParameterDefinition`
    kinds: Mapping[object, Parameter] = {
        int: SIGNED_INT,
        float: SIGNED_FLOAT,
        uuid.UUID: Parameter("", "uuid"),
    }
    is_path = isinstance(definition.type, type) and issubclass(definition.type, PurePath)
    return named(REST if is_path else kinds.get(definition.type, Parameter()), definition.name)
