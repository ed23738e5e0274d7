"""Asks the router who answers, so that the map, `rsgi explain` and the server never disagree.

The map works with these decisions and can be tested without applications. The routes of a single application are asked
through the same router, as if they were the only table.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

from rsgi._rsgi import Explanation, Router
from rsgi.routing.introspect import Route, RouteTable
from rsgi.routing.introspect.sample import sample
from rsgi.routing.plan import App, Plan
from rsgi.routing.tables import table_of
from rsgi.settings.config import Config

OTHER_METHOD = "*"
WEBSOCKET = "WS"

_TO_TRY = ("GET", "POST", "PUT", "PATCH", "DELETE", "OTHER")


@dataclass(frozen=True)
class Decision:
    """Who answers a request.

    Attributes:
        app: A place in the plan's applications; `None` for nobody.
        then: Who is asked if that one has no such route.
        kind: What decides; see `rsgi._rsgi.Explanation`.
        reason: The same, in words.
        route: The route of `app` that gets it; `None` when none does, or when its routes are not known.
        path_info: The path below the mount, decoded.
        share_rule: The rule whose share was checked, as a place in the plan's rules.
        index: The place of the rule or of the row in the table that decides; see `rsgi._rsgi.Explanation`.
    """

    app: int | None
    then: int | None
    kind: str
    reason: str
    route: Route | None
    path_info: str
    index: int | None = None
    share_rule: int | None = None


class Survey:
    """The applications of a plan, their routes, and who answers what."""

    def __init__(self, plan: Plan, tables: tuple[RouteTable | None, ...]) -> None:
        """Compile the routers.

        Args:
            plan: Who serves what.
            tables: The routes of each application of the plan; `None` where nothing is known of them.

        Raises:
            StartupError: when the rules make no sense.
        """
        self.plan = plan
        self.tables = tables
        self.router = Router(plan)
        self._rows = tuple(() if table is None else table.for_router() for table in tables)
        self._own = tuple(_router_of(rows) for rows in self._rows)

    def ask(self, method: str, template: str, host: str | None, others: tuple[str, ...] = ()) -> Decision:
        """Who answers a path that fits `template`; `method` may be `WS`, or `*` for one that is not in `others`."""
        method, headers = _concrete(method, others), _host_header(host)
        websocket = method == WEBSOCKET
        explained = self.router.explain("GET" if websocket else method, sample(template), headers, websocket)
        return self.decision(explained, method, headers)

    def has_route(self, app: int, method: str, template: str, host: str | None, others: tuple[str, ...] = ()) -> bool:
        """Whether an application has a route for a path that fits `template`; the same words as for `ask`."""
        return self.own_route(app, _concrete(method, others), unquote(sample(template)), _host_header(host)) is not None

    def decision(self, explanation: Explanation, method: str, headers: list[tuple[str, str]]) -> Decision:
        """What the router said, with the route of the application that gets the request."""
        app, path = explanation.app, explanation.path_info
        route = None if app is None else self.own_route(app, method, path, headers)
        return Decision(
            app,
            explanation.then,
            explanation.kind,
            explanation.reason,
            route,
            path,
            explanation.index,
            explanation.share_rule,
        )

    def own_route(self, app: int, method: str, path: str, headers: list[tuple[str, str]]) -> Route | None:
        """The route of one application that fits; `path` is decoded, as the application sees it."""
        websocket = method == WEBSOCKET
        asked = "GET" if websocket else method
        found = self._own[app].explain(asked, quote(path or "/"), headers, websocket)
        return None if found.index is None else self._rows[app][found.index]


def survey_plan(plan: Plan, config: Config) -> Survey:
    """Read the routes of every application of a plan.

    Raises:
        StartupError: when the rules make no sense, or `--routes-from` names what has no routes.
    """
    return Survey(plan, tuple(table_of(app, config) for app in plan.apps))


def _router_of(rows: tuple[Route, ...]) -> Router:
    rest = App("rest", "wsgi", "", None, "rest")
    owner = App("owner", "asgi", "", None, "owner")
    return Router(Plan((rest, owner), (), "table", rows, ""))


def _concrete(method: str, others: tuple[str, ...]) -> str:
    return next(each for each in _TO_TRY if each not in others) if method == OTHER_METHOD else method


def _host_header(host: str | None) -> list[tuple[str, str]]:
    return [] if host is None else [("host", sample(host).lower())]
