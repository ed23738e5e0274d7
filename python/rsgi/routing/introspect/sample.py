"""Makes a path that fits a template, to ask the router with.

`template.py` makes templates from the patterns of frameworks. This file reads a template as the router does.
"""

from __future__ import annotations

import re
from urllib.parse import quote

PARAMETER = re.compile(r"\{(?P<name>[^{}:]*)(?::(?P<kind>[^{}]*))?\}")

_SAMPLES = {"int": "1", "float": "1.5", "uuid": "123e4567-e89b-12d3-a456-426614174000"}
_SAMPLE = "sample"


def sample(template: str) -> str:
    """A percent-encoded path that fits the template."""
    parts: list[str] = []
    end = 0
    for found in PARAMETER.finditer(template):
        parts += [_quoted(template[end : found.start()]), _SAMPLES.get(found["kind"] or "", _SAMPLE)]
        end = found.end()
    return "".join([*parts, _quoted(template[end:])])


def _quoted(text: str) -> str:
    return quote(text, safe="/!$&'()*+,;=:@-._~")
