"""What a host cannot show, and what is known to be wrong: by behaviour and host, each with its reason.

Apart from the hosts because these lists shrink: a test fails when a limit is listed that is none any more.
"""

from __future__ import annotations

# What lies with the host, whatever bridge it serves.
LIMITS: dict[str, dict[str, str]] = {}

# What lies with us and is not done yet.
GAPS: dict[str, dict[str, str]] = {}


def limit_of(behaviour: str, host: str) -> str | None:
    """Why this host does not show this behaviour, if it is known."""
    for known in (LIMITS, GAPS):
        reasons = known.get(behaviour, {})
        for pattern, reason in reasons.items():
            if pattern in (host, "all") or (pattern == "bridge" and host != "rsgi"):
                return reason
    return None
