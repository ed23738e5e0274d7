"""Finds shares that decide nothing: who is not in one gets the same application as who is.

Apart from the plan, which says who serves what, because here the router is asked, as it would be without those rules. The
usual cause is a table: a rule gives 5 % of a path to the new application, whose own route for it takes the rest as well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rsgi._rsgi import Router
from rsgi.introspect.sample import sample

if TYPE_CHECKING:
    from rsgi.plan import Plan, Rule

_HINT = {
    True: "a rule after it (`…=wsgi`) or `--prefer wsgi` keeps them where they were",
    False: "a rule after it says who gets them",
}


def idle_shares(plan: Plan) -> list[str]:
    """One sentence for each share that decides nothing.

    Raises:
        StartupError: when rules and routes make no sense.
    """
    shared = [rule for rule in plan.rules if rule.share is not None]
    if not shared:
        return []
    rest = tuple(rule for rule in plan.rules if rule.share is None)
    router = Router(replace(plan, rules=rest))
    return [said for rule in shared if (said := _idle(rule, router, plan))]


def _idle(rule: Rule, router: Router, plan: Plan) -> str | None:
    if rule.kind == "regex":
        return None  # no path that it fits can be made up
    path = sample(rule.path) if rule.kind == "path" else f"{rule.path}/"
    headers = [] if rule.host is None else [("host", sample(rule.host).lower())]
    method = rule.methods[0] if rule.methods else "GET"
    found = router.explain(method, path, headers, bool(rule.websocket))
    if found.app != rule.app or found.then is not None:
        return None
    app = plan.apps[rule.app]
    why = f" ({found.reason})" if found.kind in ("table", "mount", "rule") else ""
    hint = _HINT[app.interface == "asgi" and plan.mode == "table"]
    return f"the share of `{rule.text}` decides nothing: {app.name} gets the other clients as well{why}; {hint}"
