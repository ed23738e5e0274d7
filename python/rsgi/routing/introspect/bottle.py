"""Reads the routes of Bottle applications.

The filter of a wildcard decides what it accepts. For each method, Bottle tries rules without wildcards first. Rules for
every method come last. Of two equal rules, the later one counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rsgi.routing.introspect.guards import guards_of
from rsgi.routing.introspect.regex import parameter
from rsgi.routing.introspect.table import Gaps, ReadInner, Route, RouteTable
from rsgi.routing.introspect.template import Place, Token, Tokens
from rsgi.routing.introspect.unwrap import defined, text_or_none


def read(app: object, inner: ReadInner) -> RouteTable | None:
    """The routes of a Bottle application, and of those that are mounted in it."""
    if not _is_bottle(app):
        return None
    gaps = Gaps()
    return gaps.table("Bottle", [each for route in _in_order(app) for each in _read(route, app, inner)])


def _is_bottle(app: object) -> bool:
    """Whether it is an application of Bottle, or of a copy of it: Bottle is one file, which programs take along."""
    return any(each.__name__ == "Bottle" and each.__module__.split(".")[-1] == "bottle" for each in type(app).__mro__)


def _in_order(app: Any) -> list[Any]:  # noqa: ANN401 - Bottle's application
    """Its routes as they are tried."""
    latest: dict[tuple[str, Tokens], Any] = {}
    for route in getattr(app, "routes", ()):
        tokens = _tokens(route.rule, app.router)
        nameless = tuple(each if isinstance(each, str) else replace(each, name="") for each in tokens)
        latest[route.method, nameless] = route
    methods = {"PROXY": 0, "HEAD": 1, "ANY": 3}
    return sorted(
        latest.values(), key=lambda route: (methods.get(route.method, 2), _has_wildcards(route.rule, app.router))
    )


def _has_wildcards(rule: str, router: Any) -> bool:  # noqa: ANN401 - Bottle's `Router`
    if getattr(router, "strict_order", False):
        return True
    return any(not isinstance(each, str) for each in _tokens(rule, router))


def _methods(method: str) -> tuple[str, ...] | None:
    if method in ("ANY", "PROXY"):
        return None
    return ("GET", "HEAD") if method == "GET" else (method.upper(),)


def _read(route: Any, app: Any, inner: ReadInner) -> Iterator[Route]:  # noqa: ANN401 - Bottle's `Route`
    target = route.config.get("mountpoint.target")
    if target is not None:
        yield from _read_mount(route, target, inner)
        return
    yield Place().route(
        "http",
        _methods(route.method),
        _tokens(route.rule, app.router),
        name=text_or_none(route.name),
        defined=defined(route.callback),
        original=route.rule if "<" in route.rule else None,
        guards=guards_of(route.callback),
        handler=route.callback,
    )


def _read_mount(route: Any, target: object, inner: ReadInner) -> Iterator[Route]:  # noqa: ANN401
    prefix = str(route.config.get("mountpoint.prefix", "")).rstrip("/")
    place = Place((prefix,) if prefix else ())
    table = inner(target)
    yield from map(place.moved, table.rows if table else ())
    if table is None or not table.complete:
        if prefix:
            yield place.route("http", None, (), defined=defined(target), opaque=True)
        yield place.everything_below("http", None, defined(target))
    yield from place.nothing_further()


def _tokens(rule: str, router: Any) -> Tokens:  # noqa: ANN401 - Bottle's `Router`
    tokens: list[Token] = []
    for key, mode, setting in router._itertokens(rule):
        if mode:
            expression = router.filters[router.default_filter if mode == "default" else mode](setting)[0]
            tokens.append(parameter(key or "", expression))
        elif key:
            tokens.append(key)
    return tuple(tokens)
