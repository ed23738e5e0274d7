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
from dataclasses import dataclass, replace
from pathlib import Path

from counters import process_tree
from environment import peers_folder
from load import MeasurementError

from apps import BODY

_HERE = Path(__file__).parent
_STARTS_WITHIN = 15.0
_WRAPPED_STARTS_WITHIN = 90.0
_STOPS_WITHIN = 10.0
_FOREIGN_SETTINGS = ("RSGI_", "GRANIAN_", "GUNICORN_", "UVICORN_", "WEB_CONCURRENCY", "PYTHON")
# The default of rsgi, given to the other pools as well.
THREADS = min(32, (os.cpu_count() or 1) + 4)


@dataclass(frozen=True)
class Server:
    """One server, serving one kind of application.

    Attributes:
        name: what the report and `--servers` call it.
        interface: which cases it fits; `bridged` is a bridge under rsgi, `hosted` one under uvicorn.
        command: its command line; `{port}` and `{app}` stand for what they say.
        distributions: what is looked up for its version.
        build: `other` for a further build of rsgi, which takes part wherever rsgi does.
        remark: what is particular about this configuration.
    """

    name: str
    interface: str
    command: tuple[str, ...]
    distributions: tuple[str, ...]
    remark: str
    build: str = "rsgi"


_UVICORN = "--loop uvloop --http httptools --no-access-log --port {port}"
_GRANIAN = "--no-ws --port {port}"
_GUNICORN = "--worker-class gthread --keep-alive 75 --no-control-socket --bind 127.0.0.1:{port} {app}"
_AS_IT_COMES = "as it comes"
_LOOKS_ON = "`--busy-poll 100us`: it does not sleep between requests that follow each other closely"
_ONE_AT_A_TIME = "one thread: one request that waits stops all others"


def _operated(interface: str) -> tuple[tuple[str, str, str, str, str, str], ...]:
    """The server with what operators turn on, one thing at a time."""
    with_it = (
        ("rsgi", "", "with all of it off"),
        ("rsgi-log", "--access-log-format json --access-log-file /dev/null", "an access log of JSON"),
        ("rsgi-metrics", "--admin 127.0.0.1:0", "metrics, which nobody reads meanwhile"),
        ("rsgi-forwarded", "--trust-proxy 127.0.0.1", "the client is who a proxy says it is"),
    )
    return tuple(
        (name, f"operated-{interface}", "rsgi", f"serve {flags} --{interface} {{app}} --port {{port}}", "rsgi", remark)
        for name, flags, remark in with_it
    )


