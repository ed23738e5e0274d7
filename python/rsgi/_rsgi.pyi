"""The compiled part of rsgi: what Python may use of it."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, final

from rsgi._types import Message, WSGIApp
from rsgi.config import Config
from rsgi.plan import Plan

__all__ = [
    "SETTINGS",
    "VERSION",
    "BridgeCall",
    "ClientDisconnected",
    "Explanation",
    "RequestBodyError",
    "Router",
    "Server",
    "WsgiBridge",
]

VERSION: str
SETTINGS: list[str]

class ClientDisconnected(OSError):
    """The client has gone: what was not read is lost and what is sent goes nowhere."""

class RequestBodyError(OSError):
    """The request body broke off: malformed, too large or too slow. It must not be taken for a whole one."""

@final
class Router:
    """Who answers what, by a plan; binds nothing and calls no application."""

    def __new__(cls, plan: Plan) -> Router:
        """Compile the plan.

        Raises:
            StartupError: when its rules and routes make no sense.
        """
    def explain(
        self, method: str, url: str, headers: Sequence[tuple[str, str]] = ..., websocket: bool = False
    ) -> Explanation:
        """Say who would answer a request, and what decides it.

        Args:
            method: The method; case counts.
            url: A path, or an absolute URL, percent-encoded; the query does not count.
            headers: The fields of the request; values are ASCII.
            websocket: Whether it opens a WebSocket.

        Raises:
            ValueError: when no request could look like that.
        """

@final
class Explanation:
    """Who would answer a request.

    What decides is one of: a `rule`; a `mount` (a prefix); the `table` of an application's routes; `probe`, where the ASGI
    application is asked first; `websocket`, where HTTP goes to WSGI and WebSocket to ASGI; `only`, the one application
    without a prefix; `none`, when nobody answers.
    """

    @property
    def kind(self) -> Literal["rule", "mount", "table", "probe", "websocket", "only", "none"]:
        """What decides."""
    @property
    def index(self) -> int | None:
        """The place of what decides, in `Plan.rules`, `Plan.apps` or `Plan.table`; `None` when no row of them does."""
    @property
    def detail(self) -> str | None:
        """The text of the rule, the prefix, or the path of the route."""
    @property
    def reason(self) -> str:
        """All of that in words."""
    @property
    def app(self) -> int | None:
        """Who answers, as a place in `Plan.apps`."""
    @property
    def then(self) -> int | None:
        """Who answers in `probe` mode when the first has no such route."""
    @property
    def script_name(self) -> str:
        """What the application sees as its mount point (`SCRIPT_NAME`, `root_path`), decoded."""
    @property
    def path_info(self) -> str:
        """The rest of the path (`PATH_INFO`), decoded."""

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
    def reroute(self, plan: Plan) -> None:
        """Go by another plan for the same applications; what has begun stays where it is.

        Raises:
            StartupError: when its rules and routes make no sense; then nothing changes.
            ValueError: when its applications are others.
        """
    def stop(self) -> None:
        """Stop accepting; what runs may finish within the grace time."""
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
