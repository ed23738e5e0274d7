"""The page of what everybody showed: one table of servers, one of bridges, and what was seen where a behaviour was not.

Apart from the runner because it is text made of text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from behaviours.behaviour import Behaviour

TITLES = {
    1: "The body streams in",
    2: "Memory",
    3: "`readline`",
    4: "`readlines`",
    5: "The input is a file",
    6: "A body that breaks off",
    7: "Chunked bodies",
    8: "`100 Continue`",
    9: "A late `start_response`",
    10: "When headers and chunks leave",
    11: "`exc_info` in time",
    12: "`exc_info` too late",
    13: "Mistakes of the application",
    14: "`write`, and what a chunk is",
    15: "`close()`",
    16: "Back-pressure",
    17: "Clients that leave",
    18: "Calls that are stuck",
    19: "Content-Length",
    20: "Late failures",
    21: "Responses without a body",
    22: "Headers out",
    23: "Headers in",
    24: "Paths",
    25: "The environ",
    26: "Contexts",
    27: "Threads",
    28: "Calls to oneself",
    29: "Processes",
    30: "Other scopes",
}

HEAD = """\
# Conformance

What does a correct WSGI gateway or bridge do, and which implementations do it? This page lists behaviours of PEP 3333, of
ASGI, and of the frameworks that depend on them. The same code tests every implementation over a real socket. The list is in
`conformance/behaviours`. `tests/wsgi/test_behaviours.py` tests rsgi, and `rsgi.WsgiToAsgi` under six servers, in every test
run.

This command writes the page. It installs the other implementations from PyPI into a separate environment:

```sh
make conformance
```

- ✓: seen. ✗: not seen, and the note says what was seen instead. `·`: does not apply.
- A bridge runs under uvicorn. What no server can show is tested with messages by hand.
- Every implementation runs with its defaults, except for the port, the number of threads, and a grace time of one or two
  seconds.
- For behaviours 1 and 3, rsgi runs with `--wsgi-request-buffering off`, because it collects small bodies before it takes a
  thread.
- Not every row is required by a specification (`wsgi.input_terminated`, a bounded queue, what is logged). These are what
  applications need.
- An implementation that does not show a behaviour is started again.

"""


@dataclass(frozen=True)
class Column:
    """What one implementation showed: by behaviour, `None` where it did, else what was seen."""

    title: str
    version: str
    seen: Mapping[str, str | None]

    def score(self) -> str:
        """How many of the behaviours that could be asked."""
        return f"{sum(found is None for found in self.seen.values())} of {len(self.seen)}"


class _Notes:
    """Numbers what was seen."""

    def __init__(self) -> None:
        self._notes: list[str] = []

    def mark(self, column: Column, seen: str) -> str:
        self._notes.append(f"{column.title}: {seen}")
        return f"✗[^{len(self._notes)}]"

    def text(self) -> Iterable[str]:
        return (f"[^{number}]: {_escaped(note)}" for number, note in enumerate(self._notes, 1))


def _escaped(text: str) -> str:
    text = " ".join(text.split())
    for character in "|<>*_[]":
        text = text.replace(character, f"\\{character}")
    return text


def _table(behaviours: Iterable[Behaviour], columns: list[Column], notes: _Notes) -> Iterable[str]:
    yield "| | " + " | ".join(f"{column.title} {column.version}" for column in columns) + " |"
    yield "|---|" + ":-:|" * len(columns)
    yield "| **shown** | " + " | ".join(f"**{column.score()}**" for column in columns) + " |"
    number = 0
    for asked in behaviours:
        if not any(asked.name in column.seen for column in columns):
            continue
        if asked.number != number:
            number = asked.number
            yield f"| **{number}. {TITLES[number]}** |" + " |" * len(columns)
        cells = []
        for column in columns:
            found = column.seen.get(asked.name, "·")
            cells.append("✓" if found is None else found if found == "·" else notes.mark(column, found))
        yield f"| {asked.wanted} | " + " | ".join(cells) + " |"


def page(behaviours: list[Behaviour], tables: Mapping[str, list[Column]], about: str) -> str:
    """The whole page as Markdown."""
    ordered = sorted(behaviours, key=lambda asked: asked.number)
    notes = _Notes()
    lines = [f"Seen on {about}.", ""]
    for title, columns in tables.items():
        lines += [f"## {title}", "", *_table(ordered, columns, notes), ""]
    lines += ["## What was seen instead", "", *notes.text(), ""]
    return HEAD + "\n".join(lines)
