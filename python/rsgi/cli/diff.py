"""`rsgi diff`: shows what shadow traffic has found.

It reads the folder of the store, or asks a running server. `rsgi.compare` knows what the results mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from rsgi.cli.admin_client import AdminClient
from rsgi.cli.comparison import output_of, output_options
from rsgi.cli.environment import warn_of_variables
from rsgi.cli.parameters import SectionedCommand, config_from, options
from rsgi.errors import StartupError

if TYPE_CHECKING:
    from rsgi.compare.results.report import RouteReport

_HELP = """Show how well the responses of two applications match.

\b
    rsgi diff shadow/                      the samples in a folder
    rsgi diff --admin 127.0.0.1:9090       the samples of a running server
    rsgi diff shadow/ --html diff.html     with both responses side by side
    rsgi diff shadow/ --fail-under 99%     for CI

Shadow traffic collects the samples: see docs/shadow.md. Without FOLDER, this command reads the folder that the
configuration file names. If there is none, it asks the server.
"""

_OPTIONS = ("config", "env_file", "app_dir", "admin", "admin_token", "shadow_store_folder", "debug")


def _diff(*, folder: str | None, routes: tuple[str, ...], **_: object) -> int:
    context = click.get_current_context()
    warn_of_variables()
    output, reports = output_of(context), _chosen(_reports(context, folder), routes)
    output.show(reports)
    return output.judge(reports)


def _reports(context: click.Context, folder: str | None) -> list[RouteReport]:
    from rsgi.compare.storage.collected import reports_in_folder, reports_in_summary

    if folder is not None:
        return reports_in_folder(folder)
    config = config_from(context)
    asked = context.get_parameter_source("admin") is ParameterSource.COMMANDLINE
    configured = getattr(config, "shadow_store_folder", None)
    if configured is not None and not asked:
        return reports_in_folder(configured)
    if config.admin is None:
        hint = "for example `rsgi diff shadow/`, or `--admin 127.0.0.1:9090` for a running server"
        raise StartupError("name the folder with the samples, or the admin listener of the server", hint)
    return reports_in_summary(AdminClient(config).document("/shadow.json"))


def _chosen(reports: Sequence[RouteReport], routes: tuple[str, ...]) -> list[RouteReport]:
    known = {each.route for each in reports}
    for route in routes:
        if route not in known:
            hint = f"the routes are {', '.join(sorted(known)[:20])}" if known else "there are no samples yet"
            raise StartupError(f"there is no route `{route}` in the samples", hint)
    return [each for each in reports if not routes or each.route in routes]


diff_command = SectionedCommand(
    name="diff",
    callback=_diff,
    params=[
        *(each for each in options() if each.name in _OPTIONS),
        *output_options(None),
        click.Option(("--route", "routes"), multiple=True, metavar="ROUTE", help="Only this route. Repeatable."),
        click.Argument(("folder",), required=False),
    ],
    help=_HELP,
    short_help="Show how well the responses of two applications match.",
)
