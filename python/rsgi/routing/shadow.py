"""The rules of shadow traffic, resolved for the server.

They are apart from the routing rules because they never decide who answers. `settings/shadow_rules.py` parses them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rsgi.compare.content.json_path import parse_pattern
from rsgi.compare.content.masks import parse_masks
from rsgi.errors import StartupError
from rsgi.settings.rules import ParsedRule, PathKind
from rsgi.settings.shadow_rules import SAFE_METHODS, ParsedShadow
from rsgi.settings.shares import write_share

if TYPE_CHECKING:
    from rsgi.routing.plan import App


@dataclass(frozen=True)
class ShadowRule:
    """A rule of shadow traffic, resolved. The server reads the attributes by name.

    Attributes:
        methods: The methods it is for.
        kind: What `path` is.
        path: A template, a prefix or a regular expression.
        to: The place in the plan of the application that gets the requests too.
        sample: As in `ParsedShadow`.
        repeat: As in `ParsedShadow`.
        text: The rule, for people.
        source: Where it stands, such as `rsgi.toml, line 7`.
        parsed: What it was made of.
    """

    methods: tuple[str, ...]
    kind: PathKind
    path: str
    to: int
    sample: int
    repeat: int
    text: str
    source: str
    parsed: ParsedShadow

    @property
    def shown(self) -> str:
        """The text of the rule with its sample."""
        return f"{self.text}:{write_share(self.sample)}"

    @property
    def label(self) -> str:
        """What its results are grouped by, unless a route says it more closely."""
        return f"{self.path}/*" if self.kind == "prefix" else self.path


def resolved(parsed: Sequence[ParsedShadow], find: Callable[[ParsedRule], int]) -> tuple[ShadowRule, ...]:
    """The rules with the places of their applications, which `find` knows.

    Raises:
        StartupError: when there is no such application, or a JSON path or a mask cannot be read.
    """
    return tuple(_resolved(each, find(each.rule)) for each in parsed)


def _resolved(parsed: ParsedShadow, to: int) -> ShadowRule:
    rule = parsed.rule
    _check_comparison(parsed)
    methods = SAFE_METHODS if rule.methods is None else rule.methods
    text, source = rule.text, rule.source
    return ShadowRule(methods, rule.kind, rule.path, to, parsed.sample, parsed.repeat, text, source, parsed)


def warnings_of(rules: Sequence[ShadowRule], apps: Sequence[App]) -> tuple[str, ...]:
    """A sentence for each rule that sends requests twice which may change something."""
    found = []
    for rule in rules:
        unsafe = [method for method in rule.methods if method not in SAFE_METHODS]
        if unsafe:
            name = apps[rule.to].name
            what = f"the shadow rule `{rule.text}` also sends {', '.join(unsafe)} requests to {name}"
            found.append(
                f"{what}: what they change, they change twice. {name} can see it by the header `x-rsgi-shadow`"
            )
    return tuple(found)


def _check_comparison(parsed: ParsedShadow) -> None:
    for key, paths in (("ignore", parsed.ignore), ("unordered", parsed.unordered)):
        for path in paths:
            try:
                parse_pattern(path)
            except ValueError as error:
                message = f"{parsed.rule.source}: `{path}` in `{key}` cannot be used: {error}"
                raise StartupError(message, "for example `$.items[*].updated`") from error
    try:
        parse_masks(parsed.masks)
    except ValueError as error:
        raise StartupError(f"{parsed.rule.source}: {error}", 'for example `masks = ["date", "uuid"]`') from error
