"""Finds shares without an effect: clients in the share and all others get the same application.

It asks a router without those rules. The usual cause is a table: a rule sends 5 % of a path to the new application, but
the new application also has a route for the path, so that it gets the rest as well.
"""

from __future__ import annotations

from dataclasses import replace

from rsgi._rsgi import Router
from rsgi.routing.introspect.sample import sample
from rsgi.routing.plan import Plan, Rule

_HINT = {
    True: "add a rule after it (`…=wsgi`) or use `--prefer wsgi` to leave them with the old application",
    False: "add a rule after it for the other clients",
}


def idle_shares(plan: Plan) -> list[str]:
    """Return one warning for each share without an effect.

    Raises:
        StartupError: when the rules or routes are invalid.
    """
    shared = [rule for rule in plan.rules if rule.share is not None]
    if not shared:
        return []
    rest = tuple(rule for rule in plan.rules if rule.share is None)
    router = Router(replace(plan, rules=rest))
    return [said for rule in shared if (said := _idle(rule, router, plan))]


def _idle(rule: Rule, router: Router, plan: Plan) -> str | None:
    if rule.kind == "regex":
        return None  # there is no sample path for an expression
    path = sample(rule.path) if rule.kind == "path" else f"{rule.path}/"
    headers = [] if rule.host is None else [("host", sample(rule.host).lower())]
    method = rule.methods[0] if rule.methods else "GET"
    found = router.explain(method, path, headers, bool(rule.websocket))
    if found.app != rule.app or found.then is not None:
        return None
    app = plan.apps[rule.app]
    why = f" ({found.reason})" if found.kind in ("table", "mount", "rule") else ""
    hint = _HINT[app.interface == "asgi" and plan.mode == "table"]
    return f"the share of `{rule.text}` has no effect: {app.name} gets the other clients as well{why}; {hint}"
