"""Ends workers that hang: `--worker-timeout`.

A worker whose heartbeat has stopped (`process/heartbeat.py`) logs its stacks and is ended. The supervisor then handles its
death as any other.
"""

from __future__ import annotations

import asyncio
import signal
import time

from rsgi.observe.console import say
from rsgi.process.heartbeat import interval_of, timeout_of
from rsgi.process.workers.worker_process import WorkerProcess
from rsgi.settings.config import Config

# How long a worker may take to write its stacks, in seconds.
_STACKS = 2.0

# By so much a look may be late before this process was the one that was stopped, in seconds.
_LATE = 1.0


async def end_if_hung(worker: WorkerProcess, config: Config) -> None:
    """Wait until a worker that is ready has been silent for too long, and end it."""
    timeout = timeout_of(config)
    if timeout is None:
        return
    worker.beat()
    look = interval_of(config)
    last = time.monotonic()
    while time.monotonic() - worker.beaten_at <= timeout:
        await asyncio.sleep(look)
        now = time.monotonic()
        if now - last > look + _LATE:
            worker.beat()  # it may have been stopped as this process was
        last = now
        if worker.draining or worker.has_ended:
            return
    say(
        f"error: worker {worker.pid} has not driven its sockets for {timeout:g} s (`--worker-timeout`): "
        "it logs the stacks of its threads and is ended"
    )
    worker.hung = True
    # In a worker `faulthandler` answers it with the stacks, and lets it end.
    worker.send_signal(signal.SIGABRT)
    if not await worker.ended_within(_STACKS):
        say(f"warning: worker {worker.pid} did not write its stacks and was killed")
