"""Restarts the applications when their files change: `rsgi serve --reload`, for development.

The other supervisor always keeps a worker running. Here there is one worker. Requests wait between the old code and the
new code, so no response comes from replaced code. As in the supervisor, this process binds the addresses and imports no
application. `file_watch.py` says which files count.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from rsgi._rsgi import Admin, Listeners
from rsgi.errors import StartupError
from rsgi.handled_signals import ENDING, numbers
from rsgi.history import keep_history
from rsgi.observe.console import say
from rsgi.process.link import Orders
from rsgi.process.service_manager import ServiceManager
from rsgi.process.signals import ignored
from rsgi.process.stopping import longest_end
from rsgi.process.system.listening import listening
from rsgi.process.workers.file_watch import FileWatch
from rsgi.process.workers.reread import FIXED, check_named, read_again
from rsgi.process.workers.supervisor import END_MARGIN, guess
from rsgi.process.workers.worker_process import WorkerProcess, end_of
from rsgi.settings.config import Config

# How long requests of the old code may take when the new code is to come, at most, in seconds. Streams have no time.
_GRACE = 2.0

# How long the new code waits for the end of the old one, in seconds.
_TIMEOUT = 0.3

# What a change of the settings does not change.
_FIXED = (*FIXED, "reload", "reload_dir", "reload_include", "reload_exclude", "env_file")

_NAMES_SHOWN = 3
_WAITING = "waiting for a change"


def serve_reloading(config: Config, reread: Callable[[], Config] | None) -> int:
    """Serve with one worker that starts anew whenever files change, until a signal; gives the exit code.

    Args:
        config: All settings.
        reread: Gives the settings as their file has them later.

    Raises:
        StartupError: when an address cannot be had, or files cannot be watched.
    """
    check_named(config, "with `--reload`")
    watch = FileWatch(config)
    if config.workers > 1:
        say(f"warning: `--reload` serves with one worker, although `workers` is {config.workers}")
    with listening(config) as listeners:
        admin = Admin(replace(config, workers=1), listeners)
        try:
            with keep_history(config, admin):
                return asyncio.run(CodeReload(config, reread, listeners, admin, watch).run())
        finally:
            admin.stop()


class CodeReload:
    """The worker, and what restarts it."""

    def __init__(
        self,
        config: Config,
        reread: Callable[[], Config] | None,
        listeners: Listeners,
        admin: Admin,
        watch: FileWatch,
    ) -> None:
        self._config, self._reread, self._listeners, self._watch = config, reread, listeners, watch
        self._admin = admin
        self._worker: WorkerProcess | None = None
        self._leaving: dict[WorkerProcess, asyncio.Task[None]] = {}
        self._following: set[asyncio.Task[None]] = set()
        # Why it should restart, and what wakes whoever looks.
        self._reasons: list[str] = []
        self._changed: set[str] = set()
        self._woken = asyncio.Event()
        self._ending = False
        self._failure: StartupError | None = None
        self._banner = ""
        self._served = False
        self._manager = ServiceManager()

    async def run(self) -> int:
        """Start the worker, restart it whenever that is wanted, and wait for its end."""
        self._take_signals()
        background = [asyncio.create_task(self._note_changes()), asyncio.create_task(self._say_alive())]
        # Files are watched before the code is read.
        await asyncio.sleep(0)
        try:
            say(f"watching {', '.join(self._watch.folders)}")
            await self._start()
            while await self._wanted():
                await self._restart()
            return 0
        finally:
            for task in background:
                task.cancel()
            self._listeners.release()
            self._drain_old()
            await asyncio.gather(*self._leaving.values())

    async def _wanted(self) -> bool:
        """Wait until a restart is wanted; says no when it is the end that is."""
        await self._woken.wait()
        self._woken.clear()
        if self._failure is not None:
            raise self._failure
        return not self._ending

    async def _note_changes(self) -> None:
        try:
            async for changed in self._watch.changes():
                self._changed.update(changed)
                self._ask(f"{_listed(changed)} changed")
        except StartupError as error:
            self._failure = error
            self._woken.set()

    def _ask(self, reason: str) -> None:
        """Restart soon."""
        self._reasons.append(reason)
        self._woken.set()

    async def _start(self) -> None:
        """Start a worker; how that goes is followed beside, since the next change may come before it is ready."""
        begun = time.monotonic()
        orders = Orders(
            _hurried(self._config), None, tuple(self._listeners.descriptors), os.getpid(), introduces=True, number=1
        )
        # It has the terminal, for debuggers.
        worker = await WorkerProcess.start(orders, self._introduce, self._admin.line(), stdin=None)
        self._worker = worker
        task = asyncio.create_task(self._follow(worker, begun))
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def _follow(self, worker: WorkerProcess, begun: float) -> None:
        """Say how a start went; and how the worker ended, when it was not told to."""
        try:
            await worker.ready
        except StartupError as error:
            if not worker.draining:
                self._say_failure(error)
            return
        if not worker.draining:
            self._say_ready(time.monotonic() - begun)
        code = await worker.end()
        if not worker.draining:
            say(f"error: worker {worker.pid} {end_of(code)}{guess(code)}; {_WAITING}")

    def _introduce(self, banner: str) -> None:
        """Say who serves what, unless that is as before."""
        if banner != self._banner:
            self._banner = banner
            say(banner)

    def _say_ready(self, seconds: float) -> None:
        urls = self._listeners.urls(bool(self._config.tls_cert))
        if self._served:
            say(f"restarted in {seconds:.2f} s")
        else:
            say("\n".join(f"listening on {url}" for url in urls))
        self._served = True
        self._admin.serving()
        self._manager.ready(f"serving on {', '.join(urls)}, restarts when files change")

    def _say_failure(self, error: StartupError) -> None:
        if self._config.debug and error.__cause__ is not None:
            say(str(error.__cause__))
        say(f"error: {error.message}")
        if error.hint is not None:
            say(f"hint: {error.hint}")
        say(_WAITING)

    async def _restart(self) -> None:
        """Let the new code take the place of the old one."""
        reasons, self._reasons = self._reasons, []
        say(f"{', '.join(reasons)}: restarting")
        config = read_again(self._config, self._reread, _FIXED)
        if config is None:
            return
        self._config = config
        self._manager.reloading()
        self._admin.restarted("reloaded")
        leaving = self._drain_old()
        if leaving is not None:
            await asyncio.wait({leaving}, timeout=_TIMEOUT)
        _forget_bytecode(self._changed)
        self._changed.clear()
        await self._start()

    def _drain_old(self) -> asyncio.Task[None] | None:
        """Let the worker finish what it has. Its end is waited for beside, since it may take its time."""
        worker, self._worker = self._worker, None
        if worker is None:
            return None
        worker.drain()
        self._leaving[worker] = asyncio.create_task(self._see_off(worker))
        return self._leaving[worker]

    async def _see_off(self, worker: WorkerProcess) -> None:
        if not await worker.ended_within(longest_end(_hurried(self._config)) + END_MARGIN):
            say(f"warning: worker {worker.pid} did not end and was killed")
        del self._leaving[worker]

    async def _say_alive(self) -> None:
        """Let a watchdog know that this loop turns."""
        while True:
            self._manager.feed_watchdog()
            await asyncio.sleep(self._manager.interval)

    def _take_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in ENDING:
            loop.add_signal_handler(number, self._stop)
        for number in numbers("SIGUSR1", "SIGUSR2", "SIGTTIN", "SIGTTOU"):
            loop.add_signal_handler(number, ignored, number, None)
        loop.add_signal_handler(signal.SIGHUP, self._ask, "SIGHUP")

    def _stop(self) -> None:
        """Drain at the first signal, end at once at the second."""
        if self._ending:
            say("warning: a second signal: stopped at once")
            for worker in (*self._leaving, *([] if self._worker is None else [self._worker])):
                worker.send_signal(signal.SIGKILL)
            os._exit(1)
        self._ending = True
        self._manager.stopping()
        self._admin.draining()
        self._woken.set()


def _hurried(config: Config) -> Config:
    """The settings of a worker whose end somebody waits for."""
    grace = min(config.grace, _GRACE)
    return replace(config, workers=1, reload_rules=False, drain_delay=0.0, stream_grace=0.0, grace=grace)


def _forget_bytecode(paths: Iterable[str]) -> None:
    """Remove the compiled form of files: Python goes by whole seconds and the size, and a save may leave both."""
    for path in paths:
        if path.endswith(".py"):
            with contextlib.suppress(OSError, NotImplementedError):
                os.remove(importlib.util.cache_from_source(path))


def _listed(paths: list[str]) -> str:
    more = len(paths) - _NAMES_SHOWN
    return ", ".join(os.path.relpath(path) for path in paths[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
