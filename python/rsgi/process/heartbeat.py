"""The heartbeat of a worker: the pipe through which it says that its sockets are driven, and how often.

The thread that drives the sockets of a worker regularly sends a byte through the pipe (`src/process/heartbeat.rs`). If
none comes for a long time, no client of that worker gets anything: its event loop is blocked and drives the sockets, or
the process is stopped. `workers/hung.py` then ends it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from rsgi.settings.config import Config

# The timeout where none is given, in seconds. Only what blocks the event loop itself stops a heartbeat, not a long request:
# who does that for a minute serves nobody.
DEFAULT = 60.0

# The longest time between two beats, in seconds, and how many there are in a timeout at least.
_SLOWEST, _BEATS = 1.0, 4


def timeout_of(config: Config) -> float | None:
    """How long a worker may be silent, in seconds; `None` for ever."""
    given = DEFAULT if config.worker_timeout is None else config.worker_timeout
    return given or None


def interval_of(config: Config) -> float:
    """How often a worker is heard, in seconds."""
    return min(_SLOWEST, (timeout_of(config) or DEFAULT) / _BEATS)


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
