"""The compiled part of rsgi: what Python may use of it."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from typing import Any, final

from rsgi._types import Message, WSGIApp
from rsgi.config import Config
from rsgi.plan import Plan

__all__ = ["SETTINGS", "VERSION", "BridgeCall", "ClientDisconnected", "RequestBodyError", "Server", "WsgiBridge"]

VERSION: str
SETTINGS: list[str]

class ClientDisconnected(OSError):
    """The client has gone: what was not read is lost and what is sent goes nowhere."""

class RequestBodyError(OSError):
    """The request body broke off: malformed, too large or too slow. It must not be taken for a whole one."""

@final
class Server:
    """One server: made, started and finished once."""

    def __new__(cls, config: Config, plan: Plan) -> Server:
        """Bind every address and start the WSGI threads.

        Raises:
            StartupError: when an address cannot be had.
        """
    def start(self, event_loop: asyncio.AbstractEventLoop | None, on_end: Callable[[], object]) -> None:
        """Start serving on a thread of its own.

        Args:
            event_loop: Runs the ASGI applications; the caller runs it. `None` when there is none of them.
            on_end: Called on another thread when the server has ended.
        """
    def stop(self) -> None:
        """Stop accepting; what runs may finish within the grace time."""
    def reload_tls(self) -> bool:
        """Read certificates and keys again, for the connections that come.

        Returns:
            False when the server has none.

        Raises:
            StartupError: when something is wrong with them; the old ones stay.
        """
    def detach(self, event_loop: asyncio.AbstractEventLoop) -> None:
        """Take nothing more to the loop, before its remaining tasks are cancelled."""
    def finish(self) -> None:
        """Wait for the server to end.

        Raises:
            StartupError: when the startup of an application failed.
        """
    @staticmethod
    def wait_for_calls(patience: float) -> int:
        """Wait up to `patience` seconds for the WSGI calls of this process to end; the number that still run."""
    @property
    def addresses(self) -> list[str]:
        """Where the server listens, such as `http://127.0.0.1:8000`."""

@final
class WsgiBridge:
    """A WSGI application with a pool of threads, for `rsgi.WsgiToAsgi`."""

    def __new__(cls, app: WSGIApp, name: str, threads: int, queue: int) -> WsgiBridge: ...
    def call(
        self, scope: dict[str, Any], event_loop: asyncio.AbstractEventLoop, context: contextvars.Context
    ) -> BridgeCall | None:
        """Start the call for an HTTP scope; `None` when the queue is full.

        Raises:
            ValueError: when the scope holds a header that is none.
        """

@final
class BridgeCall:
    """One call that runs in the pool."""

    def feed(self, chunk: bytes) -> Awaitable[None]:
        """Give it a piece of the request body; awaiting waits for room."""
    def wanted(self) -> Awaitable[bool]:
        """Wait until the application reads (`True`), or has ended."""
    def finish_body(self) -> None:
        """Say that the request body is complete."""
    def disconnect(self) -> None:
        """Say that the client has gone: reading raises, and sending ends the call."""
    def messages(self) -> Awaitable[list[Message] | None]:
        """The next ASGI messages to send; `None` at the end.

        Raises:
            RuntimeError: when the response breaks off.
        """
