"""Reads the routes of Flask and Quart applications.

It knows their classes. `werkzeug.py` reads the rules.
"""

from __future__ import annotations

from rsgi.routing.introspect.table import ReadInner, RouteTable
from rsgi.routing.introspect.unwrap import is_instance
from rsgi.routing.introspect.werkzeug import read_application


def read_flask(app: object, inner: ReadInner) -> RouteTable | None:
    """The routes of a Flask application."""
    return read_application(app, "Flask", "wsgi_app", inner) if is_instance(app, "flask.app", "Flask") else None


def read_quart(app: object, inner: ReadInner) -> RouteTable | None:
    """The routes of a Quart application."""
    return read_application(app, "Quart", "asgi_app", inner) if is_instance(app, "quart.app", "Quart") else None
