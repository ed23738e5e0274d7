"""Recognises Django's own WSGI and ASGI handlers, also inside the usual wrappers and Channels' router.

Apart from the route readers because it answers another question: whether both applications are one Django project. One
process has one `django.conf.settings`, so two Django handlers in it always belong to the same project.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping

_WRAPPED_IN = ("application", "app", "wsgi_app", "inner")
_DEPTH = 8


def is_django_wsgi(app: object) -> bool:
    """Whether `app` is Django's WSGI handler, bare or wrapped (WhiteNoise, Sentry and the like)."""
    handler = _loaded_class("django.core.handlers.wsgi", "WSGIHandler")
    return handler is not None and any(isinstance(each, handler) for each in _layers(app))


def is_django_asgi(app: object) -> bool:
    """Whether `app` answers HTTP with Django: its ASGI handler, or a Channels router that has it as `http`."""
    handler = _loaded_class("django.core.handlers.asgi", "ASGIHandler")
    if handler is None:
        return False
    for layer in _layers(app):
        if isinstance(layer, handler):
            return True
        protocols = _channels_protocols(layer)
        if protocols is not None:
            return any(isinstance(each, handler) for each in _layers(protocols.get("http")))
    return False


def speaks_websocket_only(app: object) -> bool:
    """Whether `app` is a Channels router that has WebSocket and no HTTP."""
    for layer in _layers(app):
        protocols = _channels_protocols(layer)
        if protocols is not None:
            return "websocket" in protocols and "http" not in protocols
    return False


def _channels_protocols(app: object) -> Mapping[str, object] | None:
    router = _loaded_class("channels.routing", "ProtocolTypeRouter")
    if router is None or not isinstance(app, router):
        return None
    protocols = getattr(app, "application_mapping", None)
    return protocols if isinstance(protocols, Mapping) else None


def _layers(app: object) -> Iterator[object]:
    """`app` and what it wraps, from the outside in."""
    for _ in range(_DEPTH):
        if app is None:
            return
        yield app
        attributes = _attributes(app)
        app = next((attributes[name] for name in _WRAPPED_IN if callable(attributes.get(name))), None)


def _attributes(app: object) -> Mapping[str, object]:
    """The attributes of the object itself; those of its class are methods and settings, not what it wraps."""
    return getattr(app, "__dict__", {})


def _loaded_class(module: str, name: str) -> type | None:
    """A class, if its module is imported already: else nothing can be an instance of it."""
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) else None
