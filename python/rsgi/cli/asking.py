"""What the commands share that ask about applications and routes, and bind nothing.

Apart from `parameters.py`, which makes options, because here the applications are imported.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING

import click

from rsgi.cli.environment import warn_of_variables
from rsgi.cli.parameters import config_from, options, targets_argument
from rsgi.errors import StartupError

if TYPE_CHECKING:
    from rsgi.coverage import Survey

_SECTION = "Applications"
_MORE = ("debug",)


def application_options() -> list[click.Parameter]:
    """The options of `rsgi serve` that say which applications there are and who answers."""
    return [each for each in options() if getattr(each, "section", None) == _SECTION or each.name in _MORE]


def application_parameters() -> list[click.Parameter]:
    """The same, and applications that are named without an option."""
    return [*application_options(), targets_argument()]


def survey_of(context: click.Context) -> Survey:
    """Import the applications that a command names, and read their routes.

    Raises:
        StartupError: when they cannot be served as asked.
        click.UsageError: when none is named.
    """
    warn_of_variables()
    config = config_from(context)
    if not config.apps:
        example = f"  {context.command_path} --wsgi old:app --asgi new:app"
        raise click.UsageError(f"no application is named; for example\n\n{example}", context)
    try:
        from rsgi.coverage import survey_plan  # it loads the extension, which `--help` and usage errors do without
        from rsgi.plan import build_plan

        return survey_plan(build_plan(config), config)
    except StartupError as error:
        if config.debug:
            traceback.print_exception(error.__cause__ or error, file=sys.stderr)
            click.echo(err=True)
        raise


def warn(survey: Survey) -> None:
    """Say on stderr what is probably not meant."""
    for warning in survey.plan.warnings:
        click.echo(click.style("warning", fg="yellow", bold=True) + f": {warning}", err=True)
