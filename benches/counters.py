"""What a server costs the machine: CPU time, context switches and memory from /proc, instructions from perf.

Apart because it alone knows Linux's accounting. All figures are of a whole tree of processes: gunicorn and Granian
start workers.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# perf says nothing when it has begun to count; the server idles in the meantime.
_PERF_ATTACHES = 0.3
_EVENT = "instructions:u"


@dataclass(frozen=True)
class Usage:
    """What a tree of processes has used so far.

    Attributes:
        cpu_seconds: user and system time.
        switches: context switches of all threads, both given up and taken away.
        resident: resident memory in bytes.
    """

    cpu_seconds: float
    switches: int
    resident: int


def process_tree(root: int) -> list[int]:
    """The process `root` and all that descend from it, parents first."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat_fields(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    tree = [root]
    for process in tree:  # grows while it is walked
        tree.extend(children.get(process, []))
    return tree


def read_usage(processes: list[int]) -> Usage:
    """The sum over `processes` of what each has used since it began."""
    ticks = switches = resident = 0
    for process in processes:
        fields = _stat_fields(process)
        ticks += sum(int(field) for field in fields[11:13])  # user and system time
        resident += int(fields[21]) * os.sysconf("SC_PAGE_SIZE") if fields else 0
        switches += sum(_thread_switches(task) for task in _threads(process))
    return Usage(ticks / _TICKS_PER_SECOND, switches, resident)


def perf_counts_instructions() -> bool:
    """Whether perf is installed, may be used and has a counter of instructions (many virtual machines lack it)."""
    if shutil.which("perf") is None:
        return False
    command = ["perf", "stat", "-x,", "-e", _EVENT, "--", "true"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    return _parse_count(finished.stderr) is not None


@dataclass
class Count:
    """A number that is known only after the block that counts it; None where it could not be counted."""

    value: int | None = None


@contextmanager
def counting_instructions(processes: list[int], with_perf: bool) -> Iterator[Count]:
    """Counts the user instructions of all threads of `processes` while the block runs, if `with_perf`."""
    count = Count()
    if not with_perf:
        yield count
        return
    with tempfile.NamedTemporaryFile(mode="r") as output:
        pids = ",".join(str(process) for process in processes)
        command = ["perf", "stat", "-x,", "-e", _EVENT, "-p", pids, "-o", output.name]
        perf = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(_PERF_ATTACHES)
            yield count
        finally:
            perf.send_signal(signal.SIGINT)  # how perf is told to write what it counted
            perf.wait(timeout=10)
        count.value = _parse_count(Path(output.name).read_text())


def _parse_count(text: str) -> int | None:
    for line in text.splitlines():
        fields = line.split(",")
        if _EVENT in fields and fields[0].isdigit():
            return int(fields[0])
    return None  # `<not supported>`, `<not counted>`, or perf was refused


def _stat_fields(process: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty when the process is gone."""
    try:
        text = (_PROC / str(process) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()  # the name before it may hold anything, even `)`


def _threads(process: int) -> list[Path]:
    try:
        return list((_PROC / str(process) / "task").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return []


def _thread_switches(task: Path) -> int:
    try:
        text = (task / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(number) for number in re.findall(r"^(?:non)?voluntary_ctxt_switches:\s*(\d+)", text, re.MULTILINE))
