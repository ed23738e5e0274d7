"""The load over HTTP/2: one run of h2load with one thread, and what it saw.

Apart from `load.py`, which is wrk alone: wrk speaks HTTP/1.1 only.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile

from load import Load, MeasurementError

STREAMS = 64
# What h2load prints of a request that went wrong, and what the report calls it.
_ERRORS = {"failed": "failed requests", "errored": "requests with errors", "timeout": "timeouts"}


def h2load_is_there() -> bool:
    """Whether h2load is installed (Debian: nghttp2-client)."""
    return shutil.which("h2load") is not None


def run_http2_load(url: str, connections: int, seconds: int) -> Load:
    """Asks for `url` with 64 streams on each of so many connections for so many `seconds`.

    Raises:
        MeasurementError: h2load failed, or not a single request was answered.
    """
    with tempfile.NamedTemporaryFile(mode="r") as log:
        said = _h2load(url, connections, "-D", f"{seconds}s", f"--log-file={log.name}", within=seconds + 15)
        latencies = sorted(int(line.rsplit("\t", 1)[1]) for line in log)
    took = re.search(r"^finished in ([\d.]+)(m?s)", said, re.MULTILINE)
    succeeded = _count(said, "succeeded")
    if took is None or not succeeded:
        raise MeasurementError(f"no request was answered ({_errors(said) or 'no error reported'})")
    elapsed = float(took[1]) / (1000 if took[2] == "ms" else 1)
    p50, p99 = (latencies[int(len(latencies) * part)] for part in (0.5, 0.99))
    return Load(succeeded, elapsed, p50, p99, _errors(said))


def ask_over_http2(url: str, connections: int, requests: int) -> None:
    """Sends so many `requests`, however long they take.

    Raises:
        MeasurementError: not all of them were answered.
    """
    said = _h2load(url, connections, "-n", str(requests), within=300)
    if _count(said, "succeeded") != requests:
        raise MeasurementError(f"not all requests were answered: {_errors(said)}")


def _h2load(url: str, connections: int, *arguments: str, within: float) -> str:
    command = ["h2load", "-t1", f"-c{connections}", f"-m{STREAMS}", *arguments, url]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=within)
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"h2load did not end within {error.timeout:.0f} s") from error
    if finished.returncode:
        raise MeasurementError(f"h2load failed: {(finished.stderr or finished.stdout).strip()[-200:]}")
    return finished.stdout


def _count(said: str, word: str) -> int:
    found = re.search(rf"^requests:.* (\d+) {word}", said, re.MULTILINE)
    return int(found[1]) if found else 0


def _errors(said: str) -> dict[str, int]:
    return {meaning: count for word, meaning in _ERRORS.items() if (count := _count(said, word))}
