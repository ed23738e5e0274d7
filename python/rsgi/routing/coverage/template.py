"""Compares path templates: their form without names, and the kinds of their parameters.

It works on text only. The router decides who answers.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from rsgi.routing.introspect.sample import PARAMETER

Width: TypeAlias = Literal["same", "wider", "narrower", "other"]

_PARTS = {"str": {"int", "float", "uuid"}, "float": {"int"}}


def shape(template: str) -> str:
    """The template with nameless parameters: `/users/{}`; those that span segments are `{path}`."""
    return PARAMETER.sub(lambda found: "{path}" if _kind(found) == "path" else "{}", template)


def kinds(template: str) -> tuple[str, ...]:
    """What each parameter takes: `str` when the template does not say."""
    return tuple(_kind(found) for found in PARAMETER.finditer(template))


def compare_kinds(old: tuple[str, ...], new: tuple[str, ...]) -> Width:
    """Whether parameters of the kinds `new` take all that those of the kinds `old` take (of templates of one shape)."""
    if old == new:
        return "same"
    pairs = list(zip(old, new, strict=True))
    if all(_covers(wide, narrow) for narrow, wide in pairs):
        return "wider"
    return "narrower" if all(_covers(wide, narrow) for wide, narrow in pairs) else "other"


def slash_twin(template: str) -> str:
    """The same with a slash at its end, or without."""
    return template.rstrip("/") or "/" if template.endswith("/") else f"{template}/"


def _kind(found: re.Match[str]) -> str:
    return found["kind"] or "str"


def _covers(wide: str, narrow: str) -> bool:
    return wide == narrow or narrow in _PARTS.get(wide, set())
