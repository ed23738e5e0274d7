"""Parses `rollback` and `advance` in a table of `[[routes]]`.

A rule of the command line has neither. The Rust side reads the attributes by name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import urlsplit

from rsgi.settings.shares import BUCKETS, parse_share, write_share
from rsgi.settings.table_keys import unknown_key
from rsgi.settings.values import SettingValueError, parse_duration, write_value

ROLLBACK_KEYS = ("window", "minimum", "failures", "p99", "command", "url")
ADVANCE_KEYS = ("steps", "after")

_EXAMPLE = 'for example `rollback = { window = "30s", minimum = 100 }`, or `rollback = true`'
_ADVANCE_EXAMPLE = 'for example `advance = { steps = ["5%", "25%", "100%"], after = "10m" }`'


class RollbackError(Exception):
    """A value that cannot be used. The message follows the place in a sentence."""

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__(problem)
        self.hint = hint


@dataclass(frozen=True)
class Advance:
    """How a share rises.

    Attributes:
        steps: The shares in buckets, in rising order.
        after: How long each step lasts at least, in seconds.
    """

    steps: tuple[int, ...]
    after: float

    def __str__(self) -> str:
        """In words, for people."""
        steps = ", ".join(write_share(step) for step in self.steps)
        return f"advance to {steps}, after {write_value(self.after, 'duration')} each"


@dataclass(frozen=True)
class Rollback:
    """When a share goes back to 0%.

    Attributes:
        window: The shortest time of a comparison, in seconds.
        minimum: The fewest requests of each side in a comparison.
        failures: So much higher the failure rate may be, from 0 to 1.
        p99: So many times longer the 99th percentile of the response time may be; `None` if it does not count.
        command: A program and its arguments that a rollback calls.
        url: A URL of this machine that a rollback calls.
        advance: How the share rises, if it does.
    """

    window: float = 30.0
    minimum: int = 100
    failures: float = 0.01
    p99: float | None = 2.0
    command: tuple[str, ...] | None = None
    url: str | None = None
    advance: Advance | None = None

    def __str__(self) -> str:
        """In words, for people. The arguments of a command may be secret."""
        slower = "" if self.p99 is None else f" or a p99 {self.p99:g} times longer"
        said = f"rollback at {write_share(round(self.failures * BUCKETS))} more failures{slower}"
        said += f", in windows of {write_value(self.window, 'duration')} and {self.minimum} requests"
        hook = self.command[0] if self.command else self.url
        return "; ".join([said, *([f"calls {hook}"] if hook else []), *([str(self.advance)] if self.advance else [])])


class Rule(Protocol):
    """A rule, resolved or not."""

    @property
    def text(self) -> str:
        """The rule without its share."""

    @property
    def share(self) -> int | None:
        """Its share in buckets."""

    @property
    def rollback(self) -> Rollback | None:
        """When its share goes back to 0%."""


def in_full(rule: Rule) -> str:
    """Return the text of a rule with its share and its rollback."""
    shown = rule.text if rule.share is None else f"{rule.text}:{write_share(rule.share)}"
    return shown if rule.rollback is None else f"{shown} ({rule.rollback})"


def parse_rollback(value: object, advance: object, share: int | None) -> Rollback | None:
    """Return what `rollback` and `advance` of a rule say; `None` if neither is there.

    Args:
        value: `rollback`: a table, or true or false.
        advance: `advance`, a table.
        share: The share of the rule in buckets.

    Raises:
        RollbackError: when a value cannot be used.
    """
    rises = None if advance is None else _advance(advance)
    if value is None or value is False:
        if rises is not None:
            raise RollbackError(
                "`advance` needs a `rollback`, which stops it if the new application fails", "add `rollback = true`"
            )
        return None
    table = {} if value is True else value
    if not isinstance(table, Mapping):
        raise RollbackError(f"`rollback` is a table, or true or false, not {value!r}", _EXAMPLE)
    _check_keys(table, ROLLBACK_KEYS, "rollback", _EXAMPLE)
    if share is None:
        raise RollbackError("a rule with `rollback` needs a `share`", 'for example `share = "5%"`')
    found = replace(Rollback(), **{key: _PARSERS[key](given) for key, given in table.items()}, advance=rises)
    if found.command is not None and found.url is not None:
        raise RollbackError("`rollback` has one of `command` and `url`, not both", "remove one of them")
    return found


def _advance(value: object) -> Advance:
    if not isinstance(value, Mapping):
        raise RollbackError(f"`advance` is a table, not {value!r}", _ADVANCE_EXAMPLE)
    _check_keys(value, ADVANCE_KEYS, "advance", _ADVANCE_EXAMPLE)
    for key in ADVANCE_KEYS:
        if key not in value:
            raise RollbackError(f"`advance` needs `{key}`", _ADVANCE_EXAMPLE)
    texts = value["steps"]
    if not isinstance(texts, (list, tuple)) or not texts:
        raise RollbackError(f"the `steps` of `advance` are a list of shares, not {texts!r}", _ADVANCE_EXAMPLE)
    steps = tuple(_share(text, "a step") for text in texts)
    if any(later <= earlier for earlier, later in zip((0, *steps), steps, strict=False)):
        raise RollbackError("the `steps` of `advance` must rise, and begin above 0%", _ADVANCE_EXAMPLE)
    return Advance(steps, _duration(value["after"], "after", "30d"))


def _check_keys(table: Mapping[str, object], known: tuple[str, ...], name: str, example: str) -> None:
    if (found := unknown_key(table, known, f"`{name}`")) is not None:
        problem, hint = found
        raise RollbackError(problem, hint if hint.startswith("did you mean") else f"{hint}; {example}")


def _share(value: object, what: str) -> int:
    if not isinstance(value, str):
        raise RollbackError(f"{what} must be text with a percent sign, not {value!r}", 'for example "5%"')
    try:
        return parse_share(value)
    except ValueError as error:
        raise RollbackError(f"{what} `{value}` {error}", 'for example "5%"') from error


def _duration(value: object, key: str, most: str) -> float:
    hint = f'write 1s to {most}, for example `{key} = "30s"`'
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise RollbackError(f"`{key}` is a duration, not {value!r}", hint)
    try:
        seconds = parse_duration(str(value))
    except SettingValueError as error:
        raise RollbackError(f"`{key}`: {error}", hint) from error
    if not 1.0 <= seconds <= parse_duration(most):
        raise RollbackError(f"`{key}` cannot be {value}", hint)
    return seconds


def _window(value: object) -> float:
    return _duration(value, "window", "1h")


def _minimum(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 10 <= value <= 10**9:
        raise RollbackError(
            f"`minimum` is a number of requests, at least 10, not {value!r}", "with fewer, chance decides"
        )
    return value


def _failures(value: object) -> float:
    return _share(value, "`failures`") / BUCKETS


def _p99(value: object) -> float | None:
    if value is False:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1.1 <= value <= 1000:
        hint = "with `p99 = 2.0`, it may take twice as long; with `p99 = false`, the time does not count"
        raise RollbackError(f"`p99` is a factor of at least 1.1, or false, not {value!r}", hint)
    return float(value)


def _command(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(word, str) and word for word in value):
        hint = 'for example `command = ["/usr/local/bin/page", "--team", "web"]`; no shell reads it'
        raise RollbackError(f"`command` is a list of a program and its arguments, not {value!r}", hint)
    if any("\0" in word for word in value):
        raise RollbackError("`command` cannot contain a NUL character", "remove it")
    return tuple(value)


def _url(value: object) -> str:
    hint = 'for example `url = "http://127.0.0.1:9000/rollback"`; use a `command` for other machines'
    if not isinstance(value, str):
        raise RollbackError(f"`url` is text, not {value!r}", hint)
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    plain = value.isascii() and value.isprintable() and not re.search(r"[\s@#\\]", value)
    if not plain or not local or not re.match(r"http://[^/?]+(?:/|$)", value):
        raise RollbackError(f"`url` must be an http:// URL of this machine, not {value!r}", hint)
    return value


_PARSERS: dict[str, Any] = {
    "window": _window,
    "minimum": _minimum,
    "failures": _failures,
    "p99": _p99,
    "command": _command,
    "url": _url,
}
