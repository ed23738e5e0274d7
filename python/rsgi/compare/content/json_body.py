"""Compares two JSON documents by their structure.

The order of members is not compared. The order of elements is, except in the lists that the options call unordered.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice
from typing import Any

from rsgi.compare.content.json_path import PathPattern, Step, write_path, write_place
from rsgi.compare.differences import MOST, Difference, Kind, difference

# Longer lists of different length are compared index by index.
_ALIGNED = 400

_IGNORED = None


class NotJson(Exception):
    """The text is not a JSON document that can be compared."""


def parse_json(text: str) -> Any:  # noqa: ANN401
    """Read a document.

    Raises:
        NotJson: when it is none, or one that is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise NotJson from error


def json_differences(
    primary: object, shadow: object, ignore: Sequence[PathPattern], unordered: Sequence[PathPattern]
) -> list[Difference]:
    """The differences between two documents.

    Raises:
        NotJson: when they are nested too deeply.
    """
    if any(pattern.matches(()) for pattern in ignore):
        return []
    comparer = _Comparer(ignore, unordered)
    try:
        if ignore:
            primary, shadow = comparer.without_ignored(primary, ()), comparer.without_ignored(shadow, ())
        return list(islice(comparer.compare(primary, shadow, ()), MOST))
    except RecursionError as error:
        raise NotJson from error


class _Comparer:
    def __init__(self, ignore: Sequence[PathPattern], unordered: Sequence[PathPattern]) -> None:
        self._ignore, self._unordered = ignore, unordered

    def without_ignored(self, value: object, steps: tuple[Step, ...]) -> object:
        """The same value without what is ignored. In a list it leaves a gap, so that the indices stay."""
        if isinstance(value, dict):
            kept = {name: each for name, each in value.items() if not self._is_ignored((*steps, name))}
            return {name: self.without_ignored(each, (*steps, name)) for name, each in kept.items()}
        if isinstance(value, list):
            return [
                _IGNORED if self._is_ignored((*steps, index)) else self.without_ignored(each, (*steps, index))
                for index, each in enumerate(value)
            ]
        return value

    def _is_ignored(self, steps: tuple[Step, ...]) -> bool:
        return any(pattern.matches(steps) for pattern in self._ignore)

    def compare(self, primary: object, shadow: object, steps: tuple[Step, ...]) -> Iterator[Difference]:
        if _type_of(primary) != _type_of(shadow):
            yield _found(steps, "type", primary, shadow)
        elif isinstance(primary, dict) and isinstance(shadow, dict):
            yield from self._compare_objects(primary, shadow, steps)
        elif isinstance(primary, list) and isinstance(shadow, list):
            yield from self._compare_lists(primary, shadow, steps)
        elif primary != shadow:
            yield _found(steps, "value", primary, shadow)

    def _compare_objects(
        self, primary: dict[str, object], shadow: dict[str, object], steps: tuple[Step, ...]
    ) -> Iterator[Difference]:
        for name, value in primary.items():
            if name in shadow:
                yield from self.compare(value, shadow[name], (*steps, name))
            else:
                yield _missing((*steps, name), value)
        for name, value in shadow.items():
            if name not in primary:
                yield _added((*steps, name), value)

    def _compare_lists(
        self, primary: list[object], shadow: list[object], steps: tuple[Step, ...]
    ) -> Iterator[Difference]:
        if any(pattern.matches(steps) for pattern in self._unordered):
            yield from self._compare_unordered(primary, shadow, steps)
        elif len(primary) != len(shadow) and max(len(primary), len(shadow)) <= _ALIGNED:
            yield from self._compare_aligned(primary, shadow, steps)
        else:
            yield from self._compare_in_order(list(enumerate(primary)), list(enumerate(shadow)), steps)

    def _compare_in_order(
        self, primary: list[tuple[int, object]], shadow: list[tuple[int, object]], steps: tuple[Step, ...]
    ) -> Iterator[Difference]:
        """Compare elements with the element at the same place; what is too many is missing or added."""
        for (index, mine), (_, other) in zip(primary, shadow, strict=False):
            yield from self.compare(mine, other, (*steps, index))
        for index, mine in primary[len(shadow) :]:
            yield _missing((*steps, index), mine)
        for index, other in shadow[len(primary) :]:
            yield _added((*steps, index), other)

    def _compare_aligned(
        self, primary: list[object], shadow: list[object], steps: tuple[Step, ...]
    ) -> Iterator[Difference]:
        """Find the elements that both lists have, and compare what is between them."""
        matcher = SequenceMatcher(None, list(map(_canonical, primary)), list(map(_canonical, shadow)), autojunk=False)
        for tag, start, end, other_start, other_end in matcher.get_opcodes():
            if tag != "equal":
                mine = list(enumerate(primary))[start:end]
                yield from self._compare_in_order(mine, list(enumerate(shadow))[other_start:other_end], steps)

    def _compare_unordered(
        self, primary: list[object], shadow: list[object], steps: tuple[Step, ...]
    ) -> Iterator[Difference]:
        """Take away the elements that both have, and compare the rest in a stable order."""
        mine, other = (
            [self._sortable(each, steps) for each in primary],
            [self._sortable(each, steps) for each in shadow],
        )
        both = Counter(mine) & Counter(other)
        yield from self._compare_in_order(_rest(primary, mine, both), _rest(shadow, other, both), steps)

    def _sortable(self, value: object, steps: tuple[Step, ...]) -> str:
        return _canonical(self._sorted(value, (*steps, 0)))

    def _sorted(self, value: object, steps: tuple[Step, ...]) -> object:
        """The same value with its own unordered lists in a stable order."""
        if isinstance(value, dict):
            return {name: self._sorted(each, (*steps, name)) for name, each in value.items()}
        if isinstance(value, list):
            inner = [self._sorted(each, (*steps, index)) for index, each in enumerate(value)]
            return sorted(inner, key=_canonical) if any(each.matches(steps) for each in self._unordered) else inner
        return value


def _rest(values: list[object], texts: list[str], taken: Counter[str]) -> list[tuple[int, object]]:
    left, rest = Counter(taken), []
    for index, text in enumerate(texts):
        if left[text]:
            left[text] -= 1
        else:
            rest.append((text, index))
    return [(index, values[index]) for _, index in sorted(rest)]


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _type_of(value: object) -> str:
    """The type, with whole numbers apart from others: a typed client may not take `1.0` for `1`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "integer", float: "number", dict: "object", list: "array"}
    return names[type(value)]


def _found(steps: tuple[Step, ...], kind: Kind, primary: object, shadow: object) -> Difference:
    return difference(write_path(steps), kind, _shown(primary), _shown(shadow), write_place(steps))


def _missing(steps: tuple[Step, ...], value: object) -> Difference:
    return difference(write_path(steps), "missing", _shown(value), None, write_place(steps))


def _added(steps: tuple[Step, ...], value: object) -> Difference:
    return difference(write_path(steps), "added", None, _shown(value), write_place(steps))


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
