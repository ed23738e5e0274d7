"""The servers that are put through the trials: how each is started with an application of ours.

Apart from `conformance`, whose hosts all have one process and no proxy. A server that cannot do something is left out of
that trial; one that is not installed is left out of all.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from behaviours.hosts import GRANIAN_READY, GUNICORN_READY, HYPERCORN_READY, HostServer
from server import RSGI_READY, UVICORN_READY

PROJECT = Path(__file__).parents[2]
FOLDER = PROJECT / "faults"
PYTHONPATH = os.pathsep.join(str(PROJECT / folder) for folder in ("faults", "tests/support", "python"))


@dataclass(frozen=True)
class Kind:
    """A server.

    Attributes:
        command: Its arguments after `python -m`, of the interface, the target and the number of processes.
        interfaces: What it serves, the first one unless a trial says otherwise.
    """

    name: str
    module: str
    interfaces: tuple[str, ...]
    ready: re.Pattern[str]
    command: Callable[[str, str, int], Sequence[str]]

    def installed(self) -> bool:
        """Whether it is here."""
        return importlib.util.find_spec(self.module) is not None


def _rsgi(interface: str, target: str, workers: int) -> Sequence[str]:
    apps = (f"--{interface}", target) if target else ()  # else a configuration file names them
    return "serve", *apps, "--port", "0", "--workers", str(workers)


def _gunicorn(interface: str, target: str, workers: int) -> Sequence[str]:
    threads = ("-k", "gthread", "--threads", "8")
    return "--bind", "127.0.0.1:0", "--no-control-socket", "--workers", str(workers), *threads, target


def _uvicorn(interface: str, target: str, workers: int) -> Sequence[str]:
    return "--port", "0", "--workers", str(workers), target


def _granian(interface: str, target: str, workers: int) -> Sequence[str]:
    return "--interface", interface, "--port", "0", "--workers", str(workers), target


def _hypercorn(interface: str, target: str, workers: int) -> Sequence[str]:
    return "--bind", "127.0.0.1:0", "--workers", str(workers), target


RSGI = Kind("rsgi", "rsgi", ("wsgi", "asgi"), RSGI_READY, _rsgi)
PEERS = [
    Kind("gunicorn", "gunicorn", ("wsgi",), GUNICORN_READY, _gunicorn),
    Kind("uvicorn", "uvicorn", ("asgi",), UVICORN_READY, _uvicorn),
    Kind("Granian", "granian", ("asgi", "wsgi"), GRANIAN_READY, _granian),
    Kind("Hypercorn", "hypercorn", ("asgi",), HYPERCORN_READY, _hypercorn),
]


def start(
    kind: Kind,
    interface: str,
    target: str,
    *arguments: str,
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
) -> HostServer:
    """Start a server with an application below `faults/` and wait until it listens.

    Args:
        kind: Which server.
        interface: What the application speaks.
        target: The application, as `module:attribute`.
        arguments: More of its own arguments.
        workers: How many processes serve.
        environment: Variables for it.
        before: A command that runs it, such as `prlimit` with its arguments.
    """
    command = [*before, sys.executable, "-m", kind.module, *kind.command(interface, target, workers), *arguments]
    if kind.module == "granian":  # which says on stdout what others say on stderr
        command = ["sh", "-c", 'exec "$@" 1>&2', "sh", *command]
    variables = {"PYTHONPATH": PYTHONPATH, "PYTHONWARNINGS": "ignore", **(environment or {})}
    return HostServer(command, kind.ready, variables)
