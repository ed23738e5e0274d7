"""Finds the line of each key of a TOML document, which `tomllib` does not report.

It is used only for error messages, and only for documents that `tomllib` has accepted. So it finds keys and does not
validate them.

Spec: TOML 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

KeyPath: TypeAlias = tuple["str | int", ...]

_OPAQUE = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|(?P<comment>#[^\n]*)', re.DOTALL
)
_HEADER = re.compile(r"\s*\[(?P<array>\[?)(?P<key>[^\[\]]+)\]")
_KEY = re.compile(r"(?P<key>[^=]+?)\s*=")
_PART = re.compile(r'"((?:\\.|[^"\\])*)"|\'([^\']*)\'|([A-Za-z0-9_-]+)')


class TomlLines:
    """Where the keys of one document stand."""

    def __init__(self, text: str) -> None:
        self._lines = _find(text)

    def line_of(self, path: KeyPath) -> int | None:
        """The line of the key, counted from 1; or that of the table or array it is in.

        Args:
            path: Keys from the outermost on; the place in an array of tables is a number.
        """
        for length in range(len(path), 0, -1):
            line = self._lines.get(path[:length])
            if line is not None:
                return line
        return None


def _find(text: str) -> Mapping[KeyPath, int]:
    # Strings and comments are covered up, so that brackets and equals signs are those of TOML; no offset changes.
    covered = _OPAQUE.sub(lambda found: re.sub(r"[^\n]", " " if found["comment"] else "s", found[0]), text)
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    depth = offset = 0
    for number, line in enumerate(covered.split("\n"), 1):
        written = text[offset : offset + len(line)]
        offset += len(line) + 1
        header, key = _HEADER.match(line), _KEY.match(line)
        if depth == 0 and header is not None:
            table = _place(_parts(written[slice(*header.span("key"))]), counts, array=bool(header["array"]))
            lines.setdefault(table, number)
            continue
        if depth == 0 and key is not None:
            path = (*table, *_parts(written[slice(*key.span("key"))]))
            lines.setdefault(path, number)
        depth += sum(line.count(bracket) for bracket in "[{") - sum(line.count(bracket) for bracket in "]}")
    return lines


def _parts(key: str) -> tuple[str, ...]:
    return tuple(next(part for part in found if part) if any(found) else "" for found in _PART.findall(key))


def _place(key: tuple[str, ...], counts: dict[KeyPath, int], *, array: bool) -> KeyPath:
    """The path of a table: the arrays on its way stand for their last tables."""
    path: KeyPath = ()
    for index, part in enumerate(key):
        path = (*path, part)
        last = index == len(key) - 1
        if array and last:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path
