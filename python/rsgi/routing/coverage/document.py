"""The map as JSON, and what has been lost since such a file was written.

The format is stable: `docs/coverage.md` describes it, and later versions of rsgi read files of the same `version`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsgi.errors import StartupError
from rsgi.routing.coverage.map import CoverageMap, Row, Side
from rsgi.routing.coverage.survey import OTHER_METHOD, Survey
from rsgi.routing.coverage.template import shape

VERSION = 1
_HINT = "write it with `rsgi routes … --json > routes.json`"


def to_document(survey: Survey, drawn: CoverageMap) -> dict[str, Any]:
    """The map as plain data."""
    moved, total = drawn.progress()
    return {
        "version": VERSION,
        "mode": survey.plan.mode,
        "reason": survey.plan.reason,
        "apps": apps_of(survey),
        "totals": {"migrated": moved, "old": total, "statuses": dict(drawn.counts())},
        "routes": [_row(survey, row) for row in drawn.rows],
    }


def apps_of(survey: Survey) -> list[dict[str, Any]]:
    """The applications as plain data."""
    return [
        {
            "name": app.name,
            "interface": app.interface,
            "prefix": app.prefix,
            "framework": None if table is None else table.framework,
            "complete": table is not None and table.complete,
            "why": None if table is None else table.why,
        }
        for app, table in zip(survey.plan.apps, survey.tables, strict=True)
    ]


def server_of(row: Row) -> dict[str, Any]:
    """What a row says of its path, and of who answers there, as plain data."""
    return {
        "host": row.host,
        "path": row.path,
        "status": row.status,
        "served_by": row.served_by,
        "then": row.then,
        "decided_by": row.decided_by,
        "note": row.note,
    }


def _row(survey: Survey, row: Row) -> dict[str, Any]:
    return {
        "method": row.method,
        **server_of(row),
        "head": row.head,
        "fits": _fits(row),
        "old": _side(survey, row.old),
        "new": _side(survey, row.new),
    }


def _fits(row: Row) -> str | None:
    shown = row.old or row.new
    return None if shown is None or shown.template == row.path else shown.template


def _side(survey: Survey, side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    route = side.route
    return {
        "app": survey.plan.apps[side.app].name,
        "path": side.path,
        "original": route.original,
        "name": route.name,
        "defined": route.defined,
    }


@dataclass(frozen=True)
class Lost:
    """A route that was served when the file was written."""

    method: str
    host: str | None
    path: str
    served_by: str
    why: str


def read_document(path: str) -> dict[str, Any]:
    """A map that was written before.

    Raises:
        StartupError: when it is not one.
    """
    try:
        found: object = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StartupError(f"`{path}` cannot be read: {error}", _HINT) from error
    rows = found.get("routes") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(rows, list) or not all(_is_row(row) for row in rows):
        raise StartupError(f"`{path}` is not a map of routes", _HINT)
    if found.get("version") != VERSION:
        raise StartupError(
            f"`{path}` is a map of version {found.get('version')}; this rsgi reads version {VERSION}", _HINT
        )
    return found


def _is_row(row: object) -> bool:
    return (
        isinstance(row, dict)
        and all(isinstance(row.get(name), str) for name in ("method", "path"))
        and all(isinstance(row.get(name, ""), str | None) for name in ("host", "served_by", "head", "fits"))
    )


def lost_since(earlier: dict[str, Any], survey: Survey) -> list[Lost]:
    """The routes of an earlier map that nothing answers any more."""
    named: dict[tuple[str | None, str], set[str]] = {}
    for row in earlier["routes"]:
        named.setdefault((row.get("host"), shape(row["path"])), set()).add(row["method"])
    lost: list[Lost] = []
    for row in earlier["routes"]:
        host, served_by = row.get("host"), row.get("served_by")
        if served_by is None:
            continue
        others = named[host, shape(row["path"])] - {OTHER_METHOD}
        why = _why_lost(survey, row["method"], row.get("fits") or row["path"], host, tuple(others))
        if why is not None:
            lost.append(Lost(row["method"], host, row["path"], served_by, why))
    return lost


def heads_lost(earlier: dict[str, Any], survey: Survey) -> int:
    """How many GET routes of an earlier map are served as before, and do not answer HEAD any more."""
    lost = 0
    for row in earlier["routes"]:
        if row["method"] == "GET" and row.get("head") is not None:
            place = (row.get("fits") or row["path"], row.get("host"))
            lost += _why_lost(survey, "GET", *place, ()) is None and _why_lost(survey, "HEAD", *place, ()) is not None
    return lost


def _why_lost(survey: Survey, method: str, path: str, host: str | None, others: tuple[str, ...]) -> str | None:
    decision = survey.ask(method, path, host, others)
    if decision.app is None:
        return "no application answers"
    if decision.route is not None:
        return None
    if decision.then is not None and survey.has_route(decision.then, method, path, host, others):
        return None
    last = decision.app if decision.then is None else decision.then
    table, name = survey.tables[last], survey.plan.apps[last].name
    if table is None:
        return None  # nothing is known of it, so nothing is known to be lost
    return f"{name} gets the request and has no such route" + (
        "" if table.complete else " among those that can be read"
    )
