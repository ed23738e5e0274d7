"""What `rsgi status` shows, made of `/routes.json`: numbers in words, and which routes are in trouble.

Nothing here prints. `terminal.py` does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

# With so many requests, the part of errors and a time mean something. The slowest of a few requests does not.
_ENOUGH = 20
_TIMES = (("p50", _ENOUGH), ("p99", 100))

# The part of errors that is a problem; and how much slower: this many times, and so many seconds.
_ERRORS = 0.01
_SLOWER = 1.5
_NOTABLE = 0.005


@dataclass(frozen=True)
class Numbers:
    """The numbers of one route in one application, of the last minutes.

    Attributes:
        rate: Requests per second.
        requests: Requests since the start.
        errors: Those with a status from 500 on, of the last minutes.
        recent: Requests of the last minutes.
        p50: Half of them took at most so many seconds.
        p99: 99 % of them did.
    """

    rate: float
    requests: int
    errors: int
    recent: int
    p50: float | None
    p99: float | None


@dataclass(frozen=True)
class RouteStatus:
    """One line."""

    path: str
    methods: str
    status: str
    served_by: str
    share: str | None
    old: Numbers | None
    new: Numbers | None
    last_seen: int | None
    quiet_days: float | None
    safe_to_delete: bool
    rolled_back: bool

    @property
    def rate(self) -> float:
        """Requests per second, of both applications."""
        return sum(side.rate for side in (self.old, self.new) if side is not None)

    @property
    def requests(self) -> int:
        """Requests since the start, of both applications."""
        return sum(side.requests for side in (self.old, self.new) if side is not None)

    @property
    def errors(self) -> int:
        """Errors of the last minutes, of both applications."""
        return sum(side.errors for side in (self.old, self.new) if side is not None)

    def trouble(self) -> str | None:
        """What is wrong with it, in words; `None` if nothing is."""
        if self.rolled_back:
            return "stopped by rollback"
        for side, name in ((self.new, "new"), (self.old, "old")):
            if side is not None and side.recent >= _ENOUGH and side.errors >= side.recent * _ERRORS:
                return f"{percent(side.errors, side.recent)} errors in the {name} one"
        return None if self.old is None or self.new is None else _slower(self.old, self.new)


def _slower(old: Numbers, new: Numbers) -> str | None:
    for name, enough in _TIMES:
        before, now = getattr(old, name), getattr(new, name)
        if before and now and min(old.recent, new.recent) >= enough and now > max(before * _SLOWER, before + _NOTABLE):
            return f"the new one takes {now / before:.1f} times as long ({name})"
    return None


def routes_of(document: dict[str, Any]) -> list[RouteStatus]:
    """The lines of `/routes.json`, in its order."""
    seconds = max(1.0, float(document["recent_seconds"]))
    return [_route(each, seconds) for each in document["routes"]]


def _route(entry: dict[str, Any], seconds: float) -> RouteStatus:
    share, old = entry.get("share"), entry["old"]
    served = entry["served_by"] or "nobody"
    return RouteStatus(
        f"{entry['host'] or ''}{entry['path']}",
        ",".join(entry["methods"]),
        entry["status"],
        served if entry["then"] is None else f"{served}, then {entry['then']}",
        None if share is None else share["share"],
        _numbers(old, seconds),
        _numbers(entry["new"], seconds),
        max((side["last_seen"] for side in (old, entry["new"]) if side and side["last_seen"]), default=None),
        None if old is None else old["quiet_days"],
        entry["safe_to_delete"],
        (((share or {}).get("rollback")) or {}).get("state") == "rolled back",
    )


def _numbers(side: dict[str, Any] | None, seconds: float) -> Numbers | None:
    if side is None:
        return None
    recent = side["recent"]
    return Numbers(
        recent["requests"] / seconds,
        side["requests"],
        recent["errors"],
        recent["requests"],
        recent["p50"] if recent["requests"] else side["p50"],
        recent["p99"] if recent["requests"] else side["p99"],
    )


def percent(part: float, whole: float) -> str:
    """`12 %`; `<1 %` for what is more than nothing."""
    if not whole:
        return "0 %"
    value = 100 * part / whole
    return "<1 %" if 0 < value < 1 else f"{math.floor(value)} %"


def duration(seconds: float | None) -> str:
    """`2.1 ms`, `40 ms`, `1.2 s`; `-` for nothing."""
    if seconds is None:
        return "-"
    if seconds >= 1:
        return f"{seconds:.1f} s"
    milliseconds = seconds * 1000
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


def rate(value: float) -> str:
    """`0.02/s`, `3.4/s`, `120/s`; `-` for nothing."""
    if value == 0:
        return "-"
    digits = 0 if value >= 100 else 1 if value >= 1 else 2
    return f"{value:.{digits}f}/s"


def uptime(seconds: float) -> str:
    """`42 s`, `3 min`, `2 h 5 min`, `4 d 3 h`."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86_400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"
