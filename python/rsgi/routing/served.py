"""The plan of a running server. It is made again when routes or rules change, one change at a time.

Two things cause a change: the startup of the applications, which may add routes, and new rules (`process/reload.py`).
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

from rsgi._rsgi import Server
from rsgi.routing.introspect import Route
from rsgi.routing.plan import Plan
from rsgi.routing.planning import divide_again
from rsgi.settings.config import Config
from rsgi.settings.rollback import in_full


@dataclass(frozen=True)
class Change:
    """What a server went by, and what it goes by now.

    Attributes:
        config: The settings before and after.
        plan: The plans before and after.
    """

    config: tuple[Config, Config]
    plan: tuple[Plan, Plan]

    def lines(self) -> list[str]:
        """One line for each rule and route that came or went, for another mode, and for what is new to know."""
        before, after = self.plan
        rules = _came_and_went([in_full(rule) for rule in before.rules], [in_full(rule) for rule in after.rules])
        shadow = _came_and_went(*([f"shadow {rule.shown}" for rule in plan.shadow] for plan in (before, after)))
        if not rules and [in_full(rule) for rule in before.rules] != [in_full(rule) for rule in after.rules]:
            rules.append("  the order of the rules has changed")
        mode = [f"  {after.mode}: {after.reason}"] if (before.mode, before.reason) != (after.mode, after.reason) else []
        routes = _came_and_went(_named(before), _named(after))
        return [*rules, *shadow, *mode, *routes, *_said(before, after)]


class ServedPlan:
    """The plan of a running server."""

    def __init__(self, server: Server, config: Config, plan: Plan) -> None:
        """Begin with the plan that `server` was made with."""
        self._server, self._config, self._plan = server, config, plan
        self._lock = threading.Lock()

    def divide(self, config: Config | None = None) -> Change:
        """Read the routes again and let the server go by them, under other settings if there are any.

        Raises:
            StartupError: when applications and rules do not fit together; then all stays as it was.
        """
        with self._lock:
            config_after = self._config if config is None else config
            plan = divide_again(config_after, self._plan)
            self._server.reroute(plan)
            change = Change((self._config, config_after), (self._plan, plan))
            self._config, self._plan = config_after, plan
            return change


def _came_and_went(before: list[str], after: list[str]) -> list[str]:
    came, went = Counter(after) - Counter(before), Counter(before) - Counter(after)
    return [*(f"  + {text}" for text in came.elements()), *(f"  - {text}" for text in went.elements())]


def _named(plan: Plan) -> list[str]:
    """The routes of a plan; none where another mode says it already."""
    return [_text(route) for route in plan.table if not route.refuses] if plan.mode == "table" else []


def _text(route: Route) -> str:
    methods = "WS" if route.kind == "websocket" else ",".join(route.methods or ("*",))
    return f"route {methods} {route.host or ''}{route.path}"


def _said(before: Plan, after: Plan) -> list[str]:
    warnings = [f"  warning: {text}" for text in after.warnings if text not in before.warnings]
    return [*warnings, *(f"  note: {text}" for text in after.notes if text not in before.notes)]
