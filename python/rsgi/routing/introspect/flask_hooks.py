"""Finds guards among the functions that Flask and Quart call before each request of an application or a blueprint.

They have no common name. So a function is a guard if its name says so, or if it both looks at the user and refuses. It
does not guard a route that it names: `if request.endpoint == "login": return`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from rsgi.routing.introspect.guards import guards_of, sounds_like_a_guard
from rsgi.routing.introspect.table import Guard

# What a function uses that looks at the user, and what one uses that refuses.
_WHO = frozenset(
    "session user current_user is_authenticated is_anonymous is_active authorization get_current_user get_jwt_identity "
    "X-Api-Key Authorization user_id logged_in".split()
)
_REFUSES = frozenset("abort redirect Unauthorized Forbidden unauthorized".split())
_STATUSES = frozenset({401, 403})

# A function that calls another one with such a name leaves it to that one: `verify_jwt_in_request`.
_LETS_REFUSE = ("verify_", "require_", "ensure_", "check_")

# These say that a function only prepares something: `load_logged_in_user`, `set_current_user`.
_PREPARES = ("load_", "set_", "get_", "fetch_", "refresh_", "attach_", "bind_", "open_", "init_")


def guards_before(app: Any, endpoint: str, paths: tuple[str, ...]) -> tuple[Guard, ...]:  # noqa: ANN401 - Flask, Quart
    """The guards that are called before a view.

    Args:
        app: The application.
        endpoint: The name of the view's route.
        paths: How its path is written.
    """
    hooks = getattr(app, "before_request_funcs", None)
    if not isinstance(hooks, dict):
        return ()
    named = {endpoint, endpoint.rpartition(".")[2], *paths}
    found = [name for hook in _before(hooks, endpoint) if (name := _guard(hook, named)) is not None]
    return tuple(Guard(name) for name in dict.fromkeys(found))


def _before(hooks: dict[Any, list[Callable[..., Any]]], endpoint: str) -> Iterator[Callable[..., Any]]:
    """The functions of the application, and those of the blueprints that the view is in."""
    yield from hooks.get(None, ())
    parts = endpoint.split(".")[:-1]
    for count in range(1, len(parts) + 1):
        yield from hooks.get(".".join(parts[:count]), ())


def _guard(hook: Callable[..., Any], named: set[str]) -> str | None:
    """What a function is called if it guards the routes with these names."""
    inner = inspect.unwrap(hook)
    name, code = getattr(inner, "__name__", ""), getattr(inner, "__code__", None)
    decorated = guards_of(hook)
    if decorated:
        return decorated[0].name
    if name.startswith(_PREPARES) or not isinstance(code, CodeType):
        return None
    words = set(_words(code))
    if words & named:
        return None
    calls = (each for each in code.co_names if each.startswith(_LETS_REFUSE))
    if any(sounds_like_a_guard(each) for each in calls):
        return name
    refuses = bool(words & (_REFUSES | _STATUSES))
    return name if refuses and (sounds_like_a_guard(name) or words & _WHO) else None


def _words(code: CodeType) -> Iterator[object]:
    """The names and constants that a function uses."""
    yield from code.co_names
    waiting = list(code.co_consts)
    while waiting:
        value = waiting.pop()
        if isinstance(value, tuple | frozenset):
            waiting.extend(value)
        elif isinstance(value, CodeType):
            yield from _words(value)
        elif isinstance(value, str | int):
            yield value
