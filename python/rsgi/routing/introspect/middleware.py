"""Middleware that is known to answer no path itself, so what it wraps has all the routes.

Middleware may answer a path before a router sees it (a health check, metrics, files), and only its code shows that.
`unwrap.py` looks through any wrapper.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Iterable
from types import MethodType

from rsgi.apps.interface import interface_of

# Modules whose middleware is silent, and all below them.
_SILENT = (
    "a2wsgi",
    "asgi_correlation_id",
    "asgiref",
    "brotli_asgi",
    "channels",
    "corsheaders",
    "ddtrace",
    "django",
    "elasticapm",
    "falcon",
    "fastapi",
    "flask",
    "hypercorn.middleware.http_to_https",
    "hypercorn.middleware.proxy_fix",
    "hypercorn.middleware.wsgi",
    "litestar",
    "newrelic",
    "opentelemetry",
    "pyramid",
    "quart",
    "rsgi",
    "sentry_sdk",
    "starlette",
    "uvicorn.middleware",
    "werkzeug.middleware.lint",
    "werkzeug.middleware.profiler",
    "werkzeug.middleware.proxy_fix",
    "whitenoise",  # its files are read
)


def unknown(wrappers: Iterable[object]) -> tuple[str, ...]:
    """The names of those wrappers that might answer a path by themselves."""
    return tuple(dict.fromkeys(name_of(each) for each in wrappers if not is_silent(each)))


def is_silent(wrapper: object) -> bool:
    """Whether an object around an application, or the class of one, is known to leave all paths to it."""
    if isinstance(wrapper, functools.partial | MethodType):
        return True  # a way to call what it holds, which is looked at by itself
    return is_silent_module(_module_of(wrapper))


def is_silent_module(module: str) -> bool:
    """Whether the middleware of a module is known to leave all paths to what it wraps."""
    return any(module == each or module.startswith(f"{each}.") for each in _SILENT)


def name_of(wrapper: object) -> str:
    """What people call it: its class, or the function that it is."""
    named = wrapper if inspect.isclass(wrapper) or inspect.isroutine(wrapper) else type(wrapper)
    return str(named.__name__)


def turns_wsgi_into_asgi(chain: Iterable[object]) -> str | None:
    """The name and module of an unknown class between ASGI outside and WSGI inside, in a chain from the outside in.

    It is more than a bridge as a rule: Connexion's `FlaskApp` answers what a specification says.
    """
    for outer, inner in itertools.pairwise(chain):
        if not is_silent(outer) and interface_of(outer) == "asgi" and interface_of(inner) == "wsgi":
            return f"`{name_of(outer)}` ({_module_of(outer)})"
    return None


def _module_of(wrapper: object) -> str:
    named = wrapper if inspect.isclass(wrapper) or inspect.isroutine(wrapper) else type(wrapper)
    return str(getattr(named, "__module__", None) or "")
