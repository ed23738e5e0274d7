"""Finds guards of the old application that are missing in the new one.

The map is about who answers. This file is about who has access. `rsgi.introspect.guards` finds the guards.
"""

from __future__ import annotations

from rsgi.routing.coverage.map import CoverageMap, Row, Side
from rsgi.routing.coverage.survey import OTHER_METHOD, Survey

_UNSEEN = (
    "rsgi does not see checks in a handler, in middleware or in front of the server, in either application; "
    "docs/migration-guide.md shows how to share a login"
)


def lost_guards(survey: Survey, drawn: CoverageMap) -> tuple[str, ...]:
    """A sentence for each guard of the old application that guards what the new one answers without any.

    One that sees no guard of its own in the new application may be wrong: the last words say what cannot be seen.
    """
    lost: dict[tuple[tuple[str, ...], str, str], list[str]] = {}
    for row in drawn.rows:
        guards = _lost(survey, row)
        if guards and row.old is not None and row.new is not None:
            old, new = (survey.plan.apps[side.app].name for side in (row.old, row.new))
            lost.setdefault((guards, old, new), []).append(f"`{row.method} {row.path}`")
    return tuple(_sentence(*key, routes) for key, routes in lost.items())


def _sentence(guards: tuple[str, ...], old: str, new: str, routes: list[str]) -> str:
    named = ", ".join(f"`{each}`" for each in guards)
    verb = "guards" if len(guards) == 1 else "guard"
    return f"{named} {verb} {', '.join(routes)} in {old}; {new} answers now, and rsgi sees no guard there ({_UNSEEN})"


def _lost(survey: Survey, row: Row) -> tuple[str, ...]:
    """The guards of the old route of a row, if the new one answers and has none."""
    if row.old is None or row.new is None or _guards(row.new, row.method):
        return ()
    is_answered_by_new = row.served_by == survey.plan.apps[row.new.app].name
    return _guards(row.old, row.method) if is_answered_by_new else ()


def _guards(side: Side, method: str) -> tuple[str, ...]:
    guarding = (guard for guard in side.route.guards if method == OTHER_METHOD or guard.method in (None, method))
    return tuple(dict.fromkeys(guard.name for guard in guarding))
