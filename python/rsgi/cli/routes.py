"""`rsgi routes`: the map of a migration, for the terminal, for a browser, for CI.

The map itself does not print. `docs/coverage.md` describes the file of `--json`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from rsgi.cli.admin_client import AdminClient
from rsgi.cli.asking import application_parameters, note, survey_of, warn
from rsgi.cli.parameters import SectionedCommand, config_from, options
from rsgi.cli.usage import HintedUsageError
from rsgi.errors import StartupError

if TYPE_CHECKING:
    from rich.console import Console

    from rsgi.routing.coverage import CoverageMap, Row, Survey

_HELP = """Show every URL of the applications: who answers it, and whether it has moved.

\b
    rsgi routes --wsgi old:app --asgi new:app
    rsgi routes --wsgi old:app --asgi new:app --only old     what is left to move
    rsgi routes --wsgi old:app --asgi new:app --json > routes.json
    rsgi routes --wsgi old:app --asgi new:app --dead         old code that you can remove
    rsgi routes --wsgi old:app --asgi new:app --dead --admin 127.0.0.1:9090
    rsgi routes --wsgi old:app --asgi new:app --check routes.json

The last command is for CI. It fails if a route in the file is no longer served. rsgi binds no address. It imports the
applications, which runs their module code.
"""

# A short word for what one looks for most often; the statuses themselves can be given as well.
_ONLY = {
    "old": ("only old", "method missing", "type differs", "kept"),
    "new": ("migrated", "only new"),
    "problems": ("type differs", "method missing", "hidden", "opaque"),
}
# A table is never that wide: what goes to a pipe or a file is not wrapped.
_WIDTH_OF_A_PIPE = 10_000


def _statuses() -> tuple[str, ...]:
    return (
        "migrated",
        "type-differs",
        "method-missing",
        "only-old",
        "only-new",
        "built-in",
        "hidden",
        "kept",
        "opaque",
    )


def _routes(
    *, as_json: bool, page: str | None, baseline: str | None, only: tuple[str, ...], dead: bool, **_: object
) -> int:
    context = click.get_current_context()
    if not dead and is_asked_of_server(context):
        raise HintedUsageError("`--admin` has no effect on the map", "`--admin` goes together with `--dead`", context)
    if dead and (page is not None or baseline is not None or only):
        hint = "`--dead` goes together with `--json` and `--admin` only"
        raise HintedUsageError("`--dead` does not show the map", hint, context)
    if dead:
        return _dead(context, as_json=as_json)
    from rsgi.routing.coverage.document import read_document

    earlier = None if baseline is None else read_document(baseline)
    survey = survey_of(context)
    from rsgi.routing.coverage import draw_map

    drawn = draw_map(survey)
    warn(survey)
    if page is not None:
        _write_page(page, survey, drawn)
    if as_json:
        from rsgi.routing.coverage.document import to_document

        click.echo(json.dumps(to_document(survey, drawn), indent=2, ensure_ascii=False))
    elif page is None and earlier is None:
        from rsgi.routing.coverage.terminal import print_map

        print_map(console(), survey, drawn, _chosen(drawn, only))
    return 0 if earlier is None else _check(earlier, survey, drawn)


def _dead(context: click.Context, *, as_json: bool) -> int:
    document = AdminClient(config_from(context)).document("/routes.json") if is_asked_of_server(context) else None
    survey = survey_of(context)
    from rsgi.routing.coverage import quiet
    from rsgi.routing.coverage.dead import replaced_handlers, to_document
    from rsgi.routing.coverage.terminal import print_quiet, print_replaced

    handlers = replaced_handlers(survey)
    without = None if document is None else quiet.quiet_handlers(survey, handlers, _listed(document))
    warn(survey)
    if survey.plan.mode == "probe":
        note("in `probe` mode the new application can pass any request back, so no handler is certain to be dead")
    if without is not None and without.unknown:
        what = f"the server does not have {without.unknown} of the handlers"
        note(f"{what}: it may serve other applications, or an older version of them")
    if as_json:
        more = {} if without is None else quiet.to_document(without)
        click.echo(json.dumps(to_document(handlers) | more, indent=2, ensure_ascii=False))
        return 0
    out = console()
    print_replaced(out, survey, handlers)
    if without is not None:
        print_quiet(out, without)
    return 0


def is_asked_of_server(context: click.Context) -> bool:
    """Whether the command line names an admin listener; that of the configuration file is for other commands."""
    return context.get_parameter_source("admin") is ParameterSource.COMMANDLINE


def _listed(document: dict[str, Any]) -> dict[str, Any]:
    """The document, if its list of routes is complete."""
    if not document["ready"]:
        raise StartupError("the server is still listing its routes", "try again in a moment")
    return document


def console() -> Console:
    """Where a table goes: the terminal in its width; anything else gets whole lines, unless `COLUMNS` says otherwise."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDTH_OF_A_PIPE
    return Console(width=width, highlight=False, markup=False, emoji=False)


