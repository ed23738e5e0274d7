"""Reads werkzeug's URL rules, which Flask and Quart use, and its dispatcher of WSGI applications.

A final slash to which werkzeug would redirect is not a route. With `strict_slashes=False`, both spellings are one route.
An automatic `OPTIONS` of Flask or Quart is omitted, because otherwise a CORS preflight for a method of the other
application would go to the wrong one. The order of the rules is that of werkzeug's state machine: literal segments before
parameters, parameters by their weight. A rule without the method is skipped.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsgi.routing.introspect.flask_hooks import guards_before
from rsgi.routing.introspect.guards import guards_of
from rsgi.routing.introspect.middleware import unknown
from rsgi.routing.introspect.regex import parameter
from rsgi.routing.introspect.table import Gaps, ReadInner, Route, RouteTable
from rsgi.routing.introspect.template import Parameter, Place, Tokens, for_host, split_parameters
from rsgi.routing.introspect.unwrap import defined, is_instance, layers, own_attribute, text_or_none

_PARAMETER = re.compile(r"<(?:[a-zA-Z_]\w*(?:\(.*?\))?:)?([a-zA-Z_]\w*)>")


def read_dispatcher(app: object, inner: ReadInner) -> RouteTable | None:
    """The routes of werkzeug's `DispatcherMiddleware`: of what it mounts, then of the application it wraps."""
    if not _is_dispatcher(app):
        return None
    gaps = Gaps()
    table = inner(getattr(app, "app", None))
    if table is None:
        gaps.add("the application that the dispatcher wraps belongs to no known framework")
    else:
        gaps.looked_through(table.through)
        if table.why is not None:
            gaps.add(table.why)
    framework = "werkzeug" if table is None else table.framework
    return gaps.table(framework, [*_mounts(app, inner, gaps), *(table.rows if table else ())])


def read_application(app: object, framework: str, wrapped: str, inner: ReadInner) -> RouteTable:
    """The routes of a Flask or Quart application; `wrapped` is the attribute that middleware takes the place of."""
    gaps = Gaps()
    around = own_attribute(app, wrapped)
    between = itertools.takewhile(lambda layer: layer is not app, layers(around))
    gaps.looked_through(unknown(layer for layer in between if not _is_dispatcher(layer)))
    mounted = [route for layer in layers(around) if _is_dispatcher(layer) for route in _mounts(layer, inner, gaps)]
    return gaps.table(framework, [*mounted, *_Rules(app, gaps).routes()])


def _is_dispatcher(app: object) -> bool:
    return is_instance(app, "werkzeug.middleware.dispatcher", "DispatcherMiddleware")


def _mounts(dispatcher: object, inner: ReadInner, gaps: Gaps) -> Iterator[Route]:
    mounts = getattr(dispatcher, "mounts", None)
    by_length = sorted(mounts.items(), key=lambda each: -len(each[0])) if isinstance(mounts, Mapping) else []
    for prefix, app in by_length:
        place = Place((prefix,) if prefix else ())
        table = inner(app)
        yield from map(place.moved, table.rows if table else ())
        if table is None or not table.complete:
            yield place.route("http", None, (), defined=defined(app), opaque=True)
            yield place.everything_below("http", None, defined(app))
        yield from place.nothing_further()


