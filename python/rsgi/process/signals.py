"""What signals do to the process that serves.

An application may handle the same signals. Its handlers run after those of the server, whether it set them before the
server started, during the start, or through the event loop. Signal handlers need Python's main thread. A server on
another thread handles none.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType
from typing import Any, TypeAlias

from rsgi.handled_signals import ENDING, HARMLESS, numbers
from rsgi.observe.console import say

_Handler: TypeAlias = Callable[[int, FrameType | None], object]

# How often it is seen to that nobody has taken a signal from the server, in seconds. A signal that did not wake the main
# thread is seen by then, too.
CHECK_INTERVAL = 1.0


def ending_handlers(stop: Callable[[], None], reload: Callable[[], None] | None) -> dict[signal.Signals, _Handler]:
    """The handlers of a process that serves alone.

    Args:
        stop: Begins the drain, at the first signal that ends. The second ends the process at once.
        reload: What SIGHUP does. Without it SIGHUP keeps its meaning: the terminal has gone.
    """
    came = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if came:
            say("warning: a second signal: stopped at once")
            exit_now(1)
        came = True
        stop()

    handlers: dict[signal.Signals, _Handler] = dict.fromkeys(ENDING, end)
    if reload is not None:
        handlers |= dict.fromkeys(numbers("SIGHUP"), lambda *_: reload())
    return handlers


def worker_handlers(stop: Callable[[], None]) -> dict[signal.Signals, _Handler]:
    """The handlers of a worker: it drains at SIGTERM. What a terminal sends to all processes is for the supervisor."""
    handlers: dict[signal.Signals, _Handler] = dict.fromkeys(numbers("SIGINT", "SIGQUIT", "SIGHUP"), lambda *_: None)
    return {**handlers, signal.SIGTERM: lambda *_: stop()}


def reopening_handlers(reopen: Callable[[], object] | None) -> dict[signal.Signals, _Handler]:
    """The handler of SIGUSR1 where there is a file to open again."""
    return {} if reopen is None else dict.fromkeys(numbers("SIGUSR1"), lambda *_: reopen())


class SignalHandlers:
    """Handlers of the server's, and those of the application behind them.

    Attributes:
        exit_code: What a handler of the application has left the process with; the drain goes on all the same.
    """

    def __init__(self, handlers: Mapping[signal.Signals, _Handler]) -> None:
        self.exit_code = 0
        self._ours = dict(handlers) if threading.current_thread() is threading.main_thread() else {}
        self._theirs: dict[int, _Handler] = {}
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> SignalHandlers:
        for number in self._ours:
            self._before[number] = signal.getsignal(number)
            self._take(number)
        for number in HARMLESS:
            if self._ours and signal.getsignal(number) is signal.SIG_DFL:
                self._before[number] = signal.signal(number, ignored)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def undo(self) -> None:
        """Let signals do in a forked child what they did before the server took them."""
        signal.set_wakeup_fd(-1)  # it leads to the loop of the parent
        for number, handler in self._before.items():
            if signal.getsignal(number) in (self._handle, ignored):
                signal.signal(number, handler or signal.SIG_DFL)

    def keep(self) -> None:
        """Put the server's handlers back where the application has replaced them; its own are called after them."""
        for number in self._ours:
            self._take(number)

    def keep_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let signals wake the loop, and handlers that an application gives to the loop come after the server's."""
        add, remove = loop.add_signal_handler, loop.remove_signal_handler
        for number in self._ours:
            add(number, lambda: None)
            signal.signal(number, self._handle)

        def add_theirs(number: int, callback: Callable[..., object], *arguments: object) -> None:
            if number in self._ours:
                self._theirs[number] = lambda *_: loop.call_soon(callback, *arguments)
            else:
                add(number, callback, *arguments)

        def remove_theirs(number: int) -> bool:
            return self._theirs.pop(number, None) is not None if number in self._ours else remove(number)

        loop.add_signal_handler = add_theirs  # type: ignore[assignment, method-assign]
        loop.remove_signal_handler = remove_theirs  # type: ignore[assignment, method-assign]

    def _take(self, number: signal.Signals) -> None:
        theirs = signal.getsignal(number)
        if theirs == self._handle:
            return
        if callable(theirs) and theirs is not signal.default_int_handler:
            self._theirs[number] = theirs
        signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._ours[signal.Signals(number)](number, frame)
        theirs = self._theirs.get(number)
        if theirs is None:
            return
        try:
            theirs(number, frame)
        except SystemExit as leaving:
            self.exit_code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        except BaseException:
            say(f"error: the application's handler of {signal.Signals(number).name} failed\n{traceback.format_exc()}")


def exit_now(code: int) -> None:
    """End the process without waiting for anything in it."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def ignored(number: int, frame: FrameType | None) -> None:
    """Say that a signal does nothing, where it would have ended the process."""
    say(f"{signal.Signals(number).name} has no effect here and was ignored")
