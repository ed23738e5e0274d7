"""Joins the routes of the old (WSGI) and the new (ASGI) applications: what has moved, what has not, and what is hidden.

`survey.py` asks who answers, and other files print. Routes are joined by method, host and form of the path. Names of
parameters do not count. Their kinds decide only whether the new route takes everything that the old one took.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rsgi.routing.coverage.survey import OTHER_METHOD, WEBSOCKET, Decision, Survey
from rsgi.routing.coverage.template import Width, compare_kinds, kinds, shape, slash_twin
from rsgi.routing.introspect import Route
from rsgi.routing.introspect.table import counted

Status: TypeAlias = Literal[
    "migrated", "type differs", "method missing", "only old", "only new", "built in", "hidden", "kept", "opaque"
]

MEANINGS: dict[Status, str] = {
    "migrated": "both have it, the new one answers",
    "type differs": "the new route takes only some paths of the old one",
    "method missing": "the new one has the path, not this method",
    "only old": "not moved yet",
    "only new": "the old one never had it",
    "built in": "a page that the framework adds by itself; not counted",
    "hidden": "an earlier rule, mount or route takes its requests",
    "kept": "both have it, the old one answers on purpose",
    "opaque": "its routes cannot be read",
}


@dataclass(frozen=True)
class Side:
    """A route on one side of the map.

    Attributes:
        app: Its application, as a place in the plan.
        path: The template, with the application's prefix.
        route: The route as its reader gave it.
        methods: Its methods, `HEAD` left out beside `GET`; `*` alone for all, `WS` for a WebSocket.
    """

    app: int
    path: str
    route: Route
    methods: tuple[str, ...]

    @property
    def template(self) -> str:
        """A template of which every path is one of this route; `path` may say more than the route takes."""
        return self.path.removesuffix(self.route.path) + self.route.matched[0] if self.route.templates else self.path

    def shapes(self) -> set[tuple[str | None, str]]:
        """Under which host and shapes it is looked for."""
        prefix = self.path.removesuffix(self.route.path) if self.route.path != "/" else self.path.rstrip("/")
        return {(self.route.host, shape(prefix + path)) for path in (*self.route.matched, self.route.path)}


@dataclass(frozen=True)
class Row:
    """One method of one path.

    Attributes:
        method: An HTTP method, `WS`, or `*` for all that are not named beside it.
        status: How far it is.
        served_by: The name of the application that answers; `None` for nobody.
        then: Who is asked when that one has no such route.
        note: What is worth knowing; may be empty.
        head: Who answers HEAD, for a row of GET; `None` for nobody, and for other methods.
        share_rule: The rule whose share is checked, as a place in the plan's rules.
    """

    method: str
    host: str | None
    path: str
    status: Status
    served_by: str | None
    then: str | None
    decided_by: str
    note: str
    old: Side | None
    new: Side | None
    head: str | None = None
    share_rule: int | None = None


@dataclass(frozen=True)
class CoverageMap:
    """All rows, sorted by path and method.

    Attributes:
        by_protocol: Whether HTTP and WebSocket are divided between the two applications, so that nothing has to move.
    """

    rows: tuple[Row, ...]
    by_protocol: bool = False

    def counts(self) -> dict[Status, int]:
        """How many rows there are of each status, in the order of `MEANINGS`."""
        counted = Counter(row.status for row in self.rows)
        return {status: counted[status] for status in MEANINGS}

    def progress(self) -> tuple[int, int]:
        """How many of the old application's routes have moved, and how many there are."""
        return self.counts()["migrated"], sum(row.old is not None for row in self.rows)

    def summary(self) -> str:
        """`62 of 147 routes migrated, 42 %`."""
        moved, total = self.progress()
        if total == 0:
            own = len(self.rows) - self.counts()["built in"]
            return f"{counted(own, 'route')}; no route of a WSGI application is known"
        if self.by_protocol:
            return self._divided(moved, total)
        return f"{moved} of {counted(total, 'route')} migrated, {100 * moved // total} %"

    def _divided(self, moved: int, total: int) -> str:
        parts = [f"{counted(total - moved, 'route')} over WSGI"]
        if moved:
            parts.append(f"{moved} over ASGI")
        sockets = sum(row.method == WEBSOCKET for row in self.rows)
        return f"{', '.join([*parts, counted(sockets, 'WebSocket route')])}: there is nothing to migrate"


