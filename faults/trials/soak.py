"""A mixed load for a long time: memory, descriptors and threads stay, nothing is logged that should not be, p99 stays.

Apart from the trials of a moment because here time is what does the harm. Shares and shadow traffic are on, and workers are
restarted every minute.
"""

from __future__ import annotations

import contextlib
import re
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from behaviours.hosts import HostServer
from server import wait_until
from trials.apps import JOBS
from trials.ends.clients import CUT, WHOLE, WRONG, Load
from trials.ends.trial import KINDS_OF_RSGI
from trials.hostile.trial import descriptors, memory_of, resident
from trials.servers import FOLDER, RSGI, start
from wire import get

WORKERS = 2
EVERY = 60.0  # seconds between two restarts
LOOK = 1.0
RULES = """
[apps.old]
wsgi = "trials.apps:wsgi"
[apps.new]
asgi = "trials.apps:asgi"
prefix = "/a"
[[routes]]
path = "/shared"
app = "new"
share = "50%"
[[shadow]]
path = "/w/get"
to = "new"
sample = "10%"
"""
# What a restart writes is of no interest; a warning or an error is.
COMPLAINTS = re.compile(r"^.*\b(?:warning|error|panic\w*|Traceback)\b.*$", re.MULTILINE)


@dataclass
class Sample:
    """The state of all processes at one moment."""

    seconds: float
    memory: int
    descriptors: int
    threads: int
    # Of the process that is never replaced.
    supervisor: int = 0


