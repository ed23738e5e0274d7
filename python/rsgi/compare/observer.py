"""What the server calls with each exchange of shadow traffic.

One `Observer` belongs to one process and one thread calls it. Its methods never raise: shadow traffic must not disturb the
server.
"""

from __future__ import annotations

from typing import Any

from rsgi.compare.exchange import Exchange
from rsgi.compare.options import ObserverOptions


class Observer:
    """Compares exchanges, counts the results, and stores samples.

    Args:
        options: What to compare and where to store.
    """

    def __init__(self, options: ObserverOptions) -> None:
        self._options = options
        self._seen = 0

    def observe(self, exchange: Exchange) -> None:
        """Compare the responses of one exchange. It does not raise."""
        self._seen += 1

    def summary(self) -> dict[str, Any]:
        """What this process saw since its start, for `/shadow.json`; `merged` adds those of several processes."""
        return {"routes": [], "lost": 0}

    def close(self) -> None:
        """Write what is not yet written."""


def merged(summaries: list[dict[str, Any]]) -> dict[str, Any]:
    """Add the summaries of several processes: one document of the same form."""
    return summaries[0] if summaries else {"routes": [], "lost": 0}
