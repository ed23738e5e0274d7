"""The load: one run of wrk with one thread, and what it saw.

Apart so that nothing else knows the load generator; another one would replace this file and `load.lua`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("load.lua")
# The names that load.lua prints, and what the report calls them.
_ERRORS = {
    "connect": "connections refused",
    "read": "failed reads",
    "write": "failed writes",
    "timeout": "timeouts",
    "status": "answers with 4xx or 5xx",
}


class MeasurementError(Exception):
    """A server did not start, did not answer or answered wrongly, or the load could not run."""


@dataclass(frozen=True)
class Load:
    """What one run of the load generator saw.

    Attributes:
        requests: requests that were answered.
        seconds: how long that took.
        p50: median latency in microseconds.
        p99: 99th percentile of the latency in microseconds.
        errors: what went wrong and how often; empty when nothing did.
    """

    requests: int
    seconds: float
    p50: int
    p99: int
    errors: dict[str, int]


def wrk_version() -> str | None:
    """The version of wrk, or None where it is not installed."""
    if shutil.which("wrk") is None:
        return None
    # wrk ends `--version` with 1, as if it were a mistake.
    text = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d+(?:\.\d+)+", text)
    return found.group() if found else "of unknown version"


def run_load(url: str, connections: int, seconds: int, upload: int = 0, fields: tuple[str, ...] = ()) -> Load:
    """Asks for `url` over `connections` kept-open connections for `seconds`, with a body of `upload` bytes and `fields`.

    Raises:
        MeasurementError: wrk failed, or not a single request was answered.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(_SCRIPT), url]
    command += [argument for line in fields for argument in ("-H", line)]
    try:
        # wrk counts requests as timed out after 2 s; a run that is this late is stuck.
        finished = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 15,
            env={**os.environ, "UPLOAD": str(upload)},
        )
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"wrk did not end within {error.timeout:.0f} s") from error
    line = next((line for line in finished.stdout.splitlines() if line.startswith("FIGURES ")), None)
    if line is None:
        raise MeasurementError(f"wrk failed: {(finished.stderr or finished.stdout).strip()}")
    figures = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}
    errors = {meaning: figures[name] for name, meaning in _ERRORS.items() if figures[name]}
    if not figures["requests"]:
        raise MeasurementError(f"no request was answered ({errors or 'no error reported'})")
    return Load(figures["requests"], figures["microseconds"] / 1e6, figures["p50"], figures["p99"], errors)
