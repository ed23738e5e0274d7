"""The servers that are measured, each in the configuration that suits it best, and how one is started and stopped.

Apart because this is where a reader looks who doubts that the comparison is fair. All run one process (one worker),
with their access logs off, and with the same number of threads where they have a pool for WSGI.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from counters import process_tree
from load import MeasurementError

from apps import BODY

_HERE = Path(__file__).parent
_STARTS_WITHIN = 15.0
_STOPS_WITHIN = 10.0
_FOREIGN_SETTINGS = ("RSGI_", "GRANIAN_", "GUNICORN_", "UVICORN_", "WEB_CONCURRENCY", "PYTHON")
# The default of rsgi, given to the other pools as well.
THREADS = min(32, (os.cpu_count() or 1) + 4)


@dataclass(frozen=True)
class Server:
    """One server, serving one kind of application.

    Attributes:
        name: what the report and `--servers` call it.
        interface: what it serves: a `wsgi` or an `asgi` application; a WSGI application `bridged`, with rsgi as server, or
            `hosted`, with a bridge under uvicorn.
        command: its command line; `{port}` stands for the port.
        distributions: what is looked up for its version.
        remark: what is particular about this configuration.
    """

    name: str
    interface: str
    command: tuple[str, ...]
    distributions: tuple[str, ...]
    remark: str


_UVICORN = "--loop uvloop --http httptools --ws none --no-access-log --port {port}"

# (name, interface, executable, arguments, distributions, remark)
_CATALOGUE = (
    ("rsgi", "wsgi", "rsgi", "serve --wsgi apps:wsgi --port {port}", ("rsgi",), f"as it comes: {THREADS} threads"),
    (
        "granian",
        "wsgi",
        "granian",
        f"--interface wsgi --blocking-threads {THREADS} --no-ws --port {{port}} apps:wsgi",
        ("granian",),
        f"{THREADS} threads, as rsgi has (of itself it takes as many as 512)",
    ),
    (
        "granian-1",
        "wsgi",
        "granian",
        "--interface wsgi --blocking-threads 1 --no-ws --port {port} apps:wsgi",
        ("granian",),
        "one thread, its fastest: one request that waits stops all others",
    ),
    (
        "gunicorn",
        "wsgi",
        "gunicorn",
        f"--worker-class gthread --threads {THREADS} --keep-alive 75 --no-control-socket "
        "--bind 127.0.0.1:{port} apps:wsgi",
        ("gunicorn",),
        f"{THREADS} threads, as rsgi has; connections stay open as long as with rsgi",
    ),
    (
        "fastpysgi",
        "wsgi",
        "fastpysgi",
        "--host 127.0.0.1 --port {port} apps:wsgi",
        ("fastpysgi",),
        "one thread, it has no pool: one request that waits stops all others",
    ),
    (
        "rsgi",
        "asgi",
        "rsgi",
        "serve --asgi apps:asgi --port {port}",
        ("rsgi", "uvloop"),
        "as it comes: uvloop where that is installed",
    ),
    (
        "granian",
        "asgi",
        "granian",
        "--interface asgi --loop uvloop --no-ws --port {port} apps:asgi",
        ("granian", "uvloop"),
        "uvloop, no WebSocket: as in its own benchmarks",
    ),
    (
        "uvicorn",
        "asgi",
        "uvicorn",
        "--loop uvloop --http httptools --ws none --no-access-log --port {port} apps:asgi",
        ("uvicorn", "uvloop", "httptools"),
        "its fastest loop and parser",
    ),
    (
        "fastpysgi",
        "asgi",
        "fastpysgi",
        "--host 127.0.0.1 --port {port} apps:asgi",
        ("fastpysgi",),
        "as it comes; its command line has no more to set",
    ),
    (
        "rsgi",
        "bridged",
        "rsgi",
        "serve --asgi bridges:rsgi --port {port}",
        ("rsgi",),
        "`rsgi.WsgiToAsgi(app)` as the ASGI application",
    ),
    (
        "rsgi-native",
        "bridged",
        "rsgi",
        "serve --wsgi apps:wsgi --port {port}",
        ("rsgi",),
        "the same application as a WSGI application",
    ),
    ("rsgi", "hosted", "uvicorn", f"{_UVICORN} bridges:rsgi", ("uvicorn",), "`rsgi.WsgiToAsgi(app)`"),
    ("a2wsgi", "hosted", "uvicorn", f"{_UVICORN} bridges:a2wsgi", ("uvicorn", "a2wsgi"), "`WSGIMiddleware(app)`"),
    (
        "no bridge",
        "hosted",
        "uvicorn",
        f"{_UVICORN} apps:asgi",
        ("uvicorn",),
        "an ASGI application that does the same: what the host takes for itself",
    ),
)


def catalogue(rsgi: Path, peers: Path) -> list[Server]:
    """All servers; `rsgi` is that executable, `peers` the folder that holds the others'."""
    return [
        Server(
            name,
            interface,
            (str(rsgi if executable == "rsgi" else peers / executable), *arguments.split()),
            distributions,
            remark,
        )
        for name, interface, executable, arguments, distributions, remark in _CATALOGUE
    ]


@contextmanager
def running(server: Server) -> Iterator[tuple[int, int]]:
    """Starts `server` on a free port, and stops it after the block.

    Yields:
        Its port and its process id.

    Raises:
        MeasurementError: it ended, or did not answer in time.
    """
    port = _free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_SETTINGS)}
    if server.interface == "hosted":
        # The peers' environment has uvicorn, but no rsgi.
        environment["PYTHONPATH"] = str(_HERE.parent / "python")
    command = [part.format(port=port) for part in server.command]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=_HERE, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            _wait_until_it_answers(process, port)
            yield port, process.pid
        except (MeasurementError, OSError) as error:
            output.seek(0)
            lines = output.read().decode(errors="replace").strip().splitlines()
            raise MeasurementError(f"{error}; it said last: {lines[-1] if lines else 'nothing'}") from error
        finally:
            _stop(process)


def check_answer(port: int) -> None:
    """Asks once.

    Raises:
        MeasurementError: the answer is not that of the application.
        OSError: there is no answer.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        body = response.read()
    except http.client.HTTPException as error:
        raise MeasurementError(f"it does not speak HTTP: {error!r}") from error
    finally:
        connection.close()
    if (response.status, response.getheader("content-length"), body) != (200, str(len(BODY)), BODY):
        raise MeasurementError(f"it answered {response.status} with {body[:80]!r}")


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise MeasurementError(f"it ended with {process.returncode} instead of starting")
        with suppress(OSError):
            return check_answer(port)
        time.sleep(0.05)
    raise MeasurementError(f"it did not answer within {_STARTS_WITHIN:.0f} s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Asks it to end, and ends what is left of its tree if it does not."""
    tree = process_tree(process.pid)
    process.terminate()
    try:
        process.wait(timeout=_STOPS_WITHIN)
    except subprocess.TimeoutExpired:
        for left_over in tree:
            with suppress(ProcessLookupError):
                os.kill(left_over, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    """A port nobody listens on; not all servers can say which one they took, so port 0 would not do."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
