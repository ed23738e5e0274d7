"""Finds the application that a rule names.

Routing rules and the rules of shadow traffic name applications alike.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rsgi.errors import StartupError
from rsgi.settings.rules import ParsedRule

if TYPE_CHECKING:
    from rsgi.routing.plan import App

_INTERFACES = ("wsgi", "asgi")


def place_of(rule: ParsedRule, kind: str, apps: Sequence[App]) -> int:
    """Find the application that a rule names: by its name, its target, or its interface.

    Args:
        rule: The rule.
        kind: `route` or `shadow`, for errors.
        apps: All applications.

    Returns:
        The place of the application.

    Raises:
        StartupError: when there is none, or more than one.
    """
    indexes = [index for index, app in enumerate(apps) if rule.app == app.name]
    indexes = indexes or [index for index, app in enumerate(apps) if rule.app in (app.target, app.interface)]
    what = f"{rule.source}: " if rule.source else ""
    what += f"the {kind} rule `{rule.text}` names `{rule.app}`"
    named = [app.name for app in apps]
    if not indexes:
        close = difflib.get_close_matches(rule.app, [*named, *(app.interface for app in apps)], 1)
        hint = f"did you mean `{close[0]}`? " if close else ""
        raise StartupError(f"{what}, which is not served", f"{hint}the applications are {quoted(named)}")
    if len(indexes) > 1 and (rule.app in _INTERFACES or len({apps[index].interface for index in indexes}) > 1):
        hint = f"name one of them, by its name or its target: {quoted(named)}"
        raise StartupError(f"{what}, of which there are {len(indexes)}", hint)
    return indexes[0]


def quoted(names: Sequence[str]) -> str:
    """Names as a sentence has them."""
    return ", ".join(f"`{name}`" for name in names)
