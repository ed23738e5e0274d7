"""Makes the event loop that ASGI applications run in, and calls what runs in it as long as the server does.

Apart because it is the only module that knows uvloop, which may not be installed.
"""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

from rsgi._types import ASGIApp, Receive, Scope, Send
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
