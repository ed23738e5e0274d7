"""The tables of `docs/coming-from.md`, as text.

A test writes them into the page, or says that the page is out of date.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rsgi.migrate.flag import Flag, OtherServer
from rsgi.migrate.servers import SERVERS


def fill(page: str) -> str:
    """The page with what is known now between the marks of each server."""
    for server in SERVERS:
        made = f"<!-- {server.name} -->\n{differences_of(server)}\n\n{table_of(server)}\n<!-- end -->"
        marked = re.compile(rf"<!-- {server.name} -->\n.*?<!-- end -->", re.DOTALL)
        page = marked.sub(lambda _, made=made: made, page)  # type: ignore[misc]
    return page


def table_of(server: OtherServer) -> str:
    """What is here, then what is not, as two tables of Markdown; flags with the same reason share a row."""
    here = [flag for flag in server.flags if flag.ours]
    lines = [f"| {server.name} | rsgi | |", "|---|---|---|"]
    lines += [f"| {_spelled(flag)} | `{_safe(flag.ours)}` | {_safe(flag.about)} |" for flag in here]
    lines += ["", f"| {server.name}: not supported or not needed | why, or what instead |", "|---|---|"]
    lines += [f"| {names} | {_safe(note)} |" for note, names in _by_reason(server)]
    return "\n".join(lines)


def differences_of(server: OtherServer) -> str:
    """What else is different, as a list."""
    return "\n".join(f"- {each}" for each in server.differs)


def _by_reason(server: OtherServer) -> Iterator[tuple[str, str]]:
    reasons: dict[str, list[str]] = {}
    for flag in server.flags:
        if not flag.ours:
            reasons.setdefault(flag.note, []).append(_spelled(flag, value=False))
    for note, names in reasons.items():
        yield note, ", ".join(names)


def _spelled(flag: Flag, *, value: bool = True) -> str:
    *others, last = flag.names
    shown = f"{last} {flag.value}" if flag.value and value else last
    return ", ".join(f"`{_safe(each)}`" for each in (*others, shown))


def _safe(text: str) -> str:
    return text.replace("|", "\\|")
