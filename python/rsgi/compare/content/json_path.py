"""JSON paths: read the patterns that users write, and write the paths of differences.

The patterns are a part of JSONPath: names, indices, `*` for all, and `..name` at any depth. They have no filters and no
slices.

Spec: RFC 9535, sections 2.3 and 2.5.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

# One step into a document: the name of a member, or the index of an element.
Step: TypeAlias = str | int


class Wildcard(Enum):
    """A part of a pattern that stands for several steps."""

    ANY = "one step"
    DEEP = "any number of steps"


_PART = re.compile(
    r"""(?P<deep>\.\.)?(?:(?<=\.\.)(?P<below>[^\s.\[\]'"*]+|\*)|\.(?P<name>[^\s.\[\]'"*]+|\*)"""
    r"""|\[(?:(?P<index>\d+|\*)|'(?P<single>(?:[^'\\]|\\.)*)'|"(?P<double>(?:[^"\\]|\\.)*)")\])"""
)
_PLAIN = re.compile(r"[^\W\d][\w-]*")

# Names of members that are data: numbers, hexadecimal ids, e-mail addresses, and anything long.
_DATA = re.compile(r"\d[\d.:_-]*|(?=\D*\d)[0-9a-fA-F-]{8,}|.*@.*|.{49,}", re.DOTALL)


@dataclass(frozen=True)
class PathPattern:
    """A pattern of JSON paths.

    Attributes:
        text: As it was written.
        parts: Its steps.
    """

    text: str
    parts: tuple[Step | Wildcard, ...]

    def matches(self, steps: Sequence[Step]) -> bool:
        """Whether it names exactly this path."""
        return _match(self.parts, steps)


def parse_pattern(text: str) -> PathPattern:
    """Read a pattern such as `$.items[*].price`. The `$.` in front may be missing.

    Raises:
        ValueError: when it is none. The message follows the text in a sentence.
    """
    if text.strip() in ("", "."):
        raise ValueError("is not a JSON path; write for example `$.items[*].price`")
    rest = text.strip()
    rest = rest.removeprefix("$") if rest.startswith("$") else rest if rest.startswith(("[", ".")) else f".{rest}"
    parts: list[Step | Wildcard] = []
    at = 0
    while at < len(rest):
        found = _PART.match(rest, at)
        if found is None:
            raise ValueError(f"is not a JSON path at `{rest[at:]}`; write for example `$.items[*].price`")
        if found["deep"]:
            parts.append(Wildcard.DEEP)
        parts.append(_step(found))
        at = found.end()
    return PathPattern(text, tuple(parts))


def _step(found: re.Match[str]) -> Step | Wildcard:
    name = found["below"] or found["name"]
    if name is not None:
        return Wildcard.ANY if name == "*" else name
    if found["index"] is not None:
        return Wildcard.ANY if found["index"] == "*" else int(found["index"])
    quoted = found["single"] if found["single"] is not None else found["double"]
    return re.sub(r"\\(.)", r"\1", quoted)


def _match(parts: Sequence[Step | Wildcard], steps: Sequence[Step]) -> bool:
    """Whether the parts name the steps, in time that grows with the product of both."""
    reached = [True] + [False] * len(steps)
    for part in parts:
        if part is Wildcard.DEEP:
            first = reached.index(True) if True in reached else len(reached)
            reached = [place >= first for place in range(len(reached))]
            continue
        after = [False] * len(reached)
        for place, step in enumerate(steps):
            after[place + 1] = reached[place] and (part is Wildcard.ANY or part == step)
        reached = after
    return reached[-1]


def write_path(steps: Sequence[Step]) -> str:
    """The path of a value, such as `$.items[0].price`."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else _member(step) for step in steps)


def write_place(steps: Sequence[Step]) -> str:
    """The path without indices and without names that are data, such as `$.items[*].price`."""
    return "$" + "".join(
        "[*]" if isinstance(step, int) else ".*" if _DATA.fullmatch(step) else _member(step) for step in steps
    )


def _member(name: str) -> str:
    if _PLAIN.fullmatch(name):
        return f".{name}"
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"
