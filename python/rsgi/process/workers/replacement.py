"""Replaces workers that have served long enough: `--max-requests`, `--max-worker-age`, `--max-rss`.

The supervisor knows how to replace a worker without losing a request. This file knows when, and replaces one at a time. A
worker counts its own requests and reports when they are enough (`src/runtime/wear.rs`). This process checks its age and
memory, so a worker that hangs cannot hide them.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from rsgi.errors import StartupError
from rsgi.observe.console import say
from rsgi.process.workers.worker_process import WorkerProcess
from rsgi.settings.config import Config, flag_of
from rsgi.settings.values import write_value

# How often workers are looked at, in seconds.
_LOOK = 1.0

# How long after a try in vain a worker is tried to be replaced again, in seconds.
_RETRY = 30.0

_LIMITS = ("max_requests", "max_worker_age", "max_rss")


def needs_supervisor(config: Config) -> bool:
    """Whether one worker needs a supervisor, too: only somebody else can replace it without losing a request."""
    return any(getattr(config, name) is not None for name in _LIMITS) or bool(config.worker_timeout)


def check_limits(config: Config) -> None:
    """See that the limits of workers can be kept.

    Raises:
        StartupError: when they cannot.
    """
    if config.max_requests_jitter and config.max_requests is None:
        message = "`--max-requests-jitter` needs `--max-requests`, which is not set"
        raise StartupError(message, f"for example `--max-requests {config.max_requests_jitter * 10}`")
    if config.max_rss is not None and not sys.platform.startswith("linux"):
        raise StartupError("`--max-rss` needs Linux: it reads the memory of a process from /proc", "leave it out")


def warn_of_limits(config: Config) -> None:
    """Say which limits have no meaning where files are watched and workers are restarted for them."""
    flags = [f"`{flag_of(name)}`" for name in (*_LIMITS, "worker_timeout") if getattr(config, name) is not None]
    if flags:
        say(f"warning: {', '.join(flags)} {'has' if len(flags) == 1 else 'have'} no meaning with `--reload`")


class Replacement:
    """Who is to be replaced, in the order in which it was seen."""

    def __init__(self, replace: Callable[[WorkerProcess], Awaitable[bool]]) -> None:
        """Nobody is yet.

        Args:
            replace: Replaces a worker, and waits for its end; says whether there was a new one to take its place.
        """
        self._replace = replace
        self._worn: asyncio.Queue[tuple[WorkerProcess, str]] = asyncio.Queue()

    async def watch(self, worker: WorkerProcess, config: Config) -> None:
        """Wait until a worker that is ready has served long enough."""
        self._worn.put_nowait((worker, await _worn(worker, config)))

    async def run(self) -> None:
        """Replace one worker after the other, for ever."""
        while True:
            worker, why = await self._worn.get()
            if worker.draining or worker.has_ended:
                continue
            say(f"worker {worker.pid} is replaced: {why}")
            if not await self._replace(worker):
                say(f"error: worker {worker.pid} continues; the next try to replace it is in {_RETRY:g} s")
                asyncio.get_running_loop().call_later(_RETRY, self._worn.put_nowait, (worker, why))


async def _worn(worker: WorkerProcess, config: Config) -> str:
    """Wait until a worker should be replaced; gives why."""
    most, looks = config.max_rss, config.max_worker_age is not None or config.max_rss is not None
    if most is not None and (resident := resident_of(worker.pid)) > most:
        # Its successor would be no smaller, and the one after that.
        say(
            f"warning: worker {worker.pid} has {_mebibytes(resident)} resident before its first request, more than "
            f"`--max-rss {write_value(most, 'size')}`, which it is not replaced for; a higher limit has a meaning"
        )
        most = None
    while True:
        done, _ = await asyncio.wait({worker.worn}, timeout=_LOOK if looks else None)
        if done:
            return worker.worn.result()
        if config.max_worker_age is not None and worker.lived() >= config.max_worker_age:
            return f"it has served for {worker.lived():.0f} s (`--max-worker-age`)"
        if most is not None and (resident := resident_of(worker.pid)) > most:
            return f"it has {_mebibytes(resident)} resident (`--max-rss {write_value(most, 'size')}`)"


def resident_of(pid: int) -> int:
    """How much memory a process has resident, in bytes; 0 when it has ended."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _mebibytes(size: int) -> str:
    return f"{size / 1024**2:.0f} MiB"
