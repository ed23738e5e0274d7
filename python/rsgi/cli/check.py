"""`rsgi check`: checks whether rsgi could serve these applications and rules, and says so with the exit code.

It binds no address and starts no application. It is for CI, and for the time before a deployment.
"""

from __future__ import annotations

import click

from rsgi.cli.asking import application_parameters, survey_of, warn
from rsgi.cli.environment import variable_warnings
from rsgi.cli.parameters import SectionedCommand, config_from
from rsgi.cli.routes import console

_HELP = """Import the applications, read rules and routes, and check whether rsgi could serve them.

\b
    rsgi check --wsgi old:app --asgi new:app

The exit code is 0 if it could, 1 if not (with --strict also if there is a warning), and 2 for a usage error. rsgi binds no
address. Without --lifespan, it calls no application.
"""


def _check(*, strict: bool, **_: object) -> int:
    context = click.get_current_context()
    survey = survey_of(context)
    from rsgi.routing.coverage import draw_map
    from rsgi.routing.coverage.guards import lost_guards
    from rsgi.routing.coverage.terminal import print_about, print_summary
    from rsgi.routing.database_lines import database_lines

    out = console()
    print_about(out, survey)
    drawn = draw_map(survey)
    print_summary(out, drawn)
    for line in database_lines(config_from(context), survey.plan):
        click.echo(f"  {line}")
    warnings = warn(survey, lost_guards(survey, drawn)) + len(variable_warnings())
    return 1 if strict and warnings else 0


check_command = SectionedCommand(
    name="check",
    callback=_check,
    params=[
        *application_parameters(),
        click.Option(("--strict",), is_flag=True, help="Exit with 1 if there is a warning."),
    ],
    help=_HELP,
    short_help="Import and validate without serving.",
)
