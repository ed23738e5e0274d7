"""Compares path templates: their shape without names, the kinds of their parameters, and a path that fits.

Apart from the map because it is text in and text out. Nothing here decides who answers: that is the router's.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias
from urllib.parse import quote

Width: TypeAlias = Literal["same", "wider", "narrower", "other"]

_PARAMETER = re.compile(r"\{(?P<name>[^{}:]*)(?::(?P<kind>[^{}]*))?\}")
_SAMPLES = {"int": "1", "float": "1.5", "uuid": "123e4567-e89b-12d3-a456-426614174000"}
_SAMPLE = "sample"
_PARTS = {"str": {"int", "float", "uuid"}, "float": {"int"}}


def shape(template: str) -> str:
    """The template with nameless parameters: `/users/{}`; those that span segments are `{path}`."""
    return _PARAMETER.sub(lambda found: "{path}" if _kind(found) == "path" else "{}", template)


def kinds(template: str) -> tuple[str, ...]:
    """What each parameter takes: `str` when the template does not say."""
    return tuple(_kind(found) for found in _PARAMETER.finditer(template))


def compare_kinds(old: tuple[str, ...], new: tuple[str, ...]) -> Width:
    """Whether parameters of the kinds `new` take all that those of the kinds `old` take (of templates of one shape)."""
    if old == new:
        return "same"
    pairs = list(zip(old, new, strict=True))
    if all(_covers(wide, narrow) for narrow, wide in pairs):
        return "wider"
    return "narrower" if all(_covers(wide, narrow) for wide, narrow in pairs) else "other"


def sample(template: str) -> str:
    """A percent-encoded path that fits the template."""
    parts: list[str] = []
    end = 0
    for found in _PARAMETER.finditer(template):
        parts += [_quoted(template[end : found.start()]), _SAMPLES.get(_kind(found), _SAMPLE)]
        end = found.end()
    return "".join([*parts, _quoted(template[end:])])


def slash_twin(template: str) -> str:
    """The same with a slash at its end, or without."""
    return template.rstrip("/") or "/" if template.endswith("/") else f"{template}/"


def _kind(found: re.Match[str]) -> str:
    return found["kind"] or "str"


def _covers(wide: str, narrow: str) -> bool:
    return wide == narrow or narrow in _PARTS.get(wide, set())


def _quoted(text: str) -> str:
    return quote(text, safe="/!$&'()*+,;=:@-._~")
