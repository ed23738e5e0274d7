"""Compares path templates: their form without names, the kinds of their parameters, and what they cover.

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


def covers(wide: str, narrow: str) -> bool:
    """Whether every path of the template `narrow` is certainly one of `wide`."""
    left, right = wide.split("/"), narrow.split("/")
    if _spans(left[-1]) and len(left) <= len(right):
        return all(map(_segment_covers, left[:-1], right)) and not any(map(_has_path, right[: len(left) - 1]))
    return len(left) == len(right) and all(map(_segment_covers, left, right))


def may_overlap(one: str, other: str) -> bool:
    """Whether some path may fit both templates. If it cannot be told, it may."""
    left, right = one.split("/"), other.split("/")
    for first, second in zip(left, right, strict=False):
        if _has_path(first) or _has_path(second):
            return True
        if "{" not in first + second and first != second:
            return False
        if "{" not in first or "{" not in second:
            text, template = (first, second) if "{" not in first else (second, first)
            if re.fullmatch(_expression(template), text) is None:
                return False
    return len(left) == len(right)


def _spans(segment: str) -> bool:
    found = PARAMETER.fullmatch(segment)
    return found is not None and _kind(found) == "path"


def _has_path(segment: str) -> bool:
    return any(_kind(found) == "path" for found in PARAMETER.finditer(segment))


def _segment_covers(wide: str, narrow: str) -> bool:
    if wide == narrow:
        return True
    if _has_path(wide) or _has_path(narrow):
        return False
    whole = PARAMETER.fullmatch(wide)
    if whole is not None and _kind(whole) == "str":
        return narrow != ""
    return shape(wide) == shape(narrow) and compare_kinds(kinds(narrow), kinds(wide)) in ("same", "wider")


def _expression(segment: str) -> str:
    """A regular expression for at least what a segment takes."""
    parts, end = [], 0
    for found in PARAMETER.finditer(segment):
        parts += [re.escape(segment[end : found.start()]), "[^/]+"]
        end = found.end()
    return "".join([*parts, re.escape(segment[end:])])


def _kind(found: re.Match[str]) -> str:
    return found["kind"] or "str"


def _covers(wide: str, narrow: str) -> bool:
    return wide == narrow or narrow in _PARTS.get(wide, set())
