"""Reads Channels' routers: by protocol, and by URL.

Middleware around a router (`AuthMiddlewareStack` and the like) is handled like any other middleware.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rsgi.routing.introspect.django import is_django_asgi, pattern_tokens
from rsgi.routing.introspect.table import Gaps, ReadInner, Route, RouteKind, RouteTable
from rsgi.routing.introspect.template import Place, Tokens
from rsgi.routing.introspect.unwrap import defined, is_instance, layers, text_or_none

_KINDS: dict[str, RouteKind] = {"http": "http", "websocket": "websocket"}


def answers_http_with_django(app: object) -> bool:
    """Whether `app` answers HTTP with Django: its ASGI handler, or a router that has it as `http`."""
    protocols = _protocols_of(app)
    return is_django_asgi(app if protocols is None else protocols.get("http"))


def speaks_websocket_only(app: object) -> bool:
    """Whether `app` is a router that has WebSocket and no HTTP."""
    protocols = _protocols_of(app)
    return protocols is not None and "websocket" in protocols and "http" not in protocols


def read_protocols(app: object, inner: ReadInner) -> RouteTable | None:
    """The routes of a `ProtocolTypeRouter`."""
    if not is_instance(app, "channels.routing", "ProtocolTypeRouter"):
        return None
    gaps = Gaps()
    frameworks = ["Channels"]
    routes: list[Route] = []
    for protocol, below in (_protocols_of(app) or {}).items():
        kind = _KINDS.get(str(protocol))
        table = inner(below) if kind else None
        if table is not None:
            frameworks.append(table.framework)
            gaps.looked_through(table.through)
            routes += [replace(each, kind=kind) for each in table.rows if kind and each.kind in (kind, "any")]
        if kind == "websocket" and (table is None or not table.complete):
            # It costs nobody anything: a WebSocket can only be for this application.
            routes.append(Place().everything_below("websocket", None, defined(below)))
        elif kind == "http" and table is None:
            gaps.add("its HTTP application belongs to no known framework")
        elif kind == "http" and table is not None and table.why is not None:
            gaps.add(table.why)
    return gaps.table(_joined(frameworks), routes)


def read_urls(app: object, inner: ReadInner) -> RouteTable | None:
    """The routes of a `URLRouter`."""
    if not _is_url_router(app):
        return None
    gaps, frameworks = Gaps(), ["Channels"]
    routes = list(_Reading(inner, gaps, frameworks).router(app, ("/",), ""))
    return gaps.table(_joined(frameworks), routes)


def _protocols_of(app: object) -> Mapping[str, object] | None:
    for layer in layers(app):
        if is_instance(layer, "channels.routing", "ProtocolTypeRouter"):
            protocols = getattr(layer, "application_mapping", None)
            return protocols if isinstance(protocols, Mapping) else None
    return None


def _joined(frameworks: list[str]) -> str:
    """`Django and Channels`: what is routed to, then what routes."""
    names = (name for each in reversed(frameworks) for name in each.split(" and "))
    return " and ".join(sorted(dict.fromkeys(names), key=lambda name: name == "Channels"))


def _is_url_router(app: object) -> bool:
    return is_instance(app, "channels.routing", "URLRouter")


@dataclass(frozen=True)
class _Reading:
    """One reading of one router and of those within it."""

    inner: ReadInner
    gaps: Gaps
    frameworks: list[str]

    def router(self, router: Any, below: Tokens, original: str) -> Iterator[Route]:  # noqa: ANN401 - `URLRouter`
        for route in router.routes:
            nested = next((each for each in layers(route.callback) if _is_url_router(each)), None)
            found = pattern_tokens(route.pattern, is_endpoint=nested is None, languages=[])
            if found is None:
                self.gaps.add(f"`{type(route.pattern).__name__}` is an unknown kind of pattern")
                continue
            for tokens in found:
                written = original + str(route.pattern)
                if nested is None:
                    yield from self.single(route, below + tokens, written)
                    continue
                # A router takes the slashes away that what is left for it begins with.
                yield from self.router(nested, below + tokens, written)
                if not _ends_with_slash(below + tokens):
                    yield from self.router(nested, (*below, *tokens, "/"), written)

    def single(self, route: Any, tokens: Tokens, original: str) -> Iterator[Route]:  # noqa: ANN401 - `URLPattern`
        own = Place().route(
            "any",
            None,
            tokens,
            name=text_or_none(route.name),
            defined=defined(getattr(route.callback, "consumer_class", None) or route.callback),
            original=original,
        )
        table = self.inner(route.callback) if own.owns_everything() else None
        if table is None:
            yield own
            return
        # Django behind `re_path("", …)`: it looks at the whole path itself.
        self.frameworks.append(table.framework)
        self.gaps.looked_through(table.through)
        if table.why is not None:
            self.gaps.add(table.why)
        yield from table.rows


def _ends_with_slash(tokens: Tokens) -> bool:
    return bool(tokens) and isinstance(tokens[-1], str) and tokens[-1].endswith("/")