def draw_map(survey: Survey) -> CoverageMap:
    """The map of all applications of a plan."""
    old, new = list(sides_of(survey, "wsgi")), list(sides_of(survey, "asgi"))
    rows = list(_Joining(survey, old, new).rows())
    ordered = tuple(sorted(rows, key=lambda row: (row.path, row.host or "", _order(row.method))))
    return CoverageMap(ordered, survey.plan.mode == "websocket")


def _order(method: str) -> tuple[int, str]:
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    late = {OTHER_METHOD: 98, WEBSOCKET: 99}
    return (known.index(method) if method in known else late.get(method, 90), method)


def sides_of(survey: Survey, interface: str) -> Iterator[Side]:
    """The routes of all applications of one interface."""
    for index, (app, table) in enumerate(zip(survey.plan.apps, survey.tables, strict=True)):
        if app.interface == interface and table is not None:
            for route in table.routes:
                path = app.prefix + route.path if route.path != "/" or not app.prefix else f"{app.prefix}/"
                yield Side(index, path, route, _methods(route))


def _methods(route: Route) -> tuple[str, ...]:
    if route.kind == "websocket":
        return (WEBSOCKET,)
    if route.methods is None:
        return (OTHER_METHOD,)
    return tuple(each for each in route.methods if each != "HEAD" or "GET" not in route.methods)


