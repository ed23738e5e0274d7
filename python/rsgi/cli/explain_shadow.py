"""What `rsgi explain` says about shadow traffic: which rule samples a request, and how much of it is sent.

The rules are compiled by the router of the server, as `src/shadow/rules.rs` does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rsgi.cli.explain_share import Asked
from rsgi.settings.shares import write_share

if TYPE_CHECKING:
    from rsgi._rsgi import Explanation
    from rsgi.routing.coverage import Survey
    from rsgi.routing.shadow import ShadowRule


def shadow_rule(survey: Survey, asked: Asked) -> ShadowRule | None:
    """The shadow rule of a request; `None` without one."""
    from rsgi._rsgi import Router
    from rsgi.routing.plan import Plan, Rule

    method, url, fields, websocket, client = asked
    rules = survey.plan.shadow
    if not rules or websocket:
        return None
    # Only rules decide here, so the prefixes only have to be different.
    apps = tuple(replace(app, prefix=f"/{place}") for place, app in enumerate(survey.plan.apps))
    routed = tuple(
        Rule(each.methods, None, each.kind, each.path, (), None, False, each.to, each.text, each.source)
        for each in rules
    )
    found = Router(Plan(apps, routed, "mounts", (), "")).explain(method, url, fields, False, client)
    return rules[found.index] if found.kind == "rule" and found.index is not None else None


def shadow_line(survey: Survey, rule: ShadowRule | None, explained: Explanation) -> str:
    """What happens by the shadow rule of a request; empty without shadow traffic."""
    if not survey.plan.shadow:
        return ""
    if rule is None:
        return f"none of {len(survey.plan.shadow)} matches"
    other = survey.plan.apps[rule.to].name
    if explained.app == rule.to and explained.then is None:
        return f"`{rule.shown}` matches, but {other} answers anyway: nothing is sent twice"
    if explained.app is None:
        return f"`{rule.shown}` matches, but no application answers: nothing is sent"
    sent = f"`{rule.shown}` matches: {write_share(rule.sample)} of such requests also go to {other}"
    if not rule.repeat:
        return sent
    return f"{sent}, and {write_share(rule.repeat)} of those to {survey.plan.apps[explained.app].name} again"
