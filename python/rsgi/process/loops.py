"""Makes the event loop of the ASGI applications, and calls what runs in it for as long as the server runs.

Only this module knows the kinds of loops: uvloop, which may not be installed, and asyncio's own, whose selector may drive
the server.
"""

from __future__ import annotations

import asyncio
import inspect
import selectors
import sys
from collections.abc import Awaitable
from importlib.util import find_spec

from rsgi._rsgi import Server
from rsgi._types import ASGIApp, Message, Receive, Scope, Send
from rsgi.errors import StartupError

# How long tasks that were cancelled at the end may take to see it, in seconds.
_CANCEL_TIMEOUT = 5.0


class ServingSelector(selectors.DefaultSelector):
    """A selector that serves requests while it waits: one thread for the sockets and the applications.

    The application's own descriptors are in this selector, as in any; the server's are not.
    """

    def __init__(self, server: Server) -> None:
        """A selector that drives `server`."""
        super().__init__()
        self._driver = server.loop_driver(self.fileno())
        self._look_again = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Serve until something is ready, something is done, or `timeout` seconds are over.

        Returns:
            What is ready among the application's own descriptors.
        """
        if self._look_again:
            # What was ready at the last look may be so still, and the driver hears of what is new only.
            ready = super().select(0)
            if ready:
                self._driver.wait(0)
                return ready
            self._look_again = False
        if not self._driver.wait(timeout):
            return []
        ready = super().select(0)
        self._look_again = bool(ready)
        return ready

    def close(self) -> None:
        """Close the selector; the server goes on without it."""
        self._driver.close()
        super().close()


def serving_event_loop(server: Server) -> asyncio.AbstractEventLoop:
    """A new loop that drives the sockets of `server` itself."""
    return asyncio.SelectorEventLoop(ServingSelector(server))


def new_event_loop(kind: str) -> asyncio.AbstractEventLoop:
    """A new loop: `asyncio`, `uvloop`, or with `auto` uvloop where it is installed.

    Raises:
        StartupError: when uvloop is asked for and not installed.
    """
    if loop_name(kind) == "asyncio":
        return asyncio.new_event_loop()
    try:
        import uvloop
    except ImportError as error:
        raise StartupError("uvloop is not installed", "`pip install 'rsgi[uvloop]'`, or `--loop asyncio`") from error
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def loop_name(kind: str) -> str:
    """`asyncio` or `uvloop`: what `new_event_loop(kind)` makes."""
    if kind == "auto":
        return "uvloop" if find_spec("uvloop") else "asyncio"
    return kind


def end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what still runs in a loop that was stopped, and let the loop's own things end."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=_CANCEL_TIMEOUT))
    loop.run_until_complete(loop.shutdown_asyncgens())


async def call_application(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Call an application inside the task that awaits this: one that is not `async def` may need the task, too."""
    await app(scope, receive, send)


def coroutine_function(send: Send) -> Send:
    """The same `send`, which says that it is a coroutine function: asgiref's `async_to_sync` warns of what does not.

    The consumers of Channels that are not `async` put it into that.
    """

    def marked(message: Message) -> Awaitable[None]:
        return send(message)

    if sys.version_info >= (3, 12):
        return inspect.markcoroutinefunction(marked)
    marked._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
    return marked
