"""Serves a WSGI application and an ASGI application in one process on one port.

The command is `rsgi serve --wsgi old:app --asgi new:app`. From Python, `rsgi.serve(wsgi="old:app", asgi=new_app)` does the
same, and `async with rsgi.Server(...)` does it inside a program that has an event loop. `rsgi.WsgiToAsgi(app)` turns a WSGI
application into an ASGI application for any server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rsgi.errors import StartupError
from rsgi.settings.config import AppTarget, Config

if TYPE_CHECKING:
    from rsgi._rsgi import ClientDisconnected, RequestBodyError, WsgiInput, WsgiPool, build_environ
    from rsgi.bridge import WsgiToAsgi
    from rsgi.process.embedding import Server
    from rsgi.process.entry import serve

__all__ = [
    "AppTarget",
    "ClientDisconnected",
    "Config",
    "RequestBodyError",
    "Server",
    "StartupError",
    "WsgiInput",
    "WsgiPool",
    "WsgiToAsgi",
    "build_environ",
    "serve",
]

_LAZY = {
    "ClientDisconnected": "rsgi._rsgi",
    "RequestBodyError": "rsgi._rsgi",
    "Server": "rsgi.process.embedding",
    "WsgiInput": "rsgi._rsgi",
    "WsgiPool": "rsgi._rsgi",
    "WsgiToAsgi": "rsgi.bridge",
    "build_environ": "rsgi._rsgi",
    "serve": "rsgi.process.entry",
}


def __getattr__(name: str) -> object:
    """Import names that need the extension module on first use. `--help` works without it."""
    if name not in _LAZY:
        raise AttributeError(f"module 'rsgi' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)
