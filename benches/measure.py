"""One measurement of one server: wrk's figures, and what the server's processes used meanwhile.

Apart from starting servers and from the tables. CPU time comes from `/proc`, instructions and context switches from
`perf stat` where the machine counts them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from servers import Running

_UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6}


class Failed(Exception):
    """The server did not survive the load, or gave no answers to measure."""


@dataclass
class Sample:
    """What one run showed. Times are microseconds; a count is per request, `None` where it could not be had.

    Attributes:
        errors: Answers that were none, or not 2xx.
        memory: Resident memory of all processes, in MiB.
    """

    requests_per_second: float
    p50: float
    p99: float
    cpu: float
    instructions: float | None
    switches: float | None
    memory: float
    errors: str


def measure(server: Running, connections: int, seconds: float) -> Sample:
    """Load a server with `connections` connections after a second of warm-up.

    Raises:
        Failed: when there is nothing to measure.
    """
    _wrk(server.port, connections, 1)
    processes = server.processes()
    counting = _start_counting(processes, seconds)
    before, began = _cpu_seconds(processes), time.monotonic()
    text = _wrk(server.port, connections, seconds)
    elapsed, used = time.monotonic() - began, _cpu_seconds(processes) - before
    counts = _read_counts(counting)
    found = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s*([\d.]+)", text)
    if not found or not rate:
        raise Failed(f"wrk gave no figures:\n{text}")
    requests = int(found[1])
    # perf counts for `seconds`; wrk may run a little longer.
    share = requests * min(1.0, seconds / elapsed)
    return Sample(
        requests_per_second=float(rate[1]),
        p50=_latency(text, "50%"),
        p99=_latency(text, "99%"),
        cpu=used * 1e6 / requests,
        instructions=counts["instructions"] / share if "instructions" in counts else None,
        switches=counts["context-switches"] / share if "context-switches" in counts else None,
        memory=sum(_resident(process) for process in processes),
        errors=" ".join(re.findall(r"Socket errors:.*|Non-2xx.*", text)),
    )


def _wrk(port: int, connections: int, seconds: float) -> str:
    url = f"http://127.0.0.1:{port}/"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency", url]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds + 30)
    if done.returncode:
        raise Failed(f"wrk: {done.stdout.strip()} {done.stderr.strip()}")
    return done.stdout


def _latency(text: str, percentile: str) -> float:
    found = re.search(rf"^\s*{percentile}\s+([\d.]+)(us|ms|s)", text, re.MULTILINE)
    return float(found[1]) * _UNITS[found[2]] if found else float("nan")


def _start_counting(processes: list[int], seconds: float) -> subprocess.Popen[str] | None:
    if not shutil.which("perf"):
        return None
    wanted = ["-e", "instructions:u,context-switches", "-p", ",".join(map(str, processes))]
    command = ["perf", "stat", "-x;", *wanted, "sleep", f"{seconds:g}"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _read_counts(counting: subprocess.Popen[str] | None) -> dict[str, float]:
    if counting is None:
        return {}
    counts = {}
    for line in counting.communicate(timeout=60)[1].splitlines():
        fields = line.split(";")
        if len(fields) > 2 and fields[0].replace(".", "").isdigit():
            counts[fields[2].partition(":")[0]] = float(fields[0])
    return counts


def _cpu_seconds(processes: list[int]) -> float:
    ticks = 0
    for process in processes:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _resident(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
