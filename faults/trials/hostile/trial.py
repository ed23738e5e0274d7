"""Honest clients beside hostile ones: how long they wait, whether they are all answered, and what the server needs.

Apart from the clients because here is what is measured. Honest clients keep their connections and send at a steady rate; the
time of each request counts from when it was due, so that a server that stalls does not look fast. Hostile clients have a
process of their own (`apart`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import ssl
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from behaviours.hosts import HostServer
from certificates import Certificates
from trials.apps import JOBS
from trials.hostile.apart import attacking
from trials.hostile.clients import ALL, HTTP2, TLS, WEBSOCKET, Target
from trials.servers import FOLDER, PEERS, RSGI, Kind, start

HONEST = 8
INTERVAL = 0.05  # seconds from one request of an honest client to the next
LEAST = 2  # requests of each, however slow the machine is
LONGEST = 20.0  # seconds that an honest client waits for a response


@dataclass
class Fared:
    """How honest clients fared, and the server.

    Attributes:
        times: Of each request, in seconds, by interface (`w` is WSGI, `a` is ASGI).
        failed: Requests without a right response, and why.
        memory: The resident memory of all processes, in bytes: before, and at most.
        opened: Connections of hostile clients.
    """

    times: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failed: list[str] = field(default_factory=list)
    memory: tuple[int, int] = (0, 0)
    opened: int = 0

    def percentile(self, share: float, letters: Iterable[str] = "wa") -> float:
        """In milliseconds, of the requests over these interfaces."""
        ranked = sorted(time for letter in letters for time in self.times[letter]) or [0.0]
        return 1000 * ranked[min(len(ranked) - 1, int(len(ranked) * share))]

    def cell(self) -> str:
        """For a table: p99, growth of memory, and what failed."""
        grown = (self.memory[1] - self.memory[0]) / 2**20
        times = " / ".join(f"{self.percentile(0.99, letter):.0f}" for letter in sorted(self.times, reverse=True))
        text = f"{times} ms, {grown:+.0f} MiB"
        return f"{text}, **{len(self.failed)} failed**" if self.failed else text


def resident(server: HostServer) -> int:
    """The resident memory of all processes, in bytes."""
    return memory_of(server.tree())


def memory_of(pids: Iterable[int]) -> int:
    """The resident memory of these processes, in bytes."""
    found = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{pid}/status").read_text()
            if line := re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE):
                found += int(line[1]) * 1024
    return found


def descriptors(server: HostServer) -> int:
    """How many files and sockets all processes have open."""
    found = 0
    for pid in server.tree():
        with contextlib.suppress(OSError):
            found += len(os.listdir(f"/proc/{pid}/fd"))
    return found


class _Honest:
    """One honest client."""

    def __init__(self, target: Target, context: ssl.SSLContext | None, fared: Fared) -> None:
        self.target, self.context, self.fared = target, context, fared
        self.streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def keep_on(self, until: float) -> None:
        """Ask until then."""
        due, asked = time.monotonic(), 0
        while due < until or asked < LEAST:
            asked += 1
            await asyncio.sleep(max(0, due - time.monotonic()))
            try:
                await asyncio.wait_for(self._ask(), LONGEST)
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ValueError) as error:
                self.fared.failed.append(repr(error))
                self.close()
            self.fared.times[self.target.letter].append(time.monotonic() - due)
            due = max(due + INTERVAL, time.monotonic() - LONGEST)
        self.close()

    async def _ask(self) -> None:
        if self.streams is None:
            self.streams = await asyncio.open_connection(*self.target.address, ssl=self.context)
        reader, writer = self.streams
        writer.write(self.target.get)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if not head.startswith(b"HTTP/1.1 200"):
            raise ValueError(head[:60])
        if length:
            await reader.readexactly(int(length[1]))
        else:
            await reader.readuntil(b"0\r\n\r\n")
        if b"connection: close" in head.lower():
            self.close()

    def close(self) -> None:
        if self.streams:
            self.streams[1].transport.abort()
        self.streams = None


async def beside(
    server: HostServer,
    hostile: str | None,
    letters: str,
    *,
    count: int,
    seconds: float,
    context: ssl.SSLContext | None = None,
) -> Fared:
    """Run so many hostile clients of a kind, if any, and honest ones beside them for some seconds."""
    fared = Fared()
    assert isinstance(server.address, tuple)
    targets = [Target(server.address, letter) for letter in letters]
    before = most = resident(server)
    async with attacking(hostile, count, server.address, letters) as apart:
        until = time.monotonic() + seconds
        good = [
            asyncio.ensure_future(_Honest(targets[number % len(targets)], context, fared).keep_on(until))
            for number in range(HONEST)
        ]
        while not all(task.done() for task in good):
            most = max(most, resident(server))
            await asyncio.wait(good, timeout=0.2)
    await asyncio.gather(*good)
    fared.memory = (before, most)
    fared.opened = apart.opened
    return fared


@contextlib.contextmanager
def serving(kind: Kind, *arguments: str, workers: int = 1) -> Iterator[HostServer]:
    """A server with the applications; ours with both."""
    with tempfile.TemporaryDirectory() as made:
        interface = kind.interfaces[0]
        if kind is RSGI:
            arguments = ("--app-dir", str(FOLDER), "--asgi", "/a=trials.apps:asgi", "--grace", "3", *arguments)
        environment = {JOBS: f"{made}/jobs"}
        server = start(
            kind, interface, f"trials.apps:{interface}", *arguments, workers=workers, environment=environment
        )
        try:
            yield server
        finally:
            server.kill_tree()


def _letters(kind: Kind, name: str) -> str:
    if kind is not RSGI:
        return kind.interfaces[0][0]
    return "a" if name in WEBSOCKET else "wa"


def _tls(kind: Kind, certificates: Certificates) -> tuple[str, ...]:
    flags = {
        "rsgi": ("--tls-cert", "--tls-key"),
        "gunicorn": ("--certfile", "--keyfile"),
        "uvicorn": ("--ssl-certfile", "--ssl-keyfile"),
        "Granian": ("--ssl-certificate", "--ssl-keyfile"),
        "Hypercorn": ("--certfile", "--keyfile"),
    }
    certificate, key = flags[kind.name]
    return certificate, str(certificates.certificate), key, str(certificates.key)


def _knows(kind: Kind, name: str) -> bool:
    if name in WEBSOCKET:
        return "asgi" in kind.interfaces
    if name in HTTP2:
        return kind.name in ("rsgi", "Granian", "Hypercorn")
    return True


def table(tell: Callable[[str], None], *, count: int = 200, seconds: float = 5.0) -> Iterator[str]:
    """The lines of the table: rows are kinds of hostile clients, columns are servers, each row a new server."""
    kinds = [kind for kind in (RSGI, *PEERS) if kind.installed()]
    served = {kind.name: "WSGI / ASGI" if kind is RSGI else kind.interfaces[0].upper() for kind in kinds}
    heads = " | ".join(f"{name} ({interface})" for name, interface in served.items())
    yield f"| {count} clients of this kind | {heads} |"
    yield "|---|" + "---|" * len(kinds)
    with tempfile.TemporaryDirectory() as made:
        certificates = Certificates.make(Path(made))
        for name in ("nobody", *ALL):
            cells = []
            for kind in kinds:
                if not _knows(kind, name):
                    cells.append("·")
                    continue
                context = None
                arguments: tuple[str, ...] = ()
                if name in TLS:
                    context, arguments = certificates.context(), _tls(kind, certificates)
                    context.check_hostname = False
                with serving(kind, *arguments) as server:
                    fared = asyncio.run(
                        beside(
                            server,
                            name if name in ALL else None,
                            _letters(kind, name),
                            count=count,
                            seconds=seconds,
                            context=context,
                        )
                    )
                tell(f"{name}, {kind.name}: {fared.cell()}, {fared.opened} connections {fared.failed[:2]}")
                cells.append(fared.cell())
            yield f"| {name} | " + " | ".join(cells) + " |"
