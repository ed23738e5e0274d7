"""What a host cannot show, and what is known to be wrong with us: by behaviour and host, each with its reason.

Apart from the hosts because these lists shrink: a test fails when a limit is listed that is none any more.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """Why a host does not show a behaviour.

    Attributes:
        always: Whether it never does; else it is a race, and both is seen.
        since: The first version of CPython that it does not show it on.
    """

    reason: str
    always: bool = True
    since: tuple[int, int] = (3, 0)

    def holds_here(self) -> bool:
        """Whether it is one on this interpreter."""
        return sys.version_info >= self.since


_COLLECTS = Limit("Daphne collects the request body before it calls the application")
_DAPHNE_WAITS = Limit("Daphne's `send` never waits for the client: all is kept in memory")
_DAPHNE_HANGS = Limit("Daphne leaves the connection open when the application fails after its response has begun")

_GROUPED = Limit("headers leave grouped by name; RFC 9110, 5.3 gives the order of different names no meaning")

# What lies with the host, whatever bridge it serves: behaviour → host → why.
_UVICORN_ENDS = Limit("uvicorn ends by the signal without waiting for what it cancelled", always=False)

LIMITS: dict[str, dict[str, Limit]] = {
    "body_streams_in": {"bridge-daphne": _COLLECTS},
    "upload_is_not_kept_in_memory": {"bridge-daphne": _COLLECTS},
    "no_continue_unread": {
        "bridge-daphne": Limit("Daphne sends `100 Continue` itself, before it calls the application"),
        "bridge-hypercorn": Limit("Hypercorn sends `100 Continue` itself, before it calls the application"),
    },
    "write_waits_for_a_stalled_client": {"bridge-daphne": _DAPHNE_WAITS},
    "iteration_waits_for_a_stalled_client": {"bridge-daphne": _DAPHNE_WAITS},
    "exc_info_after_a_byte_raises_it": {"bridge-daphne": _DAPHNE_HANGS},
    "less_than_content_length_is_cut_off": {"bridge-daphne": _DAPHNE_HANGS},
    "late_failure_never_looks_like_success": {"bridge-daphne": _DAPHNE_HANGS},
    "not_modified_has_no_body": {"bridge-granian": Limit("Granian drops the Content-Length of a 304")},
    "order_of_headers_is_kept": {"bridge-daphne": _GROUPED, "bridge-granian": _GROUPED},
    "stop_ends_what_runs": {
        "bridge-uvicorn": _UVICORN_ENDS,
        "bridge-uvicorn-httptools": _UVICORN_ENDS,
        "bridge-hypercorn": Limit(
            "Hypercorn awaits `Server.wait_closed()` before its graceful timeout begins; since Python 3.12 that waits until "
            "all clients have left",
            since=(3, 12),
        ),
        "bridge-granian": Limit("Granian kills its worker without cancelling what runs there"),
        "bridge-gunicorn": Limit(
            "gunicorn kills its worker at the moment at which that cancels what runs", always=False
        ),
    },
}

# What lies with us, and is not done yet: behaviour → host, or `all` → why.
GAPS: dict[str, dict[str, Limit]] = {
    "stop_ends_what_runs": {
        "bridge-uvicorn": Limit(
            "uvicorn ends itself by the signal, at times before the thread of a cancelled call has closed its iterable",
            always=False,
        ),
    },
}


def limit_of(behaviour: str, host: str) -> Limit | None:
    """Why this host does not show this behaviour, if it is known."""
    for known in (LIMITS, GAPS):
        reasons = known.get(behaviour, {})
        found = reasons.get(host, reasons.get("all"))
        if found is not None and found.holds_here():
            return found
    return None
