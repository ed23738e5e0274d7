"""Parses the rules of shadow traffic.

They look like routing rules (`rules.py`), but they never decide who answers. They have a sample instead of a share, and
say how responses are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsgi.errors import StartupError
from rsgi.settings.rules import ParsedRule, parse_rule, rule_from_table
from rsgi.settings.shares import parse_share, write_share
from rsgi.settings.table_keys import unknown_key

SHADOW_KEYS = (
    "path",
    "prefix",
    "regex",
    "to",
    "sample",
    "methods",
    "headers",
    "ignore",
    "unordered",
    "masks",
    "repeat",
)

SAFE_METHODS = ("GET", "HEAD")
DEFAULT_SAMPLE = 1000
DEFAULT_REPEAT = 1000

_PATHS = ("path", "prefix", "regex")
_EXAMPLE = 'for example `path = "/users/{id}"`, `to = "new"` and `sample = "10%"`'


@dataclass(frozen=True)
class ParsedShadow:
    """A rule of shadow traffic, taken apart.

    Attributes:
        rule: Which requests, and the application that gets them too.
        sample: How many of 10,000 such requests.
        repeat: How many of 10,000 sampled requests the first application gets twice.
        headers: The header fields to compare; `None` for the default ones.
        ignore: JSON paths that are not compared.
        unordered: JSON paths of lists whose order is not compared.
        masks: What is not compared in text; `None` for the built-in masks.
    """

    rule: ParsedRule
    sample: int = DEFAULT_SAMPLE
    repeat: int = DEFAULT_REPEAT
    headers: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    unordered: tuple[str, ...] = ()
    masks: tuple[str, ...] | None = None

    @property
    def text(self) -> str:
        """The rule with its sample, for people."""
        return f"{self.rule.text}:{write_share(self.sample)}"


def parse_shadow(text: str) -> ParsedShadow:
    """Take a rule of the command line apart: `[METHODS ]/path=APP[:SAMPLE]`.

    Raises:
        StartupError: when it is malformed.
    """
    rule = parse_rule(text)
    sample = DEFAULT_SAMPLE if rule.share is None else rule.share
    return ParsedShadow(_checked(rule), sample)


def shadow_from_table(table: Mapping[str, object], source: str) -> ParsedShadow:
    """Take a rule apart that is written as keys and values.

    Args:
        table: The keys of `SHADOW_KEYS`, of which `to` and a path have to be there.
        source: Where it stands, for errors.

    Raises:
        StartupError: when a key is unknown, or a value is none that it can have.
    """
    if (found := unknown_key(table, SHADOW_KEYS, "a shadow rule")) is not None:
        raise StartupError(f"{source}: {found[0]}", found[1])
    if not isinstance(table.get("to"), str) or not table["to"]:
        raise StartupError(f"{source}: a shadow rule must name the application that gets the requests `to`", _EXAMPLE)
    if not any(key in table for key in _PATHS):
        raise StartupError(f"{source}: a shadow rule needs a `path`, a `prefix` or a `regex`", _EXAMPLE)
    routed = {key: table[key] for key in (*_PATHS, "methods") if key in table}
    rule = rule_from_table({"methods": SAFE_METHODS, **routed, "app": table["to"]}, source)
    headers = _words(table, "headers", source)
    return ParsedShadow(
        _checked(rule),
        _part(table, "sample", DEFAULT_SAMPLE, source),
        _part(table, "repeat", DEFAULT_REPEAT, source),
        None if headers is None else tuple(name.lower() for name in headers),
        _words(table, "ignore", source) or (),
        _words(table, "unordered", source) or (),
        _words(table, "masks", source),
    )


def parsed_shadows(given: Sequence[str | Mapping[str, object] | ParsedShadow]) -> tuple[ParsedShadow, ...]:
    """Take each rule apart, however it is written.

    Raises:
        StartupError: when one is malformed.
    """
    return tuple(
        each
        if isinstance(each, ParsedShadow)
        else parse_shadow(each)
        if isinstance(each, str)
        else shadow_from_table(each, f"shadow rule {number}")
        for number, each in enumerate(given, 1)
    )


def _checked(rule: ParsedRule) -> ParsedRule:
    what = f"{rule.source}: " if rule.source else ""
    if rule.host is not None:
        raise StartupError(f"{what}the shadow rule `{rule.text}` has a host", "shadow rules are for every host")
    if rule.methods is not None and "CONNECT" in rule.methods:
        raise StartupError(f"{what}the shadow rule `{rule.text}` names CONNECT", "a tunnel cannot be sent twice")
    return rule


def _part(table: Mapping[str, object], key: str, default: int, source: str) -> int:
    value = table.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        hint = f'for example `{key} = "{value}%"`' if isinstance(value, int) else f'for example `{key} = "10%"`'
        raise StartupError(f"{source}: `{key}` must be text with a percent sign, not {value!r}", hint)
    try:
        return parse_share(value)
    except ValueError as error:
        raise StartupError(f"{source}: the `{key}` `{value}` {error}", f'for example `{key} = "10%"`') from error


def _words(table: Mapping[str, object], key: str, source: str) -> tuple[str, ...] | None:
    value = table.get(key)
    if value is None:
        return None
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or not all(isinstance(each, str) and each for each in listed):
        raise StartupError(f"{source}: `{key}` is a list of texts, not {value!r}")
    return tuple(str(each) for each in listed)
