"""A server whose output nobody reads: its pipes are full after some lines.

Apart from `servers.py`, whose servers are watched by a thread that reads. Here the address is chosen beforehand, since
nobody hears which one the server took.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from server import wait_until
from trials.servers import FOLDER, PYTHONPATH, Kind

SMALL_PIPE = 16384  # of which a page that is not full is not writable
F_SETPIPE_SZ = 1031  # of fcntl, which names it from Python 3.10 on where the system has it


@dataclass
class Unread:
    """A running server; takes the place of a `Server` for `wire.py`."""

    process: subprocess.Popen[bytes]
    address: tuple[str, int]
    pipe: int
    writing: int

    @property
    def authority(self) -> str:
        """What belongs into a `Host` field."""
        return f"{self.address[0]}:{self.address[1]}"

    def is_full(self) -> bool:
        """Whether the pipe takes nothing more."""
        asked = select.poll()
        asked.register(self.writing, select.POLLOUT)
        return not asked.poll(0)

    def read(self) -> bytes:
        """What is in the pipe now."""
        return os.read(self.pipe, 1 << 20)


@contextlib.contextmanager
def unread(kind: Kind, stream: str, *arguments: str, environment: dict[str, str]) -> Iterator[Unread]:
    """Start a server with the applications of `trials.apps`, and do not read its `stdout` or `stderr`."""
    interface = kind.interfaces[0]
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    command = [sys.executable, "-m", kind.module, *_at(kind.command(interface, f"trials.apps:{interface}", 1), address)]
    reading, writing = os.pipe()
    fcntl.fcntl(writing, F_SETPIPE_SZ, SMALL_PIPE)
    process = subprocess.Popen(
        [*command, *arguments],
        cwd=FOLDER,
        env={**os.environ, "PYTHONPATH": PYTHONPATH, "PYTHONWARNINGS": "ignore", **environment},
        stdin=subprocess.DEVNULL,
        stdout=writing if stream == "stdout" else subprocess.DEVNULL,
        stderr=writing if stream == "stderr" else subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: _listens(address) or process.poll() is not None, 20, "it listens")
        yield Unread(process, address, reading, writing)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        os.close(reading)
        os.close(writing)


def _at(words: Sequence[str], address: tuple[str, int]) -> list[str]:
    """The arguments with this address instead of any free port."""
    port = str(address[1])
    return [f"127.0.0.1:{port}" if word == "127.0.0.1:0" else port if word == "0" else word for word in words]


def _listens(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0
