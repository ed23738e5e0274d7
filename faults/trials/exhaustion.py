"""What happens when something runs out: descriptors, memory, disk, the room in a pipe, and time (a stopped process).

Apart from the trials under load because each of these is a small scene of its own. A scene gives `None` when the server
comes through, else what was seen instead.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

from behaviours.hosts import HostServer
from server import Server, ServerExited
from trials.apps import JOBS
from trials.hostile.trial import resident, serving
from trials.servers import FOLDER, PEERS, RSGI, Kind, start
from trials.unread import Unread, unread
from wire import Connection, ConnectionEnded, chunk_bytes, request

TIMEOUT = 20.0
DESCRIPTORS = 100
PIECE = b"u" * 65536
UPLOAD_PIECES = 2048  # 128 MiB
MEMORY = 64 << 20
DISK = 1 << 20
STOPPED = 5.0  # seconds, longer than the timeouts of that scene


def _paths(kind: Kind, path: str) -> list[str]:
    letters = "wa" if kind is RSGI else kind.interfaces[0][0]
    return [f"/{letter}/{path}" for letter in letters]


def _unserved(server: Server | Unread, kind: Kind) -> str | None:
    """Why a usual request is not answered, if so."""
    for path in _paths(kind, "get"):
        try:
            response = request(cast("Server", server), "GET", path, timeout=TIMEOUT)
        except (OSError, ConnectionEnded) as error:
            return f"no response for others: {error!r}"
        if response.status != 200:
            return f"{response.status} for others"
    return None


def descriptors(kind: Kind) -> str | None:
    """More clients than descriptors: they wait, and are served when others have left."""
    with serving(kind) as server:
        for pid in server.tree():
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        before = server.log_mark()
        with contextlib.ExitStack() as stack:
            for _ in range(DESCRIPTORS * 2):
                stack.enter_context(Connection(server))
            time.sleep(1)  # how much is logged meanwhile
        if (unserved := _unserved(server, kind)) is not None:
            return unserved
        lines = len(server.log(before).splitlines()) + len(server.access_log().splitlines())
        if "cannot accept" not in server.log(before) and kind is RSGI:
            return "it is not logged"
        return f"{lines} lines of log" if lines > 20 else None


def _upload(server: Server, path: str, pieces: int) -> int:
    with Connection(server, timeout=60) as connection:
        connection.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(pieces):
                connection.send(chunk_bytes(PIECE))
            connection.send(b"0\r\n\r\n")
        return connection.read_response().status


def upload_in_little_memory(kind: Kind) -> str | None:
    """An upload of more than there is memory for (`ulimit -v`)."""
    with serving(kind) as server:
        if (unserved := _unserved(server, kind)) is not None:
            return unserved
        for pid in server.tree():
            status = Path(f"/proc/{pid}/status").read_text()
            size = int(status.partition("VmSize:")[2].split()[0]) * 1024 + MEMORY
            resource.prlimit(pid, resource.RLIMIT_AS, (size, size))
        before = resident(server)
        for path in _paths(kind, "discard"):
            try:
                status = _upload(server, path, UPLOAD_PIECES)
            except (OSError, ConnectionEnded) as error:
                return f"the upload: {error!r}"
            if status != 200:
                return f"the upload: {status}"
        grown = (resident(server) - before) >> 20
        return _unserved(server, kind) or (f"{grown} MiB more are resident" if grown > 32 else None)


@contextlib.contextmanager
def _small_disk() -> Iterator[Path]:
    """A folder on a file system of one mebibyte."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder]
        subprocess.run(command, check=True, capture_output=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=False, capture_output=True)


