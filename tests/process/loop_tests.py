"""CPython's own tests of event loops, run with a loop whose selector drives a server.

Apart from pytest's modules because it runs in a process of its own: these tests change the event loop policy, signals and
the watcher of child processes. `tests/process/test_io.py` starts it.
"""

from __future__ import annotations

import asyncio
import sys
import unittest
from collections.abc import MutableMapping
from typing import Any

from test.test_asyncio import test_events, test_sock_lowlevel, test_subprocess, utils  # type: ignore[import-not-found]

from rsgi._rsgi import Listeners, Server
from rsgi.process.loops import serving_event_loop
from rsgi.routing.planning import build_plan
from rsgi.settings.config import AppTarget, Config


async def app(scope: MutableMapping[str, Any], receive: object, send: object) -> None:
    """An application that nobody calls."""


def loop() -> asyncio.AbstractEventLoop:
    """A loop whose selector drives a server of its own."""
    config = Config(apps=(AppTarget("asgi", app),), port=0, io="loop")
    return serving_event_loop(Server(config, build_plan(config), Listeners(), False))


class EventLoopTests(test_events.UnixEventLoopTestsMixin, test_events.EventLoopTestsMixin, utils.TestCase):  # type: ignore[misc]
    """Connections, servers, pipes, signals, timers, readers and writers, executors."""

    def create_event_loop(self) -> asyncio.AbstractEventLoop:
        """The loop under test."""
        return loop()


class SocketTests(test_sock_lowlevel.BaseSockTestsMixin, utils.TestCase):  # type: ignore[misc]
    """The loop's `sock_*` methods."""

    def create_event_loop(self) -> asyncio.AbstractEventLoop:
        """The loop under test."""
        return loop()


class SubprocessTests(test_subprocess.SubprocessMixin, utils.TestCase):  # type: ignore[misc]
    """Child processes and their pipes."""

    def setUp(self) -> None:
        """Make the loop, and where this Python has one, a watcher of child processes that needs no signal."""
        super().setUp()
        self.loop = loop()
        self.set_event_loop(self.loop)
        if sys.version_info < (3, 12):
            watcher = asyncio.ThreadedChildWatcher()
            watcher.attach_loop(self.loop)
            asyncio.get_event_loop_policy().set_child_watcher(watcher)

    def tearDown(self) -> None:
        """Take the watcher away."""
        if sys.version_info < (3, 12):
            asyncio.get_event_loop_policy().set_child_watcher(None)
        super().tearDown()


if __name__ == "__main__":
    unittest.main()
