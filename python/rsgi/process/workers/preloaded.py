"""`--preload` as the supervisor sees it: a process imports the applications once and forks the workers.

The supervisor only asks for a worker. `preloading.py` is the process itself. It forks twice, and the process in between
ends at once. So the worker becomes a child of the supervisor, which sees its end as that of any other worker. The
importing process may end without it.

Spec: PR_SET_CHILD_SUBREAPER(2const), pidfd_open(2).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from dataclasses import replace

from rsgi._rsgi import adopt_orphans
from rsgi.errors import StartupError
from rsgi.observe.console import say
from rsgi.process.link import Orders
from rsgi.process.workers.worker_process import WorkerProcess

_LONGEST_REPLY = 32


class Preloaded:
    """The process that has imported the applications; how that went is known when `process.ready` is done.

    Attributes:
        process: That process, which starts as a worker does.
    """

    def __init__(self, process: WorkerProcess, requests: socket.socket) -> None:
        self.process = process
        self._requests = requests
        self._forking = asyncio.Lock()

    @classmethod
    async def start(cls, orders: Orders, introduce: Callable[[str], None]) -> Preloaded:
        """Start to import.

        Args:
            orders: Those of a worker.
            introduce: Called with what there is to say.

        Raises:
            StartupError: when this system cannot do that.
        """
        try:
            adopt_orphans()
            os.close(os.pidfd_open(os.getpid()))
        except (OSError, AttributeError) as error:
            raise StartupError(f"`--preload` cannot work on this system: {error}", "leave it out") from error
        requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        requests.setblocking(False)
        with theirs:
            to_it = replace(orders, requests=theirs.fileno())
            process = await WorkerProcess.start(to_it, introduce, None, pass_fds=(theirs.fileno(),))
        return cls(process, requests)

    async def fork(self, connection: socket.socket, others: tuple[int, ...] = ()) -> ForkedProcess:
        """Fork a worker that is reached through the other end of `connection`, and has a copy of `others`.

        Raises:
            StartupError: when there is none.
        """
        async with self._forking:
            reply = b""
            with contextlib.suppress(OSError):
                socket.send_fds(self._requests, [b"fork"], [connection.fileno(), *others])
                reply = await asyncio.get_running_loop().sock_recv(self._requests, _LONGEST_REPLY)
        if not reply.isdigit() or int(reply) == 0:
            why = "has ended" if self.process.has_ended else "could not: the system allows no more processes"
            raise StartupError(f"the process that has imported the applications {why}", "try again later")
        return ForkedProcess(int(reply))

    def drain(self) -> None:
        """Let it end. The workers are no concern of it."""
        self._requests.close()
        self.process.drain()


class Imports:
    """The process that imports for the workers; while these are replaced also the one before, until it is not needed."""

    def __init__(self) -> None:
        self._current: Preloaded | None = None
        self._before: Preloaded | None = None

    async def ready(self, orders: Orders, introduce: Callable[[str], None]) -> Preloaded:
        """The process, which is started unless it runs, and has imported.

        Raises:
            StartupError: when something cannot be imported.
        """
        if self._current is not None and self._current.process.has_ended:
            say("the process that imported the applications has ended; they are imported again")
            self._current.drain()
            self._current = None
        if self._current is None:
            self._current = await Preloaded.start(orders, introduce)
        await asyncio.wait({self._current.process.ready})
        self._current.process.ready.result()
        return self._current

    def renew(self) -> None:
        """The next worker needs new imports."""
        self._before, self._current = self._current, None

    def settle(self, *, renewed: bool) -> None:
        """Stay with the new imports, or with those before."""
        left, self._before = self._before, None
        if not renewed:
            left, self._current = self._current, left
        if left is not None:
            left.drain()

    async def end(self, timeout: float) -> None:
        """End them, within so many seconds."""
        for each in (self._current, self._before):
            if each is not None:
                each.drain()
                await each.process.ended_within(timeout)


class ForkedProcess:
    """A process that was forked elsewhere and has become a child of this one.

    Attributes:
        pid: Its process id.
        returncode: Its exit code, negative for a signal; `None` while it runs.
    """

    def __init__(self, pid: int) -> None:
        loop = asyncio.get_running_loop()
        self.pid = pid
        self.returncode: int | None = None
        self._ended: asyncio.Future[int] = loop.create_future()
        self._descriptor = os.pidfd_open(pid)
        loop.add_reader(self._descriptor, self._bury)

    async def wait(self) -> int:
        """Wait for its end; gives the exit code."""
        return await asyncio.shield(self._ended)

    def send_signal(self, number: int) -> None:
        """Send a signal to it."""
        os.kill(self.pid, number)

    def _bury(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        _, status = os.waitpid(self.pid, 0)
        self.returncode = os.waitstatus_to_exitcode(status)
        self._ended.set_result(self.returncode)


def bury_orphans() -> None:
    """Take leave of children that have ended and are no workers: what a worker has started, and left behind."""
    known = WorkerProcess.running
    if WorkerProcess.starting:  # it may be one of these, whose number nobody knows yet
        return
    with contextlib.suppress(ChildProcessError):
        while True:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None or found.si_pid in known:
                return
            os.waitpid(found.si_pid, 0)
