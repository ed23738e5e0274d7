"""What the main thread does while the server runs: it runs the event loop, or waits.

Applications may stop, fail or block the loop. The server must end in order anyway.
"""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from rsgi._rsgi import Server
from rsgi.bridge.forked import ending_children, in_children, leave_loop
from rsgi.observe.console import say
from rsgi.process.loops import end_tasks, new_event_loop, serving_event_loop
from rsgi.process.signals import SignalHandlers, exit_now
from rsgi.process.stopping import Stopping
from rsgi.settings.config import Config

# How often the loop may fail on its way to the end of the server.
_MOST_FAILURES = 100


@dataclass(frozen=True)
class Calls:
    """What the main thread does for the server while it runs.

    Attributes:
        interval: How often `check` is called, in seconds.
        check: Sees that all is as it should be.
        on_started: Called when the ASGI applications have started, before the first request.
    """

    interval: float
    check: Callable[[], None]
    on_started: Callable[[], None]


def run_loop(server: Server, config: Config, stopping: Stopping, handlers: SignalHandlers, calls: Calls) -> int:
    """Run the asyncio loop on this thread until the server has ended; gives the exit code.

    Args:
        server: The server.
        config: All settings.
        stopping: Begins when the loop stops by itself.
        handlers: Those of the application come after them, whenever it sets any.
        calls: What is called in the loop.
    """
    loop = serving_event_loop(server) if server.io == "loop" else new_event_loop(config.loop)
    asyncio.set_event_loop(loop)
    ended = threading.Event()

    def end() -> None:
        ended.set()
        loop.call_soon_threadsafe(loop.stop)

    def check_again() -> None:
        calls.check()
        loop.call_later(calls.interval, check_again)

    try:
        handlers.keep_in(loop)
        check_again()
        server.start(loop, end, calls.on_started)
        with in_children(partial(leave_loop, loop, threading.get_ident())):
            code = _run_to_the_end(loop, ended, stopping)
        server.detach(loop)
        end_tasks(loop)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return code


def _run_to_the_end(loop: asyncio.AbstractEventLoop, ended: threading.Event, stopping: Stopping) -> int:
    """Run the loop until the server has ended. One that stops before is run again, for the server to end in order."""
    code = 0
    for _ in range(_MOST_FAILURES):
        reason = "the application stopped the event loop"
        try:
            with ending_children():
                loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:
            reason = f"a task of the application raised {type(error).__name__}, which ends the event loop"
        except BaseException:
            reason = f"the event loop failed\n{traceback.format_exc()}"
        if ended.is_set():
            return code
        if code == 0:
            say(f"error: {reason}; the server drains and ends")
            code = 1
        stopping.begin()
    say("error: the event loop stopped several times; the server ends at once")
    exit_now(1)
    return code


def wait(server: Server, calls: Calls) -> None:
    """Wait on this thread until the server has ended, and check every now and then."""
    ended = threading.Event()
    server.start(None, ended.set)
    # A signal that reaches another thread does not end a wait of this one.
    while not ended.wait(calls.interval):
        calls.check()
