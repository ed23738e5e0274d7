"""Makes sure that the process ends, whatever the applications do.

It watches on a separate thread, because the serving thread may be stuck: in a blocked event loop, or in a thread of the
application for which the interpreter waits.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial

from rsgi.observe.console import say
from rsgi.process.signals import exit_now
from rsgi.settings.config import Config

# What the end may take beyond all that the settings give it, in seconds.
_MARGIN = 5.0

# How long threads of the application may take, at least, when the grace time is over before they are asked, in seconds.
_LEAST = 1.0


def longest_end(config: Config) -> float:
    """How long the settings let the end of a server take, in seconds."""
    return config.drain_delay + config.grace + len(config.apps) * config.lifespan_timeout


class Stopping:
    """The stop of one server, which begins once and ends in time.

    Attributes:
        begun: When it began, by the monotonic clock; `None` before.
    """

    def __init__(self, config: Config, stop: Callable[[], None]) -> None:
        """A stop that has not begun.

        Args:
            config: Says how long it may take.
            stop: Begins the drain of the server.
        """
        self.begun: float | None = None
        self._config, self._stop = config, stop
        self._over = threading.Event()

    def begin(self) -> None:
        """Begin the drain; from now on the end is near. May be called in a signal handler, and more than once."""
        if self.begun is None:
            self.begun = time.monotonic()
            _watch(self._end_if_stuck, "rsgi-stopping")
        self._stop()

    def over(self) -> None:
        """The server has ended by itself."""
        self._over.set()

    def leave_threads(self, code: int) -> None:
        """End the process with `code` when the grace time is over and threads of the application still keep it."""
        begun = 0.0 if self.begun is None else time.monotonic() - self.begun
        grace = self._config.drain_delay + self._config.grace - begun
        _watch(partial(_leave_threads, max(grace, _LEAST), code), "rsgi-end")

    def _end_if_stuck(self) -> None:
        if self._over.wait(longest_end(self._config) + _MARGIN):
            return
        main = threading.main_thread().ident
        frame = sys._current_frames().get(main) if main is not None else None
        where = "".join(traceback.format_stack(frame)) if frame is not None else ""
        say(f"error: the server did not end in time; its main thread is stuck here\n{where}")
        exit_now(1)


def _watch(watch: Callable[[], None], name: str) -> None:
    """Run `watch` on a thread. Without one, the server ends all the same, unless something keeps it."""
    try:
        threading.Thread(target=watch, name=name, daemon=True).start()
    except RuntimeError:
        say("warning: the system allows no more threads, so nothing ends the server if it is stuck")


def _leave_threads(seconds: float, code: int) -> None:
    time.sleep(seconds)  # the process ends before this does, unless something keeps it
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    kept = [repr(thread.name) for thread in others if not thread.name.startswith("rsgi-")]
    what = f"threads of the application still run: {', '.join(kept)}" if kept else "the interpreter does not end"
    say(f"warning: {what}; the grace time (`--grace`) is over, and the process ends without them")
    exit_now(code)
