"""Ends workers that hang: `--worker-timeout`.

The thread that drives the sockets of a worker regularly sends a byte through a pipe (`src/process/heartbeat.rs`). If none comes
for a long time, no client of that worker gets anything: its event loop is blocked and drives the sockets, or the process
is stopped. The worker logs its stacks and is ended. The supervisor then handles its death as any other.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rsgi.config import Config
from rsgi.console import say

if TYPE_CHECKING:
    from rsgi.worker_process import WorkerProcess

# The timeout where none is given, in seconds. Only what blocks the event loop itself stops a heartbeat, not a long request:
# who does that for a minute serves nobody.
DEFAULT = 60.0

# The longest time between two beats, in seconds, and how many there are in a timeout at least.
_SLOWEST, _BEATS = 1.0, 4

# How long a worker may take to write its stacks, in seconds.
_STACKS = 2.0

# By so much a look may be late before this process was the one that was stopped, in seconds.
_LATE = 1.0


def timeout_of(config: Config) -> float | None:
    """How long a worker may be silent, in seconds; `None` for ever."""
    given = DEFAULT if config.worker_timeout is None else config.worker_timeout
    return given or None


def interval_of(config: Config) -> float:
    """How often a worker is heard, in seconds."""
    return min(_SLOWEST, (timeout_of(config) or DEFAULT) / _BEATS)


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
        if worker.dismissed or worker.has_ended:
            return
    say(
        f"error: worker {worker.pid} has not driven its sockets for {timeout:g} s (`--worker-timeout`): "
        "it logs the stacks of its threads and is ended"
    )
    worker.hung = True
    # In a worker `faulthandler` answers it with the stacks, and lets it end.
    worker.send_signal(signal.SIGABRT)
    if not await worker.gone(_STACKS):
        say(f"warning: worker {worker.pid} did not write its stacks and was killed")


class Pulse:
    """The pipe of one worker, as the supervisor has it.

    Attributes:
        writing: The descriptor that the worker writes to.
    """

    def __init__(self) -> None:
        """Open it."""
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)

    def hand_over(self, beat: Callable[[], None]) -> None:
        """Leave the writing end to the worker alone, and listen: `beat` is called for each sign of life."""
        os.close(self.writing)

        def read() -> None:
            if os.read(self._reading, 4096):
                beat()
            else:
                self.close()

        asyncio.get_running_loop().add_reader(self._reading, read)

    def close(self) -> None:
        """Listen no more."""
        if self._reading >= 0:
            asyncio.get_running_loop().remove_reader(self._reading)
            os.close(self._reading)
            self._reading = -1
