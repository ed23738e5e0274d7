"""`rsgi config`: shows the settings and where each came from.

`rsgi.origins` finds this out. This file reads the command line and prints.
"""

from __future__ import annotations

import json
import sys

import click
from click.core import ParameterSource

from rsgi.cli.environment import warn_of_variables
from rsgi.cli.parameters import SectionedCommand, given_to, options, targets_argument
from rsgi.settings.config_file import load_config
from rsgi.settings.env_file import place_of
from rsgi.settings.origins import Origin, Row, rows, to_document

_HELP = """Show every setting, and where its value comes from.

\b
    rsgi config
    rsgi config --workers 4 --json

It takes the flags of `rsgi serve` and reads the same variables and files. It imports nothing and binds no address. In a
pipe, each setting is one line with tabs between name, value and origin.
"""


def _config(*, as_json: bool, **_: object) -> int:
    context = click.get_current_context()
    given = given_to(context)
    warn_of_variables()
    made = rows(load_config(given, search=True), given, _origins(context, given))
    if as_json:
        click.echo(json.dumps(to_document(made), indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        _print_table(made)
    else:
        for row in made:
            click.echo("\t".join(_on_one_line(cell) for cell in (row.name, row.text, str(row.origin))))
    return 0


def _origins(context: click.Context, given: dict[str, object]) -> dict[str, Origin]:
    """Where the values came from that the command line and the environment gave."""
    parameters = {parameter.name: parameter for parameter in context.command.params}
    return {name: _origin(parameters[name], value, context) for name, value in given.items()}


def _origin(parameter: click.Parameter, value: object, context: click.Context) -> Origin:
    if context.get_parameter_source(str(parameter.name)) is ParameterSource.ENVIRONMENT:
        variable = str(parameter.envvar)
        place = place_of(variable)
        return Origin("environment", variable if place is None else f"{variable} in {place}")
    if isinstance(parameter, click.Argument):
        return Origin("argument")
    return Origin("flag", parameter.secondary_opts[0] if value is False else parameter.opts[0])


def _print_table(made: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("setting", "value", "from", box=None, pad_edge=False, header_style="bold")
    for row in made:
        style = "dim" if row.origin.kind == "default" else None
        table.add_row(row.name, row.text, str(row.origin), style=style)
    Console(highlight=False, markup=False, emoji=False).print(table)


def _on_one_line(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


config_command = SectionedCommand(
    name="config",
    callback=_config,
    params=[
        *options(),
        targets_argument(),
        click.Option(("--json", "as_json"), is_flag=True, help="Write the settings to stdout as JSON."),
    ],
    help=_HELP,
    short_help="Show the settings, and where each came from.",
)
