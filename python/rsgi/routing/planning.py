"""Decides who serves what: loads the applications and says how requests are divided.

`rsgi serve` and other commands use it. The result is a `Plan` (`plan.py`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from rsgi._types import AskedInterface
from rsgi.apps.importer import load_target, target_name
from rsgi.apps.interface import check_interface, tell_interface
from rsgi.errors import StartupError
from rsgi.routing.covered import takes_pieces, with_shared_folders
from rsgi.routing.idle_shares import idle_shares
from rsgi.routing.introspect import RouteTable
from rsgi.routing.introspect.channels import answers_http_with_django, speaks_websocket_only
from rsgi.routing.introspect.django import is_django_wsgi
from rsgi.routing.plan import App, Plan, Rule
from rsgi.routing.rule_app import place_of, quoted
from rsgi.routing.shadow import resolved, warnings_of
from rsgi.routing.static_folders import StaticFolder, static_folders
from rsgi.routing.tables import built_in_pages_kept, catch_all_warnings, check_routes_from, notes_on, own_rows, table_of
from rsgi.settings.config import AppTarget, Config
from rsgi.settings.rules import ParsedRule, parse_rule, prefix_problem, rule_from_table
from rsgi.settings.shadow_rules import parsed_shadows
from rsgi.settings.shares import idle_settings


def build_plan(config: Config) -> Plan:
    """Load the applications that `config` names and decide how requests are divided among them.

    Importing runs the applications' own module code.

    Raises:
        StartupError: when an application cannot be loaded or is not what it is said to be, or when the applications and
            rules do not fit together.
    """
    if not config.apps:
        raise StartupError("there is no application to serve", "for example `rsgi serve --wsgi old:app --asgi new:app`")
    parsed_rules = _parse_rules(config)
    folders = static_folders(config)
    prefixes = [normalise_prefix(target) for target in config.apps]
    asked = [
        (prefix, target.interface, target_name(target.target))
        for target, prefix in zip(config.apps, prefixes, strict=True)
    ]
    _check_places(config, asked)
    apps = tuple(_load(target, prefix, config) for target, prefix in zip(config.apps, prefixes, strict=True))
    _check_places(config, [(app.prefix, app.interface, app.target) for app in apps])
    return _divide(config, apps, parsed_rules, folders)


def divide_again(config: Config, plan: Plan) -> Plan:
    """The plan of the same applications under other rules; nothing is imported.

    Raises:
        StartupError: when the applications and rules do not fit together.
    """
    return _divide(config, plan.apps, _parse_rules(config), plan.static_folders)


def _parse_rules(config: Config) -> list[ParsedRule]:
    def parse(number: int, rule: str | Mapping[str, object] | ParsedRule) -> ParsedRule:
        if isinstance(rule, ParsedRule):
            return rule
        return parse_rule(rule) if isinstance(rule, str) else rule_from_table(rule, f"rule {number}")

    return [parse(number, rule) for number, rule in enumerate(config.routes, 1)]


def _divide(
    config: Config, apps: tuple[App, ...], parsed_rules: list[ParsedRule], folders: tuple[StaticFolder, ...]
) -> Plan:
    rules = tuple(_resolve(rule, apps) for rule in parsed_rules)
    check_routes_from(apps, config)
    plan = _divided(Plan(apps, rules, "mounts", (), ""), config)
    plan = _preferring_wsgi(plan, config) if config.prefer == "wsgi" else plan
    has_share = any(rule.share is not None for rule in rules)
    of_settings = idle_settings(has_share, config.share_by, config.share_testers)
    shadow = resolved(parsed_shadows(config.shadow), lambda rule: place_of(rule, "shadow", apps))
    warnings = (*plan.warnings, *_hidden_applications(folders, apps), *of_settings, *warnings_of(shadow, apps))
    plan = replace(plan, static_folders=folders, share_by=config.share_by, share_testers=config.share_testers)
    plan = replace(plan, shadow=shadow, app_routes=own_rows(apps, config))
    return replace(plan, warnings=(*warnings, *idle_shares(plan)))


def _hidden_applications(folders: Sequence[StaticFolder], apps: Sequence[App]) -> tuple[str, ...]:
    """A warning for each application that gets nothing, because a folder takes all below a prefix."""
    warnings = []
    for folder in folders:
        if folder.fallback_to_app:
            continue
        hidden = [app.name for app in apps if f"{app.prefix}/".startswith(f"{folder.prefix}/")]
        if hidden:
            what = f"the static folder `{folder.dir}` answers everything below `{folder.prefix or '/'}`"
            back = "`--static-fallback-to-app` passes requests without a file to the applications"
            warnings.append(f"{what}, so no HTTP request reaches {', '.join(hidden)}; {back}")
    return tuple(warnings)


def normalise_prefix(target: AppTarget) -> str:
    """The prefix without a slash at its end; empty for the whole site.

    Raises:
        StartupError: when it is no plain path.
    """
    problem = prefix_problem(target.prefix)
    if problem:
        name = target_name(target.target)
        raise StartupError(f"the prefix `{target.prefix}` of `{name}` cannot be used: {problem}", "for example `/api`")
    return target.prefix.rstrip("/")


def _check_places(config: Config, asked: list[tuple[str, AskedInterface, str]]) -> None:
    """See that no two applications want the same place; of each come its prefix, interface and target.

    This is asked before the import, which may be slow, and again when each interface is known.
    """
    taken: dict[tuple[str, AskedInterface | None], str] = {}
    for prefix, interface, second in asked:
        if not prefix and interface == "auto":
            continue
        place = (prefix, None if prefix else interface)
        if place not in taken:
            taken[place] = second
            continue
        first = taken[place]
        if prefix:
            message = f"`{first}` and `{second}` have the same prefix, `{prefix}`"
            raise StartupError(message, "give each its own prefix")
        message = f"two {interface.upper()} applications have no prefix: `{first}` and `{second}`"
        raise StartupError(message, f"give one a prefix, for example `--{interface} /api={second}`")
    if config.fallback == "off" and ("", "wsgi") in taken and ("", "asgi") in taken:
        second = taken["", "asgi"]
        message = "two applications without a prefix need a fallback, and it is off"
        raise StartupError(message, f"remove `--fallback off`, or give one a prefix: `--asgi /api={second}`")


def _load(target: AppTarget, prefix: str, config: Config) -> App:
    text = target_name(target.target)
    application = load_target(target.target, config.app_dir)
    if target.interface == "auto":
        interface = tell_interface(application, text)
    else:
        interface = target.interface
        check_interface(application, interface, text)
    own = dict(target.own)
    return App(
        target.name or text,
        interface,
        prefix,
        application,
        text,
        cast("int | None", own.get("limit_concurrency", config.limit_concurrency)),
        cast("float | None", own.get("request_timeout", config.request_timeout)),
        cast("int | None", own.get("wsgi_threads")),
    )


def _resolve(rule: ParsedRule, apps: tuple[App, ...]) -> Rule:
    names = [each.name for each in dataclasses.fields(rule)]
    return Rule(**{**{name: getattr(rule, name) for name in names}, "app": place_of(rule, "route", apps)})


def _preferring_wsgi(plan: Plan, config: Config) -> Plan:
    """The plan in which the WSGI application without a prefix has the first choice.

    Raises:
        StartupError: when there is nothing to choose, or the routes cannot be read.
    """
    if plan.mode == "websocket":
        return plan  # it has all HTTP anyway
    if plan.mode == "mounts":
        message = "`prefer` decides between a WSGI and an ASGI application without a prefix, but there is only one"
        raise StartupError(message, "remove it, or use `--route` rules")
    unmounted = {app.interface: app for app in plan.apps if not app.prefix}
    old, new = unmounted["wsgi"], unmounted["asgi"]
    table = table_of(old, config)
    if table is None or not table.complete:
        why = "" if table is None else f" ({table.why})"
        message = f"the routes of `{old.name}` cannot be read{why}, so they cannot be preferred"
        raise StartupError(message, "use `--route` rules for what it keeps, for example `--route '/users/{id}=wsgi'`")
    reason = f"{plan.reason}; before it, {len(table.routes)} of {old.name}, which is preferred"
    warnings = catch_all_warnings(table, old.name, new.name)
    notes = (*plan.notes, *notes_on(table, old.name))
    return replace(plan, wsgi_table=table.for_router(), reason=reason, warnings=warnings, notes=notes)


def _divided(plan: Plan, config: Config) -> Plan:
    """The plan with how the applications without a prefix share what no rule and no mount takes."""
    unmounted = {app.interface: app for app in plan.apps if not app.prefix}
    if len(unmounted) < 2:
        only = next(iter(unmounted.values()), None)
        return replace(plan, mode="mounts", reason=_reason_of_mounts(plan, only))
    old, new = unmounted["wsgi"], unmounted["asgi"]
    if config.fallback == "probe":
        return replace(
            plan, mode="probe", reason=f"as configured: rsgi asks {new.name} first, and {old.name} if it answers 404"
        )
    by_protocol = _reason_to_divide_by_protocol(old, new) if config.fallback is None else None
    if by_protocol is not None:
        return replace(plan, mode="websocket", reason=by_protocol)
    return _by_table(plan, old, new, config)


def _reason_of_mounts(plan: Plan, only: App | None) -> str:
    if len(plan.apps) == 1:
        app = plan.apps[0]
        return f"all requests below {app.prefix} go to {app.name}" if app.prefix else f"all requests go to {app.name}"
    return f"{only.name} has no prefix and gets the rest" if only else "every application has a prefix"


def _reason_to_divide_by_protocol(old: App, new: App) -> str | None:
    if is_django_wsgi(old.application) and answers_http_with_django(new.application):
        return "both are the same Django project: HTTP over WSGI, WebSocket over ASGI"
    if speaks_websocket_only(new.application):
        return f"{new.name} has no HTTP: HTTP goes to {old.name}, WebSocket to {new.name}"
    return None


def _by_table(plan: Plan, old: App, new: App, config: Config) -> Plan:
    """By the routes of the new application; if these cannot be read to the last, it is asked first."""
    table = table_of(new, config)
    if table is not None and table.complete:
        return _with_table(plan, table, old, new, config)
    why = "" if table is None else f" ({table.why})"
    if config.fallback == "table":
        message = f"the routes of `{new.name}` cannot be read{why}, so there is no table"
        hint = (
            "name the inner application: `--routes-from module:attr`, or use `--fallback probe`, or give it a prefix: "
        )
        raise StartupError(message, f"{hint}`--asgi /api={new.name}`")
    reason = f"the routes of {new.name} cannot be read{why}: rsgi asks it first, and {old.name} if it answers 404"
    return replace(plan, mode="probe", reason=reason)


def _with_table(plan: Plan, table: RouteTable, old: App, new: App, config: Config) -> Plan:
    """By the routes of the new application; the old one keeps its own pages and files where both have some."""
    has_built_in, takes = any(route.built_in for route in table.routes), takes_pieces(table)
    of_old = table_of(old, config) if has_built_in or takes else None
    kept = built_in_pages_kept(table, of_old)
    rows = tuple(row for row in table.for_router() if not (row.built_in and row.path.rstrip("/") in kept))
    reason = f"{table.size()} of {new.name}, read from {table.framework}"
    if kept:
        reason += f"; {old.name} keeps its own {quoted(list(kept))}"
    warnings, notes = catch_all_warnings(table, new.name, old.name), notes_on(table, new.name)
    plan = replace(plan, mode="table", table=rows, reason=reason, warnings=warnings, notes=notes)
    return with_shared_folders(plan, of_old, old.name, new.name) if takes else plan
