"""Reads the routes of Falcon applications, WSGI and ASGI: the tree of resources, sinks and static files.

If a resource lacks a method, Falcon adds a responder (a 405, or a response to `OPTIONS`). Such responders are not methods
of the resource. Numbers have many spellings (`1_0`, `+1`). A template accepts digits, with or without a minus sign.
Falcon tries literal segments before parameters. Only the first resource with a matching path is asked, and answers 405 if
it lacks the method. In Falcon, a field without a converter also accepts empty text. Here it needs one character, so
`/users/` does not match `/users/{name}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rsgi.routing.introspect.guards import guards_of
from rsgi.routing.introspect.middleware import unknown
from rsgi.routing.introspect.regex import readings
from rsgi.routing.introspect.table import Gaps, ReadInner, Route, RouteTable
from rsgi.routing.introspect.template import SIGNED_FLOAT, SIGNED_INT, Parameter, Place, Tokens, named, split_parameters
from rsgi.routing.introspect.unwrap import defined, is_instance

_FIELD = re.compile(r"\{([^}:]*)(?::([^}(]*)(?:\(([^}]*)\))?)?\}")
_CONVERTERS = {
    "IntConverter": SIGNED_INT,
    "FloatConverter": SIGNED_FLOAT,
    "UUIDConverter": Parameter("", "uuid"),
}


def read(app: object, inner: ReadInner) -> RouteTable | None:
    """The routes of a Falcon application."""
    if not is_instance(app, "falcon.app", "App"):
        return None
    gaps = Gaps()
    router = getattr(app, "_router", None)
    routes: list[Route] = []
    if is_instance(router, "falcon.routing.compiled", "CompiledRouter"):
        optional = _strips_slashes(app)
        routes += list(_read_nodes(_nodes(router, "_roots"), router, optional))
    else:
        gaps.add(f"it has its own router, `{type(router).__name__}`")
    routes += _read_sinks_and_files(app)
    asked = (each for each in _nodes(app, "_unprepared_middleware") if hasattr(each, "process_request"))
    gaps.looked_through(unknown(asked))
    return gaps.table("Falcon", routes)


def _strips_slashes(app: object) -> bool:
    return bool(getattr(getattr(app, "req_options", None), "strip_url_path_trailing_slash", False))


def _nodes(owner: object, name: str) -> list[Any]:
    return list(getattr(owner, name, None) or ())


def _read_nodes(nodes: list[Any], router: Any, slash_is_optional: bool) -> Iterator[Route]:  # noqa: ANN401 - Falcon's
    for node in sorted(nodes, key=_rank):
        yield from _read_nodes(_nodes(node, "children"), router, slash_is_optional)
        if node.method_map and node.resource is not None:
            yield from _read_resource(node, router, slash_is_optional)


def _rank(node: Any) -> int:  # noqa: ANN401 - `CompiledRouterNode`
    """Text, then text with parameters in it, then a parameter alone."""
    if not node.is_var:
        return 0
    return 1 if node.is_complex else 2


def _read_resource(node: Any, router: Any, slash_is_optional: bool) -> Iterator[Route]:  # noqa: ANN401
    own = {method: code for method, code in node.method_map.items() if not _is_falcons(code)}
    place, tokens = Place(), _tokens(node.uri_template, router)
    where = defined(type(node.resource))
    methods = tuple(sorted(method for method in own if method != "WEBSOCKET"))
    guards = tuple(dict.fromkeys(guard for code in own.values() for guard in guards_of(code)))
    optional = slash_is_optional and tokens != ("/",)
    for kind, listed in (("http", methods or None), ("websocket", None)):
        if listed or (kind == "websocket" and "WEBSOCKET" in own):
            yield place.route(
                "http" if kind == "http" else "websocket",
                listed,
                tokens,
                defined=where,
                original=node.uri_template,
                guards=guards,
                handler=type(node.resource),
                slash_is_optional=optional,
            )
    yield place.route("any", None, tokens, slash_is_optional=optional).refusal()


def _is_falcons(responder: object) -> bool:
    return getattr(responder, "__module__", None) == "falcon.responders"


def _tokens(template: str, router: Any) -> Tokens:  # noqa: ANN401
    path = "/" + template.lstrip("/")
    found = [_parameter(each[1], each[2], router) for each in _FIELD.finditer(path)]
    return split_parameters(path, _FIELD, found)


def _parameter(name: str, converter: str | None, router: Any) -> Parameter:  # noqa: ANN401
    known = router.options.converters.get(converter) if converter else None
    if known is None:
        return named(Parameter(), name)
    if getattr(known, "CONSUME_MULTIPLE_SEGMENTS", False):
        return named(Parameter("", "path"), name)
    own = known.__module__ == "falcon.routing.converters"
    return named(_CONVERTERS.get(known.__name__, Parameter()) if own else Parameter(), name)


def _read_sinks_and_files(app: object) -> Iterator[Route]:
    """What is asked when no resource fits, in the order in which it is asked."""
    kind = "any" if is_instance(app, "falcon.asgi.app", "App") else "http"
    for matcher, code, is_sink in getattr(app, "_sink_and_static_routes", ()):
        if not is_sink:
            yield from _read_files(matcher)
            continue
        for tokens in readings(matcher.pattern, matcher.flags, prefix=True):
            if not (tokens and isinstance(tokens[0], str) and tokens[0].startswith("/")):
                tokens = ("/", Parameter("path", "path"))
            yield Place().route(
                "any" if kind == "any" else "http",
                None,
                tokens,
                defined=defined(code),
                opaque=True,
                original=matcher.pattern,
            )


def _read_files(static: Any) -> Iterator[Route]:  # noqa: ANN401 - `StaticRoute`
    place = Place((static._prefix.rstrip("/"),))
    if static._fallback_filename is not None and place.prefix != ("",):
        yield place.route("http", ("GET", "HEAD"), (), defined=defined(type(static)), opaque=True, files=True)
    tokens = ("/", Parameter("path", "path"))
    yield place.route("http", ("GET", "HEAD"), tokens, defined=defined(type(static)), opaque=True, files=True)
