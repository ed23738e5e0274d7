"""The handlers of the old (WSGI) applications that requests can reach, and that have not been asked for a while.

`dead.py` knows from the rules that no request can come. Here a running server says that none has come: its
`/routes.json`, which has the history of `history_folder` in it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rsgi.routing.coverage.dead import Handler, entry_of, handlers_of, source_shown
from rsgi.routing.coverage.survey import Survey

# A handler that was asked later than that, in seconds, is in use.
_A_DAY = 86_400.0


@dataclass(frozen=True)
class QuietHandler:
    """A handler without requests.

    Attributes:
        handler: The handler.
        last_seen: Its last request, in seconds since 1970; `None` if there was none since the counting began.
    """

    handler: Handler
    last_seen: int | None


@dataclass(frozen=True)
class QuietHandlers:
    """What a running server says.

    Attributes:
        since: When the counting began, in seconds since 1970.
        listed: The handlers without requests, those that were never asked first.
        unknown: How many handlers the server does not have.
    """

    since: int
    listed: tuple[QuietHandler, ...]
    unknown: int


def quiet_handlers(survey: Survey, replaced: Iterable[Handler], document: dict[str, Any]) -> QuietHandlers:
    """The handlers without a request for a day, or since the counting began.

    Args:
        survey: The applications.
        replaced: The handlers that no request can reach, which are left out.
        document: `/routes.json` of a running server.
    """
    dead = {(each.app, each.defined, each.source) for each in replaced}
    found, unknown = [], 0
    sides = [side for entry in document["routes"] if (side := entry["old"]) is not None]
    for handler, labels in handlers_of(survey):
        if (handler.app, handler.defined, handler.source) in dead:
            continue
        own = [side for side in sides if side["app"] == handler.app and _is_of(side, handler, labels)]
        if not own:
            unknown += 1
            continue
        seen = max((side["last_seen"] for side in own if side["last_seen"] is not None), default=None)
        if seen is None or time.time() - seen >= _A_DAY:
            found.append(QuietHandler(handler, seen))
    listed = sorted(found, key=lambda each: (each.last_seen or 0, each.handler.app, source_shown(each.handler)))
    history = (document.get("history") or {}).get("since")
    since = document["counting_since"] if history is None else min(history, document["counting_since"])
    return QuietHandlers(int(since), tuple(listed), unknown)


def to_document(quiet: QuietHandlers) -> dict[str, Any]:
    """The same as plain data, to stand beside the handlers that no request can reach."""
    listed = [{**entry_of(each.handler), "last_seen": each.last_seen} for each in quiet.listed]
    return {"counting_since": quiet.since, "quiet": listed}


def _is_of(side: dict[str, Any], handler: Handler, labels: set[str]) -> bool:
    is_same = side["defined"] == handler.defined or side["defined"] is None or handler.defined is None
    return is_same and not labels.isdisjoint(side["routes"])
