"""Reads route rules: `[METHODS ][HOST]/path/{name}=APP`.

Apart from the plan, which knows the applications, because a rule's text has a grammar of its own. Here it is taken
apart and checked; which application APP is, the plan decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rsgi.errors import StartupError

PARAMETER_KINDS = ("str", "int", "float", "uuid", "path")

_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HOST = re.compile(r"((?:[A-Za-z0-9._-]|\{[A-Za-z_]\w*(?::(?:str|int))?\})+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_PARAMETER = re.compile(r"\{(?P<name>[A-Za-z_]\w*)(?::(?P<kind>[A-Za-z_]\w*))?\}")
_EXAMPLE = "for example `--route 'GET,HEAD /users/{id}=asgi'`"


@dataclass(frozen=True)
class ParsedRule:
    """A rule, taken apart.

    Attributes:
        methods: The methods it is for, in upper case; `None` for all.
        host: The host it is for, in lower case; `None` for all.
        path: The template of the path.
        app: Which application answers, as written.
        text: The whole rule, as written.
    """

    methods: tuple[str, ...] | None
    host: str | None
    path: str
    app: str
    text: str


def parse_rule(text: str) -> ParsedRule:
    """Take a rule apart.

    Raises:
        StartupError: when it is malformed; the hint shows how it is written.
    """
    pattern, equals, app = text.rpartition("=")
    if not equals or not app.strip() or not pattern.strip():
        raise _malformed(text, "it does not say which application answers", f"{_EXAMPLE}: what follows `=` answers")
    words = pattern.split()
    if len(words) > 2:
        raise _malformed(text, "it has more words than methods and a path")
    methods = _methods(text, words[0]) if len(words) == 2 else None
    host, slash, rest = words[-1].partition("/")
    if not slash:
        raise _malformed(text, f"`{words[-1]}` has no path; a path starts with `/`")
    if host and not _HOST.fullmatch(host):
        raise _malformed(text, f"`{host}` is not a host name")
    path = f"/{rest}"
    problem = template_problem(path)
    if problem:
        raise _malformed(text, problem)
    return ParsedRule(methods, _lower(host) or None, path, app.strip(), text)


def _methods(text: str, word: str) -> tuple[str, ...]:
    methods: list[str] = []
    for method in word.split(","):
        if not _METHOD.fullmatch(method):
            raise _malformed(text, f"`{method}` is not a method", "methods are divided by commas, without spaces")
        if method.upper() == "WEBSOCKET":
            hint = "leave the method out; a WebSocket is only ever matched against the rules of ASGI applications"
            raise _malformed(text, "`WEBSOCKET` is not a method", hint)
        methods.append(method.upper())
    return tuple(dict.fromkeys(methods))


def _lower(host: str) -> str:
    """In lower case, but for parameters."""
    return re.sub(r"[^{}]+(?![^{]*\})", lambda text: text[0].lower(), host)


def template_problem(path: str) -> str | None:
    """What is wrong with a path template, or `None`.

    A template is a path with parameters, `{name}` or `{name:kind}`, each within one segment; only one of the kind
    `path` spans several.
    """
    if not path.startswith("/"):
        return f"`{path}` does not start with `/`"
    if re.search(r"[?#\x00-\x20\x7f]", path):
        return f"`{path}` holds a character that no path has"
    if re.search(r"[{}]", _PARAMETER.sub("", path)):
        return f"`{path}` has a brace that does not belong to a parameter like `{{name}}` or `{{name:int}}`"
    seen: set[str] = set()
    for found in _PARAMETER.finditer(path):
        if found["name"] in seen:
            return f"`{path}` names the parameter `{found['name']}` twice"
        seen.add(found["name"])
        if found["kind"] and found["kind"] not in PARAMETER_KINDS:
            return f"`{found['kind']}` is not a kind of parameter; there are {', '.join(PARAMETER_KINDS)}"
    return None


def _malformed(text: str, problem: str, hint: str = _EXAMPLE) -> StartupError:
    return StartupError(f"the route rule `{text}` cannot be read: {problem}", hint)
