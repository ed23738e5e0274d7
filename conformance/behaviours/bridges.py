"""The bridges that make an ASGI callable of a WSGI application, each made in its own words; and a scope to call them with.

Apart from `targets.py` because a bridge is also driven without a server. Each is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def http_scope(**changed: object) -> dict[str, Any]:
    """The scope of a GET of `/`, with some keys changed."""
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"example.com")],
        "client": ("192.0.2.1", 50000),
        "server": ("192.0.2.2", 80),
        "extensions": {},
    }
    return {**scope, **changed}


def _rsgi(wsgi_app: Any, *, threads: int | None = None, queue: int | None = None) -> Any:
    from rsgi import WsgiToAsgi

    return WsgiToAsgi(wsgi_app, threads=threads, queue=queue)


def _a2wsgi(wsgi_app: Any, *, threads: int | None = None, queue: int | None = None) -> Any:
    from a2wsgi import WSGIMiddleware

    return WSGIMiddleware(wsgi_app) if threads is None else WSGIMiddleware(wsgi_app, workers=threads)


def _asgiref(wsgi_app: Any, *, threads: int | None = None, queue: int | None = None) -> Any:
    from asgiref.wsgi import WsgiToAsgi

    return WsgiToAsgi(wsgi_app)


def _starlette(wsgi_app: Any, *, threads: int | None = None, queue: int | None = None) -> Any:
    from starlette.middleware.wsgi import WSGIMiddleware

    return WSGIMiddleware(wsgi_app)


BRIDGES: dict[str, Callable[..., Any]] = {
    "rsgi": _rsgi,
    "a2wsgi": _a2wsgi,
    "asgiref": _asgiref,
    "starlette": _starlette,
}
