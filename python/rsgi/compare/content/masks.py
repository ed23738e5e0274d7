"""Masks: patterns of text that differs in every response, such as dates and CSRF tokens.

They apply to HTML and other text, and not to JSON: there a path names exactly what to ignore.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*"
_CLOCK = r"\d\d?:\d\d(?::\d\d(?:[.,]\d+)?)?(?:\s?[AaPp]\.?[Mm]\.?)?(?:\s?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?"
_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"'<>]+)"""

# The built-in masks, in the order in which they apply.
BUILT_IN: dict[str, str] = {
    # Also the value of an <input> or <meta> with such a name: see `_mask_field`.
    "csrf": r"""(?i)(?P<before>["']?\b[\w-]{0,30}(?:csrf|xsrf)[\w-]{0,30}["']?\s{0,5}[:=]\s{0,5})"""
    r"""(?:"[^"\s]{8,}"|'[^'\s]{8,}')""",
    "nonce": rf"(?i)(?P<before>\bnonce\s{{0,5}}=\s{{0,5}}){_VALUE}|(?P<start>'nonce-)[^']+",
    "uuid": r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
    "date": rf"\b\d{{4}}-\d\d-\d\d(?:[T ]{_CLOCK})?|\b{_DAY},? \d\d?[ -]{_MONTH}[ -]\d{{4}}(?:,? {_CLOCK})?"
    rf"|\b\d\d? {_MONTH}\.? \d{{4}}(?:,? {_CLOCK})?|\b{_MONTH}\.? \d\d?,? \d{{4}}(?:,? {_CLOCK})?",
    "time": r"\b\d\d?:\d\d:\d\d(?:[.,]\d+)?\b",
    "hex": r"\b(?=[a-fA-F]*\d)(?=\d*[a-fA-F])[0-9a-fA-F]{16,}\b",
}

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