def can_mount() -> bool:
    """Whether this process may mount a small file system."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError), _small_disk():
        return True
    return False


def spool_on_full_disk(kind: Kind) -> str | None:
    """A body that is spooled finds no room: its client hears of it, and others are served."""
    with _small_disk() as folder, _variable("TMPDIR", str(folder)):
        arguments = ("--wsgi-request-buffering", "full") if kind is RSGI else ()
        with serving(kind, *arguments) as server:
            status = _upload(server, _paths(kind, "discard")[0], 256)
            if kind is RSGI and status not in (500, 507):
                return f"the upload: {status}"
            return _unserved(server, kind)


def log_on_full_disk(kind: Kind) -> str | None:
    """The file of the access log cannot grow."""
    flags = {"rsgi": "--access-log-file", "gunicorn": "--access-logfile", "Hypercorn": "--access-logfile"}
    with _small_disk() as folder:
        (folder / "filling").write_bytes(b"f" * (DISK - 16384))
        with serving(kind, flags[kind.name], str(folder / "log")) as server:
            with Connection(server) as connection:
                for _ in range(400):
                    connection.send_request("GET", _paths(kind, "get")[0] + "?" + "q" * 200)
                    if connection.read_response().status != 200:
                        return "a request failed"
            if (unserved := _unserved(server, kind)) is not None:
                return unserved
            return _said_once(server, "cannot write the access log") if kind is RSGI else None


def _said_once(server: HostServer, text: str) -> str | None:
    times = server.log().count(text)
    return None if times == 1 else f"{times} lines say {text!r}"


@contextlib.contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def full_stderr(kind: Kind) -> str | None:
    """Nobody reads standard error while applications fail with tracebacks."""
    return _unread(kind, "stderr", "fail", 40)


def full_stdout(kind: Kind) -> str | None:
    """Nobody reads standard output, which the access log goes to."""
    flags = {"rsgi": ("--access-log",), "gunicorn": ("--access-logfile", "-"), "Hypercorn": ("--access-logfile", "-")}
    return _unread(kind, "stdout", "get", 300, *flags.get(kind.name, ()))


def _unread(kind: Kind, stream: str, path: str, times: int, *arguments: str) -> str | None:
    if kind is RSGI:
        arguments = ("--app-dir", ".", "--asgi", "/a=trials.apps:asgi", "--grace", "3", *arguments)
    with tempfile.TemporaryDirectory() as made:
        with unread(kind, stream, *arguments, environment={JOBS: f"{made}/jobs"}) as server:
            as_server = cast("Server", server)
            for number in range(times):
                where = _paths(kind, path)
                try:
                    request(as_server, "GET", where[number % len(where)], timeout=5)
                except (OSError, ConnectionEnded) as error:
                    return f"after {number} requests: {error!r}"
            if not server.is_full():
                return "the pipe is not full"
            if (unserved := _unserved(server, kind)) is not None:
                return unserved
            server.process.terminate()
            try:
                server.process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                return "SIGTERM does not end it"
            return None


def stopped_and_continued(kind: Kind) -> str | None:
    """SIGSTOP for longer than clients may take, and SIGCONT: what they sent meanwhile is not held against them."""
    arguments = ()
    if kind is RSGI:
        arguments = ("--header-timeout", "4", "--keep-alive-timeout", "4", "--min-data-rate-grace", "4")
    with serving(kind, *arguments) as server, contextlib.ExitStack() as stack:
        waiting = []
        for path in _paths(kind, "discard"):
            kept, in_head, in_body = (stack.enter_context(Connection(server, timeout=TIMEOUT)) for _ in range(3))
            kept.send_request("GET", path)
            kept.read_response()
            in_head.send(f"GET {path} HTTP/1.1\r\nHo".encode())
            in_body.send(f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\nbod".encode())
            waiting += [
                ("a kept connection", kept, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), b""),
                ("a head", in_head, b"st: a\r\n\r\n", b""),
                ("a body", in_body, b"y and", b"more"),
            ]
        _stopped(server, lambda: [connection.send(during) for _, connection, during, _ in waiting])
        time.sleep(0.5)  # the rest of a body comes later than its first part is read
        wrong = []
        for name, connection, _, rest in waiting:
            try:
                connection.send(rest)
                status = str(connection.read_response().status)
            except (OSError, ConnectionEnded):
                status = "cut"
            if status != "200":
                wrong.append(f"{name}: {status}")
        return ", ".join(wrong) or _unserved(server, kind)


def _stopped(server: HostServer, work: Callable[[], object]) -> None:
    """Do something while the processes do not run, and let them run again after a while."""
    for pid in server.tree():
        os.kill(pid, signal.SIGSTOP)
    work()
    time.sleep(STOPPED)  # the clock is what is tried here
    for pid in server.tree():
        os.kill(pid, signal.SIGCONT)


# A user of its own, whose threads are counted; it may read what root may, as the interpreter may be in root's folder.
_USER = "64321"
_AS_USER = (
    *("setpriv", "--reuid", _USER, "--regid", _USER, "--clear-groups"),
    *("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"),
)
THREADS = (2, 7, 8, 9, 10, 14)  # few, one or two too few, just enough, enough


def can_limit_threads() -> bool:
    """Whether this process may become another user, for whom the limit of threads counts."""
    with contextlib.suppress(OSError):
        return (
            os.getuid() == 0 and subprocess.run([*_AS_USER, "true"], check=False, capture_output=True).returncode == 0
        )
    return False


def threads(kind: Kind) -> str | None:
    """Few threads are allowed: the server says why it does not start, or it serves, and goes on without new ones."""
    started = 0
    for most in THREADS:
        try:
            server = _limited(kind, most)
        except ServerExited as error:
            if kind is RSGI and (wrong := _badly_said(error)) is not None:
                return f"{most} threads: {wrong}"
            continue
        try:
            started += 1
            for pid in server.tree():
                subprocess.run([*_AS_USER, "prlimit", f"--pid={pid}", "--nproc=1"], check=True)
            if (unserved := _unserved(server, kind)) is not None:
                return f"{most} threads: {unserved}"
            code = server.stop(TIMEOUT)
            if kind is RSGI and (code or "panicked" in server.log()):
                return f"{most} threads: exit code {code}, {server.log()[-200:]!r}"
        except (AssertionError, subprocess.TimeoutExpired) as error:
            return f"{most} threads: " + str(error).partition("\n")[0]
        finally:
            server.kill_tree()
    return None if started else f"it does not start with {THREADS[-1]} threads"


def _limited(kind: Kind, most: int) -> HostServer:
    arguments: tuple[str, ...] = ()
    if kind is RSGI:
        arguments = ("--app-dir", str(FOLDER), "--asgi", "/a=trials.apps:asgi", "--grace", "3", "--wsgi-threads", "6")
    before = (*_AS_USER, "prlimit", f"--nproc={most}")
    interface = kind.interfaces[0]
    return start(kind, interface, f"trials.apps:{interface}", *arguments, before=before)


def _badly_said(error: ServerExited) -> str | None:
    """What is missing in the words of a server that does not start."""
    if error.exit_code != 1:
        return f"the exit code is {error.exit_code}"
    for word in ("panicked", "Traceback"):
        if word in error.log:
            return f"a {word}"
    return None if "error: " in error.log and "hint: " in error.log else "no error and hint"


Scene = Callable[[Kind], "str | None"]

_EVERYBODY = ("rsgi", "gunicorn", "uvicorn", "Granian", "Hypercorn")
_LOGS_TO_FILES = ("rsgi", "gunicorn", "Hypercorn")
SCENES: dict[str, tuple[Scene, tuple[str, ...]]] = {
    "more clients than descriptors": (descriptors, _EVERYBODY),
    "upload in little memory": (upload_in_little_memory, _EVERYBODY),
    "disk full for a spooled body": (spool_on_full_disk, ("rsgi",)),
    "disk full for the access log": (log_on_full_disk, _LOGS_TO_FILES),
    "standard error is not read": (full_stderr, _EVERYBODY),
    "standard output is not read": (full_stdout, _EVERYBODY),
    "no more threads": (threads, _EVERYBODY),
    "stopped and continued": (stopped_and_continued, _EVERYBODY),
}
# Scenes that not every user can have, and how to see whether this one can.
NEEDS: dict[Scene, tuple[Callable[[], bool], str]] = {
    spool_on_full_disk: (can_mount, "a user who may mount a file system"),
    log_on_full_disk: (can_mount, "a user who may mount a file system"),
    threads: (can_limit_threads, "root and setpriv"),
}


def missing(scene: Scene) -> str | None:
    """What this process lacks for a scene."""
    able, what = NEEDS.get(scene, (lambda: True, ""))
    return None if able() else what


def table(tell: Callable[[str], None]) -> Iterator[str]:
    """The lines of the table: rows are scenes, columns are servers."""
    kinds = [kind for kind in (RSGI, *PEERS) if kind.installed()]
    yield "| what runs out | " + " | ".join(kind.name for kind in kinds) + " |"
    yield "|---|" + "---|" * len(kinds)
    for name, (scene, servers) in SCENES.items():
        cells = []
        for kind in kinds:
            if kind.name not in servers or missing(scene):
                cells.append("·")
                continue
            try:
                seen = scene(kind)
            except AssertionError as error:
                seen = str(error).partition("\n")[0]
            tell(f"{name}, {kind.name}: {seen or 'ok'}")
            cells.append("✓" if seen is None else seen.replace("|", "\\|"))
        yield f"| {name} | " + " | ".join(cells) + " |"
