"""Hints for `rsgi serve` with a flag of another server.

The command line prints them. The tables in this package say what the flags mean.
"""

from __future__ import annotations

from rsgi.migrate.flag import Flag
from rsgi.migrate.servers import SERVERS


def hint_for(name: str) -> str | None:
    """One line about a flag that other servers have: ours, or why there is none.

    Returns:
        `None` when no server is known to have it.
    """
    said: dict[str, list[str]] = {}
    for server in SERVERS:
        flag = server.flag(name)
        if flag is not None:
            said.setdefault(_about(flag), []).append(server.name)
    return "; ".join(f"`{name}` of {_listed(servers)} {about}" for about, servers in said.items()) or None


def _about(flag: Flag) -> str:
    if flag.role == "lost":
        return f"is not there: {flag.note}"
    if flag.role == "needless":
        return f"is not needed: {flag.note}"
    if flag.role == "interface":
        return "is `--wsgi TARGET` or `--asgi TARGET` here; `rsgi serve TARGET` detects the interface"
    return f"is `{flag.ours}` here" + (f" ({flag.about})" if flag.about else "")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
