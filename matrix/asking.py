"""Asks one framework under two servers for the same, and says where they differ."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matrix.frameworks import Framework
from matrix.observing import Case
from matrix.servers import FrameworkServer, Name
from server import ServerExited
from wire import ConnectionEnded, request

_LONGEST_NOTE = 160
_LONGEST_IMPORT = 120.0


@dataclass(frozen=True)
class Verdict:
    """One case of one framework.

    Attributes:
        case: Its name.
        rsgi: What is wrong or different under rsgi; `None` where it is the same as under the usual server, and right.
        usual: The same of the usual server, where it alone is wrong.
        differs: Whether the two differ.
        known: Why they differ on purpose, or `None`.
    """

    case: str
    rsgi: str | None
    usual: str | None
    differs: bool
    known: str | None = None


def compare(framework: Framework, cases: Sequence[Case], python: Path, scratch: Path) -> list[Verdict]:
    """Ask both servers for every case that the application offers.

    Raises:
        ServerExited: when the application does not start under one of them.
    """
    left_out = {group for group, _ in framework.without}
    asked = [case for case in cases if case.group not in left_out]
    seen = {name: _ask_all(name, framework, asked, python, scratch / name) for name in ("rsgi", framework.usual)}
    verdicts = [_verdict(case, seen["rsgi"][case.name], seen[framework.usual][case.name]) for case in asked]
    known = dict(framework.known)
    return [replace(each, known=known.get(each.case) if each.rsgi is not None else None) for each in verdicts]


def _ask_all(name: str, framework: Framework, cases: Sequence[Case], python: Path, scratch: Path) -> dict[str, Any]:
    chosen: Name = "rsgi" if name == "rsgi" else framework.usual
    server = FrameworkServer(chosen, framework, python, scratch)
    try:
        _wait_for_application(server)
        return {case.name: _ask(case, server) for case in cases}
    finally:
        if server.process.poll() is None:
            server.kill()
        (scratch / "log.txt").write_text(server.log())


def _wait_for_application(server: FrameworkServer) -> None:
    """Gunicorn listens before it imports the application."""
    with contextlib.suppress(OSError, ConnectionEnded):
        request(server, "GET", "/", timeout=_LONGEST_IMPORT)


def _ask(case: Case, server: FrameworkServer) -> Any:
    try:
        return case.ask(server)
    except Exception as error:  # whatever a client can meet is an observation
        return {"failed": f"{type(error).__name__}: {error}"[:_LONGEST_NOTE]}


def _verdict(case: Case, rsgi: Any, usual: Any) -> Verdict:
    wrong = [None if _is_right(case, found) else _short(found) for found in (rsgi, usual)]
    if rsgi != usual and wrong == [None, None]:
        mine, other = _difference(rsgi, usual)
        return Verdict(case.name, mine, other, True)
    return Verdict(case.name, wrong[0], wrong[1], rsgi != usual)


def _is_right(case: Case, found: Any) -> bool:
    try:
        return "failed" not in found and bool(case.right(found))
    except (KeyError, TypeError):
        return False


def _difference(rsgi: Any, usual: Any) -> tuple[str, str]:
    """The parts of two observations that are not the same."""
    if not isinstance(rsgi, dict) or not isinstance(usual, dict):
        return _short(rsgi), _short(usual)
    keys = [key for key in dict.fromkeys((*rsgi, *usual)) if rsgi.get(key) != usual.get(key)]
    mine, other = ({key: found.get(key) for key in keys} for found in (rsgi, usual))
    if "fields" in keys:
        only = [[each for each in a["fields"] if each not in b["fields"]] for a, b in ((rsgi, usual), (usual, rsgi))]
        mine["fields"], other["fields"] = only
    return _short(mine), _short(other)


def _short(found: Any) -> str:
    text = json.dumps(found, ensure_ascii=False)
    return text if len(text) <= _LONGEST_NOTE else f"{text[:_LONGEST_NOTE]}…"


def does_not_start(error: ServerExited) -> str:
    """Why a server did not start: the last line that it wrote, or that it took too long."""
    if error.exit_code == -signal.SIGKILL:
        return "it took too long"
    lines = [line for line in error.log.splitlines() if line.strip()]
    return lines[-1][:_LONGEST_NOTE] if lines else "it ended without a word"
