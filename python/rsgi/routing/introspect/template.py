"""Makes the templates of the router from the pattern of a framework.

All readers need it. A pattern is a list of tokens: text and parameters. Some parameters stand for more than one thing
(`-?[0-9]+` for `{n:int}` and `-{n:int}`). `src/route/template.rs` defines what a template means.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from rsgi.routing.introspect.table import Guard, Route, RouteKind

ParameterKind: TypeAlias = Literal["", "int", "float", "uuid", "path"]

# More templates than that for one route are not worth their exactness.
_MOST_TEMPLATES = 512

_LOOKS_LIKE_A_PARAMETER = re.compile(r"\{([a-zA-Z_]\w*)(?::[a-zA-Z_]\w*)?\}", re.ASCII)
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_]", re.ASCII)


@dataclass(frozen=True)
class Parameter:
    """A variable part of a path.

    Attributes:
        name: What the application calls it; empty if it has no name.
        kind: What it accepts, at least: `""` is text of one segment, never empty; `path` is any text, also none.
        forms: What it accepts exactly, each as tokens, where the kind alone says too much or too little.
    """

    name: str = ""
    kind: ParameterKind = ""
    forms: tuple[tuple[Token, ...], ...] = ()


Token: TypeAlias = "str | Parameter"  # noqa: S105 - no secret
Tokens: TypeAlias = tuple[Token, ...]

SIGNED_INT = Parameter("", "int", ((Parameter("", "int"),), ("-", Parameter("", "int"))))
SIGNED_FLOAT = Parameter("", "float", ((Parameter("", "float"),), ("-", Parameter("", "float"))))

# `[^/].*` and `.+`: a path that is not empty.
REST = Parameter("", "path", ((Parameter(),), (Parameter(), "/", Parameter("", "path"))))
ANY_TEXT = replace(REST, forms=(*REST.forms, ("/", Parameter("", "path"))))


@dataclass(frozen=True)
class Place:
    """Where routes hang: below which path, and on which host."""

    prefix: Tokens = ()
    host: str | None = None

    def below(self, *tokens: Token) -> Place:
        """The place of what is mounted further down."""
        return replace(self, prefix=self.prefix + tokens)

    def route(
        self,
        kind: RouteKind,
        methods: tuple[str, ...] | None,
        tokens: Tokens,
        *,
        name: str | None = None,
        defined: str | None = None,
        opaque: bool = False,
        original: str | None = None,
        slash_is_optional: bool = False,
        files: bool = False,
        guards: tuple[Guard, ...] = (),
        handler: object = None,
    ) -> Route:
        """A route of this place.

        With `slash_is_optional` the same URL with and without a slash at its end are one route.
        """
        path, templates = _render(self.prefix + tokens, slash_is_optional)
        original = None if original in (None, path) else original
        return Route(
            kind,
            methods,
            self.host,
            path,
            name,
            defined,
            opaque,
            original,
            templates,
            files=files,
            guards=guards,
            handler=handler,
        )

    def everything_below(self, kind: RouteKind, name: str | None, defined: str | None) -> Route:
        """All below this place, for something that cannot be read."""
        return self.route(kind, None, ("/", Parameter("path", "path")), name=name, defined=defined, opaque=True)

    def nothing_further(self) -> Iterator[Route]:
        """The end of the search for this place and all below it."""
        if self.prefix:
            yield self.route("any", None, ()).refusal()
        yield self.route("any", None, ("/", Parameter("path", "path"))).refusal()

    def moved(self, route: Route) -> Route:
        """A route of an application that is mounted here."""
        if not self.prefix and self.host is None:
            return route
        prefixes = _exact(self.prefix)
        templates = tuple(prefix + each for prefix in prefixes for each in route.matched)
        path = _for_people(self.prefix) + route.path
        return replace(
            route, host=route.host or self.host, path=path, templates=() if templates == (path,) else templates
        )


def for_host(tokens: Tokens) -> str:
    """The template of a host name."""
    return _for_people(tokens)


def named(parameter: Parameter, name: str) -> Parameter:
    """The same parameter under a name."""
    return replace(parameter, name=_NOT_IN_A_NAME.sub("_", name))


def _render(tokens: Tokens, slash_is_optional: bool) -> tuple[str, tuple[str, ...]]:
    """The path for people, and the templates for the router where that is not the same."""
    path = _for_people(tokens)
    templates = _exact(tokens)
    if slash_is_optional:
        twins = ((each, _other_slash(each)) for each in templates)
        templates = tuple(dict.fromkeys(each for pair in twins for each in pair if each))
    return path, () if templates == (path,) else templates


def _other_slash(template: str) -> str:
    if template.endswith(":path}"):
        return template
    return template[:-1] if template.endswith("/") else f"{template}/"


def _for_people(tokens: Tokens) -> str:
    names = _Names()
    return "".join(_text(each) if isinstance(each, str) else names.parameter(each) for each in tokens)


def _exact(tokens: Tokens) -> tuple[str, ...]:
    """All that the tokens stand for; only roughly, when that would be too many."""
    choices = [tuple(_forms(each)) for each in tokens]
    total = 1
    for index, each in enumerate(choices):
        total *= len(each)
        if total > _MOST_TEMPLATES:
            return _exact((*tokens[:index], _roughly(tokens[index]), *tokens[index + 1 :]))
    return tuple(dict.fromkeys(_for_people(tuple(itertools.chain(*each))) for each in itertools.product(*choices)))


def _forms(token: Token) -> Iterator[Tokens]:
    """What one token stands for, with the parameter's name kept."""
    if isinstance(token, str) or not token.forms:
        yield (token,)
        return
    for form in token.forms:
        owned = tuple(
            replace(each, name=each.name or token.name) if isinstance(each, Parameter) else each for each in form
        )
        for each in itertools.product(*(tuple(_forms(inner)) for inner in owned)):
            yield tuple(itertools.chain(*each))


def _roughly(token: Token) -> Token:
    """A token with one form, which takes at least what all forms take."""
    if isinstance(token, str):
        return token
    may_be_empty = () in token.forms
    return Parameter(token.name, "path") if may_be_empty or token.kind == "path" else Parameter(token.name)


def _text(text: str) -> str:
    """Text that the router must not take for a parameter; it then is one that takes at least this text."""
    return _LOOKS_LIKE_A_PARAMETER.sub(r"{\1}", text)


class _Names:
    """Gives each parameter of a template a name of its own."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def parameter(self, parameter: Parameter) -> str:
        wanted = parameter.name or "p"
        name = next(each for each in self._candidates(wanted) if each not in self._taken)
        self._taken.add(name)
        return f"{{{name}:{parameter.kind}}}" if parameter.kind else f"{{{name}}}"

    def _candidates(self, wanted: str) -> Iterator[str]:
        yield wanted
        yield from (f"{wanted}_{number}" for number in itertools.count(2))


def split_parameters(text: str, syntax: re.Pattern[str], parameters: Sequence[Parameter]) -> Tokens:
    """Cut `text` where `syntax` matches, and put the parameters there, in their order."""
    tokens: list[Token] = []
    end = 0
    for found, parameter in zip(syntax.finditer(text), parameters, strict=True):
        if text[end : found.start()]:
            tokens.append(text[end : found.start()])
        tokens.append(parameter)
        end = found.end()
    if text[end:]:
        tokens.append(text[end:])
    return tuple(tokens)
