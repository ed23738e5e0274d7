"""The handlers of the old (WSGI) applications that no request can reach any more.

The map looks at one path of each route, which is enough to show who answers. Somebody deletes code because of this list.
So a handler is in it only if all paths of all its routes certainly go to another application.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rsgi.routing.coverage.map import Side, sides_of
from rsgi.routing.coverage.source import Source, source_of
from rsgi.routing.coverage.survey import Decision, Survey
from rsgi.routing.coverage.template import covers, may_overlap
from rsgi.routing.introspect import Route
from rsgi.routing.plan import Rule

VERSION = 1

# What a route for all methods is asked with. The last one stands for those that are not named here.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER")


@dataclass(frozen=True)
class Handler:
    """A handler of an old application that another application has replaced.

    Attributes:
        app: The name of the application.
        defined: Where it is, as `module.qualname`.
        source: Its file and line, if Python knows them.
        routes: Its routes.
        head_only: Whether HEAD requests still reach it, and no others.
    """

    app: str
    defined: str | None
    source: Source | None
    routes: tuple[Route, ...]
    head_only: bool


def replaced_handlers(survey: Survey) -> tuple[Handler, ...]:
    """The handlers that no request reaches, or only HEAD, in the order of their files and lines."""
    reach = _Reach(survey)
    found: list[Handler] = []
    for (app, defined, source), sides in _together(survey).items():
        reached = {method for side in sides for method in reach.methods(side)}
        if reached <= {"HEAD"}:
            routes = tuple(side.route for side in sides)
            found.append(Handler(survey.plan.apps[app].name, defined, source, routes, bool(reached)))
    return tuple(sorted(found, key=lambda each: (each.app, source_shown(each), each.defined or "")))


def handlers_of(survey: Survey) -> Iterator[tuple[Handler, set[str]]]:
    """All handlers, and the labels that a server counts their requests under."""
    for (app, defined, source), sides in _together(survey).items():
        owner, routes = survey.plan.apps[app], tuple(side.route for side in sides)
        labels = {owner.prefix + path for route in routes for path in route.matched if path.startswith("/")}
        yield Handler(owner.name, defined, source, routes, head_only=False), labels


def emptied(survey: Survey, replaced: tuple[Handler, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The WSGI applications none of whose handlers any request reaches, each with the paths of its static files."""
    dead = {(each.app, each.defined, each.source) for each in replaced if not each.head_only}
    together = _together(survey)
    for index, (app, table) in enumerate(zip(survey.plan.apps, survey.tables, strict=True)):
        own = [(app.name, defined, source) for place, defined, source in together if place == index]
        if own and dead.issuperset(own) and table is not None and table.complete:
            files = (side.path for side in sides_of(survey, "wsgi") if side.app == index and side.route.files)
            yield app.name, tuple(dict.fromkeys(files))


def source_shown(handler: Handler) -> Source | tuple[str, int]:
    """The file and the line of a handler, to sort by."""
    return handler.source or ("", 0)


def _together(survey: Survey) -> dict[tuple[int, str | None, Source | None], list[Side]]:
    """The routes of each handler."""
    together: dict[tuple[int, str | None, Source | None], list[Side]] = {}
    for side in sides_of(survey, "wsgi"):
        if not side.route.files:
            together.setdefault((side.app, side.route.defined, source_of(side.route.handler)), []).append(side)
    return together


def to_document(handlers: tuple[Handler, ...]) -> dict[str, Any]:
    """The list as plain data."""
    listed = [{**entry_of(each), "reached_by": ["HEAD"] if each.head_only else []} for each in handlers]
    return {"version": VERSION, "handlers": listed}


def entry_of(handler: Handler) -> dict[str, Any]:
    """A handler as plain data."""
    return {
        "app": handler.app,
        "defined": handler.defined,
        "file": None if handler.source is None else handler.source.file,
        "line": None if handler.source is None else handler.source.line,
        "routes": [
            {"methods": route.methods and list(route.methods), "host": route.host, "path": route.path}
            for route in handler.routes
        ],
    }


class _Reach:
    """Which requests reach the handler of a route."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey

    def methods(self, side: Side) -> Iterator[str]:
        """The methods with which some request may reach it."""
        prefix = side.path.removesuffix(side.route.path) if side.route.path != "/" else side.path.rstrip("/")
        for template in side.route.matched:
            for method in side.route.methods or _METHODS:
                if self._may_reach(side, method, prefix + template):
                    yield method

    def _may_reach(self, side: Side, method: str, template: str) -> bool:
        if any(_may_match(rule, method, template) for rule in self._survey.plan.rules if rule.app == side.app):
            return True
        decision = self._survey.ask(method, template, side.route.host)
        if decision.app is None or side.app in (decision.app, decision.then):
            return True
        return not self._takes_all(decision, method, template)

    def _takes_all(self, decision: Decision, method: str, template: str) -> bool:
        """Whether what decided for one path decides for every path of the template."""
        plan, index = self._survey.plan, decision.index
        if decision.kind == "mount" and decision.app is not None:
            return f"{template}/".startswith(f"{plan.apps[decision.app].prefix}/")
        if decision.kind == "rule" and index is not None:
            return _is_plain(plan.rules[index]) and _rule_covers(plan.rules[index], template)
        if decision.kind == "table" and index is not None and plan.wsgi_table is None:
            before = (row for row in plan.table[:index] if row.refuses and row.methods in (None, (method,)))
            refused = any(may_overlap(row.path, template) for row in before)
            return not refused and covers(plan.table[index].path, template)
        return False


def _may_match(rule: Rule, method: str, template: str) -> bool:
    if rule.methods is not None and method not in rule.methods:
        return False
    if rule.kind == "prefix":
        return may_overlap(f"{rule.path}/{{rest:path}}", template) or may_overlap(rule.path, template)
    return rule.kind == "regex" or may_overlap(rule.path, template)


def _is_plain(rule: Rule) -> bool:
    """Whether a rule asks for nothing but a path and a method."""
    return not rule.fields and rule.host is None and rule.scheme is None and not rule.websocket and rule.share is None


def _rule_covers(rule: Rule, template: str) -> bool:
    if rule.kind == "prefix":
        return f"{template}/".startswith(f"{rule.path}/")
    return rule.kind == "path" and covers(rule.path, template)
