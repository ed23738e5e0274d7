"""A server in a thread of the process that runs the tests.

Tests can replace parts of the applications, because they are in the same process. The server is the one of `rsgi serve`,
so it is also the same router that decides who answers. `process/serving.py` is the usual way to run it: it owns the main
thread and the signals, which belong to pytest here.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from functools import partial
from typing import Any

from rsgi._rsgi import Listeners, Server
from rsgi.bridge.forked import in_children, leave_sockets
from rsgi.errors import StartupError
from rsgi.observe.console import say
from rsgi.process.banner import banner
from rsgi.process.loops import end_tasks, new_event_loop
from rsgi.process.openapi import OpenapiDocument
from rsgi.routing.planning import build_plan
from rsgi.routing.served import ServedPlan
from rsgi.settings.config import Config

# How long running calls may take at the end, in seconds, and how long the rest of the end may take.
_GRACE = 3.0
_LAST_WORK = 10.0

# How many turns of the event loop a response can be ahead of its exception, and how long one may take, in seconds.
_TURNS = 3
_TURN = 1.0

# How often an application may stop the loop.
_MOST_FAILURES = 20


class InProcessServer:
    """Serves applications until `stop`.

    Attributes:
        url: Where it listens.
    """

    def __init__(self, config: Config) -> None:
        """Import the applications, run their startup, and listen.

        Raises:
            StartupError: when one of these fails.
        """
        self._config = _alone(config)
        self._plan = build_plan(self._config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners = Listeners()
        self._listeners.listen("127.0.0.1:0", self._config)
        self._leaving = in_children(partial(leave_sockets, self._listeners.urls(False)))
        self._leaving.__enter__()
        self._server = Server(self._config, self._plan, self._listeners, True)
        say(banner(self._config, self._plan, self._server.io))
        served = ServedPlan(self._server, self._config, self._plan, OpenapiDocument(self._server).make)
        has_loop = any(app.interface == "asgi" for app in self._plan.apps)
        self._thread = threading.Thread(
            target=self._run_loop if has_loop else self._wait, args=(served,), name="rsgi-in-tests", daemon=True
        )
        self._thread.start()
        if not self._server.wait_until_ready():
            self.stop()
            raise StartupError("the server ended before it was ready", "see the captured output")
        self.url = self._server.addresses[0]

    def settle(self) -> None:
        """Wait until the event loop has done what it had to do: an exception is logged after its response."""
        for _ in range(_TURNS):
            done = threading.Event()
            if self._loop is None or self._loop.is_closed():
                return
            self._loop.call_soon_threadsafe(done.set)
            done.wait(_TURN)

    def stop(self) -> None:
        """End the server: running calls may finish, and lifespans end.

        Raises:
            StartupError: when the startup of an application failed, or the server does not end.
        """
        self._server.stop()
        self._thread.join(_GRACE + self._config.lifespan_timeout * len(self._plan.apps) + _LAST_WORK)
        self._leaving.__exit__(None, None, None)
        if self._thread.is_alive():
            raise StartupError("the server in this process does not end", "an application blocks its event loop")
        self._server.finish()

    def _run_loop(self, served: ServedPlan) -> None:
        loop = self._loop = new_event_loop(self._config.loop)
        ended = threading.Event()
        asyncio.set_event_loop(loop)

        def end() -> None:
            ended.set()
            loop.call_soon_threadsafe(loop.stop)

        self._server.start(loop, end, served.divide)
        for _ in range(_MOST_FAILURES):
            try:
                loop.run_forever()
            except BaseException as error:
                # Such as SystemExit. In a thread it would end the server without a word.
                say(f"warning: the server ends, because a task of the application raised {type(error).__name__}")
            if ended.is_set():
                break
            self._server.stop()
        self._server.detach(loop)
        end_tasks(loop)
        loop.close()

    def _wait(self, _served: ServedPlan) -> None:
        ended = threading.Event()
        self._server.start(None, ended.set)
        ended.wait()


def _alone(config: Config) -> Config:
    """The settings for one process that belongs to somebody else: routing and limits stay, and the rest goes."""
    changed: dict[str, Any] = {
        "bind": (),
        "uds": None,
        "port": 0,
        "host": "127.0.0.1",
        "http": "auto",
        "proxy_protocol": False,
        "tls_cert": (),
        "tls_key": (),
        "tls_key_password": None,
        "tls_client_ca": None,
        "tls_client_auth": None,
        "workers": 1,
        "preload": False,
        "reload": False,
        "user": None,
        "group": None,
        "pid_file": None,
        "max_requests": None,
        "max_worker_age": None,
        "max_rss": None,
        "worker_timeout": None,
        "admin": None,
        "admin_token": None,
        "history_folder": None,
        "shadow": (),
        "record": None,
        "io": "thread",
        "drain_delay": 0.0,
        "grace": min(config.grace, _GRACE),
        "stream_grace": 0.0,
        "log_format": "text",
        "access_log_file": None,
    }
    return replace(config, **changed)
