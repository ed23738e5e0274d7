"""How each host is started, and what it cannot show and why.

Apart from the behaviours because a host knows none of them by more than its name. A host is a real process on a port of its
own; one process per variant serves all behaviours of a run.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from behaviours.behaviour import NotSo
from behaviours.exchange import Headers, Host, Mark, WireExchange
from server import RSGI_READY, UVICORN_READY, Server, wait_until
from wire import Connection, get

CONFORMANCE = Path(__file__).parents[1]
PROJECT = CONFORMANCE.parent
# The package is found in the source too, for an environment that it is not installed in.
PYTHONPATH = os.pathsep.join(map(str, (CONFORMANCE, PROJECT / "tests/support", PROJECT / "python")))
PLACE = r"https?://(?P<host>[^:/]+):(?P<port>\d+)(?P<path>)"
APP = "behaviours.targets:app"
BRIDGED = "behaviours.targets:bridged"
THREADS, QUEUE = 2, 2  # of the variant `narrow`

Command = Callable[[str, str], list[str]]


@dataclass(frozen=True)
class Kind:
    """A kind of host.

    Attributes:
        command: Makes the arguments, after `python -m`, of a variant and a target.
        ready: Says on stderr where it listens.
        packages: Whose versions belong to what was seen.
        bridge: Which bridge stands between, if it is one.
        breaks: After which behaviours it must be started anew, though it shows them.
    """

    name: str
    place: str
    command: Command
    ready: re.Pattern[str]
    packages: tuple[str, ...]
    target: str = APP
    bridge: str = "rsgi"
    breaks: frozenset[str] = frozenset()


def rsgi(variant: str, target: str) -> list[str]:
    interface = "--wsgi" if target == APP else "--asgi"
    width = {
        "narrow": ["--wsgi-threads", str(THREADS), "--wsgi-queue", str(QUEUE)],
        "streaming": ["--wsgi-request-buffering", "off"],
    }
    return ["rsgi", "serve", interface, target, "--port", "0", "--grace", "1", *width.get(variant, [])]


def uvicorn(variant: str, target: str, http: str = "h11") -> list[str]:
    return ["uvicorn", "--port", "0", "--timeout-graceful-shutdown", "1", "--http", http, target]


def uvicorn_httptools(variant: str, target: str) -> list[str]:
    return uvicorn(variant, target, "httptools")


def hypercorn(variant: str, target: str) -> list[str]:
    return ["hypercorn", "--bind", "127.0.0.1:0", "--graceful-timeout", "1", target]


def granian(variant: str, target: str) -> list[str]:
    interface = "wsgi" if target == APP else "asgi"
    threads = {"narrow": str(THREADS)}.get(variant, "8")
    width = ["--blocking-threads", threads] if target == APP else []
    return ["granian", "--interface", interface, "--port", "0", "--workers-kill-timeout", "2", *width, target]


def daphne(variant: str, target: str) -> list[str]:
    return ["daphne", "-p", "0", "--application-close-timeout", "1", target]


def gunicorn(variant: str, target: str) -> list[str]:
    threads = {"narrow": str(THREADS)}.get(variant, "8")
    worker = ["-k", "gthread", "--threads", threads] if target == APP else ["-k", "asgi"]
    quiet = ["--no-control-socket", "--graceful-timeout", "1"]
    return ["gunicorn", "--bind", "127.0.0.1:0", *quiet, *worker, target]


def waitress(variant: str, target: str) -> list[str]:
    threads = {"narrow": str(THREADS)}.get(variant, "8")
    return ["waitress", "--listen", "127.0.0.1:0", "--threads", threads, target]


def uwsgi(variant: str, target: str) -> list[str]:
    threads = {"narrow": str(THREADS)}.get(variant, "8")
    return [
        "uwsgi",
        "--http-socket",
        "127.0.0.1:0",
        "--module",
        target,
        "--threads",
        threads,
        "--master",
        "--die-on-term",
    ]


HYPERCORN_READY = re.compile(rf"Running on {PLACE}")
GRANIAN_READY = re.compile(rf"Listening at: {PLACE}[\s\S]*Started worker-1")
DAPHNE_READY = re.compile(r"Listening on TCP address (?P<host>[^:/]+):(?P<port>\d+)(?P<path>)")
GUNICORN_READY = re.compile(rf"Listening at: {PLACE}")
WAITRESS_READY = re.compile(rf"Serving on {PLACE}")
UWSGI_READY = re.compile(r"bound to TCP address (?P<host>[^:/]+):(?P<port>\d+)(?P<path>)[\s\S]*spawned uWSGI worker 1")

# Daphne (4.2) stops watching its applications for good when one fails after its response has begun.
DAPHNE_BREAKS = frozenset(
    {
        "close_after_a_late_failure",
        "close_after_a_wrong_chunk",
        "late_failure_is_logged",
        "wrong_content_length_is_logged",
    }
)

OUR_HOSTS = [
    Kind("rsgi", "native", rsgi, RSGI_READY, ("rsgi",)),
    Kind("bridge-rsgi", "bridged", rsgi, RSGI_READY, ("rsgi",), BRIDGED),
    Kind("bridge-uvicorn", "bridged", uvicorn, UVICORN_READY, ("uvicorn",), BRIDGED),
    Kind("bridge-uvicorn-httptools", "bridged", uvicorn_httptools, UVICORN_READY, ("uvicorn", "httptools"), BRIDGED),
    Kind("bridge-hypercorn", "bridged", hypercorn, HYPERCORN_READY, ("hypercorn",), BRIDGED),
    Kind("bridge-granian", "bridged", granian, GRANIAN_READY, ("granian",), BRIDGED),
    Kind("bridge-daphne", "bridged", daphne, DAPHNE_READY, ("daphne",), BRIDGED, breaks=DAPHNE_BREAKS),
    Kind("bridge-gunicorn", "bridged", gunicorn, GUNICORN_READY, ("gunicorn",), BRIDGED),
]


class HostServer(Server):
    """A server that may be one process or a tree of them, and may keep its port to itself."""

    def __init__(self, command: list[str], ready: re.Pattern[str], environment: Mapping[str, str]) -> None:
        super().__init__(command, ready=ready, environment=environment, folder=CONFORMANCE)
        if isinstance(self.address, tuple) and self.address[1] == 0:
            try:
                port = wait_until(lambda: _listening_port(self.tree()), 5, "the host listens")
            except AssertionError:
                self.kill_tree()
                raise
            self.addresses = [(self.address[0], port)]

    def tree(self) -> list[int]:
        """The process and all that descend from it."""
        found = [self.pid]
        for pid in found:
            for task in _entries(f"/proc/{pid}/task"):
                with_children = Path(f"/proc/{pid}/task/{task}/children")
                found += [int(child) for child in _text(with_children).split()]
        return found

    def kill_tree(self) -> None:
        """End it with everything below it, whatever it does."""
        for pid in reversed(self.tree()):
            _kill(pid)
        self.wait()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _listening_port(pids: list[int]) -> int:
    """The port that one of these processes listens on, as the kernel knows it; 0 when there is none yet."""
    inodes = set()
    for pid in pids:
        for descriptor in _entries(f"/proc/{pid}/fd"):
            try:
                found = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"/proc/{pid}/fd/{descriptor}"))
            except FileNotFoundError:
                continue
            if found:
                inodes.add(found[1])
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes:
            return int(fields[1].rpartition(":")[2], 16)
    return 0


class ProcessHost(Host):
    """A host that runs as a process of its own."""

    def __init__(self, kind: Kind, variant: str, folder: Path, python: str = sys.executable) -> None:
        self.name = kind.name
        self.place = kind.place
        environment = {"BEHAVIOURS_FOLDER": str(folder), "PYTHONPATH": PYTHONPATH, "PYTHONWARNINGS": "ignore"}
        if kind.place == "bridged":
            environment["BEHAVIOURS_BRIDGE"] = kind.bridge
        if variant == "narrow":
            environment |= {"BEHAVIOURS_THREADS": str(THREADS), "BEHAVIOURS_QUEUE": str(QUEUE)}
        module, *arguments = kind.command(variant, kind.target)
        command = [python, "-m", module, *arguments]
        if module == "uwsgi":
            command = [str(Path(python).with_name("uwsgi")), *arguments, "--pyhome", str(Path(python).parent.parent)]
        if module == "granian":  # which says on stdout what others say on stderr
            command = ["sh", "-c", 'exec "$@" 1>&2', "sh", *command]
        self.server = HostServer(command, kind.ready, environment)
        if get(self.server, "/hello").body != b"hello":
            self.server.kill_tree()
            raise RuntimeError(f"{self.name} does not serve:\n{self.server.log()}")

    def open(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        *,
        length: int | None = None,
        chunked: bool = False,
        stalled: bool = False,
    ) -> WireExchange:
        connection = Connection(self.server, timeout=self.timeout, receive_buffer=4096 if stalled else None)
        return WireExchange(connection, method, target, headers, length=length, chunked=chunked)

    def log_mark(self) -> Mark:
        return len(self.server.log()), len(self.server.access_log())

    def log(self, since: Mark) -> str:
        return self.server.log()[since[0] :] + self.server.access_log()[since[1] :]

    def error_mark(self) -> int:
        """A place on stderr."""
        return self.server.log_mark()

    def errors(self, since: int) -> str:
        """What is on stderr since then."""
        return self.server.log(since)

    def memory(self) -> int:
        """The sum of the peaks of resident memory of all its processes, in bytes."""
        found = [
            re.search(r"^VmHWM:\s+(\d+) kB$", _text(Path(f"/proc/{pid}/status")), re.M) for pid in self.server.tree()
        ]
        return sum(int(each[1]) * 1024 for each in found if each)

    def reset_memory(self) -> None:
        """Start `memory` anew from what is resident now."""
        for pid in self.server.tree():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def ends_within(self, seconds: float) -> bool:
        """Send SIGTERM; whether it ends in this time. What does not is killed."""
        self.server.send_signal(signal.SIGTERM)
        if not self.server.running():
            raise NotSo("it had ended before")
        try:
            self.server.wait(seconds)
        except Exception:
            self.server.kill_tree()
            return False
        return True

    def kill(self) -> None:
        """End it whatever it does."""
        if self.server.running():
            self.server.kill_tree()

    def stop(self) -> None:
        """End it in order, if it does so within 4 s."""
        if not self.server.running():
            return
        self.server.send_signal(signal.SIGTERM)
        try:
            self.server.wait(4)
        except Exception:
            self.server.kill_tree()