# (name, interface, executable, arguments, distributions, remark)
_CATALOGUE = (
    ("rsgi", "wsgi", "rsgi", "serve --wsgi {app} --port {port}", "rsgi", f"as it comes: {THREADS} threads"),
    ("rsgi-busy", "wsgi", "rsgi", "serve --busy-poll 100us --wsgi {app} --port {port}", "rsgi", _LOOKS_ON),
    (
        "granian",
        "wsgi",
        "granian",
        f"--interface wsgi --blocking-threads {THREADS} {_GRANIAN} {{app}}",
        "granian",
        f"{THREADS} threads, as rsgi has",
    ),
    (
        "granian-1",
        "wsgi",
        "granian",
        f"--interface wsgi --blocking-threads 1 {_GRANIAN} {{app}}",
        "granian",
        f"its fastest; {_ONE_AT_A_TIME}",
    ),
    ("gunicorn", "wsgi", "gunicorn", f"--threads {THREADS} {_GUNICORN}", "gunicorn", f"{THREADS} threads, as rsgi has"),
    (
        "fastpysgi",
        "wsgi",
        "fastpysgi",
        "--host 127.0.0.1 --port {port} {app}",
        "fastpysgi",
        f"it has no pool; {_ONE_AT_A_TIME}",
    ),
    (
        "waitress",
        "wsgi",
        "waitress-serve",
        f"--listen 127.0.0.1:{{port}} --threads {THREADS} {{app}}",
        "waitress",
        f"{THREADS} threads, as rsgi has",
    ),
    (
        "pyvoy",
        "wsgi",
        "pyvoy",
        f"--interface wsgi --worker-threads {THREADS} --port {{port}} {{app}}",
        "pyvoy",
        f"{THREADS} threads, as rsgi has",
    ),
    (
        "a2wsgi",
        "wsgi",
        "uvicorn",
        f"{_UVICORN} --ws none bridges:a2wsgi",
        "uvicorn a2wsgi",
        "`WSGIMiddleware(app)` under uvicorn",
    ),
    ("rsgi", "wsgi-waits", "rsgi", "serve --wsgi-threads 64 --wsgi {app} --port {port}", "rsgi", "64 threads"),
    (
        "granian",
        "wsgi-waits",
        "granian",
        f"--interface wsgi --blocking-threads 64 {_GRANIAN} {{app}}",
        "granian",
        "64 threads",
    ),
    ("gunicorn", "wsgi-waits", "gunicorn", f"--threads 64 {_GUNICORN}", "gunicorn", "64 threads"),
    (
        "waitress",
        "wsgi-waits",
        "waitress-serve",
        "--listen 127.0.0.1:{port} --threads 64 --connection-limit 1000 {app}",
        "waitress",
        "64 threads",
    ),
    ("rsgi", "asgi", "rsgi", "serve --asgi {app} --port {port}", "rsgi uvloop", _AS_IT_COMES),
    ("rsgi-busy", "asgi", "rsgi", "serve --busy-poll 100us --asgi {app} --port {port}", "rsgi", _LOOKS_ON),
    (
        "granian",
        "asgi",
        "granian",
        f"--interface asgi --loop uvloop {_GRANIAN} {{app}}",
        "granian uvloop",
        "uvloop, no WebSocket: as in its own benchmarks",
    ),
    (
        "uvicorn",
        "asgi",
        "uvicorn",
        f"{_UVICORN} --ws none {{app}}",
        "uvicorn uvloop httptools",
        "its fastest loop and parser",
    ),
    ("rsgi", "idle", "rsgi", "serve --asgi {app} --port {port}", "rsgi", _AS_IT_COMES),
    (
        "granian",
        "idle",
        "granian",
        f"--interface asgi --loop uvloop --backlog 16384 --backpressure 16384 {_GRANIAN} {{app}}",
        "granian uvloop",
        "uvloop; without `--backpressure` it takes no more than 1,024 connections",
    ),
    (
        "uvicorn",
        "idle",
        "uvicorn",
        f"{_UVICORN} --ws none {{app}}",
        "uvicorn uvloop httptools",
        "its fastest loop and parser",
    ),
    ("fastpysgi", "asgi", "fastpysgi", "--host 127.0.0.1 --port {port} {app}", "fastpysgi", _AS_IT_COMES),
    (
        "hypercorn",
        "asgi",
        "hypercorn",
        "--worker-class uvloop --bind 127.0.0.1:{port} {app}",
        "hypercorn uvloop",
        "uvloop",
    ),
    ("pyvoy", "asgi", "pyvoy", "--loop uvloop --port {port} {app}", "pyvoy uvloop", "uvloop"),
    ("rsgi", "websocket", "rsgi", "serve --asgi {app} --port {port}", "rsgi uvloop", _AS_IT_COMES),
    (
        "granian",
        "websocket",
        "granian",
        "--interface asgi --loop uvloop --port {port} {app}",
        "granian uvloop",
        "uvloop",
    ),
    (
        "uvicorn",
        "websocket",
        "uvicorn",
        f"{_UVICORN} --ws websockets {{app}}",
        "uvicorn websockets",
        "its fastest loop, websockets",
    ),
    (
        "rsgi",
        "mixed",
        "rsgi",
        "serve --wsgi {app} --asgi /asgi=apps:asgi_block --port {port}",
        "rsgi uvloop",
        _AS_IT_COMES,
    ),
    (
        "rsgi",
        "table",
        "rsgi",
        "serve --wsgi {app} --asgi frameworks:many_routes --port {port}",
        "rsgi",
        "1,000 routes, all missed",
    ),
    (
        "rsgi-1-route",
        "table",
        "rsgi",
        "serve --wsgi {app} --asgi frameworks:one_route --port {port}",
        "rsgi",
        "1 route, missed",
    ),
    *_operated("wsgi"),
    *_operated("asgi"),
    ("rsgi", "workers", "rsgi", "serve --workers 2 --wsgi {app} --port {port}", "rsgi", "two workers"),
    ("rsgi-1-worker", "workers", "rsgi", "serve --wsgi {app} --port {port}", "rsgi", "one worker"),
    (
        "rsgi",
        "bridged",
        "rsgi",
        "serve --asgi bridges:rsgi --port {port}",
        "rsgi",
        "`rsgi.WsgiToAsgi(app)` as the ASGI application",
    ),
    (
        "rsgi-native",
        "bridged",
        "rsgi",
        "serve --wsgi {app} --port {port}",
        "rsgi",
        "the same application as a WSGI application",
    ),
    ("rsgi", "hosted", "uvicorn", f"{_UVICORN} --ws none bridges:rsgi", "uvicorn", "`rsgi.WsgiToAsgi(app)`"),
    ("a2wsgi", "hosted", "uvicorn", f"{_UVICORN} --ws none bridges:a2wsgi", "uvicorn a2wsgi", "`WSGIMiddleware(app)`"),
    (
        "no bridge",
        "hosted",
        "uvicorn",
        f"{_UVICORN} --ws none apps:asgi",
        "uvicorn",
        "an ASGI application that does the same: what the host takes for itself",
    ),
)


