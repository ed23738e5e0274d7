"""Makes the event loop that ASGI applications run in.

Apart because it is the only module that knows what kinds of loops there are: uvloop, which may not be installed, and
asyncio's own, whose selector may drive the server.
"""

from __future__ import annotations

import asyncio
import selectors
from importlib.util import find_spec

from rsgi._rsgi import Server
from rsgi.errors import StartupError


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
