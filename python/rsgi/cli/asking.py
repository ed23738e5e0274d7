"""What the commands share that read applications and routes and bind no address.

`parameters.py` makes options. This file imports the applications.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from rsgi.cli.environment import warn_of_variables
from rsgi.cli.parameters import SettingOption, config_from, options, targets_argument
from rsgi.errors import StartupError

if TYPE_CHECKING:
    from rsgi.routing.coverage import Survey
    from rsgi.routing.plan import Plan

_SECTION = "Applications"
_SECTIONS = (_SECTION, "Shares", "Static files")
_MORE = ("debug", "shadow")
_LIFESPAN = "run_lifespan"


def application_options() -> list[click.Parameter]:
    """The options of `rsgi serve` that say which applications there are and who answers, and whether these are started."""
    taken = [each for each in options() if getattr(each, "section", None) in _SECTIONS or each.name in _MORE]
    return [*taken, _lifespan_option()]


def _lifespan_option() -> click.Option:
    """Like the option of `rsgi serve`, but off by default, whatever the configuration file says."""
    return SettingOption(
        "--lifespan",
        _LIFESPAN,
        section=_SECTION,
        type=click.Choice(["off", "auto", "on"]),
        default="off",
        metavar="off|auto|on",
        help="Run the startup of ASGI applications before reading their routes, and their shutdown afterwards. Use it if a "
        "startup adds routes. on fails if an application has no lifespan.  [default: off]",
    )


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
        raise click.UsageError(f"name an application, for example\n\n{example}", context)
    try:
        from rsgi.cli.startup import started
        from rsgi.routing.coverage import (
            survey_plan,  # it loads the extension, which `--help` and usage errors do without
        )
        from rsgi.routing.planning import build_plan, divide_again

        plan, lifespan = build_plan(config), context.params[_LIFESPAN]
        if lifespan == "off":
            _note_startups(plan)
            return survey_plan(plan, config)
        with started(plan.apps, config, required=lifespan == "on"):
            return survey_plan(divide_again(config, plan), config)
    except StartupError as error:
        if config.debug:
            traceback.print_exception(error.__cause__ or error, file=sys.stderr)
            click.echo(err=True)
        raise


def _note_startups(plan: Plan) -> None:
    """Say whose startup was not run, where it is seen to do something."""
    from rsgi.routing.introspect.startup import has_startup

    for app in plan.apps:
        if app.interface == "asgi" and has_startup(app.application):
            note(
                f"{app.name} has a startup, which did not run. Routes that it adds are missing here; `--lifespan on` runs it"
            )


def note(text: str) -> None:
    """Say on stderr what is worth knowing."""
    click.echo(click.style("note", bold=True) + f": {text}", err=True)


def warn(survey: Survey, more: Sequence[str] = ()) -> int:
    """Say on stderr what is probably not meant, and what cannot be seen from here; gives the number of warnings."""
    warnings = (*survey.plan.warnings, *more)
    for warning in warnings:
        click.echo(click.style("warning", fg="yellow", bold=True) + f": {warning}", err=True)
    for text in survey.plan.notes:
        note(text)
    return len(warnings)