@dataclass(frozen=True)
class _Rules:
    """The rules of one application."""

    app: Any
    gaps: Gaps

    def routes(self) -> Iterator[Route]:
        self.app.url_map.update()
        root = getattr(getattr(self.app.url_map, "_matcher", None), "_root", None)
        if root is None:
            self.gaps.add("this version of werkzeug tries its rules in an unknown order")
            return
        yield from self.of_state(root)

    def of_state(self, state: Any) -> Iterator[Route]:  # noqa: ANN401 - a state of werkzeug's `StateMachineMatcher`
        """The rules that end in a state and in those behind it, in the order in which they are tried."""
        for rule in state.rules:
            if not self.is_for_nobody(rule):
                yield self.route(rule).refusal(keep_methods=True) if self.has_no_folder(rule) else self.route(rule)
        for rule in state.static[""].rules if "" in state.static else ():
            if rule.strict_slashes and not self.is_for_nobody(rule):
                yield self.redirected(rule)
        for below in (*state.static.values(), *(each for _, each in state.dynamic)):
            yield from self.of_state(below)

    def redirected(self, rule: Any) -> Route:  # noqa: ANN401
        """The refusal of a rule's URL without its last slash, which is answered with a redirect."""
        without = _tokens(rule.rule.removesuffix("/"), rule)
        own = self.route(rule)
        return Place((), own.host).route(own.kind, own.methods, without).refusal(keep_methods=True)

    def route(self, rule: Any) -> Route:  # noqa: ANN401 - werkzeug's `Rule`, which is not imported here
        methods = set(rule.methods or ())
        if getattr(rule, "provide_automatic_options", False):
            methods.discard("OPTIONS")
        websocket = bool(getattr(rule, "websocket", False))
        view = getattr(self.app, "view_functions", {}).get(rule.endpoint)
        return Place((), self.host(rule)).route(
            "websocket" if websocket else "http",
            None if websocket or rule.methods is None else tuple(sorted(methods)),
            _tokens(rule.rule, rule),
            name=text_or_none(rule.endpoint),
            defined=defined(getattr(view, "view_class", None) or view),
            original=rule.rule if "<" in rule.rule else None,
            slash_is_optional=rule.strict_slashes is False,
            files=self.folder(rule) is not None,
            guards=(*guards_before(self.app, str(rule.endpoint), (rule.rule,)), *guards_of(view, methods)),
            handler=getattr(view, "view_class", None) or view,
        )

    def host(self, rule: Any) -> str | None:  # noqa: ANN401
        if self.app.url_map.host_matching:
            return for_host(_tokens(rule.host, rule)) if rule.host else None
        server = self.server_name()
        if server is None:
            return None
        return for_host((*_tokens(rule.subdomain, rule), "." + server) if rule.subdomain else (server,))

    def server_name(self) -> str | None:
        """The name below which subdomains are told apart, if they are."""
        if not getattr(self.app, "subdomain_matching", False):
            return None
        return text_or_none(self.app.config.get("SERVER_NAME"))

    def is_for_nobody(self, rule: Any) -> bool:  # noqa: ANN401
        """Whether it is for a subdomain, and subdomains are not looked at."""
        own_map = self.app.url_map
        if own_map.host_matching or self.server_name() is not None:
            return False
        return bool((rule.subdomain or "") != (own_map.default_subdomain or ""))

    def has_no_folder(self, rule: Any) -> bool:  # noqa: ANN401
        """Whether it is the rule for static files of an application that has none: every one has the rule."""
        folder = self.folder(rule)
        return folder is not None and not folder.is_dir()

    def folder(self, rule: Any) -> Path | None:  # noqa: ANN401
        """The folder whose files a rule stands for."""
        blueprint, _, last = str(rule.endpoint).rpartition(".")
        if last != "static":
            return None
        owner = self.app.blueprints.get(blueprint) if blueprint else self.app
        folder = getattr(owner, "static_folder", None)
        return None if folder is None else Path(folder)


def _tokens(pattern: str, rule: Any) -> Tokens:  # noqa: ANN401
    converters = rule._converters
    return split_parameters(
        pattern, _PARAMETER, [_parameter(found[1], converters) for found in _PARAMETER.finditer(pattern)]
    )


def _parameter(name: str, converters: Mapping[str, object]) -> Parameter:
    converter = converters.get(name)
    items = getattr(converter, "items", None)
    if isinstance(items, Iterable) and is_instance(converter, "werkzeug.routing.converters", "AnyConverter"):
        return Parameter(name, "", tuple((str(each),) for each in sorted(map(str, items)) if "/" not in str(each)))
    expression = getattr(converter, "regex", None)
    return parameter(name, expression) if isinstance(expression, str) else Parameter(name)