class _Joining:
    """The two sides while they are joined."""

    def __init__(self, survey: Survey, old: list[Side], new: list[Side]) -> None:
        self._survey = survey
        self._sides = {"old": old, "new": new}
        self._places: dict[str, dict[tuple[str | None, str], list[Side]]] = {"old": {}, "new": {}}
        for name, sides in self._sides.items():
            for side in sides:
                # The framework's own pages are nobody's counterpart.
                for place in () if side.route.built_in else side.shapes():
                    self._places[name].setdefault(place, []).append(side)
        self._joined: set[tuple[int, Route, str]] = set()

    def rows(self) -> Iterator[Row]:
        seen: set[tuple[str, str | None, str, bool]] = set()
        for name in ("old", "new"):
            for side in self._sides[name]:
                for method in self._methods_to_show(side, "new" if name == "old" else "old"):
                    key = (method, side.route.host, side.path, side.route.built_in)
                    if key in seen or (side.app, side.route, method) in self._joined:
                        continue
                    seen.add(key)
                    yield self._old_row(side, method) if name == "old" else self._new_row(side, method)

    def _methods_to_show(self, side: Side, other: str) -> tuple[str, ...]:
        """Its methods; one for all is divided where the other side names some."""
        if side.methods != (OTHER_METHOD,):
            return side.methods
        named = [
            each for twin in self._at(side, other) for each in twin.methods if each not in (OTHER_METHOD, WEBSOCKET)
        ]
        return (*sorted(set(named)), OTHER_METHOD)

    def _at(self, side: Side, name: str) -> list[Side]:
        found = [twin for place in sorted(side.shapes(), key=str) for twin in self._places[name].get(place, [])]
        return list(dict.fromkeys(found))

    def _twin(self, side: Side, method: str) -> tuple[Side | None, Width]:
        """The new route for one method of an old one: the one whose parameters are nearest to its own."""
        order: list[Width] = ["same", "wider", "narrower", "other"]
        found: list[tuple[int, Side]] = []
        for twin in self._at(side, "new"):
            if method in twin.methods or (twin.methods == (OTHER_METHOD,) and method != WEBSOCKET):
                width = _width(side, twin)
                found.append((order.index(width), twin))
        if not found:
            return None, "same"
        rank, twin = min(found, key=lambda each: each[0])
        return twin, order[rank]

    def _ask(self, side: Side, method: str, name: str) -> Decision:
        named = tuple(each for each in self._methods_to_show(side, name) if each != OTHER_METHOD)
        return self._survey.ask(method, side.template, side.route.host, named)

    def _head(self, side: Side) -> str | None:
        """Who answers HEAD: an application that has a route for it, or of which nothing is known."""
        decision = self._survey.ask("HEAD", side.template, side.route.host)
        for app in (decision.app, decision.then):
            if app is None:
                continue
            table = self._survey.tables[app]
            if table is None or self._survey.has_route(app, "HEAD", side.template, side.route.host):
                return self._name(app)
        return None

    def _old_row(self, old: Side, method: str) -> Row:
        twin, width = self._twin(old, method)
        decision = self._ask(old, method, "new")
        if twin is not None:
            self._joined.add((twin.app, twin.route, method))
        status, note = self._old_status(old, twin, width, decision)
        if (
            status == "migrated"
            and method == "GET"
            and (head := self._head(old)) not in (None, self._name(decision.app))
        ):
            note = "; ".join(filter(None, (note, f"HEAD goes to {head}")))
        return self._row(method, old, twin, decision, status, note)

    def _old_status(self, old: Side, twin: Side | None, width: Width, decision: Decision) -> tuple[Status, str]:
        if old.route.opaque or (twin is not None and twin.route.opaque):
            return "opaque", "everything below it belongs together"
        if twin is not None and width in ("narrower", "other"):
            return "type differs", f"`{old.path}` in the old one, `{twin.path}` in the new one"
        if twin is not None and decision.app == twin.app:
            wider = width == "wider"
            return "migrated", f"`{twin.path}` of the new one takes more" if wider else ""
        if twin is not None:
            kept = decision.kind == "websocket" or "which is preferred" in decision.reason
            return ("kept" if kept else "hidden"), decision.reason
        if decision.kind == "probe":
            return self._probed(old, decision)
        if decision.app == old.app:
            return self._not_moved(old)
        return self._covered(decision)

    def _probed(self, old: Side, decision: Decision) -> tuple[Status, str]:
        table = None if decision.app is None else self._survey.tables[decision.app]
        if table is None or not table.complete:
            return "opaque", "the routes of the new one are not known: rsgi asks it first"
        return self._covered(decision) if decision.route is not None else self._not_moved(old)

    def _not_moved(self, old: Side) -> tuple[Status, str]:
        others = [each for twin in self._at(old, "new") for each in twin.methods if each != WEBSOCKET]
        if others:
            return "method missing", f"the new one has {', '.join(sorted(set(others)))}"
        turned = slash_twin(old.path)
        if (old.route.host, shape(turned)) in self._places["new"]:
            return "only old", f"the new one has `{turned}`"
        return "only old", ""

    def _covered(self, decision: Decision) -> tuple[Status, str]:
        """It goes to an application that has no route of this shape."""
        if decision.route is not None and decision.route.opaque:
            return "opaque", f"below `{decision.route.path}` of {self._name(decision.app)}, which cannot be read"
        if decision.route is not None and decision.kind in ("table", "probe"):
            return "hidden", f"the route `{decision.route.path}` of {self._name(decision.app)} takes it"
        return "hidden", decision.reason

    def _new_row(self, new: Side, method: str) -> Row:
        decision = self._ask(new, method, "old")
        if new.route.built_in:
            note = "" if decision.app == new.app else f"{self._name(decision.app)} keeps it"
            return self._row(method, None, new, decision, "built in", note)
        if new.route.opaque:
            return self._row(method, None, new, decision, "opaque", "everything below it belongs together")
        if decision.app != new.app:
            return self._row(method, None, new, decision, "hidden", decision.reason)
        first = decision.route
        if (
            first is not None
            and first.defined != new.route.defined
            and first.path not in (*new.route.matched, new.route.path)
        ):
            return self._row(method, None, new, decision, "hidden", f"the route `{first.path}` comes first")
        return self._row(method, None, new, decision, "only new", "")

    def _row(
        self, method: str, old: Side | None, new: Side | None, decision: Decision, status: Status, note: str
    ) -> Row:
        shown = old or new
        assert shown is not None  # noqa: S101 - one of the two is where the row comes from
        served, then = self._name(decision.app), self._name(decision.then)
        if decision.kind == "probe" and then is not None and status in ("only old", "method missing"):
            served, then = then, None
        elif decision.kind == "probe" and status in ("migrated", "only new"):
            then = None
        head = self._head(shown) if method == "GET" else None
        return Row(
            method,
            shown.route.host,
            shown.path,
            status,
            served,
            then,
            decision.reason,
            note,
            old,
            new,
            head,
            decision.share_rule,
        )

    def _name(self, app: int | None) -> str | None:
        return None if app is None else self._survey.plan.apps[app].name


def _width(old: Side, new: Side) -> Width:
    left, right = kinds(old.path), kinds(new.path)
    return compare_kinds(left, right) if len(left) == len(right) else "same"