@dataclass
class Soaked:
    """What was seen.

    Attributes:
        first, last: p99 of a probe in milliseconds, in the first and in the last tenth of the time.
        before, after: Processes, descriptors and threads without load, at the start and at the end.
    """

    samples: list[Sample] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    restarts: int = 0
    first: float = 0
    last: float = 0
    before: tuple[int, int] = (0, 0)
    after: tuple[int, int] = (0, 0)
    complaints: list[str] = field(default_factory=list)

    def slope(self) -> tuple[float, float]:
        """The growth of memory after the first third of the time, in MiB per minute, with its standard error."""
        kept = self.samples[len(self.samples) // 3 :]
        if len(kept) < 3:
            return 0.0, 0.0
        times = [each.seconds / 60 for each in kept]
        sizes = [each.memory / 2**20 for each in kept]
        slope, start = statistics.linear_regression(times, sizes)
        rest = [size - start - slope * at for at, size in zip(times, sizes, strict=True)]
        middle = statistics.fmean(times)
        spread = sum((at - middle) ** 2 for at in times)
        return slope, (sum(each**2 for each in rest) / (len(kept) - 2) / spread) ** 0.5


def _threads(server: HostServer) -> int:
    found = 0
    for pid in server.tree():
        with contextlib.suppress(OSError):
            found += len(list(Path(f"/proc/{pid}/task").iterdir()))
    return found


class _Probe(threading.Thread):
    """Asks once in a while and keeps how long it took."""

    def __init__(self, server: HostServer, stopped: threading.Event) -> None:
        super().__init__(daemon=True)
        self.server, self.stopped = server, stopped
        self.times: list[float] = []

    def run(self) -> None:
        while not self.stopped.wait(0.02):
            began = time.monotonic()
            with contextlib.suppress(OSError):
                get(self.server, "/w/get")
            self.times.append(1000 * (time.monotonic() - began))

    def p99(self, part: slice) -> float:
        ranked = sorted(self.times[part]) or [0.0]
        return ranked[int(len(ranked) * 0.99)]


def soak(minutes: float, tell: Callable[[str], None], every: float = EVERY) -> Soaked:
    """Serve the load for so many minutes."""
    soaked = Soaked()
    with tempfile.TemporaryDirectory() as made:
        file = Path(made) / "rsgi.toml"
        file.write_text(RULES)
        arguments = ("--app-dir", str(FOLDER), "--config", str(file), "--grace", "20", "--wsgi-threads", "32")
        server = start(RSGI, "", "", *arguments, workers=WORKERS, environment={JOBS: f"{made}/jobs"})
        try:
            _run(server, minutes * 60, every, soaked, tell)
        finally:
            server.kill_tree()
    soaked.complaints = COMPLAINTS.findall(server.log())
    return soaked


def _run(server: HostServer, seconds: float, every: float, soaked: Soaked, tell: Callable[[str], None]) -> None:
    soaked.before = descriptors(server), _threads(server)
    load = Load(server, KINDS_OF_RSGI)
    probe = _Probe(server, load.stopped)
    began = time.monotonic()
    with load:
        probe.start()
        restart = began + every
        while (now := time.monotonic()) < began + seconds:
            load.stopped.wait(LOOK)
            soaked.samples.append(
                Sample(now - began, resident(server), descriptors(server), _threads(server), memory_of([server.pid]))
            )
            if now >= restart:
                _restart(server)
                soaked.restarts += 1
                restart = now + every
                tell(f"{now - began:.0f} s: {resident(server) >> 20} MiB, {dict(load.counts())}")
    probe.join(30)
    tenth = max(1, len(probe.times) // 10)
    soaked.first, soaked.last = probe.p99(slice(0, tenth)), probe.p99(slice(-tenth, None))
    soaked.counts = {outcome: load.counts()[outcome] for outcome in (WHOLE, CUT, WRONG)}
    with contextlib.suppress(AssertionError):
        wait_until(lambda: descriptors(server) <= soaked.before[0], 30, "descriptors are back")
    soaked.after = descriptors(server), _threads(server)


def _restart(server: HostServer) -> None:
    since = server.log_mark()
    server.send_signal(signal.SIGHUP)
    server.wait_for_log("all workers were replaced", 120, since)


def wrong_with(soaked: Soaked) -> list[str]:
    """What should not be."""
    slope, error = soaked.slope()
    wrong = []
    if slope - 3 * error > 1:
        wrong.append(f"memory grows by {slope:.1f} ± {error:.1f} MiB a minute")
    if soaked.after[0] > soaked.before[0] + 4:
        wrong.append(f"descriptors: {soaked.before[0]} before, {soaked.after[0]} after")
    if soaked.after[1] > soaked.before[1] + 4:
        wrong.append(f"threads: {soaked.before[1]} before, {soaked.after[1]} after")
    if soaked.counts[CUT] or soaked.counts[WRONG]:
        wrong.append(f"requests: {soaked.counts}")
    return wrong + soaked.complaints[:20]


def table(tell: Callable[[str], None], minutes: float = 30) -> Iterator[str]:
    """The lines of the table."""
    soaked = soak(minutes, tell)
    slope, error = soaked.slope()
    wrong = wrong_with(soaked)
    for each in wrong:
        tell(each)
    yield "| | |"
    yield "|---|---|"
    yield f"| minutes, restarts | {minutes:g}, {soaked.restarts} |"
    yield f"| requests answered whole, cut | {soaked.counts[WHOLE]}, {soaked.counts[CUT] + soaked.counts[WRONG]} |"
    yield f"| memory at the end | {soaked.samples[-1].memory / 2**20:.0f} MiB |"
    first, last = (each.supervisor / 2**20 for each in (soaked.samples[len(soaked.samples) // 3], soaked.samples[-1]))
    yield f"| memory of the supervisor, after the first third and at the end | {first:.1f}, {last:.1f} MiB |"
    yield f"| growth of memory after the first third | {slope:+.2f} ± {error:.2f} MiB a minute |"
    yield f"| descriptors before and after | {soaked.before[0]}, {soaked.after[0]} |"
    yield f"| threads before and after | {soaked.before[1]}, {soaked.after[1]} |"
    yield f"| p99 of a probe, first and last tenth | {soaked.first:.0f} ms, {soaked.last:.0f} ms |"
    yield f"| warnings and errors in the log | {len(soaked.complaints)} |"
    yield f"| all as it should be | {'yes' if not wrong else 'no'} |"
