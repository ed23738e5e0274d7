"""A worker from the supervisor's side: a child process and the socket to it.

The supervisor decides how many workers there are. `worker.py` is the worker's own side.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Protocol

from rsgi._rsgi import AdminLine
from rsgi.errors import StartupError
from rsgi.process.heartbeat import Pulse, timeout_of
from rsgi.process.link import Orders

# The longest message of a worker: a traceback, in bytes.
_LONGEST_MESSAGE = 16 * 1024 * 1024

# How long the last messages of a worker that has ended may take, in seconds: its own children may keep the socket open.
_LAST_WORDS = 1.0


class WorkerTraceback(Exception):
    """The traceback of an error in a worker, as its text."""

    def __str__(self) -> str:
        """The text, on lines of its own."""
        return f"in the worker\n\n{self.args[0]}"


class Process(Protocol):
    """What has to be known of a process: as those of `asyncio.subprocess` are."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal; `None` while it runs."""

    async def wait(self) -> int:
        """Wait for its end; gives the exit code."""

    def send_signal(self, signal: int, /) -> None:
        """Send a signal to it."""


class WorkerProcess:
    """One worker.

    Attributes:
        pid: Its process id.
        number: Which of the workers it is, for people.
        ready: Done when it accepts connections; holds a `StartupError` when it could not start.
        draining: Whether it was told to drain, so that its end is none to wonder about.
        hung: Whether it is ended because its sockets were not driven.
        deaths: How many before it, one after another, did not live long.
        running: The process ids of all that run.
        starting: How many are being started.
        worn: Done when it says that it should be replaced; holds why. Cancelled when it ends before.
        beaten_at: When its sockets were last known to be driven, by the monotonic clock.
    """

    running: ClassVar[set[int]] = set()
    starting: ClassVar[int] = 0

    def __init__(
        self, process: Process, connection: asyncio.StreamWriter, line: AdminLine | None, number: int, deaths: int
    ) -> None:
        self.pid = process.pid
        self.number = number
        self.deaths = deaths
        self.draining, self.hung = False, False
        self._process, self._connection, self._line = process, connection, line
        self._ready_at: float | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.worn: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.beaten_at = time.monotonic()
        self._pulse: Pulse | None = None
        self._ended: asyncio.Task[int]

    @classmethod
    async def start(
        cls,
        orders: Orders,
        introduce: Callable[[str], None],
        line: AdminLine | None,
        deaths: int = 0,
        *,
        stdin: int | None = asyncio.subprocess.DEVNULL,
        pass_fds: tuple[int, ...] = (),
        fork: Callable[[socket.socket, tuple[int, ...]], Awaitable[Process]] | None = None,
    ) -> WorkerProcess:
        """Start a fresh interpreter that serves, or fork one.

        Args:
            orders: What it is told.
            introduce: Called with the banner, if it sends one.
            line: Its place at the admin listener.
            deaths: How many before it did not live long.
            stdin: Its standard input; `None` is that of this process.
            pass_fds: Descriptors for it, beside the listening sockets.
            fork: Gives a process that needs no interpreter, and has its end of a socket and other descriptors.

        Raises:
            StartupError: when there can be no such process.
        """
        ours, theirs = socket.socketpair()
        # The process that imports for others has no sockets to drive.
        pulse = Pulse() if timeout_of(orders.config) is not None and orders.requests is None else None
        orders = replace(
            orders, heartbeat=None if pulse is None else pulse.writing, admin=None if line is None else line.descriptor
        )
        handed = tuple(each for each in (orders.heartbeat, orders.admin) if each is not None)
        cls.starting += 1
        try:
            with theirs:
                descriptors = (theirs.fileno(), *orders.descriptors, *pass_fds, *handed)
                process = await (_interpreter(descriptors, stdin) if fork is None else fork(theirs, handed))
            cls.running.add(process.pid)
            if line is not None:
                line.inherited()
        except BaseException:
            ours.close()
            if line is not None:
                line.ended()
            if pulse is not None:
                os.close(pulse.writing)
                pulse.close()
            raise
        finally:
            cls.starting -= 1
        reader, connection = await asyncio.open_unix_connection(sock=ours, limit=_LONGEST_MESSAGE)
        for each in (sys.path, orders):
            pickled = pickle.dumps(each)
            connection.write(len(pickled).to_bytes(8, "big") + pickled)
        worker = cls(process, connection, line, orders.number, deaths)
        if pulse is not None:
            worker._pulse = pulse
            pulse.hand_over(worker.beat)
        listening = asyncio.create_task(worker._listen(reader, introduce))
        worker._ended = asyncio.create_task(worker._wait(listening))
        return worker

    def beat(self) -> None:
        """Note that its sockets are driven."""
        self.beaten_at = time.monotonic()

    @property
    def has_ended(self) -> bool:
        """Whether its process has ended."""
        return self._process.returncode is not None

    def drain(self) -> None:
        """Let it finish what it has, and end. One that is not ready has nothing, and ends at once."""
        self.draining = True
        if self._line is not None:
            self._line.leaving()
        self._connection.close()
        if self._ready_at is None:
            self.send_signal(signal.SIGTERM)

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self._process.returncode is None:
            try:
                self._process.send_signal(number)
            except ProcessLookupError:  # it ends right now
                pass

    def send_when_ready(self, number: int) -> None:
        """Send a signal that would end it before it has a handler: now, or once it is ready."""

        def send(ready: asyncio.Future[None]) -> None:
            if not ready.cancelled() and ready.exception() is None:
                self.send_signal(number)

        if self.ready.done():
            send(self.ready)
        else:
            self.ready.add_done_callback(send)

    async def end(self) -> int:
        """Wait for its end; gives the exit code, negative for a signal."""
        # Whoever waits may be cancelled, and must not take the task along.
        return await asyncio.shield(self._ended)

    async def ended_within(self, timeout: float) -> bool:
        """Wait for its end, and kill it after `timeout` seconds; says whether it ended by itself."""
        _, running = await asyncio.wait({self._ended}, timeout=timeout)
        if running:
            self.send_signal(signal.SIGKILL)
            await self.end()
        return not running

    def lived(self) -> float:
        """For how many seconds it has served."""
        return 0.0 if self._ready_at is None else time.monotonic() - self._ready_at

    async def _listen(self, reader: asyncio.StreamReader, introduce: Callable[[str], None]) -> None:
        with contextlib.suppress(OSError):
            async for line in reader:
                self._hear(json.loads(line), introduce)

    def _hear(self, message: dict[str, str], introduce: Callable[[str], None]) -> None:
        if "banner" in message:
            introduce(message["banner"])
        elif "ready" in message:
            self._ready_at = time.monotonic()
            if not self.draining:
                if self._line is not None:
                    self._line.serving()
            self._settle(None)
        elif "worn" in message:
            if not self.worn.done():
                self.worn.set_result(message["worn"])
        else:
            error = StartupError(message["error"], message["hint"])
            error.__cause__ = WorkerTraceback(message["traceback"])
            self._settle(error)

    async def _wait(self, listening: asyncio.Task[None]) -> int:
        code = await self._process.wait()
        self.running.discard(self.pid)
        if self._line is not None:
            self._line.ended()
        await asyncio.wait({listening}, timeout=_LAST_WORDS)
        listening.cancel()
        self._connection.close()
        self.worn.cancel()  # unless it has said so
        if self._pulse is not None:
            self._pulse.close()
        hint = "see its output; the system kills processes when memory runs out"
        self._settle(StartupError(f"a worker {end_of(code)} while it started", hint))
        return code

    def _settle(self, error: StartupError | None) -> None:
        if self.ready.done():
            return
        if error is None:
            self.ready.set_result(None)
        else:
            self.ready.set_exception(error)
            self.ready.exception()  # it may be nobody's concern: of one that was draining, say


async def _interpreter(descriptors: tuple[int, ...], stdin: int | None) -> Process:
    """Start an interpreter on `worker.py`, which speaks through the first of these descriptors."""
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # as multiprocessing does
    command = [sys.executable, *flags, str(Path(__file__).with_name("worker.py")), str(descriptors[0])]
    return await asyncio.create_subprocess_exec(*command, stdin=stdin, pass_fds=descriptors)


def end_of(code: int) -> str:
    """How a process ended, in words: `was killed by SIGKILL`, `ended with exit code 3`."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was killed by {name}"
