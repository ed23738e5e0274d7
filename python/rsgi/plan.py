"""Decides who serves what: loads the applications and says how requests are divided.

Apart from serving because `rsgi serve` is not the only one who asks; a `Plan` holds no socket and no thread. The Rust
side reads its attributes by name and does the dividing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rsgi._rsgi import WsgiBridge
from rsgi._types import Interface
from rsgi.bridge import WsgiToAsgi
from rsgi.config import AppTarget, Config
from rsgi.errors import StartupError
from rsgi.importer import load_target, target_name
from rsgi.interface import check_interface
from rsgi.introspect import Route, framework_of, read_routes
from rsgi.introspect.django import is_django_asgi, is_django_wsgi, speaks_websocket_only
from rsgi.rules import ParsedRule, parse_rule

Mode: TypeAlias = Literal["mounts", "table", "probe", "websocket"]


@dataclass(frozen=True)
class App:
    """One application that is served.

    Attributes:
        name: The text of its target.
        interface: The protocol it speaks.
        prefix: Where it is mounted: empty, or `/api` without a slash at the end.
        application: The callable.
    """

    name: str
    interface: Interface
    prefix: str
    application: object

    @property
    def bridge(self) -> WsgiBridge | None:
        """What the server calls instead, when the application is a `rsgi.WsgiToAsgi`."""
        return self.application.bridge if isinstance(self.application, WsgiToAsgi) else None


@dataclass(frozen=True)
class Rule:
    """One `--route`, resolved.

    Attributes:
        methods: The methods it is for; `None` for all.
        host: The host it is for, in lower case; `None` for all.
        path: The template of the path.
        app: The place of its application in `Plan.apps`.
        text: The rule as written.
    """

    methods: tuple[str, ...] | None
    host: str | None
    path: str
    app: int
    text: str


@dataclass(frozen=True)
class Plan:
    """Who serves what.

    Attributes:
        apps: All applications, in the order given.
        rules: The route rules; the first that matches wins over all else.
        mode: How the applications without a prefix share the rest. `mounts`: there is at most one. `table`: the ASGI
            application has what is in `table`, the WSGI application the rest. `probe`: the ASGI application is asked
            first. `websocket`: HTTP goes to the WSGI application, WebSocket to the ASGI one.
        table: The routes of the ASGI application without a prefix, in `table` mode.
        reason: Why this mode, for people.
    """

    apps: tuple[App, ...]
    rules: tuple[Rule, ...]
    mode: Mode
    table: tuple[Route, ...]
    reason: str


def build_plan(config: Config) -> Plan:
    """Load the applications that `config` names and decide how requests are divided among them.

    Importing runs the applications' own module code.

    Raises:
        StartupError: when an application cannot be loaded or is not what it is said to be, or when the applications and
            rules do not fit together.
    """
    if not config.apps:
        raise StartupError("there is no application to serve", "for example `rsgi serve --wsgi old:app --asgi new:app`")
    parsed_rules = [parse_rule(text) for text in config.routes]
    prefixes = [normalise_prefix(target) for target in config.apps]
    _check_places(config, prefixes)
    apps = tuple(_load(target, prefix, config.app_dir) for target, prefix in zip(config.apps, prefixes, strict=True))
    rules = tuple(_resolve(rule, apps) for rule in parsed_rules)
    mode, table, reason = _choose_mode(apps, config.fallback)
    return Plan(apps, rules, mode, table, reason)


def normalise_prefix(target: AppTarget) -> str:
    """The prefix without a slash at its end; empty for the whole site.

    Raises:
        StartupError: when it is no plain path.
    """
    prefix = target.prefix.rstrip("/")
    problem = None
    if target.prefix and not target.prefix.startswith("/"):
        problem = "it does not start with `/`"
    elif "//" in target.prefix.rstrip("/") or re.search(r"/\.\.?(/|$)", prefix):
        problem = "it has an empty or a dot segment, which no request would match"
    elif re.search(r"[?#\x00-\x20\x7f]", prefix):
        problem = "it holds a character that no path has"
    elif re.search(r"%[0-9A-Fa-f]{2}", prefix):
        problem = "it is percent-encoded; it is compared with the decoded path"
    elif "{" in prefix or "}" in prefix:
        problem = "a prefix has no parameters; `--route` rules do"
    if problem:
        name = target_name(target.target)
        raise StartupError(f"the prefix `{target.prefix}` of `{name}` cannot be used: {problem}", "for example `/api`")
    return prefix


def _check_places(config: Config, prefixes: list[str]) -> None:
    """See that no two applications want the same place."""
    taken: dict[tuple[str, Interface | None], AppTarget] = {}
    for target, prefix in zip(config.apps, prefixes, strict=True):
        place = (prefix, None if prefix else target.interface)
        earlier = taken.setdefault(place, target)
        if earlier is target:
            continue
        first, second = target_name(earlier.target), target_name(target.target)
        if prefix:
            message = f"`{first}` and `{second}` have the same prefix, `{prefix}`"
            raise StartupError(message, "each needs one of its own")
        message = f"two {target.interface.upper()} applications have no prefix: `{first}` and `{second}`"
        raise StartupError(message, f"give one a prefix, for example `--{target.interface} /api={second}`")
    if config.fallback == "off" and ("", "wsgi") in taken and ("", "asgi") in taken:
        second = target_name(taken["", "asgi"].target)
        message = "two applications without a prefix need a fallback from one to the other, and it is off"
        raise StartupError(message, f"leave `--fallback off` out, or give one a prefix: `--asgi /api={second}`")


def _load(target: AppTarget, prefix: str, app_dir: str) -> App:
    name = target_name(target.target)
    application = load_target(target.target, app_dir)
    check_interface(application, target.interface, name)
    return App(name, target.interface, prefix, application)


def _resolve(rule: ParsedRule, apps: tuple[App, ...]) -> Rule:
    """Find the application that a rule names."""
    if rule.app in ("wsgi", "asgi"):
        indexes = [index for index, app in enumerate(apps) if app.interface == rule.app]
    else:
        indexes = [index for index, app in enumerate(apps) if app.name == rule.app]
    named = ", ".join(f"`{app.name}`" for app in apps)
    if not indexes:
        message = f"the route rule `{rule.text}` names `{rule.app}`, which is not served"
        raise StartupError(message, f"the applications are {named}")
    interfaces = {apps[index].interface for index in indexes}
    if len(indexes) > 1 and (rule.app in ("wsgi", "asgi") or len(interfaces) > 1):
        message = f"the route rule `{rule.text}` names `{rule.app}`, of which there are {len(indexes)}"
        raise StartupError(message, f"name one by its target: {named}")
    return Rule(rule.methods, rule.host, rule.path, indexes[0], rule.text)


def _choose_mode(apps: tuple[App, ...], fallback: str | None) -> tuple[Mode, tuple[Route, ...], str]:
    """How the applications without a prefix share what no rule and no mount takes."""
    unmounted = {app.interface: app for app in apps if not app.prefix}
    if len(unmounted) < 2:
        only = next(iter(unmounted.values()), None)
        reason = f"{only.name} has no prefix and gets the rest" if only else "every application has a prefix"
        return "mounts", (), reason
    old, new = unmounted["wsgi"], unmounted["asgi"]
    if fallback == "probe":
        return "probe", (), f"asked for: {new.name} first, {old.name} when it answers 404"
    if fallback is None:
        if is_django_wsgi(old.application) and is_django_asgi(new.application):
            return "websocket", (), "both are the same Django project: HTTP over WSGI, WebSocket over ASGI"
        if speaks_websocket_only(new.application):
            return "websocket", (), f"{new.name} has no HTTP: HTTP goes to {old.name}, WebSocket to {new.name}"
    routes = read_routes(new.application)
    if routes is not None:
        count = "1 route" if len(routes) == 1 else f"{len(routes)} routes"
        reason = f"{count} of {new.name}, read from {framework_of(new.application)}"
        return "table", tuple(routes), reason
    if fallback == "table":
        message = f"the routes of `{new.name}` cannot be read, so there is no table to fall back by"
        raise StartupError(message, f"use `--fallback probe`, or give it a prefix: `--asgi /api={new.name}`")
    return "probe", (), f"the routes of {new.name} cannot be read: it is asked first, {old.name} when it answers 404"


__all__ = ["App", "Mode", "Plan", "Rule", "build_plan", "normalise_prefix"]
