"""Compares HTML and other text as sequences of items.

The items of HTML are its texts and attributes (`html_items.py`). Those of other text are its lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice
from typing import NamedTuple

from rsgi.compare.differences import MOST, Difference, Kind, difference

# More items between the common beginning and the common end are compared one by one.
_ALIGNED = 600


class Item(NamedTuple):
    """One text, attribute or line.

    Attributes:
        path: Where it is.
        place: The same without the numbers of listed elements.
        text: What is compared.
    """

    path: str
    place: str
    text: str


def lines_of(text: str) -> list[Item]:
    """The lines of a text."""
    return [
        Item(f"line {number}", f"line {number}", line.rstrip())
        for number, line in enumerate(text.splitlines(), start=1)
    ]


def item_differences(
    primary: Sequence[Item], shadow: Sequence[Item], *, cut_primary: bool = False, cut_shadow: bool = False
) -> list[Difference]:
    """The differences between two sequences of items.

    Args:
        primary: The items of one.
        shadow: The items of the other.
        cut_primary: Whether the first may go on. Items at the end that only the other has are no difference then.
        cut_shadow: Whether the second may go on.
    """
    start, end = _common(primary, shadow)
    mine, other = primary[start : len(primary) - end], shadow[start : len(shadow) - end]
    cuts: tuple[tuple[Kind, bool], ...] = (("added", cut_primary), ("missing", cut_shadow))
    unknown = {kind for kind, cut in cuts if cut and not end}
    return list(islice(_compare(mine, other, unknown), MOST))


def _compare(primary: Sequence[Item], shadow: Sequence[Item], unknown: set[Kind]) -> Iterator[Difference]:
    """Align two sequences; at their end differences of the `unknown` kinds do not count."""
    if max(len(primary), len(shadow)) > _ALIGNED:
        yield from _pairs(primary, shadow, unknown)
        return
    matcher = SequenceMatcher(None, list(map(_key, primary)), list(map(_key, shadow)), autojunk=False)
    for tag, first, last, other_first, other_last in matcher.get_opcodes():
        if tag != "equal":
            at_end = last == len(primary) and other_last == len(shadow)
            yield from _pairs(primary[first:last], shadow[other_first:other_last], unknown if at_end else set())


def _common(primary: Sequence[Item], shadow: Sequence[Item]) -> tuple[int, int]:
    """How many items are the same at the beginning and at the end."""
    most, start, end = min(len(primary), len(shadow)), 0, 0
    while start < most and _key(primary[start]) == _key(shadow[start]):
        start += 1
    while end < most - start and _key(primary[-1 - end]) == _key(shadow[-1 - end]):
        end += 1
    return start, end


def _key(item: Item) -> tuple[str, str]:
    # A line is the same when it has another number.
    return ("" if item.path.startswith("line ") else item.place, item.text)


def _pairs(primary: Sequence[Item], shadow: Sequence[Item], unknown: set[Kind]) -> Iterator[Difference]:
    """Items at the same place have another value; the others are missing or added."""
    lines = any(item.path.startswith("line ") for item in (*primary[:1], *shadow[:1]))
    unmatched: dict[str, list[Item]] = {}
    for item in shadow:
        unmatched.setdefault("" if lines else item.place, []).append(item)
    for item in primary:
        there = unmatched.get("" if lines else item.place)
        if there:
            yield difference(item.path, "value", item.text, there.pop(0).text, item.place)
        elif "missing" not in unknown:
            yield difference(item.path, "missing", item.text, None, item.place)
    for item in (each for rest in unmatched.values() for each in rest if "added" not in unknown):
        yield difference(item.path, "added", None, item.text, item.place)