def _chosen(drawn: CoverageMap, only: tuple[str, ...]) -> tuple[Row, ...]:
    wanted = {status for word in only for status in _ONLY.get(word, (word.replace("-", " "),))}
    return tuple(row for row in drawn.rows if not wanted or row.status in wanted)


def _write_page(path: str, survey: Survey, drawn: CoverageMap) -> None:
    from rsgi.routing.coverage.page import to_page

    try:
        Path(path).write_text(to_page(survey, drawn), encoding="utf-8")
    except OSError as error:
        raise StartupError(
            f"`{path}` cannot be written: {error.strerror or error}", "name a file in an existing folder"
        ) from error
    click.echo(f"wrote {path}: {drawn.summary()}", err=True)


def _check(earlier: dict[str, object], survey: Survey, drawn: CoverageMap) -> int:
    from rsgi.routing.coverage.document import heads_lost, lost_since

    lost = lost_since(earlier, survey)
    heads = heads_lost(earlier, survey)
    if heads:
        what = "1 route" if heads == 1 else f"{heads} routes"
        click.echo(f"warning: HEAD was answered for {what} that now answer only GET", err=True)
    if not lost:
        click.echo(f"every route is still served; {drawn.summary()}", err=True)
        return 0
    lines = "".join(
        f"\n  {each.method:<7} {each.host or ''}{each.path}  was {each.served_by}: {each.why}" for each in lost
    )
    count = "1 route is no longer served" if len(lost) == 1 else f"{len(lost)} routes are no longer served"
    hint = "if this is intended, write the file again with `--json`"
    raise StartupError(f"{count}{lines}", hint)


def _option(*declarations: str, **details: object) -> click.Option:
    return click.Option(declarations, **details)  # type: ignore[arg-type]


def _admin_options() -> list[click.Parameter]:
    """The settings for the admin listener, as `--dead` uses them."""
    taken = [each for each in options() if each.name in ("admin", "admin_token")]
    for each in taken:
        if isinstance(each, click.Option) and each.name == "admin":
            each.help = (
                "With --dead: also list the handlers that no request has reached for a day, by the numbers of the running "
                "server with this admin listener."
            )
    return taken


routes_command = SectionedCommand(
    name="routes",
    callback=_routes,
    params=[
        *application_parameters(),
        *_admin_options(),
        _option("--json", "as_json", is_flag=True, help="Write the map to stdout as JSON."),
        _option(
            "--dead",
            is_flag=True,
            help="List the handlers of WSGI applications that no request can reach any more, with file and line. With "
            "--json, as JSON.",
        ),
        _option("--html", "page", metavar="FILE", help="Write the map as one self-contained web page."),
        _option(
            "--check", "baseline", metavar="FILE", help="Fail if a route of this map (from --json) is no longer served."
        ),
        _option(
            "--only",
            "only",
            multiple=True,
            metavar="WHAT",
            type=click.Choice([*_ONLY, *_statuses()]),
            help=f"Show only these rows: {', '.join([*_ONLY, *_statuses()])}. Repeatable.",
        ),
    ],
    help=_HELP,
    short_help="Show who answers which URL, and how far the migration is.",
)
