"""What a Django view shows about itself: the methods that it answers, and where its code is.

Views come in many kinds: classes, view sets of REST framework, decorated functions.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

from rsgi.routing.introspect.unwrap import loaded

_MOST_WRAPPERS = 32


def view_of(callback: object) -> object:
    """The class or the innermost function of a view."""
    for name in ("view_class", "cls"):
        found = getattr(callback, name, None)
        if found is not None:
            return found
    return list(_wrappers(callback))[-1]


def methods_of(callback: object) -> tuple[str, ...] | None:
    """The methods a view answers; `None` for all, which is what a plain function gets."""
    actions = getattr(callback, "actions", None)  # a view set of REST framework
    if isinstance(actions, dict):
        return _upper({*actions, "head"} if "get" in actions else actions)
    view = view_of(callback)
    if inspect.isclass(view):
        return _methods_of_class(view, getattr(callback, "view_initkwargs", None) or {})
    limits = [limit for each in _wrappers(callback) if (limit := _required(each)) is not None]
    return _upper(each for each in limits[0] if all(each in limit for limit in limits)) if limits else None


def _methods_of_class(view: type, settings: dict[str, object]) -> tuple[str, ...] | None:
    allowed = settings.get("http_method_names", getattr(view, "http_method_names", None))
    if not isinstance(allowed, Iterable):
        return None
    base = loaded("django.views.generic.base", "View")
    has = {str(name) for name in allowed if hasattr(view, str(name))}
    if getattr(view, "options", None) is getattr(base, "options", None):
        has.discard("options")  # the response that every class inherits
    if hasattr(view, "get") and "head" in allowed:
        has.add("head")  # a class that has `get` gets `head` when it is called
    return _upper(has)


def _wrappers(callback: object) -> Iterator[object]:
    """A view and what it decorates, from the outside in."""
    for _ in range(_MOST_WRAPPERS):
        yield callback
        inner = getattr(callback, "__wrapped__", None)
        if inner is None:
            return
        callback = inner


def _required(view: object) -> set[str] | None:
    """What `@require_http_methods` and its kin let through, if this is such a wrapper."""
    if not inspect.isfunction(view) or view.__code__.co_filename != _decorators_file():
        return None
    found = inspect.getclosurevars(view).nonlocals.get("request_method_list")
    return {str(each) for each in found} if isinstance(found, Iterable) else None


def _decorators_file() -> str | None:
    code = getattr(loaded("django.views.decorators.http", "require_http_methods"), "__code__", None)
    return getattr(code, "co_filename", None)


def _upper(methods: Iterable[object]) -> tuple[str, ...]:
    return tuple(sorted(str(each).upper() for each in methods))
