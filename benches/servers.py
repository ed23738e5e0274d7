"""How a server is started, asked once, and stopped.

Apart from `catalogue.py`, which says which servers there are and how each is configured.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from catalogue import Server
from counters import process_tree
from environment import certificate, peers_folder
from load import MeasurementError

from apps import BODY

_HERE = Path(__file__).parent
_STARTS_WITHIN = 15.0
_WRAPPED_STARTS_WITHIN = 90.0
_STOPS_WITHIN = 10.0
_FOREIGN_SETTINGS = (
    "RSGI_",
    "GRANIAN_",
    "GUNICORN_",
    "UVICORN_",
    "WEB_CONCURRENCY",
    "H2CORN_",
    "M0_",
    "PYTHON",
    "VIRTUAL_ENV",
)


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
    values = {"port": port, "app": app, **(certificate() if server.has_tls else {})}
    command = [*wrapper, *(part.format(**values) for part in server.command)]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, cwd=_HERE, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            _wait_until_it_answers(process, server, port, app, _WRAPPED_STARTS_WITHIN if wrapper else _STARTS_WITHIN)
            yield port, process.pid
        except (MeasurementError, OSError) as error:
            output.seek(0)
            lines = output.read().decode(errors="replace").strip().splitlines()
            raise MeasurementError(f"{error}; it said last: {lines[-1] if lines else 'nothing'}") from error
        finally:
            _stop(process)


def url_of(server: Server, port: int) -> str:
    """Where the server answers."""
    return f"{'https' if server.has_tls else 'http'}://127.0.0.1:{port}/"


def check_response(server: Server, port: int, app: str) -> None:
    """Asks once, over HTTP/1.1.

    Raises:
        MeasurementError: the response is not that of the application.
        OSError: there is no response.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    if server.has_tls:
        # The certificate was made a moment ago, by this program.
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
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


def _wait_until_it_answers(
    process: subprocess.Popen[bytes], server: Server, port: int, app: str, within: float
) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise MeasurementError(f"it ended with {process.returncode} instead of starting")
        with suppress(OSError):
            return check_response(server, port, app)
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
