"""Reads the route tables of applications, so that a request's owner is known without asking Python.

Apart because every framework keeps its routes in its own way: one file each, behind one function. A framework that is
not imported is not looked at, and none is ever imported from here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

RouteKind: TypeAlias = Literal["http", "websocket", "any"]


@dataclass(frozen=True)
class Route:
    """One route of an application.

    Attributes:
        kind: What it answers: HTTP, WebSocket, or both.
        methods: The HTTP methods, in upper case; `None` for all. `HEAD` follows `GET` unsaid.
        host: The host it is for, with parameters like a path; `None` for all. Letter case and port do not count.
        path: The template: `/users/{id}`, `/v{version:int}.json`, `/static/{path:path}`.
        name: The name that the application knows it by.
        defined: Where the code is, as `module.qualname`.
        opaque: Whether all below the path belongs to something that cannot be read, like a mounted application.
    """

    kind: RouteKind
    methods: tuple[str, ...] | None
    host: str | None
    path: str
    name: str | None = None
    defined: str | None = None
    opaque: bool = False


Reader: TypeAlias = Callable[[object], "list[Route] | None"]


def read_routes(app: object) -> list[Route] | None:
    """The routes of an ASGI application, in its own order.

    Returns:
        `None` when they cannot be read completely: an unknown framework, or a route of a kind that says nothing about
        itself. A table with holes would take requests away from their owner, so half of it is none.
    """
    for _, reader in _READERS:
        routes = reader(app)
        if routes is not None:
            return routes
    return None


def framework_of(app: object) -> str | None:
    """The name of the framework whose reader can read `app`."""
    return next((name(app) for name, reader in _READERS if reader(app) is not None), None)


def _read_starlette(app: object) -> list[Route] | None:
    from rsgi.introspect import starlette  # it imports `Route` from here

    return starlette.read(app)


def _name_of_starlette(app: object) -> str:
    from rsgi.introspect import starlette

    return starlette.framework_name(app)


_READERS: tuple[tuple[Callable[[object], str], Reader], ...] = ((_name_of_starlette, _read_starlette),)
