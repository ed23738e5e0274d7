"""The rows of the map as lines for people: methods of one handler together, a repeated note only once.

The map counts rows. The terminal and the page print these lines.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from rsgi.routing.coverage.map import Row

# From so many times on a note stands below the table, under a number.
_OFTEN = 5


@dataclass(frozen=True)
class Line:
    """Rows of one path that differ in nothing but the method.

    Attributes:
        row: The first of them.
        methods: The methods of all, with commas.
        note: The note, or the number under which it stands below: `[1]`.
    """

    row: Row
    methods: str
    note: str


@dataclass(frozen=True)
class Lines:
    """What is printed.

    Attributes:
        lines: In the order of the rows.
        notes: What stands below them: number, note, and for how many lines.
    """

    lines: tuple[Line, ...]
    notes: tuple[tuple[str, str, int], ...]


def lines_of(rows: tuple[Row, ...]) -> Lines:
    """The lines for some rows of a map."""
    together: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        sides = tuple((side.app, side.route) for side in (row.old, row.new) if side is not None)
        key = (row.host, row.path, row.status, row.served_by, row.then, row.note, sides)
        together.setdefault(key, []).append(row)
    times = Counter(members[0].note for members in together.values() if members[0].note)
    numbers = {note: f"[{number}]" for number, note in enumerate((n for n, t in times.items() if t >= _OFTEN), 1)}
    lines = tuple(
        Line(members[0], ",".join(row.method for row in members), numbers.get(members[0].note, members[0].note))
        for members in together.values()
    )
    return Lines(lines, tuple((number, note, times[note]) for note, number in numbers.items()))
