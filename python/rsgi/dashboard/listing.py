"""Lists all routes of all applications for the dashboard, with the labels that their requests are counted under.

The comparison is that of `rsgi routes`. It can take a moment for a thousand routes, so a thread makes it. Until then, the
dashboard says that the list is being made.
"""

from __future__ import annotations

import json
import threading
from typing import Any

from rsgi._rsgi import Dashboard
from rsgi.observe.console import say
from rsgi.routing.coverage import Row, Survey, draw_map, survey_plan
from rsgi.routing.coverage.document import apps_of, server_of
from rsgi.routing.coverage.map import Side
from rsgi.routing.plan import Plan
from rsgi.settings.config import Config


class RouteListing:
    """The list of routes of a serving process."""

    def __init__(self, dashboard: Dashboard | None) -> None:
        """Take where it is shown; `None` when nobody looks."""
        self._dashboard = dashboard
        self._lock = threading.Lock()
        self._latest = 0

    def make(self, config: Config, plan: Plan) -> None:
        """List the routes of a plan, soon. A later plan takes the place of an earlier one."""
        if self._dashboard is None:
            return
        with self._lock:
            self._latest += 1
            work = threading.Thread(
                target=self._make, args=(self._dashboard, config, plan, self._latest), name="rsgi-listing", daemon=True
            )
        work.start()

    def _make(self, dashboard: Dashboard, config: Config, plan: Plan, number: int) -> None:
        try:
            text = json.dumps(listing_of(plan, config), ensure_ascii=False)
        # Frameworks can raise anything, and serving goes on without a list.
        except Exception as error:
            say(f"warning: the dashboard cannot list the routes: {type(error).__name__}: {error}")
            return
        with self._lock:
            if number == self._latest:
                dashboard.show_routes(text)


def listing_of(plan: Plan, config: Config) -> dict[str, Any]:
    """All routes of a plan, as `src/dashboard/map.rs` reads them."""
    survey = survey_plan(plan, config)
    drawn = draw_map(survey)
    migrated, old = drawn.progress()
    unread = {"why": "rsgi cannot read its routes"}
    return {
        "mode": plan.mode,
        "reason": plan.reason,
        "summary": drawn.summary(),
        "migrated": migrated,
        "old": old,
        "by_protocol": drawn.by_protocol,
        "apps": [app if app["framework"] is not None else app | unread for app in apps_of(survey)],
        "routes": [_entry(survey, rows) for rows in _together(drawn.rows)],
    }


def _together(rows: tuple[Row, ...]) -> list[list[Row]]:
    """Rows of one path that differ in nothing but the method."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        sides = tuple((side.app, side.route) for side in (row.old, row.new) if side is not None)
        key = (row.host, row.path, row.status, row.served_by, row.then, row.note, row.share_rule, sides)
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def _entry(survey: Survey, rows: list[Row]) -> dict[str, Any]:
    row = rows[0]
    return {
        **server_of(row),
        "methods": [each.method for each in rows],
        "rule": None if row.share_rule is None else survey.plan.rules[row.share_rule].text,
        "old": _side(survey, row.old),
        "new": _side(survey, row.new),
    }


def _side(survey: Survey, side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    app, route = survey.plan.apps[side.app], side.route
    return {
        "app": app.name,
        "routes": [app.prefix + path for path in route.matched if path.startswith("/")],
        "name": route.name,
        "defined": route.defined,
    }
