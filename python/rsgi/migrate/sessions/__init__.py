"""Logins of a Flask or Django application for an ASGI application beside it.

A page that moves must not lose its login. The middleware here reads and writes the sessions of the old application, and the
dependencies give them to FastAPI and Starlette. Serving does not need this package. It needs Starlette, and itsdangerous
or Django.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from rsgi.errors import StartupError

if TYPE_CHECKING:
    from rsgi.migrate.sessions.django_csrf import csrf_protect, csrf_token
    from rsgi.migrate.sessions.django_sessions import (
        DjangoSessionMiddleware,
        django_login_required,
        django_request,
        django_session,
        django_user,
    )
    from rsgi.migrate.sessions.flask_cookie import FlaskCookie
    from rsgi.migrate.sessions.flask_sessions import FlaskSessionMiddleware, flask_login_required

__all__ = [
    "DjangoSessionMiddleware",
    "FlaskCookie",
    "FlaskSessionMiddleware",
    "csrf_protect",
    "csrf_token",
    "django_login_required",
    "django_request",
    "django_session",
    "django_user",
    "flask_login_required",
]

_PLACES = {
    "DjangoSessionMiddleware": "django_sessions",
    "FlaskCookie": "flask_cookie",
    "FlaskSessionMiddleware": "flask_sessions",
    "csrf_protect": "django_csrf",
    "csrf_token": "django_csrf",
    "django_login_required": "django_sessions",
    "django_request": "django_sessions",
    "django_session": "django_sessions",
    "django_user": "django_sessions",
    "flask_login_required": "flask_sessions",
}


def __getattr__(name: str) -> object:
    """Import a name on first use, so that Flask's sessions do not need Django, and the other way round.

    Raises:
        ImportError: when a package that it needs is not installed.
        StartupError: when it needs Django, which is not set up.
    """
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        if _PLACES[name].startswith("django"):
            _see_that_django_is_set_up()
        return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("rsgi"):
            raise
        package = error.name.partition(".")[0]
        message = f"`rsgi.migrate.sessions.{name}` needs {package}; install it: `pip install {package}`"
        raise ImportError(message, name=error.name) from error


def _see_that_django_is_set_up() -> None:
    """See to it before its modules are imported, which fail with less helpful words."""
    from django.apps import apps

    if not apps.ready:
        hint = "import the old application first (`import project.wsgi`), or call `django.setup()`"
        raise StartupError("the login of Django needs Django to be set up, which it is not", hint)
