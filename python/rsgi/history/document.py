"""The content of `/history.json`."""

from __future__ import annotations

import json

from rsgi.history.store import SPANS, Store


def history_document(store: Store, quiet_days: float) -> str | None:
    """What the history says, as JSON; `None` as long as it is empty.

    Args:
        store: The file.
        quiet_days: For how many days an old route must have had no requests to be safe to delete.
    """
    counted = store.counted()
    if counted is None:
        return None
    since, days = counted
    routes = [
        {
            "app": each.app,
            "route": each.route,
            "requests": each.requests,
            "errors": each.errors,
            "last_seen": each.last_seen,
            "quiet_days": each.quiet_days,
        }
        for each in store.routes()
    ]
    return json.dumps(
        {
            "version": 1,
            "since": since,
            "counted_days": round(days, 6),
            "quiet_days": quiet_days,
            "routes": routes,
            "traffic": {table: store.traffic(table) for table in SPANS},
        },
        ensure_ascii=False,
    )
