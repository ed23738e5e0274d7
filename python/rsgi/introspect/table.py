"""What every reader gives: the routes of one application, and whether these are all of them.

Apart from the readers because it is all that the rest of the program knows about them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

RouteKind: TypeAlias = Literal["http", "websocket", "any"]


class Guard(NamedTuple):
    """What lets only some users into a route.

    Attributes:
        name: The name of a decorator, a class, a dependency or a permission.
        method: The HTTP method that alone is guarded; `None` for all.
    """

    name: str
    method: str | None = None


@dataclass(frozen=True)
class Route:
    """One route of an application.

    Attributes:
        kind: What it answers: HTTP, WebSocket, or both.
        methods: The HTTP methods, in upper case; `None` for all. `HEAD` follows `GET` unsaid. An `OPTIONS` that the
            framework answers by itself is not among them.
        host: The host it is for, with parameters like a path; `None` for all. Letter case and port do not count.
        path: The template, as people read it: `/users/{id:int}`, `/v{version:int}.json`, `/static/{path:path}`.
        name: The name that the application knows it by.
        defined: Where the code is, as `module.qualname`.
        opaque: Whether all that the path stands for belongs to something that cannot be read, like a mounted
            application or a folder.
        original: The pattern as the framework writes it, where `path` is another text.
        templates: All that it matches, where `path` alone says too much or too little: `/x` and `/x/`, `/{n:int}` and
            `/-{n:int}`, one for each language. Empty: `path` says it.
        files: Whether it stands for a folder of files, so that a 404 of it only says that there is no such file.
        falls_through: Whether the other application is asked when this one answers that it has no such file; said by
            the plan.
        guards: What is seen to let only some users in.
    """

    kind: RouteKind
    methods: tuple[str, ...] | None
    host: str | None
    path: str
    name: str | None = None
    defined: str | None = None
    opaque: bool = False
    original: str | None = None
    templates: tuple[str, ...] = ()
    files: bool = False
    falls_through: bool = False
    guards: tuple[Guard, ...] = ()

    @property
    def matched(self) -> tuple[str, ...]:
        """The templates that a router has to compile for this route; at least one."""
        return self.templates or (self.path,)

    def owns_everything(self) -> bool:
        """Whether any path at all fits, by HTTP and on every host."""
        fits = any(map(_is_catch_all, (self.path, *self.templates)))
        return fits and self.kind != "websocket" and self.host is None


@dataclass(frozen=True)
class RouteTable:
    """The routes of an application, in its own order.

    Attributes:
        framework: Whose routes they are: `FastAPI`, `Flask`, `Django`, …
        routes: What could be read.
        complete: Whether these are all. A table with holes would take requests from their owner, so it is shown and
            compared but never used to route by.
        why: Why there may be more, for people; `None` when it is complete.
        through: The names of middleware that it was read through, and that may answer paths by itself.
    """

    framework: str
    routes: tuple[Route, ...]
    complete: bool
    why: str | None
    through: tuple[str, ...] = ()

    def for_router(self) -> tuple[Route, ...]:
        """The routes with one template each: what `Route.matched` lists stands in `path`.

        What does not begin with a slash is left out: no request has such a path.
        """
        return tuple(
            replace(route, path=path, templates=()) if route.templates else route
            for route in self.routes
            for path in route.matched
            if path.startswith("/")
        )

    def catch_alls(self) -> tuple[Route, ...]:
        """The routes that own every path: beside them another application gets nothing, or no request of a method."""
        return tuple(route for route in self.routes if route.owns_everything())


ReadInner: TypeAlias = Callable[[object], "RouteTable | None"]
"""How a reader reads an application that its own application mounts or wraps."""

Reader: TypeAlias = Callable[[object, ReadInner], "RouteTable | None"]
"""Reads one framework's applications; `None` when the object is not one. It need not look into wrappers."""


class Gaps:
    """Collects why a table is incomplete, or may be, while it is being read."""

    def __init__(self) -> None:
        self._reasons: list[str] = []
        self._through: dict[str, None] = {}

    def add(self, reason: str) -> None:
        """Note one reason; the same one counts once."""
        if reason not in self._reasons:
            self._reasons.append(reason)

    def looked_through(self, names: Iterable[str]) -> None:
        """Note middleware that may answer paths by itself."""
        self._through.update(dict.fromkeys(names))

    def table(self, framework: str, routes: Iterator[Route] | list[Route]) -> RouteTable:
        """The table of these routes and of the reasons so far; equal routes are listed once."""
        listed = tuple(dict.fromkeys(routes))
        why = "; ".join(self._reasons) or None
        return RouteTable(framework, listed, why is None, why, tuple(self._through))


def _is_catch_all(template: str) -> bool:
    return template.startswith("/{") and template.endswith(":path}") and template.count("{") == 1
