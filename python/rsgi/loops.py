"""Makes the event loop that ASGI applications run in, and calls what runs in it as long as the server does.

Apart because it is the only module that knows uvloop, which may not be installed.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Awaitable
from importlib.util import find_spec

from rsgi._types import ASGIApp, Message, Receive, Scope, Send
from rsgi.errors import StartupError


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
