"""Reads the route tables of applications, so that rsgi finds the owner of a request without calling Python.

Every framework stores its routes differently, so each has its own file. A framework that is not imported is skipped. This
package never imports a framework. To add one, write a file with a `Reader` and add its line to `_READERS`.
"""

from __future__ import annotations

from dataclasses import replace

from rsgi.routing.introspect import (
    bottle,
    channels,
    django,
    falcon,
    flask,
    litestar,
    pyramid,
    starlette,
    werkzeug,
    whitenoise,
)
from rsgi.routing.introspect.middleware import turns_wsgi_into_asgi, unknown
from rsgi.routing.introspect.table import Reader, Route, RouteKind, RouteTable
from rsgi.routing.introspect.unwrap import layers

__all__ = ["Reader", "Route", "RouteKind", "RouteTable", "read_table"]

_READERS: tuple[tuple[str, Reader], ...] = (
    ("Starlette", starlette.read),
    ("Litestar", litestar.read),
    ("Quart", flask.read_quart),
    ("Falcon", falcon.read),
    ("Channels", channels.read_protocols),
    ("Channels", channels.read_urls),
    ("Django", django.read),
    ("Flask", flask.read_flask),
    ("Pyramid", pyramid.read),
    ("Bottle", bottle.read),
    ("werkzeug", werkzeug.read_dispatcher),
    ("WhiteNoise", whitenoise.read),
)


def read_table(app: object) -> RouteTable | None:
    """The routes of a WSGI or ASGI application, bare or wrapped in middleware.

    Reading a Django project imports its URL configuration.

    Returns:
        `None` when neither it nor anything it wraps is of a framework that is known.
    """
    return _read(app, ())


def _read(app: object, above: tuple[int, ...]) -> RouteTable | None:
    """Read `app`; `above` are the applications that it is mounted in, so that one within itself has an end."""
    passed: list[object] = []
    for layer in layers(app):
        if id(layer) in above:
            # One that only refers back to what it is mounted in is not a wrapper of it.
            return RouteTable("?", (), False, "an application is mounted inside itself") if layer is app else None
        for framework, reader in _READERS:
            table = _ask(reader, framework, layer, (*above, id(layer)))
            if table is not None:
                return _through(table, passed, layer, is_mounted=bool(above))
        passed.append(layer)
    return None


def _through(table: RouteTable, passed: list[object], found: object, *, is_mounted: bool) -> RouteTable | None:
    """The table as far as it can be trusted behind what was passed on the way to it; a mount without one is one piece."""
    bridge = turns_wsgi_into_asgi([*passed, found])
    if bridge is None:
        return replace(table, through=tuple(dict.fromkeys((*unknown(passed), *table.through))))
    if is_mounted:
        return None
    why = f"{bridge} wraps a {table.framework} application, and what it answers itself is not known"
    return replace(table, complete=False, why=why if table.why is None else f"{why}; {table.why}")


def _ask(reader: Reader, framework: str, app: object, above: tuple[int, ...]) -> RouteTable | None:
    """What one reader says; where it fails the table has a hole, and is not a reason to serve nothing."""
    try:
        return reader(app, lambda inner: _read(inner, above))
    except Exception as error:
        return RouteTable(framework, (), False, f"reading them raised {type(error).__name__}: {error}")
