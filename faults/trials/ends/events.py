"""What happens to a server under load: signals, killed and hanging processes, recycled workers, changed files.

Apart from the clients because these know processes and no HTTP. Each event gets the running server with its clients, does
what it is named after, and comes back when clients are served again, or when the server has ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from behaviours.hosts import HostServer
from certificates import NAME, Certificates
from server import wait_until
from trials.ends.clients import Load

LONGEST = 40.0  # seconds for any of them
LONGEST_END = 20.0
RULES = "rules.toml"


@dataclass
class Run:
    """A server under load.

    Attributes:
        folder: Where its files are; `broken` makes the application impossible to import.
        left: Processes that were there when all should have ended.
        restarts: How often an event that can be repeated is.
        certificates: What the server has for TLS, if it speaks that.
    """

    server: HostServer
    load: Load
    folder: Path
    restarts: int
    certificates: Certificates | None = None
    left: int = 0
    killed: list[int] = field(default_factory=list)

    def workers(self) -> list[int]:
        """The processes that serve: those below the first one, but for helpers of `multiprocessing`."""
        return [pid for pid in self.server.tree()[1:] if _serves(pid)]


def _serves(pid: int) -> bool:
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return bool(command) and b"resource_tracker" not in command and state != "Z"
    return False


def _replaced(run: Run, old: list[int], count: int) -> None:
    """Wait until none of the old workers is left and as many serve as should, and each client is served again."""
    wait_until(lambda: not set(old) & set(run.workers()), LONGEST, "the old workers have ended")
    wait_until(lambda: len(run.workers()) == count, LONGEST, "all workers are there")
    run.load.served(1)


def terminated(run: Run) -> None:
    """SIGTERM to the first process."""
    run.server.send_signal(signal.SIGTERM)
    _ended(run, LONGEST_END)


def _ended(run: Run, seconds: float) -> None:
    """Wait for its end; what does not end is counted and killed."""
    processes = run.server.tree()
    with contextlib.suppress(subprocess.TimeoutExpired, AssertionError):
        wait_until(lambda: run.server.process.poll() is not None, seconds, "it ends")
        wait_until(lambda: not [pid for pid in processes if _serves(pid)], seconds, "all processes end")
    left = [pid for pid in processes if _serves(pid)]
    run.left = len(left)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def restarted(run: Run) -> None:
    """SIGHUP, again and again."""
    for _ in range(run.restarts):
        old = run.workers()
        run.server.send_signal(signal.SIGHUP)
        _replaced(run, old, len(old))


def resized(run: Run) -> None:
    """One worker more, and one less."""
    for _ in range(run.restarts):
        count = len(run.workers())
        run.server.send_signal(signal.SIGTTIN)
        wait_until(lambda more=count + 1: len(run.workers()) == more, LONGEST, "there is one more")
        run.load.served(1)
        run.server.send_signal(signal.SIGTTOU)
        wait_until(lambda as_before=count: len(run.workers()) == as_before, LONGEST, "there is one less")
        run.load.served(1)


def worker_killed(run: Run) -> None:
    """SIGKILL of a worker."""
    old = run.workers()
    os.kill(old[0], signal.SIGKILL)
    run.killed.append(old[0])
    _replaced(run, old[:1], len(old))


def supervisor_killed(run: Run) -> None:
    """SIGKILL of the first process: its workers should finish what they have, and end."""
    processes = run.server.tree()
    run.server.process.kill()
    with contextlib.suppress(AssertionError):
        wait_until(lambda: not [pid for pid in processes if _serves(pid)], LONGEST_END, "all processes end")
    left = [pid for pid in processes if _serves(pid)]
    run.left = len(left)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def worker_hung(run: Run) -> None:
    """SIGSTOP of a worker."""
    old = run.workers()
    os.kill(old[0], signal.SIGSTOP)
    run.killed.append(old[0])
    _replaced(run, old[:1], len(old))


def recycled(run: Run) -> None:
    """Workers end by themselves when they have served enough."""
    old = run.workers()
    wait_until(lambda: not set(old) & set(run.workers()), LONGEST, "no worker of the start is left")
    _replaced(run, old, len(old))


def broken_restart(run: Run) -> None:
    """SIGHUP while the application cannot be imported, then one while it can."""
    broken = run.folder / "broken"
    broken.touch()
    since, old = run.server.log_mark(), run.workers()
    run.server.send_signal(signal.SIGHUP)
    run.server.wait_for_log("this version is broken", LONGEST, since)
    run.load.served(5)
    broken.unlink()
    run.server.send_signal(signal.SIGHUP)
    _replaced(run, old, len(old))


def rules_reloaded(run: Run) -> None:
    """Other rules in the configuration file, and SIGHUP."""
    for number in range(run.restarts):
        write_rules(run.folder, number % 3)
        since = run.server.log_mark()
        run.server.send_signal(signal.SIGHUP)
        run.server.wait_for_log(f"reloaded {run.folder / RULES}", LONGEST, since)
        run.load.served(1)


def write_rules(folder: Path, number: int) -> Path:
    """A configuration file with so many rules for paths that nobody asks for, and one that moves a path."""
    moved = f'[[routes]]\npath = "/moved"\napp = "{("old", "new")[number % 2]}"\n'
    more = "".join(f'[[routes]]\npath = "/never/{each}"\napp = "new"\n' for each in range(number))
    apps = '[apps.old]\nwsgi = "trials.apps:wsgi"\n[apps.new]\nasgi = "trials.apps:asgi"\nprefix = "/a"\n'
    file = folder / RULES
    file.write_text(apps + moved + more)
    return file


def certificate_renewed(run: Run) -> None:
    """Another certificate and key in the same files, and SIGHUP: new connections get it, others go on."""
    assert run.certificates is not None
    address = run.server.address
    assert isinstance(address, tuple)
    for _ in range(run.restarts):
        certificate, _ = run.certificates.issue("server", NAME, "127.0.0.1")
        since = run.server.log_mark()
        run.server.send_signal(signal.SIGHUP)
        run.server.wait_for_log("read the TLS certificates again", LONGEST, since)
        shown = ssl.get_server_certificate(address)
        assert certificate.read_text().startswith(shown), "new connections get the old certificate"
        run.load.served(1)


Event = Callable[[Run], None]
