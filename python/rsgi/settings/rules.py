"""Parses routing rules: `[METHODS ][HOST]/path/{name}=APP[:SHARE]` on the command line, tables in a file.

This file has the grammar of rules and checks each one. The plan decides which application APP is. The router decides
whether rules fit together (`src/route/`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn, TypeAlias, cast

from rsgi.errors import StartupError
from rsgi.settings.rollback import Rollback, RollbackError, parse_rollback
from rsgi.settings.shares import parse_share
from rsgi.settings.table_keys import unknown_key

PARAMETER_KINDS = ("str", "int", "float", "uuid", "path")
_CONDITIONS = ("path", "prefix", "regex", "methods", "host", "headers", "cookies", "scheme", "websocket")
RULE_KEYS = (*_CONDITIONS, "app", "share", "rollback", "advance")

PathKind: TypeAlias = Literal["path", "prefix", "regex"]
Scheme: TypeAlias = Literal["http", "https"]

_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HOST = re.compile(r"((?:[A-Za-z0-9._-]|\{[A-Za-z_]\w*(?::(?:str|int))?\})+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_PARAMETER = re.compile(r"\{(?P<name>[A-Za-z_]\w*)(?::(?P<kind>[A-Za-z_]\w*))?\}")
_EXAMPLE = "for example `--route 'GET,HEAD /users/{id}=asgi'`"
_TABLE_EXAMPLE = 'for example `path = "/users/{id}"`, `methods = ["GET"]` and `app = "new"`'


@dataclass(frozen=True)
class FieldCondition:
    """What a rule asks of one header field or cookie.

    Attributes:
        place: Where it is looked for.
        name: Its name.
        test: Whether it has to be there, must not be, is `value`, or is matched by the expression `value` as a whole.
        value: What `equals` and `regex` compare with; else empty.
    """

    place: Literal["header", "cookie"]
    name: str
    test: Literal["present", "absent", "equals", "regex"]
    value: str = ""


@dataclass(frozen=True)
class ParsedRule:
    """A rule, taken apart. It is for requests that have all that it asks for.

    Attributes:
        methods: The methods it is for, in upper case; `None` for all.
        host: The host it is for, in lower case; `None` for all.
        kind: What `path` is.
        path: A template; a prefix, which owns all below it (empty: every path); or a regular expression for all of the
            decoded path.
        fields: What it asks of header fields and cookies.
        scheme: The scheme it is for; `None` for both.
        websocket: Whether it is for WebSockets only or for none; `None` for all that its application served_by.
        app: Which application answers, as written.
        text: The whole rule without its share, for people.
        source: Where it stands, such as `rsgi.toml, line 7`; empty on the command line.
        share: How many of the 10,000 buckets the rule is for; `None` if it has no share.
        rollback: When its share goes back to 0%; `None` if it never does.
    """

    methods: tuple[str, ...] | None
    host: str | None
    kind: PathKind
    path: str
    fields: tuple[FieldCondition, ...]
    scheme: Scheme | None
    websocket: bool | None
    app: str
    text: str
    source: str = ""
    share: int | None = None
    rollback: Rollback | None = None


def parse_rule(text: str) -> ParsedRule:
    """Take a rule of the command line apart.

    Raises:
        StartupError: when it is malformed; the hint shows how it is written.
    """
    pattern, equals, served_by = text.rpartition("=")
    if not equals or not served_by.strip() or not pattern.strip():
        _malformed(text, "it does not name an application", f"{_EXAMPLE}: the application follows `=`")
    app, share = _app_and_share(served_by.strip(), text)
    words = pattern.split()
    if len(words) > 2:
        _malformed(text, "it has more words than the methods and a path")
    host, slash, rest = words[-1].partition("/")
    if not slash:
        _malformed(text, f"`{words[-1]}` has no path; a path starts with `/`")
    path = f"/{rest}"
    problem = host_problem(host) or template_problem(path)
    if problem:
        _malformed(text, problem)
    methods: tuple[str, ...] | None = None
    if len(words) == 2:
        methods = tuple(words[0].split(","))
        problem, hint = _methods_problem(methods) or (None, "")
        if problem:
            _malformed(text, problem, hint)
    shown = text if share is None else f"{pattern}={app}"
    return ParsedRule(_normal(methods), _lower(host) or None, "path", path, (), None, None, app, shown, share=share)


def _app_and_share(served_by: str, text: str) -> tuple[str, int | None]:
    """Split `new:5%`. In `new:app` the colon is part of the target."""
    app, colon, share = served_by.rpartition(":")
    if not colon or not re.search(r"%|^\s*[\d.]*\s*$", share):
        return served_by, None
    if not app.strip():
        _malformed(text, "it does not name an application", f"for example `{text.rpartition('=')[0]}=asgi:5%`")
    try:
        return app.strip(), parse_share(share)
    except ValueError as error:
        _malformed(text, f"`{share.strip()}` {error}", "write the share after the application, for example `=asgi:5%`")


def rule_from_table(table: Mapping[str, object], source: str) -> ParsedRule:
    """Take a rule apart that is written as keys and values.

    Args:
        table: The keys of `RULE_KEYS`, of which `app` has to be there.
        source: Where it stands, for errors.

    Raises:
        StartupError: when a key is unknown, or a value is none that it can have.
    """
    try:
        return _read_table(table, source)
    except _RuleError as error:
        raise StartupError(f"{source}: {error}", error.hint) from None


class _RuleError(Exception):
    """A rule in a file cannot be read; says why in words that follow the place where it stands."""

    def __init__(self, problem: str, hint: str = _TABLE_EXAMPLE) -> None:
        super().__init__(problem)
        self.hint = hint


def _read_table(table: Mapping[str, object], source: str) -> ParsedRule:
    if (unknown := unknown_key(table, RULE_KEYS, "a rule")) is not None:
        raise _RuleError(*unknown)
    app = _text(table, "app")
    if not app:
        raise _RuleError("a rule must name its `app`", _TABLE_EXAMPLE)
    kind, path = _path(table)
    host = _text(table, "host") or ""
    methods = _methods(table)
    websocket = table.get("websocket")
    if websocket is not None and not isinstance(websocket, bool):
        raise _RuleError(f"`websocket` is true or false, not {websocket!r}")
    if websocket and methods is not None:
        raise _RuleError(
            "a rule for WebSockets has no `methods`", "remove them: a WebSocket is always opened the same way"
        )
    scheme = _text(table, "scheme")
    if scheme not in (None, "http", "https"):
        raise _RuleError(f"`scheme` is http or https, not {scheme!r}", "`wss` counts as https, `ws` as http")
    problem = host_problem(host)
    if problem:
        raise _RuleError(problem)
    fields = (*_conditions(table, "headers"), *_conditions(table, "cookies"))
    methods, host, share = _normal(methods), _lower(host), _share(table)
    rule = ParsedRule(methods, host or None, kind, path, fields, cast("Scheme | None", scheme), websocket, app, "")
    found = {"text": _in_words(rule), "source": source, "share": share, "rollback": _rollback(table, share)}
    return ParsedRule(**{**rule.__dict__, **found})


def _share(table: Mapping[str, object]) -> int | None:
    value = table.get("share")
    if value is None:
        return None
    if not isinstance(value, str):
        hint = f'for example `share = "{value}%"`' if isinstance(value, int) else 'for example `share = "5%"`'
        raise _RuleError(f"`share` must be text with a percent sign, not {value!r}", hint)
    try:
        return parse_share(value)
    except ValueError as error:
        raise _RuleError(f"the `share` `{value}` {error}", 'for example `share = "5%"`') from error


def _rollback(table: Mapping[str, object], share: int | None) -> Rollback | None:
    try:
        return parse_rollback(table.get("rollback"), table.get("advance"), share)
    except RollbackError as error:
        raise _RuleError(str(error), error.hint) from error


def _text(table: Mapping[str, object], key: str) -> str | None:
    value = table.get(key)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise _RuleError(f"`{key}` is text, not {value!r}")
    return value


def _path(table: Mapping[str, object]) -> tuple[PathKind, str]:
    kinds: tuple[PathKind, ...] = ("path", "prefix", "regex")
    given = [kind for kind in kinds if kind in table]
    if len(given) > 1:
        raise _RuleError(f"a rule has one of `path`, `prefix` and `regex`, not `{given[0]}` and `{given[1]}`")
    if not given:
        if not set(table) - {"app"}:
            raise _RuleError("a rule needs a condition", _TABLE_EXAMPLE)
        return "prefix", ""
    kind = given[0]
    path = _text(table, kind) or ""
    problem = template_problem(path) if kind == "path" else prefix_problem(path) if kind == "prefix" else None
    if problem:
        raise _RuleError(problem)
    return kind, path.rstrip("/") if kind == "prefix" else path


def _methods(table: Mapping[str, object]) -> tuple[str, ...] | None:
    value = table.get("methods")
    if value is None:
        return None
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or not listed or not all(isinstance(each, str) for each in listed):
        raise _RuleError(f'`methods` is a list of methods such as ["GET", "HEAD"], not {value!r}')
    problem = _methods_problem(tuple(listed))
    if problem:
        raise _RuleError(*problem)
    return tuple(listed)


def _conditions(table: Mapping[str, object], key: Literal["headers", "cookies"]) -> list[FieldCondition]:
    wanted = table.get(key, {})
    if not isinstance(wanted, Mapping):
        raise _RuleError(
            f"`{key}` is a table of names and values, not {wanted!r}", f'for example {key} = {{ beta = "1" }}'
        )
    return [_condition("header" if key == "headers" else "cookie", str(name), value) for name, value in wanted.items()]


def _condition(place: Literal["header", "cookie"], name: str, value: object) -> FieldCondition:
    if not _METHOD.fullmatch(name):
        raise _RuleError(f"`{name}` is not the name of a {place}")
    if place == "header" and "_" in name:
        hint = f"no application gets headers with `_` in their names; write `{name.replace('_', '-')}`"
        raise _RuleError(f"no rule can use the header `{name}`", hint)
    if isinstance(value, bool):
        return FieldCondition(place, name, "present" if value else "absent")
    if isinstance(value, str):
        return FieldCondition(place, name, "equals", value)
    if isinstance(value, Mapping) and list(value) == ["regex"] and isinstance(value["regex"], str):
        return FieldCondition(place, name, "regex", value["regex"])
    hint = (
        "true: it exists, false: it does not, text: it equals this, { regex = '…' }: the expression matches all of it"
    )
    raise _RuleError(f"the {place} `{name}` cannot be compared with {value!r}", hint)


def _in_words(rule: ParsedRule) -> str:
    """A rule of a file in the form of one of the command line, as far as that goes."""
    methods = f"{','.join(rule.methods)} " if rule.methods else ""
    path = {"path": rule.path, "prefix": f"{rule.path}/…", "regex": f"regex {rule.path}"}[rule.kind]
    words = [f"{methods}{rule.host or ''}{' ' if rule.host and rule.kind == 'regex' else ''}{path}"]
    tests = {"present": "", "absent": " absent", "equals": ": {}", "regex": " matches {}"}
    words += [f"{each.place} {each.name}{tests[each.test].format(each.value)}" for each in rule.fields]
    words += [rule.scheme] if rule.scheme else []
    words += [] if rule.websocket is None else ["WebSocket" if rule.websocket else "no WebSocket"]
    return f"{', '.join(words)}={rule.app}"


def _methods_problem(methods: tuple[str, ...]) -> tuple[str, str] | None:
    for method in methods:
        if not _METHOD.fullmatch(method):
            return f"`{method}` is not a method", "on the command line, separate methods by commas without spaces"
        if method.upper() == "WEBSOCKET":
            hint = "remove the method, or write `websocket = true` in rsgi.toml; only ASGI applications get WebSockets"
            return "`WEBSOCKET` is not a method", hint
    return None


def _normal(methods: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if methods is None else tuple(dict.fromkeys(method.upper() for method in methods))


def _lower(host: str) -> str:
    """In lower case, but for parameters."""
    return re.sub(r"[^{}]+(?![^{]*\})", lambda text: text[0].lower(), host)


def host_problem(host: str) -> str | None:
    """What is wrong with the host of a rule, or `None`; there need not be one."""
    return None if not host or _HOST.fullmatch(host) else f"`{host}` is not a host name"


def template_problem(path: str) -> str | None:
    """What is wrong with a path template, or `None`.

    A template is a path with parameters, `{name}` or `{name:kind}`, each within one segment; only one of the kind
    `path` spans several.
    """
    if not path.startswith("/"):
        return f"`{path}` does not start with `/`"
    if re.search(r"[?#\x00-\x20\x7f]", path):
        return f"`{path}` contains a character that no path has"
    if re.search(r"[{}]", _PARAMETER.sub("", path)):
        return f"`{path}` has a brace that does not belong to a parameter like `{{name}}` or `{{name:int}}`"
    seen: set[str] = set()
    for found in _PARAMETER.finditer(path):
        if found["name"] in seen:
            return f"`{path}` names the parameter `{found['name']}` twice"
        seen.add(found["name"])
        if found["kind"] and found["kind"] not in PARAMETER_KINDS:
            return f"`{found['kind']}` is not a kind of parameter; the kinds are {', '.join(PARAMETER_KINDS)}"
    return None


def prefix_problem(prefix: str) -> str | None:
    """What is wrong with a prefix, or `None`; a slash at its end does not count."""
    plain = prefix.rstrip("/")
    if prefix and not prefix.startswith("/"):
        return "it does not start with `/`"
    if "//" in plain or re.search(r"/\.\.?(/|$)", plain):
        return "it has an empty or a dot segment, which no request would match"
    if re.search(r"[?#\x00-\x20\x7f]", plain):
        return "it contains a character that no path has"
    if re.search(r"%[0-9A-Fa-f]{2}", plain):
        return "it is percent-encoded, but is compared with the decoded path"
    if "{" in plain or "}" in plain:
        return "a prefix has no parameters; use the path of a rule"
    return None


def _malformed(text: str, problem: str, hint: str = _EXAMPLE) -> NoReturn:
    raise StartupError(f"the route rule `{text}` cannot be read: {problem}", hint)
