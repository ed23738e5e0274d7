"""Looks through what wraps an application: middleware of either interface, and bridges between them.

One rule applies to all frameworks: a wrapper keeps the wrapped application in an attribute, under one of a few names. A
closure has no such attribute; `--routes-from` names the application in it.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
from collections.abc import Iterator

# `application`: WhiteNoise, Django's static files handler, Channels' origin validator. `app`: Starlette's middleware,
# werkzeug's, Sentry's, a2wsgi, Hypercorn's. `inner`: Channels' middleware. `wsgi_application`: asgiref's bridge.
_NAMES = ("application", "app", "wsgi_app", "asgi_app", "inner", "wsgi_application")
_MOST_LAYERS = 32


def layers(app: object) -> Iterator[object]:
    """`app` and what it wraps, from the outside in."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen and len(seen) < _MOST_LAYERS:
        seen.add(id(app))
        yield app
        app = _inside(app)


def _inside(app: object) -> object | None:
    if isinstance(app, functools.partial):
        return app.func
    if isinstance(app, types.MethodType):  # `ProxyFix(app.wsgi_app)`
        return app.__self__
    if inspect.isroutine(app) or inspect.isclass(app):
        return None
    for name in _NAMES:
        inner = own_attribute(app, name)
        if callable(inner):
            return inner
    return None


def own_attribute(app: object, name: str) -> object | None:
    """An attribute of the object itself; those of its class are methods and settings, not what it wraps."""
    attributes = getattr(app, "__dict__", None)
    if isinstance(attributes, dict) and name in attributes:
        found: object = attributes[name]
        return found
    in_class = inspect.getattr_static(type(app), name, None)
    return getattr(app, name, None) if isinstance(in_class, types.MemberDescriptorType) else None  # of `__slots__`


def loaded(module: str, name: str) -> object | None:
    """What a module has under a name, if the module is imported already."""
    return getattr(sys.modules.get(module), name, None)


def is_instance(value: object, module: str, name: str) -> bool:
    """Whether `value` is of a class whose module is imported already: else nothing can be an instance of it."""
    known = loaded(module, name)
    return isinstance(known, type) and isinstance(value, known)


def defined(code: object) -> str | None:
    """Where code is, as `module.qualname`."""
    while isinstance(code, functools.partial):
        code = code.func
    if code is None:
        return None
    named: object = code if hasattr(code, "__qualname__") else type(code)
    return f"{getattr(named, '__module__', '?')}.{getattr(named, '__qualname__', '?')}"


def text_or_none(value: object) -> str | None:
    """`value` if it is text that says something."""
    return value if isinstance(value, str) and value else None
