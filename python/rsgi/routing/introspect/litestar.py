"""Reads the routes of Litestar applications.

Litestar treats `/x` and `/x/` as the same URL. It reads numbers as Python does (`1_0`, `+1`, `1e3`). A template accepts
digits, with or without a minus sign. Litestar's mounts at `/x` also answer `/xy`. Here they end at a slash, as all mounts
do.

Litestar first looks for a path without parameters, then among its mounts, then segment by segment: a literal segment
before a parameter, without backtracking. A found path answers 405 if the method is missing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, TypeAlias

from rsgi.routing.introspect.table import Gaps, Guard, ReadInner, Route, RouteKind, RouteTable
from rsgi.routing.introspect.template import REST, SIGNED_FLOAT, SIGNED_INT, Parameter, Place, Token, Tokens, named
from rsgi.routing.introspect.unwrap import defined, is_instance, text_or_none

ReadRoute: TypeAlias = "Callable[[Any], Iterator[Route]]"
_DOCUMENTATION = ("litestar._openapi", "litestar.openapi")


def read(app: object, inner: ReadInner) -> RouteTable | None:
    """The routes of a Litestar application."""
    if not is_instance(app, "litestar.app", "Litestar"):
        return None
    gaps = Gaps()
    return gaps.table(
        "Litestar", _in_order(list(getattr(app, "routes", ())), lambda route: _read_route(route, inner, gaps))
    )


def _in_order(routes: list[Any], read_route: ReadRoute) -> Iterator[Route]:
    """The rows of all routes as they are tried."""
    mounts = [route for route in routes if getattr(getattr(route, "route_handler", None), "is_mount", False)]
    others = [route for route in routes if route not in mounts]
    plain = [route for route in others if all(isinstance(each, str) for each in route.path_components)]
    for path in dict.fromkeys(route.path for route in plain):
        at_path = [route for route in plain if route.path == path]
        yield from (row for route in at_path for row in read_route(route))
        if len(plain) < len(routes):
            yield _refusal(_tokens(at_path[0].path_components))
    for mount in sorted(mounts, key=lambda route: str(route.path)):
        yield from read_route(mount)
    yield from _Node(tuple((route.path_components, route) for route in others if route not in plain)).rows(
        (), read_route
    )


def _refusal(tokens: Tokens) -> Route:
    return Place().route("any", None, tokens, slash_is_optional=tokens != ("/",)).refusal()


@dataclass(frozen=True)
class _Node:
    """A node of the tree of paths with parameters.

    Attributes:
        routes: The routes that end here or further down, each with what is left of its path.
        takes_all: Whether a parameter of the kind `path` ends here, which takes all that is left of a request's path.
    """

    routes: tuple[tuple[Sequence[object], Any], ...]
    takes_all: bool = False

    def rows(self, above: Tokens, read_route: ReadRoute) -> Iterator[Route]:
        # Of two handlers of one node and method Litestar keeps the later one.
        yield from (row for rest, route in reversed(self.routes) if not rest for row in read_route(route))
        if self.takes_all:
            yield _refusal((*above[:-1], Parameter("path", "path")))
            return
        literal = dict.fromkeys(rest[0] for rest, _ in self.routes if rest and isinstance(rest[0], str))
        with_parameter = self.below(lambda segment: not isinstance(segment, str))
        for name in literal:
            place: Tokens = (*above, "/", str(name))
            yield from self.below(lambda segment, name=name: segment == name).rows(place, read_route)  # type: ignore[misc]
            if with_parameter.routes:  # it is not tried any more
                yield from (_refusal(place), _refusal((*place, "/", Parameter("path", "path"))))
        if with_parameter.routes:
            yield from with_parameter.rows((*above, "/", Parameter()), read_route)

    def below(self, is_meant: Callable[[object], bool]) -> _Node:
        chosen = [(rest, route) for rest, route in self.routes if rest and is_meant(rest[0])]
        takes_all = any(_is_path(rest[0]) for rest, _ in chosen)
        return _Node(tuple((rest[1:], route) for rest, route in chosen), takes_all)


def _is_path(component: object) -> bool:
    kind = getattr(component, "type", None)
    return isinstance(kind, type) and issubclass(kind, PurePath)


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
        gaps.add(f"`{type(route).__name__}` does not show what it answers")


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
    function = _function(handler)
    module = str(getattr(function, "__module__", ""))
    single = Place().route(
        kind,
        methods,
        tokens,
        name=text_or_none(getattr(handler, "name", None)),
        defined=defined(function),
        original=original,
        slash_is_optional=tokens != ("/",),
        guards=_guards_of(handler),
        files=module.startswith("litestar.static_files"),
    )
    if getattr(function, "__name__", None) == "handle_schema_path_not_found":
        return single.refusal()  # below `/schema` Litestar answers with a 404 of its own
    return replace(single, built_in=module.startswith(_DOCUMENTATION))


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
    yield from map(place.moved, table.rows)
    yield from place.nothing_further()


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
    return named(REST if _is_path(definition) else kinds.get(definition.type, Parameter()), definition.name)
