"""How each server is started: one process, in its best sensible configuration, which the table says."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE / ".venv"

# `{port}` is filled in, and `{bin}` is the folder of the peers' environment.
_COMMANDS = {
    "wsgi": {
        "rsgi": "{rsgi} serve --wsgi apps:wsgi --app-dir . --port {port}",
        "granian": "{bin}/granian --interface wsgi --port {port} --workers 1 --blocking-threads 6 --no-ws apps:wsgi",
        "gunicorn gthread": "{bin}/gunicorn -k gthread --threads 6 --keep-alive 75 -b 127.0.0.1:{port} apps:wsgi",
        "fastpysgi": "{bin}/python fastpysgi_server.py wsgi {port}",
    },
    "asgi": {
        "rsgi asyncio": "{rsgi} serve --asgi apps:asgi --app-dir . --port {port} --loop asyncio",
        "rsgi uvloop": "{rsgi} serve --asgi apps:asgi --app-dir . --port {port} --loop uvloop",
        "granian uvloop": "{bin}/granian --interface asgi --port {port} --workers 1 --loop uvloop --no-ws apps:asgi",
        "uvicorn uvloop": "{bin}/uvicorn --port {port} --loop uvloop --http httptools --no-access-log "
        "--log-level warning apps:asgi",
        "fastpysgi": "{bin}/python fastpysgi_server.py asgi {port}",
    },
}


def names(interface: str) -> list[str]:
    """The servers for `wsgi` or `asgi`; those of this project first."""
    return list(_COMMANDS[interface])


class NotStarted(Exception):
    """A server did not answer in time."""


@dataclass
class Running:
    """A server that answers.

    Attributes:
        process: Its main process.
        port: Where it answers, on 127.0.0.1.
    """

    process: subprocess.Popen[bytes]
    port: int

    def processes(self) -> list[int]:
        """The ids of its process and of that one's children, as they are now."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]

    def stop(self) -> None:
        """End it, and wait for it."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(5)


def start(interface: str, name: str, rsgi: str) -> Running:
    """Start a server and wait until it answers.

    Raises:
        NotStarted: when it does not within ten seconds.
    """
    port = _free_port()
    command = _COMMANDS[interface][name].format(rsgi=rsgi, bin=PEERS / "bin", port=port)
    process = subprocess.Popen(
        command.split(), cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(port):
            return Running(process, port)
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    said = process.communicate()[1].decode(errors="replace")
    raise NotStarted(f"{name} does not answer: {command}\n{said[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            return connection.recv(12) == b"HTTP/1.1 200"
    except OSError:
        return False


def install_peers() -> None:
    """Make the peers' environment, unless it is there already."""
    wanted = (HERE / "requirements.txt").read_text()
    stamp = PEERS / "installed.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print("installing the other servers into benches/.venv …", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
    subprocess.run([PEERS / "bin" / "pip", "install", "-q", "-r", HERE / "requirements.txt"], check=True)
    stamp.write_text(wanted)
