"""Two plain applications; the WSGI one says whether asgiref was imported."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    """The WSGI application."""
    start_response("200 OK", [("content-type", "text/plain")])
    return [f"asgiref: {any(name.partition('.')[0] == 'asgiref' for name in sys.modules)}".encode()]


async def asgi(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """The ASGI application, which nobody asks."""
    raise RuntimeError("it is not asked, and has no lifespan")
