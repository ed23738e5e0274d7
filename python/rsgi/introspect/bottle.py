"""Reads the routes of Bottle applications.

Apart because it knows Bottle's router: what a wildcard accepts is what its filter makes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rsgi.introspect.guards import guards_of
from rsgi.introspect.regex import parameter
from rsgi.introspect.table import Gaps, ReadInner, Route, RouteTable
from rsgi.introspect.template import Place, Token, Tokens
from rsgi.introspect.unwrap import defined, is_instance, text_or_none


def read(app: object, inner: ReadInner) -> RouteTable | None:
    """The routes of a Bottle application, and of those that are mounted in it."""
    if not is_instance(app, "bottle", "Bottle"):
        return None
    gaps = Gaps()
    return gaps.table("Bottle", [each for route in getattr(app, "routes", ()) for each in _read(route, app, inner)])


def _read(route: Any, app: Any, inner: ReadInner) -> Iterator[Route]:  # noqa: ANN401 - Bottle's `Route`
    target = route.config.get("mountpoint.target")
    if target is not None:
        yield from _read_mount(route, target, inner)
        return
    yield Place().route(
        "http",
        None if route.method in ("ANY", "PROXY") else (route.method.upper(),),
        _tokens(route.rule, app.router),
        name=text_or_none(route.name),
        defined=defined(route.callback),
        original=route.rule if "<" in route.rule else None,
        guards=guards_of(route.callback),
    )


def _read_mount(route: Any, target: object, inner: ReadInner) -> Iterator[Route]:  # noqa: ANN401
    prefix = str(route.config.get("mountpoint.prefix", "")).rstrip("/")
    place = Place((prefix,) if prefix else ())
    table = inner(target)
    if table is None or not table.complete:
        if prefix:
            yield place.route("http", None, (), defined=defined(target), opaque=True)
        yield place.everything_below("http", None, defined(target))
    yield from map(place.moved, table.routes if table else ())


def _tokens(rule: str, router: Any) -> Tokens:  # noqa: ANN401 - Bottle's `Router`
    tokens: list[Token] = []
    for key, mode, setting in router._itertokens(rule):
        if mode:
            expression = router.filters[router.default_filter if mode == "default" else mode](setting)[0]
            tokens.append(parameter(key or "", expression))
        elif key:
            tokens.append(key)
    return tuple(tokens)
