r"""Reads a file of environment variables: `--env-file`.

The variables become part of the environment of this process and its workers, before settings are read from there. Common
libraries ignore a line that they cannot read. Here, a mistake must name its line.

A line is `NAME=value`, optionally with `export` before it. `#` starts a comment, at the start of a line or after a space.
In double quotes, `\n`, `\t`, `\r`, `\"`, `\\` and `\$` mean what they mean in a shell. Text in quotes can have several
lines. `${NAME}` and `${NAME:-otherwise}` stand for another variable, except in single quotes.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from rsgi.errors import StartupError

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_BLANK = re.compile(r"[ \t\r]*(?:#[^\n]*)?(?:\n|\Z)")
_ASSIGNMENT = re.compile(rf"[ \t]*(?:export[ \t]+)?(?P<name>{_NAME})[ \t]*=[ \t]*")
_SINGLE = re.compile(r"'(?P<text>[^']*)'")
_DOUBLE = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"', re.DOTALL)
_PLAIN = re.compile(r"(?P<text>[^\n]*?)(?=[ \t\r]*(?:(?<=[ \t])#[^\n]*)?(?:\n|\Z))")
_PIECE = re.compile(
    rf"\\(?P<escaped>.)|\$\{{(?P<name>{_NAME})(?::-(?P<otherwise>[^}}]*))?\}}|(?P<wrong>\$\{{)", re.DOTALL
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True)
class Variable:
    """One variable of a file.

    Attributes:
        value: What it is.
        place: The file and the line, for people.
    """

    value: str
    place: str


# What the environment has from a file, so that the file can change it, and `rsgi config` can say so.
_ours: dict[str, Variable] = {}


def apply_env_file(path: str) -> list[str]:
    """Put the variables of a file into the environment, except those that are set by somebody else.

    What is there from an earlier reading is changed, or taken away when the file has it no more.

    Args:
        path: The file.

    Returns:
        The names of variables that are now another than after an earlier reading.

    Raises:
        StartupError: when it cannot be read, or something in it is wrong; names file and line.
    """
    before = dict(_ours)
    variables = _Reader(path, {name: value for name, value in os.environ.items() if name not in before}).read()
    _ours.clear()
    for name in before.keys() - variables.keys():
        os.environ.pop(name, None)
    for name, variable in variables.items():
        if name in before or name not in os.environ:
            os.environ[name] = variable.value
            _ours[name] = variable
    return sorted(name for name in {*before, *_ours} if _value(before.get(name)) != _value(_ours.get(name)))


def place_of(name: str) -> str | None:
    """Where a variable of the environment was read from, when it was a file."""
    variable = _ours.get(name)
    return None if variable is None else variable.place


def _value(variable: Variable | None) -> str | None:
    return None if variable is None else variable.value


class _Reader:
    """One file while it is read."""

    def __init__(self, path: str, environment: dict[str, str]) -> None:
        """Read the text.

        Args:
            path: The file.
            environment: What values may refer to, beside what stands above them; wins over that.
        """
        self._path, self._environment = path, environment
        try:
            self._text = Path(path).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise StartupError(f"cannot read the environment file `{path}`: {reason}", "see `--env-file`") from error
        self._variables: dict[str, Variable] = {}
        self._line = 1

    def read(self) -> dict[str, Variable]:
        """Every variable of the file; the last one of a name counts."""
        position = 0
        while position < len(self._text):
            self._line = self._text.count("\n", 0, position) + 1
            blank = _BLANK.match(self._text, position)
            position = self._read_assignment(position) if blank is None else blank.end()
        return self._variables

    def _read_assignment(self, position: int) -> int:
        """Read the variable that begins here; gives where the next line does."""
        found = _ASSIGNMENT.match(self._text, position)
        if found is None:
            written = self._text[position:].partition("\n")[0].strip()
            raise self._wrong(
                f"`{written}` is not a variable", "write NAME=value; the name has letters, digits and `_`"
            )
        name, begin = found["name"], found.end()
        value, end = self._read_value(name, begin)
        if "\0" in value:
            raise self._wrong(f"`{name}` contains a zero byte", "an environment variable cannot")
        self._variables[name] = Variable(value, f"{self._path}, line {self._line}")
        after = _BLANK.match(self._text, end)
        if after is None:
            rest = self._text[end:].partition("\n")[0].strip()
            raise self._wrong(f"`{rest}` follows the value of `{name}`", "put the whole value into the quotes")
        return after.end()

    def _read_value(self, name: str, begin: int) -> tuple[str, int]:
        quote = self._text[begin : begin + 1]
        found = {"'": _SINGLE, '"': _DOUBLE}.get(quote, _PLAIN).match(self._text, begin)
        if found is None:
            raise self._wrong(f"the quote of the value of `{name}` is not closed", f"end the value with {quote}")
        text = found["text"] if quote == "'" else self._expanded(name, found["text"], escapes=quote == '"')
        return text, found.end()

    def _expanded(self, name: str, text: str, *, escapes: bool) -> str:
        def replacement(piece: re.Match[str]) -> str:
            if piece["escaped"] is not None:
                known = escapes and piece["escaped"] in 'ntr"\\$'
                return _ESCAPES.get(piece["escaped"], piece["escaped"]) if known else piece[0]
            if piece["wrong"] is not None:
                hint = "write `${NAME}` or `${NAME:-otherwise}`, or put the value into single quotes"
                raise self._wrong(f"`${{` in the value of `{name}` does not start a variable", hint)
            return self._referred(name, piece["name"], piece["otherwise"])

        return _PIECE.sub(replacement, text)

    def _referred(self, name: str, other: str, otherwise: str | None) -> str:
        known = self._variables.get(other)
        value = self._environment.get(other, None if known is None else known.value)
        if otherwise is not None:
            return value or otherwise
        if value is None:
            hint = f"set it above, write `${{{other}:-otherwise}}`, or put the value into single quotes"
            raise self._wrong(f"the value of `{name}` refers to `{other}`, which is not set", hint)
        return value

    def _wrong(self, problem: str, hint: str) -> StartupError:
        return StartupError(f"{self._path}, line {self._line}: {problem}", hint)
