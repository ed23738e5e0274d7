"""Parses another server's command line: which server, which flags, with which values.

It knows how command lines are written, and not what they mean. All the servers use the forms of `getopt` and `argparse`:
`--flag value`, `--flag=value`, `-f value`, `-fvalue`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePath

from rsgi.migrate.flag import Flag, OtherServer
from rsgi.migrate.servers import SERVERS

_PYTHON = re.compile(r"(?:python|pypy)[\d.]*")
_TARGET = re.compile(r"[\w.]+:[\w.]+.*")


class UnknownCommand(ValueError):
    """The words are no command line of a server that is known; says why in one sentence.

    Attributes:
        hint: What to write instead, if that is known.
    """

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.hint = hint


@dataclass(frozen=True)
class Given:
    """One flag as it was given.

    Attributes:
        flag: What is known of it; `None` when nothing is.
        written: As it was written, with its value.
        value: Its value; empty if it has none.
    """

    flag: Flag | None
    written: str
    value: str = ""


@dataclass(frozen=True)
class CommandLine:
    """A command line of another server, taken apart.

    Attributes:
        server: Whose it is.
        before: The words in front of it, such as `env`, `NAME=value` or `uv run`.
        as_module: Whether it is started with `python -m`.
        given: Its flags.
        targets: The words that are neither flags nor their values.
    """

    server: OtherServer
    before: tuple[str, ...]
    as_module: bool
    given: tuple[Given, ...]
    targets: tuple[str, ...]


def read_command_line(words: Sequence[str]) -> CommandLine:
    """Take a command line apart; a single word is one that was quoted as a whole.

    Raises:
        UnknownCommand: when no known server is in it, or it cannot be read.
    """
    if len(words) == 1:
        try:
            words = shlex.split(words[0])
        except ValueError as error:
            raise UnknownCommand(f"the command line cannot be read: {str(error).lower()}") from error
    server, place, as_module = _find_server(words)
    given: list[Given] = []
    targets: list[str] = []
    for each in _read(server, list(words[place + 1 :])):
        given.append(each) if isinstance(each, Given) else targets.append(each)
    # What stands before `python -m` is kept with it.
    return CommandLine(
        server, tuple(words[: place - 1 if as_module else place]), as_module, tuple(given), tuple(targets)
    )


def _find_server(words: Sequence[str]) -> tuple[OtherServer, int, bool]:
    """The server, the place of its name, and whether that is a module's."""
    for place, word in enumerate(words):
        name = PurePath(word).name
        as_module = place > 1 and words[place - 1] == "-m" and _PYTHON.fullmatch(PurePath(words[place - 2]).name)
        for server in SERVERS:
            if name in server.programs or (as_module and word in server.modules):
                return server, place, bool(as_module)
    known = [program for server in SERVERS for program in server.programs[:1]]
    close = [near for word in words for near in get_close_matches(PurePath(word).name, known, 1, 0.7)]
    hint = f"did you mean `{close[0]}`?" if close else None
    raise UnknownCommand(f"it names no known server; rsgi knows {', '.join(known)}", hint)


def _read(server: OtherServer, words: list[str]) -> Iterator[Given | str]:
    """Each flag with its value, and each word that is none."""
    while words:
        word = words.pop(0)
        if word == "--":
            yield from words
            return
        if word.startswith("--"):
            yield _long(server, word, words)
        elif word.startswith("-") and len(word) > 1:
            yield from _short(server, word, words)
        else:
            yield word


def _long(server: OtherServer, word: str, words: list[str]) -> Given:
    name, equals, value = word.partition("=")
    flag = server.flag(name)
    if equals:
        return Given(flag, word, value)
    if flag is None:
        # A flag that is not known may have a value; the target is none.
        if words and not words[0].startswith("-") and not _TARGET.fullmatch(words[0]):
            return Given(None, f"{word} {words.pop(0)}")
        return Given(None, word)
    return _with_value(flag, word, "", words)


def _short(server: OtherServer, word: str, words: list[str]) -> Iterator[Given]:
    """`-w 4`, `-w4`, and several that take no value in one word."""
    for index, letter in enumerate(word[1:], 2):
        flag = server.flag(f"-{letter}")
        if flag is None:
            yield Given(None, f"-{word[index - 1 :]}")
            return
        if flag.value:
            yield _with_value(flag, f"-{letter}", word[index:], words)
            return
        yield Given(flag, f"-{letter}")


def _with_value(flag: Flag, name: str, attached: str, words: list[str]) -> Given:
    if not flag.value:
        return Given(flag, name)
    if attached:
        return Given(flag, f"{name}{attached}", attached.removeprefix("="))
    missing = not words or (words[0].startswith("-") and words[0] != "-" and not _is_number(words[0]))
    if missing or (flag.optional and _TARGET.fullmatch(words[0])):
        if flag.optional:
            return Given(flag, name)
        raise UnknownCommand(f"`{name}` has no value")
    value = words.pop(0)
    return Given(flag, f"{name} {value}", value)


def _is_number(word: str) -> bool:
    return re.fullmatch(r"-\d+(?:\.\d+)?", word) is not None
