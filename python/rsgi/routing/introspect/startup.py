"""Finds out whether an application has a startup, where it may add routes.

If nothing is found, nothing is reported: every framework has more than one way to run code at its start.
"""

from __future__ import annotations

import inspect
from typing import Any

from rsgi.routing.introspect.unwrap import layers, own_attribute

# Where frameworks keep what runs at the start: Starlette and FastAPI (on the router), Litestar, Quart.
_LISTS = ("on_startup", "_lifespan_managers", "before_serving_funcs", "while_serving_gens")


def has_startup(app: object) -> bool:
    """Whether anything runs in the startup of an application or of what it wraps, as far as can be seen."""
    return any(_runs_something(part) for layer in layers(app) for part in (layer, own_attribute(layer, "router")))


def _runs_something(part: object) -> bool:
    lists = any(isinstance(found := own_attribute(part, name), list) and found for name in _LISTS)
    return lists or _is_own(own_attribute(part, "lifespan_context"))


def _is_own(lifespan: Any) -> bool:  # noqa: ANN401 - whatever an application has put there
    """Whether a lifespan context is more than the one that only runs the lists above.

    FastAPI merges those of included routers into functions that hold both.
    """
    function = inspect.unwrap(lifespan) if callable(lifespan) else None
    if function is None or type(function).__name__ == "_DefaultLifespan":
        return False
    if getattr(function, "__name__", "") != "merged_lifespan" or not inspect.isfunction(function):
        return True
    return any(_is_own(held) for held in inspect.getclosurevars(function).nonlocals.values())
