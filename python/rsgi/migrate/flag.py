"""A fact about another server's command line: a flag, its value, and the equivalent in rsgi.

The tables use these classes. `values.py` reads the values of such flags.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rsgi._types import AskedInterface

# What a flag says: an option of ours, the application's kind, its target or a part of it; or something that is not here
# (`lost`), or that is so without a flag (`needless`).
Role: TypeAlias = Literal["option", "interface", "target", "callable", "factory", "prefix", "mount", "lost", "needless"]
# Makes the values for our flag of the one that was written. None at all: our flag takes none.
ReadValue: TypeAlias = Callable[[str], Sequence[str]]


class CannotCarry(Exception):
    """A value has no counterpart here; the text is the reason."""


def as_written(text: str) -> Sequence[str]:
    """The value as it is."""
    return (text,)


@dataclass(frozen=True)
class Flag:
    """One flag of another server.

    Attributes:
        names: Its spellings, such as `-w` and `--workers`.
        value: What it calls its value; empty when it takes none.
        optional: Whether the value may be left out.
        role: What it says.
        ours: Our flag, as it is written on the command line; empty when there is none.
        note: How its value is written here, or why there is no such flag or no need for it; one clause without a full stop.
        differs: What it does not do in the same way here.
        read: Makes our values of the one that was written.
    """

    names: tuple[str, ...]
    value: str
    optional: bool
    role: Role
    ours: str = ""
    note: str = ""
    read: ReadValue = as_written
    differs: str = ""

    @property
    def about(self) -> str:
        """All that there is to say of it."""
        return "; ".join(each for each in (self.note, self.differs) if each)

    @property
    def ours_name(self) -> str:
        """Our flag without a value that it may be shown with."""
        return self.ours.partition(" ")[0]


def carried(
    spelled: str,
    ours: str,
    note: str = "",
    read: ReadValue = as_written,
    role: Role = "option",
    *,
    differs: str = "",
) -> Flag:
    """A flag that we have: `carried("-w --workers N", "--workers")`."""
    names, value, optional = _parts(spelled)
    return Flag(names, value, optional, role, ours, note, read, differs)


def lost(why: str, *spelled: str) -> tuple[Flag, ...]:
    """Flags that we do not have, all for the same reason."""
    return tuple(Flag(*_parts(each), role="lost", note=why) for each in spelled)


def needless(why: str, *spelled: str) -> tuple[Flag, ...]:
    """Flags for what is always so here."""
    return tuple(Flag(*_parts(each), role="needless", note=why) for each in spelled)


def _parts(spelled: str) -> tuple[tuple[str, ...], str, bool]:
    """Take `-w --workers N` apart; a value in brackets may be left out. What is no flag is a directive, as it is."""
    if not spelled.startswith("-"):
        return (spelled,), "", False
    words = spelled.split()
    value = "" if words[-1].startswith("-") else words.pop()
    return tuple(words), value.strip("[]"), value.startswith("[")


@dataclass(frozen=True)
class Default:
    """What another server does unless told, and we do not: our words, left out when one of `unless` is there.

    Without words it is a difference that nothing can be written for.
    """

    words: tuple[str, ...]
    unless: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class OtherServer:
    """One other server.

    Attributes:
        name: What people call it.
        programs: The names of its command; none if its command lines are not read.
        modules: What follows `python -m`.
        interface: What its applications speak unless a flag says otherwise.
        attribute: The object that a target without `:` stands for; empty if it has to be named.
        flags: All its flags.
        defaults: What has to be said here that goes without saying there.
        own_file: A file in the current folder that it reads without being told.
        differs: What else is different, one sentence each, for people.
    """

    name: str
    programs: tuple[str, ...]
    modules: tuple[str, ...]
    interface: AskedInterface
    attribute: str
    flags: tuple[Flag, ...]
    defaults: tuple[Default, ...] = ()
    own_file: str = ""
    differs: tuple[str, ...] = ()

    def flag(self, name: str) -> Flag | None:
        """The flag with this spelling."""
        return next((each for each in self.flags if name in each.names), None)
