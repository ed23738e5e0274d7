"""Runs the lifespans of applications without a server.

Commands that read routes which a startup adds use it, and so does `rsgi replay`. The server's own lifespans are in Rust
and need a server. Both require the same of an application.

Spec: ASGI Lifespan 2.0.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from rsgi._types import ASGIApp, Message
from rsgi.errors import StartupError
from rsgi.observe.console import say
from rsgi.process.loops import call_application, end_tasks, new_event_loop
from rsgi.routing.plan import App
from rsgi.settings.config import Config


@dataclass(frozen=True)
class Started:
    """Applications whose startup is over.

    Attributes:
        loop: The event loop that they run in.
        states: The state of each ASGI application, in their order.
    """

    loop: asyncio.AbstractEventLoop
    states: tuple[dict[str, Any], ...]


@contextmanager
def started(apps: Sequence[App], config: Config, *, required: bool) -> Iterator[Started]:
    """Run the startup of all ASGI applications, in their order, and at the end their shutdown.

    Args:
        apps: The applications.
        config: Says which loop they run in, and how long they may take.
        required: Whether one without a lifespan is an error.

    Raises:
        StartupError: when a startup fails or takes too long; those before it are stopped.
    """
    loop = new_event_loop(config.loop)
    asyncio.set_event_loop(loop)
    running: list[_Lifespan] = []
    try:
        for app in apps:
            if app.interface == "asgi":
                lifespan = _Lifespan(app, config.lifespan_timeout)
                loop.run_until_complete(lifespan.start(required=required))
                running.append(lifespan)
        yield Started(loop, tuple(each.state for each in running))
    finally:
        for lifespan in reversed(running):
            loop.run_until_complete(lifespan.stop())
        end_tasks(loop)
        asyncio.set_event_loop(None)
        loop.close()


class _Lifespan:
    """The lifespan of one application, as the server's side of it."""

    def __init__(self, app: App, timeout: float) -> None:
        self._app, self._timeout = app, timeout
        self.state: dict[str, Any] = {}
        self._task: asyncio.Task[None] | None = None
        self._to_application: asyncio.Queue[Message] = asyncio.Queue()
        self._from_application: asyncio.Queue[Message] = asyncio.Queue()

    async def start(self, *, required: bool) -> None:
        """Run the startup."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        application = cast(ASGIApp, self._app.application)
        call = call_application(application, scope, self._to_application.get, self._from_application.put)
        self._task = asyncio.ensure_future(call)
        said = await self._ask("lifespan.startup")
        name, hint = self._app.name, "the application reported this in its lifespan; see its log"
        if isinstance(said, TimeoutError):
            message = f"the startup of `{name}` did not end within {self._timeout:g} seconds"
            raise StartupError(message, "raise `lifespan_timeout`, or do not use `--lifespan`")
        if isinstance(said, dict):
            if said["type"] != "lifespan.startup.complete":
                raise StartupError(f"the startup of `{name}` failed: {said.get('message') or 'no reason given'}", hint)
        elif required:
            reason = "it has none" if said is None else f"{type(said).__name__}: {said}"
            raise StartupError(f"the startup of `{name}` failed: {reason}", hint)

    async def stop(self) -> None:
        """Run the shutdown, if there is something that runs; that it failed is said."""
        if self._task is None or self._task.done():
            return
        said = await self._ask("lifespan.shutdown")
        if isinstance(said, Exception) or (said is not None and said["type"] != "lifespan.shutdown.complete"):
            say(f"error: the shutdown of `{self._app.name}` failed: {said}")

    async def _ask(self, kind: str) -> Message | Exception | None:
        """What the application says to one message; what it raised, or nothing, when its call ends instead."""
        assert self._task is not None  # noqa: S101 - `start` has made it
        self._to_application.put_nowait({"type": kind})
        message = asyncio.ensure_future(self._from_application.get())
        await asyncio.wait({message, self._task}, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
        if message.done():
            return message.result()
        message.cancel()
        if not self._task.done():
            return TimeoutError("it took too long")
        error = self._task.exception()  # looked at in any case: asyncio writes of one that was not
        if not self._from_application.empty():
            return self._from_application.get_nowait()
        return error if isinstance(error, Exception) else None
