"""The result of every reader: the routes of one application, and whether they are complete.

It is all that the rest of the program knows about readers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
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
        methods: The HTTP methods, in upper case; `None` for all. `HEAD` is among them where it is answered, also when
            that is the framework's doing; an `OPTIONS` that the framework answers by itself is not.
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
        built_in: Whether the framework adds it by itself, as FastAPI does with `/docs`.
        refuses: Whether it is no route but the end of the search: what fits, and no route before it took, is refused.
        handler: The function or class that `defined` names, where the framework of a WSGI application shows it.
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
    built_in: bool = False
    refuses: bool = False
    handler: object = field(default=None, compare=False, repr=False)

    @property
    def matched(self) -> tuple[str, ...]:
        """The templates that a router has to compile for this route; at least one."""
        return self.templates or (self.path,)

    def refusal(self, *, keep_methods: bool = False) -> Route:
        """The end of the search for what this route's path fits; for every method, if `keep_methods` is not set."""
        return Route(
            self.kind,
            self.methods if keep_methods else None,
            self.host,
            self.path,
            templates=self.templates,
            refuses=True,
        )

    def owns_everything(self) -> bool:
        """Whether any path at all fits, by HTTP and on every host."""
        fits = any(map(_is_catch_all, (self.path, *self.templates)))
        return fits and self.kind != "websocket" and self.host is None


@dataclass(frozen=True)
class RouteTable:
    """The routes of an application, in the order in which its framework tries them.

    That is the order of definition in Starlette and Django; Flask, Quart, Litestar and Falcon try what is literal before
    what has parameters, wherever it was defined. Most frameworks stop at the first path that fits, whatever its methods:
    there a refusal stands behind the routes of that path.

    Attributes:
        framework: Whose routes they are: `FastAPI`, `Flask`, `Django`, …
        routes: What could be read.
        complete: Whether these are all. A table with holes would take requests from their owner, so it is shown and
            compared but never used to route by.
        why: Why there may be more, for people; `None` when it is complete.
        search: The routes with the refusals among them; empty when there are none.
        through: The names of middleware that it was read through, and that may answer paths by itself.
    """

    framework: str
    routes: tuple[Route, ...]
    complete: bool
    why: str | None
    search: tuple[Route, ...] = ()
    through: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[Route, ...]:
        """The routes and the refusals, in the order in which they are tried."""
        return self.search or self.routes

    def for_router(self) -> tuple[Route, ...]:
        """The rows with one template each: what `Route.matched` lists stands in `path`.

        What does not begin with a slash is left out: no request has such a path.
        """
        return tuple(
            replace(route, path=path, templates=()) if route.templates else route
            for route in self.rows
            for path in route.matched
            if path.startswith("/")
        )

    def size(self) -> str:
        """How many routes there are, in words."""
        built_in = sum(route.built_in for route in self.routes)
        own = counted(len(self.routes) - built_in, "route")
        return f"{own} and {counted(built_in, 'built-in page')}" if built_in else own

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
        """The table of these rows and of the reasons so far; equal rows are listed once."""
        rows = tuple(dict.fromkeys(routes))
        listed = tuple(row for row in rows if not row.refuses)
        why = "; ".join(self._reasons) or None
        search = rows if len(rows) > len(listed) else ()
        return RouteTable(framework, listed, why is None, why, search, tuple(self._through))


def counted(number: int, what: str) -> str:
    """`1 route`, `2 routes`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _is_catch_all(template: str) -> bool:
    return template.startswith("/{") and template.endswith(":path}") and template.count("{") == 1
