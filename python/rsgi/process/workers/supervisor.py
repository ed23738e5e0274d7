"""Keeps several processes serving: starts them, replaces those that die, and passes signals on.

This process serves nothing. It binds the addresses once, imports no application, and waits. Its workers accept from the
same sockets, which stay open here, so no waiting connection is lost when a worker ends. This file has the policy.
`worker_process.py` is one worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from rsgi._rsgi import Admin, Listeners
from rsgi.errors import StartupError
from rsgi.history import keep_history
from rsgi.observe.console import say, write_json
from rsgi.process.link import Orders
from rsgi.process.service_manager import ServiceManager
from rsgi.process.signals import ignored
from rsgi.process.stopping import longest_end
from rsgi.process.system.listening import listening
from rsgi.process.workers.hung import end_if_hung
from rsgi.process.workers.preloaded import Imports, bury_orphans
from rsgi.process.workers.replacement import Replacement
from rsgi.process.workers.reread import FIXED, check_named, read_again
from rsgi.process.workers.worker_process import WorkerProcess, end_of
from rsgi.settings.config import Config

# A worker that has served for so long did not die of what killed the one before, in seconds.
_LONG_LIFE = 60.0

# How long to wait before a worker is replaced that died soon again, and the longest such wait, in seconds.
_FIRST_DELAY, _LONGEST_DELAY = 1.0, 30.0

# What the process that imports may take for its end, which has nothing to finish, in seconds.
_QUICK_END = 1.0

# What a worker may take for its end beyond all that the settings give it, in seconds.
END_MARGIN = 10.0


def supervise(config: Config, reread: Callable[[], Config] | None) -> int:
    """Serve with `config.workers` processes until a signal; gives the exit code.

    Args:
        config: All settings.
        reread: Gives the settings as their file has them later, for SIGHUP.

    Raises:
        StartupError: when an address cannot be had or a worker cannot start; then all have ended.
    """
    check_named(config, "by workers that can be replaced" if config.workers == 1 else "by several workers")
    if config.log_format == "json":
        write_json()
    with listening(config) as listeners:
        admin = Admin(config, listeners)
        try:
            with keep_history(config, admin):
                return asyncio.run(Supervisor(config, reread, listeners, admin).run())
        finally:
            admin.stop()


class Supervisor:
    """The workers, and how many there should be."""

    def __init__(self, config: Config, reread: Callable[[], Config] | None, listeners: Listeners, admin: Admin) -> None:
        self._config, self._reread, self._listeners, self._admin = config, reread, listeners, admin
        self._wanted = config.workers
        self._workers: list[WorkerProcess] = []
        self._leaving: set[WorkerProcess] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._adding = asyncio.Lock()
        self._replacing = asyncio.Lock()
        self._replacement = Replacement(partial(self._replace, why="worn"))
        self._roll_wanted = asyncio.Event()
        self._started = False
        self._ending = asyncio.Event()
        self._manager = ServiceManager()
        self._imports = Imports()

    async def run(self) -> int:
        """Start all workers, keep them until a signal, and wait for their end."""
        self._take_signals()
        try:
            await self._start()
            if not self._ending.is_set():
                for url in self._listeners.urls(bool(self._config.tls_cert)):
                    say(f"listening on {url}")
                self._manager.ready(self._status())
                self._do(self._say_alive())
                self._do(self._roll_when_wanted())
                self._do(self._replacement.run())
            await self._ending.wait()
        finally:
            await self._end()
        return 0

    async def _start(self) -> None:
        if self._config.preload and not await self._before_the_end(self._imports.ready(self._orders(), say)):
            return
        for number in range(self._config.workers):
            await self._add(introduces=number == 0)
        if not await self._before_the_end(self._all_ready()):
            return
        self._started = True
        self._admin.serving()
        for worker in self._workers:
            self._watch_all(worker)
        self._fit()  # signals may have changed the number meanwhile

    async def _before_the_end(self, work: Coroutine[object, object, object]) -> bool:
        """Wait until something is done at the start; says no when the end is wanted first."""
        starting, ending = asyncio.create_task(work), asyncio.create_task(self._ending.wait())
        either: set[asyncio.Task[Any]] = {starting, ending}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if self._ending.is_set():
            starting.cancel()
            return False
        ending.cancel()
        await starting
        return True

    async def _all_ready(self) -> None:
        done, _ = await asyncio.wait({worker.ready for worker in self._workers}, return_when=asyncio.FIRST_EXCEPTION)
        for ready in done:
            ready.result()

    async def _end(self) -> None:
        """Let all workers finish, and those that are being started end."""
        for task in self._tasks:
            task.cancel()
        # Only workers keep the sockets: who comes when none of them accepts any more is refused, and not left to wait.
        self._listeners.release()
        await self._imports.end(_QUICK_END)
        await asyncio.gather(*(self._drain_worker(worker) for worker in (*self._workers, *self._leaving)))

    async def _drain_worker(self, worker: WorkerProcess) -> None:
        """Let a worker drain, and wait for its end."""
        worker.drain()
        if worker in self._workers:
            self._workers.remove(worker)
        self._leaving.add(worker)
        timeout = longest_end(self._config) + END_MARGIN
        if not await worker.ended_within(timeout):
            say(f"warning: worker {worker.pid} did not end and was killed")
        self._leaving.discard(worker)

    async def _add(self, *, deaths: int = 0, introduces: bool = False) -> WorkerProcess:
        """Start a worker, which is not ready yet.

        Raises:
            StartupError: when the applications cannot be imported for it.
        """
        orders = self._orders(introduces=introduces)
        fork = (await self._imports.ready(orders, say)).fork if self._config.preload else None
        worker = await WorkerProcess.start(orders, say, self._admin.line(), deaths, fork=fork)
        self._workers.append(worker)
        return worker

    def _orders(self, *, introduces: bool = False) -> Orders:
        """What the next worker is told."""
        descriptors, number = tuple(self._listeners.descriptors), self._free_number()
        return Orders(self._config, self._reread, descriptors, os.getpid(), introduces, number)

    def _free_number(self) -> int:
        """What the next worker is called: the lowest number that no other one has."""
        taken = {worker.number for worker in (*self._workers, *self._leaving)}
        return next(number for number in itertools.count(1) if number not in taken)

    async def _add_ready(self, deaths: int = 0, *, spare: bool = False) -> bool:
        """Start a worker while others serve, and wait until it is ready; one that cannot start is told of.

        Args:
            deaths: How many before it did not live long.
            spare: Whether it may be one too many; else nothing happens when there are enough.

        Returns:
            False when it could not start.
        """
        try:
            async with self._adding:  # a worker counts only once its process runs
                if not spare and len(self._workers) >= self._wanted:
                    return True
                worker = await self._add(deaths=deaths)
        except StartupError as error:
            _say_failure("a worker", error)
            return False
        try:
            await worker.ready
        except StartupError as error:
            if not worker.draining:
                _say_failure(f"worker {worker.pid}", error)
                await self._drain_worker(worker)
            return False
        self._watch_all(worker)
        return True

    def _watch_all(self, worker: WorkerProcess) -> None:
        """See to a worker that is ready: it may die, hang, or have served long enough."""
        self._do(self._watch(worker))
        self._do(end_if_hung(worker, self._config))
        self._do(self._replacement.watch(worker, self._config))

    async def _replace(self, old: WorkerProcess, *, why: str) -> bool:
        """Put a new worker in the place of an old one, which drains once that one is ready; `False` if none starts.

        Args:
            old: Who is replaced.
            why: As the metrics call it.
        """
        async with self._replacing:
            if old not in self._workers:
                return True  # it died, and was replaced
            if len(self._workers) <= self._wanted and not await self._add_ready(spare=True):
                return False
            self._admin.restarted(why)
            await self._drain_worker(old)
            return True

    async def _watch(self, worker: WorkerProcess) -> None:
        """Replace a worker when it dies."""
        code = await worker.end()
        if worker.draining:
            return
        self._workers.remove(worker)
        say(f"error: worker {worker.pid} {end_of(code)}{guess(code)}; another worker replaces it")
        self._admin.restarted("hung" if worker.hung else "died")
        await self._fill(0 if worker.lived() > _LONG_LIFE else worker.deaths)

    async def _fill(self, deaths: int = 0) -> None:
        """Start workers until there are enough; wait before each when `deaths` before it did not live long."""
        while len(self._workers) < self._wanted:
            if deaths > 0:
                delay = min(_FIRST_DELAY * 2 ** (deaths - 1), _LONGEST_DELAY)
                say(f"waiting {delay:g} s before the next worker, because the last ones ended early")
                await asyncio.sleep(delay)
            deaths += 1
            if await self._add_ready(deaths):
                return

    async def _roll_when_wanted(self) -> None:
        while True:
            await self._roll_wanted.wait()
            self._roll_wanted.clear()
            self._manager.reloading()
            await self._roll()
            self._manager.ready(self._status())

    async def _say_alive(self) -> None:
        """Let a watchdog know that this loop turns; each worker is watched by it."""
        while True:
            self._manager.feed_watchdog()
            if self._config.preload:
                bury_orphans()
            await asyncio.sleep(self._manager.interval)

    def _status(self) -> str:
        urls = ", ".join(self._listeners.urls(bool(self._config.tls_cert)))
        workers = "1 worker" if len(self._workers) == 1 else f"{len(self._workers)} workers"
        return f"serving with {workers} on {urls}"

    async def _roll(self) -> None:
        """Replace all workers, one after the other, by new ones with new code and new settings."""
        before, wanted = self._config, self._wanted
        if not self._read_settings():
            return
        say(f"replacing {len(self._workers)} workers, one at a time")
        self._imports.renew()
        for old in list(self._workers):
            if not await self._replace(old, why="replaced"):
                if self._config.workers != before.workers:
                    self._wanted = wanted
                self._config = before
                self._imports.settle(renewed=False)
                say("error: the remaining old workers continue")
                break
        else:
            self._imports.settle(renewed=True)
            say("all workers were replaced")
        self._fit()

    def _read_settings(self) -> bool:
        """Take the settings of the file, if there is one."""
        read = read_again(self._config, self._reread, FIXED)
        if read is None:
            return False
        if read.workers != self._config.workers:  # else it is what the signals made of it
            self._wanted = read.workers
        self._config = read
        return True

    def _resize(self, difference: int) -> None:
        if self._wanted + difference < 1:
            say("the last worker stays")
            return
        self._wanted += difference
        say(f"{self._wanted} workers from now on")
        if self._started:
            self._fit()

    def _fit(self) -> None:
        """Start workers that are missing, drain the oldest of those that are too many."""
        self._admin.wanted(self._wanted)
        for _ in range(len(self._workers), self._wanted):
            self._do(self._fill())
        for worker in self._workers[: max(0, len(self._workers) - self._wanted)]:
            self._do(self._drain_worker(worker))

    def _do(self, work: Coroutine[object, object, object]) -> None:
        """Do something beside; it ends with the supervisor at the latest."""

        async def done() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await work

        task = asyncio.create_task(done())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _take_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGUSR1, self._reopen)
        loop.add_signal_handler(signal.SIGUSR2, ignored, signal.SIGUSR2, None)
        loop.add_signal_handler(signal.SIGHUP, self._roll_wanted.set)
        loop.add_signal_handler(signal.SIGTTIN, partial(self._resize, 1))
        loop.add_signal_handler(signal.SIGTTOU, partial(self._resize, -1))

    def _reopen(self) -> None:
        """Have all workers open the file of the access log again."""
        if self._config.access_log_file is None:
            ignored(signal.SIGUSR1, None)
            return
        for worker in (*self._workers, *self._leaving):
            worker.send_when_ready(signal.SIGUSR1)

    def _stop(self) -> None:
        """Drain at the first signal, end at once at the second."""
        if self._ending.is_set():
            say("warning: a second signal: stopped at once")
            for worker in (*self._workers, *self._leaving):
                worker.send_signal(signal.SIGKILL)
            os._exit(1)
        self._manager.stopping()
        self._admin.draining()
        self._ending.set()


def _say_failure(who: str, error: StartupError) -> None:
    say(f"error: {who} could not start: {error.message}")
    if error.hint is not None:
        say(f"hint: {error.hint}")


def guess(code: int) -> str:
    """What is most likely behind a signal that nobody here has sent."""
    return " (the system does this when memory runs out)" if code == -signal.SIGKILL else ""