def catalogue(builds: dict[str, Path], peers: Path) -> list[Server]:
    """All servers: rsgi once for each of `builds` (the first is called rsgi), and those in the folder `peers`."""
    first, *others = builds
    found = []
    for name, interface, executable, arguments, distributions, remark in _CATALOGUE:
        path = builds[first] if executable == "rsgi" else peers / executable
        found.append(Server(name, interface, (str(path), *arguments.split()), tuple(distributions.split()), remark))
        if name == executable == "rsgi":
            own = found[-1]
            found += [
                replace(own, build="other", name=f"rsgi-{build}", command=(str(builds[build]), *arguments.split()))
                for build in others
            ]
    return found


def server_environment(executable: Path) -> dict[str, str]:
    """The environment of a server: the packages that it finds beside its own, and nothing that would change its settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN_SETTINGS)}
    # rsgi takes frameworks and uvloop from where the peers have them.
    packages = [str(folder) for folder in peers_folder().parent.glob("lib/python*/site-packages")]
    if executable.parent == peers_folder():
        # A bridge under a peer takes rsgi from here. Another build of rsgi has its own.
        packages.append(str(_HERE.parent / "python"))
    environment["PYTHONPATH"] = os.pathsep.join(packages)
    environment["PYTHONHASHSEED"] = "0"
    environment["PATH"] = os.pathsep.join([str(executable.parent), environment.get("PATH", "")])
    return environment


@contextmanager
def running(server: Server, app: str, wrapper: tuple[str, ...] = ()) -> Iterator[tuple[int, int]]:
    """Starts `server` with `app` on a free port, `wrapper` before its command line, and stops it after the block.

    Yields:
        Its port and its process id.

    Raises:
        MeasurementError: it ended, or did not answer in time.
    """
    port = _free_port()
    environment = server_environment(Path(server.command[0]))
    command = [*wrapper, *(part.format(port=port, app=app) for part in server.command)]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=_HERE, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            _wait_until_it_answers(process, port, app, _WRAPPED_STARTS_WITHIN if wrapper else _STARTS_WITHIN)
            yield port, process.pid
        except (MeasurementError, OSError) as error:
            output.seek(0)
            lines = output.read().decode(errors="replace").strip().splitlines()
            raise MeasurementError(f"{error}; it said last: {lines[-1] if lines else 'nothing'}") from error
        finally:
            _stop(process)


def check_answer(port: int, app: str) -> None:
    """Asks once.

    Raises:
        MeasurementError: the answer is not that of the application.
        OSError: there is no answer.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        body = response.read()
    except http.client.HTTPException as error:
        raise MeasurementError(f"it does not speak HTTP: {error!r}") from error
    finally:
        connection.close()
    if response.status != 200 or not _fits(app, body):
        raise MeasurementError(f"it answered {response.status} with {body[:80]!r}")


def _fits(app: str, body: bytes) -> bool:
    if app.startswith("frameworks:"):
        return body.strip().replace(b" ", b"") == b'{"message":"Hello,World!"}'
    return len(body) == 100 * 1024 if app == "apps:asgi_stream" else body == BODY


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, app: str, within: float) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise MeasurementError(f"it ended with {process.returncode} instead of starting")
        with suppress(OSError):
            return check_answer(port, app)
        time.sleep(0.05)
    raise MeasurementError(f"it did not answer within {within:.0f} s")


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
