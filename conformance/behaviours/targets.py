"""What the hosts load: the WSGI application of the behaviours, and the same behind each bridge.

Apart from `site.py` because this needs every theme. `behaviours.targets:app` is the WSGI application,
`behaviours.targets:bridged` the ASGI application; variables of the process say by which bridge, and how wide it is.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from typing import Any

from behaviours.bridges import BRIDGES
from behaviours.site import app
from behaviours.themes import THEMES

__all__ = ["THEMES", "app"]

FROM_THE_LOOP = b"from the event loop"


def _beside_the_loop(bridged: Any) -> Any:
    """The bridge, and below `/loop` an application of the event loop itself."""

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/loop"):
            await bridged(scope, receive, send)
            return
        if scope["path"] == "/loop/thread":
            await asyncio.to_thread(lambda: None)
            anyio = importlib.import_module("anyio.to_thread")  # the threads of FastAPI's plain functions
            await anyio.run_sync(lambda: None)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": FROM_THE_LOOP})

    return asgi


if "BEHAVIOURS_BRIDGE" in os.environ:
    _width = {key: os.environ.get(f"BEHAVIOURS_{key.upper()}") for key in ("threads", "queue")}
    bridged = _beside_the_loop(
        BRIDGES[os.environ["BEHAVIOURS_BRIDGE"]](app, **{key: int(value) for key, value in _width.items() if value})
    )
