"""Reads the routes of Pyramid applications, from the introspection data of the configuration.

A route answers through its views, so each view is one route here. Views that are found by traversal have no readable
path. Only the views of the first matching route are asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rsgi.routing.introspect.guards import guards_of
from rsgi.routing.introspect.regex import parameter
from rsgi.routing.introspect.table import Gaps, Guard, ReadInner, Route, RouteTable
from rsgi.routing.introspect.template import Parameter, Place, Tokens, split_parameters
from rsgi.routing.introspect.unwrap import defined, is_instance, text_or_none

# `{name}`, `{name:expression}` with braces inside, `*rest` at the end.
_PARAMETER = re.compile(r"\{([a-zA-Z_]\w*)(?::((?:[^{}]|\{[^{}]*\})*))?\}|\*(\w+)$")


def read(app: object, inner: ReadInner) -> RouteTable | None:
    """The routes of a Pyramid application."""
    if not is_instance(app, "pyramid.router", "Router"):
        return None
    gaps = Gaps()
    introspector = getattr(getattr(app, "registry", None), "introspector", None)
    routes = _category(introspector, "routes")
    if not routes:
        gaps.add("it does not show its routes")
    views: dict[object, list[Any]] = {}
    for view in _category(introspector, "views"):
        views.setdefault(view["route_name"], []).append(view)
    permissions = _permissions(introspector)
    if any(not _is_for_errors(view) for view in views.get(None, ())):
        gaps.add("some of its views are found by traversal")
    return gaps.table("Pyramid", [each for route in routes for each in _read_route(route, views, permissions)])


def _category(introspector: Any, name: str) -> list[Any]:  # noqa: ANN401 - Pyramid's `Introspector`
    found = introspector.get_category(name) if introspector is not None else None
    return [each["introspectable"] for each in found or ()]


def _permissions(introspector: Any) -> dict[int, str]:  # noqa: ANN401
    """The permission that each view asks for, by the view's identity."""
    found = introspector.get_category("views") if introspector is not None else None
    default = next((each["value"] for each in _category(introspector, "default permission")), None)
    asked: dict[int, str] = {}
    for each in found or ():
        own = [related["value"] for related in each["related"] if related.category_name == "permissions"]
        permission = own[0] if own else default
        if permission not in (None, "__no_permission_required__"):
            asked[id(each["introspectable"])] = str(permission)
    return asked


def _is_for_errors(view: Any) -> bool:  # noqa: ANN401
    """Whether a view answers an exception, and no path."""
    context = view.get("context")
    is_error = isinstance(context, type) and issubclass(context, Exception)
    return is_error or bool(view.get("exception_only")) or _is_error_interface(context)


def _is_error_interface(context: object) -> bool:
    return getattr(context, "__module__", None) == "pyramid.interfaces" and "Exception" in str(context)


def _read_route(route: Any, views: dict[object, list[Any]], permissions: dict[int, str]) -> Iterator[Route]:  # noqa: ANN401
    if route.get("static"):  # for making URLs only
        return
    by_route = _methods(route.get("request_methods"))
    tokens = _tokens(route["pattern"])
    # A view that asks for methods goes before one that does not.
    for view in sorted(views.get(route["name"], ()), key=lambda view: view.get("request_methods") is None):
        by_view = _methods(view.get("request_methods"))
        both = by_route if by_view is None else by_view if by_route is None else by_route & by_view
        if both is None or both:
            yield Place().route(
                "http",
                None if both is None else tuple(sorted(both)),
                tokens,
                name=text_or_none(route["name"]),
                defined=_defined(view),
                opaque=is_instance(view.get("callable"), "pyramid.static", "static_view"),
                files=is_instance(view.get("callable"), "pyramid.static", "static_view"),
                original=route["pattern"],
                guards=_guards(view, permissions),
                handler=_handler(view),
            )
    yield (
        Place().route("http", None if by_route is None else tuple(sorted(by_route)), tokens).refusal(keep_methods=True)
    )


def _guards(view: Any, permissions: dict[int, str]) -> tuple[Guard, ...]:  # noqa: ANN401
    permission = permissions.get(id(view))
    return (*((Guard(f"permission {permission}"),) if permission else ()), *guards_of(_handler(view)))


def _handler(view: Any) -> object:  # noqa: ANN401
    return getattr(view.get("callable"), view.get("attr") or "", None) or view.get("callable")


def _methods(given: object) -> set[str] | None:
    """The methods of a predicate; GET is HEAD, too."""
    if given is None:
        return None
    methods = {given.upper()} if isinstance(given, str) else {str(each).upper() for each in given}  # type: ignore[attr-defined]
    return methods | {"HEAD"} if "GET" in methods else methods


def _defined(view: Any) -> str | None:  # noqa: ANN401
    where, attribute = defined(view.get("callable")), view.get("attr")
    return f"{where}.{attribute}" if where and attribute else where


def _tokens(pattern: str) -> Tokens:
    path = "/" + pattern.lstrip("/")
    return split_parameters(path, _PARAMETER, [_parameter(found) for found in _PARAMETER.finditer(path)])


def _parameter(found: re.Match[str]) -> Parameter:
    name, expression, rest = found.groups()
    return Parameter(rest, "path") if rest else parameter(name, expression or "[^/]+")
