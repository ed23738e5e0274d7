"""`rsgi.Server`: a server inside a running asyncio loop, for programs that do more than serve.

`rsgi.serve` owns the process: the main thread, its loop and its signals. Here all three belong to the caller, so this file
starts and stops the same parts around `await`. It runs one server in this process, never workers.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TypeVar

from rsgi import _rsgi
from rsgi._types import ASGIApp, WSGIApp
from rsgi.bridge.forked import in_children, leave_sockets
from rsgi.dashboard.listing import RouteListing
from rsgi.errors import StartupError
from rsgi.history import check_history, keep_history
from rsgi.observe.log import set_up_logging
from rsgi.process.entry import config_of
from rsgi.process.serving import load_plan, read_again
from rsgi.process.shadow import comparing
from rsgi.process.system.listening import listening
from rsgi.process.workers.replacement import needs_supervisor
from rsgi.routing.served import ServedPlan
from rsgi.settings.config import Config

_Result = TypeVar("_Result")


class Server:
    """A server in a running asyncio loop, as an asynchronous context manager.

    ASGI applications run in that loop, WSGI applications on threads of the server. The `async with` block begins when
    requests are answered. At its end, the server drains as after SIGTERM. It handles no signals, and is used once.

    Args:
        config: All settings. Without it, the keyword arguments are the settings, as for `serve`.
        wsgi: A WSGI application or its target, without a prefix.
        asgi: An ASGI application or its target, without a prefix.
        settings: The fields of `Config`.

    Raises:
        StartupError: when a setting is invalid, or needs several processes. Entering the block raises it when the server
            cannot start.
    """

    def __init__(
        self,
        config: Config | None = None,
        /,
        *,
        wsgi: str | WSGIApp | None = None,
        asgi: str | ASGIApp | None = None,
        **settings: object,
    ) -> None:
        self._config, _ = config_of(config, settings, wsgi, asgi)
        _refuse_processes(self._config)
        check_history(self._config)
        self._server: _rsgi.Server | None = None
        self._used = False
        self._resources = AsyncExitStack()
        self._ended = asyncio.Event()

    @property
    def addresses(self) -> list[str]:
        """Where the server listens, such as `http://127.0.0.1:8000`. Empty before it has started."""
        return [] if self._server is None else self._server.addresses

    def stop(self) -> None:
        """Begin the drain. Any thread may call it. The block that waits in `wait` continues when the drain is over."""
        if self._server is not None:
            self._server.stop()

    async def wait(self) -> None:
        """Wait until the server has ended, for example after `stop`."""
        await self._ended.wait()

    async def __aenter__(self) -> Server:
        """Start the applications and accept connections.

        Raises:
            StartupError: when that is not possible.
            RuntimeError: when this server was used before.
        """
        if self._used:
            raise RuntimeError("a server starts once: make another one")
        self._used = True
        async with AsyncExitStack() as resources:
            with ExitStack() as sockets:
                server = self._bind(sockets)
                resources.push(sockets.pop_all())
            resources.push_async_callback(self._leave, server, asyncio.get_running_loop())
            if not await _in_thread(server.wait_until_ready):
                await self._ended.wait()
                await _in_thread(server.finish)  # raises the reason
                raise StartupError(
                    "the server was stopped before it was ready", "something called `stop` while it started"
                )
            self._resources = resources.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain, and wait for the end of the applications."""
        await self._resources.aclose()

    def _bind(self, resources: ExitStack) -> _rsgi.Server:
        """Import the applications, bind the addresses, and begin to start."""
        loop = asyncio.get_running_loop()
        listeners = resources.enter_context(listening(self._config))
        resources.enter_context(in_children(partial(leave_sockets, listeners.urls(False))))
        plan = load_plan(self._config)
        config = self._config
        if config.io == "auto" and not any(app.interface == "wsgi" for app in plan.apps):
            config = replace(config, io="thread")  # the loop is the caller's, and has its own selector
        set_up_logging(config.log_level)
        self._server = server = _rsgi.Server(config, plan, listeners, False)
        resources.enter_context(comparing(server, config))
        resources.enter_context(keep_history(config, server.dashboard))
        served = ServedPlan(server, config, plan, RouteListing(server.dashboard).make)
        uses_loop = any(app.interface == "asgi" for app in plan.apps)
        server.start(
            loop if uses_loop else None,
            lambda: loop.call_soon_threadsafe(self._ended.set),
            partial(read_again, served, None),
        )
        return server

    async def _leave(self, server: _rsgi.Server, loop: asyncio.AbstractEventLoop) -> None:
        server.stop()
        await self._ended.wait()
        detached = loop.create_future()

        def detach() -> None:
            try:
                server.detach(loop)
            except BaseException as error:
                detached.set_exception(error)
            else:
                detached.set_result(None)

        loop.call_soon(detach)  # outside of this task: what is left in the queue makes its first step here
        await detached
        await _in_thread(server.finish)


def _refuse_processes(config: Config) -> None:
    """A server inside a program is one process, and its program restarts it.

    Raises:
        StartupError: when the settings ask for more.
    """
    asked = {
        "workers": config.workers != 1,
        "reload": config.reload,
        "preload": config.preload,
        "io": config.io == "loop",
        "the limits of workers": needs_supervisor(config),
    }
    for name, is_asked in asked.items():
        if is_asked:
            raise StartupError(
                f"`rsgi.Server` runs inside this process and its event loop, so it cannot use `{name}`",
                "leave it out, or use `rsgi.serve` or the command line",
            )


async def _in_thread(call: Callable[[], _Result]) -> _Result:
    """Wait for a call that blocks, on a thread of its own: the applications may use up those of the loop's executor."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Result] = loop.create_future()

    def settle(result: _Result | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        try:
            result = call()
        except BaseException as error:
            loop.call_soon_threadsafe(settle, None, error)
        else:
            loop.call_soon_threadsafe(settle, result, None)

    threading.Thread(target=run, name="rsgi-embedded", daemon=True).start()
    return await done
