"""`make conformance`: asks other servers and bridges for the same behaviours, and writes `docs/conformance.md`.

Apart from the tests because what it finds is news, not a failure: a row stays in the table whoever fails it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType

from behaviours.behaviour import Behaviour, verdict
from behaviours.hosts import CONFORMANCE, PYTHONPATH, Kind, ProcessHost
from behaviours.site import FOLDER
from behaviours.themes import BEHAVIOURS
from page import Column, page
from peers import BRIDGES_UNDER_UVICORN, SERVERS
from rsgi._rsgi import VERSION

TIMEOUT = 3.0
LONGEST_CHECK = 60  # seconds, whatever a check waits for
LONGEST_DRIVE = 30
AT_ONCE = 3  # most of the time is spent waiting for what does not come

PEERS = {**SERVERS, **BRIDGES_UNDER_UVICORN}


class _TooLong(TimeoutError):
    """A check did not end by itself."""


def _bounded(asked: Behaviour, host: ProcessHost) -> str | None:
    def too_long(number: int, frame: FrameType | None) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LONGEST_CHECK)
    try:
        return verdict(asked, host)
    except _TooLong:
        return f"no end within {LONGEST_CHECK} s"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _ask_process(kind: Kind, folder: Path, tell: Callable[[str], None]) -> dict[str, str | None]:
    """Every behaviour that can be asked of this host; after one that it did not show it is started anew."""
    running: dict[str, ProcessHost] = {}
    seen: dict[str, str | None] = {}
    for asked in BEHAVIOURS:
        if kind.place not in asked.where:
            continue
        variant = asked.variant if kind.name == "rsgi" or asked.variant != "streaming" else "plain"
        if variant not in running:
            running[variant] = ProcessHost(kind, variant, folder)
        running[variant].timeout = TIMEOUT
        seen[asked.name] = _bounded(asked, running[variant])
        tell(f"{kind.name} {asked.number} {asked.name}: {seen[asked.name] or 'ok'}")
        if seen[asked.name] is not None or asked.variant == "own":
            running.pop(variant).kill()
    for host in running.values():
        host.kill()
    return seen


def _ask_driven(kind: Kind, folder: Path, tell: Callable[[str], None]) -> dict[str, str | None]:
    """The behaviours of a bridge that no server can show."""
    seen: dict[str, str | None] = {}
    for asked in BEHAVIOURS:
        if kind.place in asked.where or "driver" not in asked.where:
            continue
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "behaviours.drive", kind.bridge, asked.name],
            cwd=CONFORMANCE,
            env={**os.environ, FOLDER: str(folder), "PYTHONPATH": PYTHONPATH},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            output, errors = process.communicate(timeout=LONGEST_DRIVE)
            found = json.loads(output) if output else f"the process ended: {errors.splitlines()[-1:]}"
        except subprocess.TimeoutExpired:
            found = f"no end within {LONGEST_DRIVE} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        seen[asked.name] = found
        tell(f"{kind.name} by hand {asked.number} {asked.name}: {found or 'ok'}")
    return seen


def _version(package: str) -> str | None:
    if package == "rsgi":
        return VERSION  # found in the source, not installed
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _column(title: str, kind: Kind, folder: Path, tell: Callable[[str], None]) -> Column | None:
    versions = {package: _version(package) for package in kind.packages}
    if None in versions.values():
        tell(f"{title} is not installed")
        return None
    seen = _ask_process(kind, folder, tell)
    if kind.place == "bridged":
        seen |= _ask_driven(kind, folder, tell)
    cleaned = {name: None if found is None else _clean(found, kind.name) for name, found in seen.items()}
    return Column(title, ", ".join(str(each) for each in versions.values()), cleaned)


def _clean(seen: str, name: str) -> str:
    """Without what is another in each run."""
    seen = re.sub(rf"{name}-\d+", "LABEL", seen)
    return re.sub(r" \(last answer: .*\)$", "", seen)


def _ask(title: str) -> Column | None:
    """Ask one implementation here."""

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as made:
        os.environ[FOLDER] = made
        return _column(title, PEERS[title], Path(made), tell)


def _ask_apart(title: str) -> Column | None:
    """Ask one implementation in a process of its own: a check may be cut off only in the main thread of one."""
    command = [sys.executable, str(CONFORMANCE), "--ask", title]
    response = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return response and Column(**response)


def main() -> None:
    """Ask everybody, and write the page."""
    parser = argparse.ArgumentParser(prog="python conformance", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("page", type=Path, nargs="?", help="the Markdown file to write")
    what.add_argument("--ask", choices=PEERS, help="ask only this one, and print what was seen as JSON")
    arguments = parser.parse_args()
    if arguments.ask:
        column = _ask(arguments.ask)
        print(json.dumps(column and asdict(column)))
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = dict(zip(PEERS, pool.map(_ask_apart, PEERS), strict=True))
    tables = {"Servers": SERVERS, "Bridges, under uvicorn": BRIDGES_UNDER_UVICORN}
    columns = {title: [column for name in kinds if (column := asked[name])] for title, kinds in tables.items()}
    about = (
        f"CPython {platform.python_version()} on {platform.system()}, uvicorn {_version('uvicorn')} below the bridges"
    )
    arguments.page.write_text(page(BEHAVIOURS, columns, about))


if __name__ == "__main__":
    main()
