"""Compares HTML and other text.

HTML is compared as a sequence of texts and attributes, each with the path of its element: white space between elements
and the order of attributes do not matter. Other text is compared line by line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from html.parser import HTMLParser
from itertools import islice
from typing import NamedTuple

from rsgi.compare.differences import MOST, Difference, Kind, difference

# More items between the common beginning and the common end are compared one by one.
_ALIGNED = 600

# Elements without an end tag (HTML, 13.1.2).
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())

# Elements that stand in lists, so their number depends on the data.
_LISTED = frozenset("li tr td th option dt dd article".split())

# Elements that end when the next one of these begins, if the author leaves out the end tag.
_ENDS_WITH_NEXT = {"li": {"li"}, "option": {"option"}, "tr": {"tr", "td", "th"}, "td": {"td", "th"}, "th": {"td", "th"}}
_ENDS_WITH_NEXT |= {"dt": {"dt", "dd"}, "dd": {"dt", "dd"}, "p": {"p"}}


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


def html_items(text: str) -> list[Item]:
    """The texts and attributes of an HTML document."""
    parser = _Parser()
    parser.feed(text)
    parser.close()
    return parser.items


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


class _Parser(HTMLParser):
    """Makes items of a document. It takes any text: what is no tag is text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.items: list[Item] = []
        self._open: list[tuple[str, str, str]] = []  # the name, the path and the place of each open element
        self._children: list[Counter[str]] = [Counter()]
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._end_text()
        if self._open and tag in _ENDS_WITH_NEXT.get(self._open[-1][0], ()):
            self._pop()
        self._children[-1][tag] += 1
        number = self._children[-1][tag]
        where, place = (self._open[-1][1] + " > ", self._open[-1][2] + " > ") if self._open else ("", "")
        path = f"{where}{tag}" if number == 1 else f"{where}{tag}[{number}]"
        place += f"{tag}[*]" if tag in _LISTED else tag if number == 1 else f"{tag}[{number}]"
        self.items.append(Item(path, place, f"<{tag}>"))
        for name, value in sorted((name, value or "") for name, value in attrs):
            said = " ".join(sorted(value.split())) if name == "class" else value
            self.items.append(Item(f"{path} @{name}", f"{place} @{name}", said))
        if tag not in _VOID:
            self._open.append((tag, path, place))
            self._children.append(Counter())

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID and self._open:
            self._pop()

    def handle_endtag(self, tag: str) -> None:
        self._end_text()
        if any(tag == name for name, _, _ in self._open):
            while self._pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    def close(self) -> None:
        super().close()
        self._end_text()

    def _pop(self) -> str:
        self._children.pop()
        return self._open.pop()[0]

    def _end_text(self) -> None:
        text = re.sub(r"\s+", " ", "".join(self._text)).strip()
        self._text.clear()
        if text:
            path, place = self._open[-1][1:] if self._open else ("text", "text")
            self.items.append(Item(path, place, text))
