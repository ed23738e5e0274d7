"""Masks: patterns of text that differs in every response, such as dates and CSRF tokens.

They apply to HTML and other text, and not to JSON: there a path names exactly what to ignore.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_MONTHS = "(?:an|eb|ar|pr|ay|un|ul|ug|ep|ct|ov|ec)[a-z]{0,7}"
_MONTH = f"[ADFJMNOS]{_MONTHS}"
_DAYS = "(?:on|ue|ed|hu|ri|at|un)[a-z]{0,6}"
_ZONE = r"\s?(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})"
_CLOCK = rf"[0-9]{{1,2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:[.,][0-9]{{1,9}})?)?(?:\s?[AaPp]\.?[Mm]\.?)?(?:{_ZONE})?"
_THEN = f"(?:[T ]{_CLOCK}|, {_CLOCK})?"
_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"'<>]+)"""

# After the first character of a word. A pattern that begins with a class of characters is searched much faster.
_BEGINS = r"(?<!\w.)"

# The built-in masks, in the order in which they apply.
BUILT_IN: dict[str, str] = {
    # Also the value of an <input> or <meta> with such a name: see `_mask_field`.
    "csrf": r"""(?i)(?P<before>(?:csrf|xsrf)[\w-]{0,30}["']?\s{0,5}[:=]\s{0,5})(?:"[^"\s]{8,}"|'[^'\s]{8,}')""",
    "nonce": rf"(?i)(?P<before>nonce\s{{0,5}}=\s{{0,5}}){_VALUE}|(?P<start>'nonce-)[^']+",
    "uuid": r"[0-9a-fA-F][0-9a-fA-F]{7}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b",
    # 2026-01-31, 31 January 2026, Sat, 31 Jan 2026 and Jan 31, 2026, each also with a time.
    "date": rf"[0-9A-Z]{_BEGINS}(?:(?<=[0-9])(?:[0-9]{{3}}-[0-9]{{2}}-[0-9]{{2}}|[0-9]?[ -]{_MONTH}\.?[ -][0-9]{{4}}){_THEN}"
    rf"|(?<=[A-Z])(?:{_DAYS},? [0-9]{{1,2}}[ -]{_MONTH}[ -][0-9]{{4}}|{_MONTHS}\.? [0-9]{{1,2}},? [0-9]{{4}}){_THEN})",
    "time": rf"[0-9]{_BEGINS}[0-9]?:[0-9]{{2}}:[0-9]{{2}}(?:[.,][0-9]{{1,9}})?\b",
    # 16 digits or more, and not only decimal ones.
    "hex": rf"[0-9a-fA-F]{_BEGINS}(?:(?<=[a-fA-F])|(?=[0-9]*[a-fA-F]))[0-9a-fA-F]{{15,}}\b",
}

# What a text must have, in any case, for a mask to apply. Most texts have none, and looking for that is fast.
_SIGNS = {"csrf": ("csrf", "xsrf", "authenticity"), "nonce": ("nonce",)}

_FIELD = re.compile(r"<(?:input|meta)\b[^<>]*>", re.IGNORECASE)
_SECRET_FIELD = re.compile(r"""\bname\s*=\s*["']?[\w.:-]*(?:csrf|xsrf|authenticity)""", re.IGNORECASE)
_FIELD_VALUE = re.compile(rf"""(?<=\s)(?P<before>(?:value|content)\s*=\s*){_VALUE}""", re.IGNORECASE)


@dataclass(frozen=True)
class Mask:
    """A named pattern.

    Attributes:
        name: What the text is replaced by, in braces.
        pattern: What is replaced. Its groups `before` and `start` stay.
    """

    name: str
    pattern: re.Pattern[str]

    def apply(self, text: str) -> str:
        """Replace all that it matches."""
        if self.name in _SIGNS:
            lower = text.lower()
            if not any(sign in lower for sign in _SIGNS[self.name]):
                return text
        if self.name == "csrf":
            text = _FIELD.sub(self._mask_field, text)
        return self.pattern.sub(self._replaced, text)

    def _mask_field(self, found: re.Match[str]) -> str:
        """Replace the value of a field whose name says that it is a token, wherever the name stands."""
        return _FIELD_VALUE.sub(self._replaced, found[0]) if _SECRET_FIELD.search(found[0]) else found[0]

    def _replaced(self, found: re.Match[str]) -> str:
        groups = found.groupdict("")
        return f"{groups.get('before', '')}{groups.get('start', '')}{{{self.name}}}"


def parse_masks(texts: Sequence[str] | None) -> tuple[Mask, ...]:
    """Read masks: names of built-in masks, or `NAME=REGEX`. `None` means all built-in masks, `none` means no mask.

    Raises:
        ValueError: when one is neither. The message is a whole sentence.
    """
    if texts is None:
        texts = tuple(BUILT_IN)
    return tuple(_parse(text) for text in texts if text != "none")


def _parse(text: str) -> Mask:
    name, equals, pattern = text.partition("=")
    if not equals:
        if name not in BUILT_IN:
            raise ValueError(f"there is no mask `{name}`; the masks are {', '.join(BUILT_IN)}, or write NAME=REGEX")
        pattern = BUILT_IN[name]
    try:
        return Mask(name.strip(), re.compile(pattern))
    except re.error as error:
        raise ValueError(f"the mask `{name}` is not a regular expression: {error}") from error


def masked(text: str, masks: Sequence[Mask]) -> str:
    """The text after all masks."""
    for mask in masks:
        text = mask.apply(text)
    return text
