"""`rsgi explain`: shows who would answer one request, what decides it, and what the application would see.

The router that serves requests makes the decision. `rsgi routes` shows all routes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import click

from rsgi.cli.asking import application_options, survey_of, warn
from rsgi.cli.explain_shadow import shadow_line, shadow_rule
from rsgi.cli.explain_share import Case, bucket_field, cases_of
from rsgi.cli.parameters import SectionedCommand
from rsgi.cli.usage import HintedUsageError
from rsgi.settings.shares import BUCKETS

if TYPE_CHECKING:
    from rsgi._rsgi import Explanation
    from rsgi.routing.coverage import Survey
    from rsgi.routing.introspect import Route
    from rsgi.routing.shadow import ShadowRule

_TARGET = re.compile(r"(?:/[^=]*=)?[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(?:\(\))?")

_HELP = """Show which application would answer a request, and why.

\b
    rsgi explain --wsgi old:app --asgi new:app GET /users/7
    rsgi explain --wsgi old:app --asgi new:app ws://example.com/chat
    rsgi explain --wsgi old:app --asgi new:app -H 'Host: api.example.com' POST /users
    rsgi explain --wsgi old:app --asgi new:app --route '/pay=asgi:5%' --bucket 499 /pay

The default method is GET. rsgi binds no address and calls no application.
"""


def _explain(
    *, words: tuple[str, ...], headers: tuple[str, ...], client: str | None, bucket: int | None, **_: object
) -> int:
    context = click.get_current_context()
    method, url, websocket = _request(words, context)
    fields = [_field(text, context) for text in headers]
    survey = survey_of(context)
    fields += bucket_field(survey, bucket, context)
    warn(survey)
    shown = "WS" if websocket else method
    try:
        place = None if websocket else survey.router.static_folder(url)
        asked = (method, url, fields, websocket, client)
        cases, shadow = cases_of(survey, asked), shadow_rule(survey, asked)
    except ValueError as error:
        raise click.UsageError(f"this request is not valid: {error}", context) from error
    lines = [f"{shown} {url}", ""]
    if place is not None:
        folder = survey.plan.static_folders[place]
        said = f"  {'static':<10} {folder.place} is the longest match: a file in `{folder.dir}`"
        if not folder.fallback_to_app:
            last = f"  {'served by':<10} the server; 404 if there is no such file"
            click.echo("\n".join([*lines, said, "", last]))
            return 0
        lines.append(f"{said}; if there is no such file:")
    told = [_lines(survey, case, shown, url, shadow) for case in cases]
    click.echo("\n".join(lines + "\n\n".join("\n".join(each) for each in told).splitlines()))
    return 0


def _request(words: tuple[str, ...], context: click.Context) -> tuple[str, str, bool]:
    for word in words:
        if _TARGET.fullmatch(word):
            hint = f"name applications with flags here, for example `rsgi explain --wsgi {word} GET /`"
            raise HintedUsageError(f"`{word}` is not part of a request", hint, context)
    if len(words) > 2:
        raise click.UsageError(f"a request is a method and a URL, not {' '.join(words)!r}", context)
    method, url = ("GET", words[0]) if len(words) == 1 else words
    scheme = urlsplit(url).scheme.lower()
    websocket = scheme in ("ws", "wss")
    if not url.startswith("/") and scheme not in ("http", "https", "ws", "wss"):
        raise click.UsageError(f"`{url}` is neither a path such as `/users/7` nor a URL", context)
    if websocket and method.upper() != "GET":
        raise click.UsageError(f"a WebSocket is opened with GET, not with {method}", context)
    return method, url, websocket


def _field(text: str, context: click.Context) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.UsageError(f"`{text}` is not a header; write `-H 'Name: value'`", context)
    return name.strip(), value.strip()


def _lines(survey: Survey, case: Case, method: str, url: str, shadow: ShadowRule | None) -> list[str]:
    explained, fields = case.explained, case.fields
    decision = survey.decision(explained, method, fields)
    asked = [
        ("rules", _rules(survey, explained)),
        ("share", case.share),
        ("rollback", _rollback(survey, explained)),
        ("mounts", _mounts(survey, explained)),
    ]
    if explained.kind not in ("rule", "mount"):
        rest = "the rest" if len(survey.plan.apps) > 1 else "why"
        asked.append((rest, explained.reason + _place(survey, explained)))
    if method != "WS":
        asked.append(("shadow", shadow_line(survey, shadow, explained)))
    lines = [f"  {case.title}"] if case.title else []
    lines += [f"  {name:<10} {said}" for name, said in asked if said]
    lines.append("")
    if explained.app is None:
        return [
            *lines,
            f"  {'served by':<10} nobody: " + ("the handshake is answered with 404" if method == "WS" else "404"),
        ]
    lines += _served(survey, explained, explained.app, decision.route)
    if explained.then is not None:
        lines += [
            "",
            f"  {'after a 404':<10} {survey.plan.apps[explained.then].name}, which sees the request as if it came first",
        ]
    return [*lines, *_head(survey, explained, method, url, fields), *_also(survey, explained, method, url, fields)]


def _head(survey: Survey, explained: Explanation, method: str, url: str, fields: list[tuple[str, str]]) -> list[str]:
    """Who answers HEAD, when it is not the one that answers GET."""
    if method != "GET" or explained.kind != "table":
        return []
    other = survey.router.explain("HEAD", url, fields, False).app
    if other is None or other == explained.app:
        return []
    return [f"  {'HEAD':<10} goes to {survey.plan.apps[other].name}: the route answers only GET"]


def _rules(survey: Survey, explained: Explanation) -> str:
    count = len(survey.plan.rules)
    if explained.kind == "rule" and explained.index is not None:
        passed = f" ({explained.index} before it do not)" if explained.index else ""
        return f"the rule `{survey.plan.rules[explained.index].shown}` matches{passed}"
    return f"none of {count} matches" if count else "none"


def _rollback(survey: Survey, explained: Explanation) -> str:
    """What watches the share that was checked."""
    rule = None if explained.share_rule is None else survey.plan.rules[explained.share_rule]
    return "" if rule is None or rule.rollback is None else str(rule.rollback).removeprefix("rollback ")


def _mounts(survey: Survey, explained: Explanation) -> str:
    prefixes = [app.prefix for app in survey.plan.apps if app.prefix]
    if explained.kind == "mount":
        return f"{explained.reason} is the longest that matches"
    if explained.kind == "rule":
        return ""
    return f"none of {', '.join(prefixes)} matches" if prefixes else "none"


def _place(survey: Survey, explained: Explanation) -> str:
    """Where the deciding route of a table stands, and its code."""
    if explained.kind != "table" or explained.index is None or explained.app is None:
        return ""
    of_wsgi = survey.plan.apps[explained.app].interface == "wsgi"
    rows = (survey.plan.wsgi_table or ()) if of_wsgi else survey.plan.table
    # Rows that end the search are no routes.
    before = sum(not row.refuses for row in rows[: explained.index])
    return f", {before + 1} of {sum(not row.refuses for row in rows)}"


def _served(survey: Survey, explained: Explanation, index: int, route: Route | None) -> list[str]:
    app = survey.plan.apps[index]
    lines = [f"  {'served by':<10} {app.name} ({app.interface})"]
    if route is not None:
        lines.append(f"  {'its route':<10} {_named(route)}")
    elif survey.tables[index] is not None and explained.then is None:
        lines.append(f"  {'its route':<10} none that rsgi could read: the application would answer 404 or 405 itself")
    if app.interface == "wsgi":
        sees = f"SCRIPT_NAME={explained.script_name!r} PATH_INFO={explained.path_info!r}"
    else:
        sees = f"root_path={explained.script_name!r} path={explained.script_name + explained.path_info!r}"
    return [*lines, f"  {'it sees':<10} {sees}"]


def _named(route: Route) -> str:
    methods = "WS" if route.kind == "websocket" else ",".join(route.methods or ("any method",))
    return f"{methods} {route.original or route.path}" + (f"  {route.defined}" if route.defined else "")


def _also(survey: Survey, explained: Explanation, method: str, url: str, fields: list[tuple[str, str]]) -> list[str]:
    """Who else has a route for it, and does not get it."""
    path = unquote(urlsplit(url).path) or "/"
    lines: list[str] = []
    for index, app in enumerate(survey.plan.apps):
        below = path.removeprefix(app.prefix)
        if index in (explained.app, explained.then) or (app.prefix and below[:1] not in ("", "/")):
            continue
        route = survey.own_route(index, method, below or "/", fields)
        if route is not None:
            lines.append(f"  {'not asked':<10} {app.name}, which has {_named(route)}")
        elif method == "HEAD" and (route := survey.own_route(index, "GET", below or "/", fields)) is not None:
            lines.append(f"  {'not asked':<10} {app.name}, which has {_named(route)} and answers HEAD with 405")
    return ["", *lines] if lines else []


explain_command = SectionedCommand(
    name="explain",
    callback=_explain,
    params=[
        *application_options(),
        click.Option(
            ("-H", "--header", "headers"),
            multiple=True,
            metavar="'NAME: VALUE'",
            help="A header of the request. Repeatable.",
        ),
        click.Option(
            ("--client",),
            metavar="ADDRESS",
            help="The address of the client, for shares with `--share-by client`.",
        ),
        click.Option(
            ("--bucket",),
            type=click.IntRange(0, BUCKETS - 1),
            metavar="0-9999",
            help="The bucket of the client: the value of its cookie `rsgi_bucket`.",
        ),
        click.Argument(("words",), nargs=-1, required=True, metavar="[METHOD] URL"),
    ],
    help=_HELP,
    short_help="Show which application would answer a request, and why.",
)
