"""`rsgi doctor`: looks at the machine and the settings before the server runs on them.

`rsgi.doctor` knows what to look at. This file reads the command line and prints.
"""

from __future__ import annotations

import json

import click

from rsgi.cli.environment import variable_warnings
from rsgi.cli.parameters import SectionedCommand, config_from, options, targets_argument

_COLOURS = {"ok": "green", "warning": "yellow", "error": "red"}

_HELP = """Look at the machine and the settings, and say what would be a problem.

\b
    rsgi doctor
    rsgi doctor --workers 8 --trust-proxy 10.0.0.1 --json

It takes the flags of `rsgi serve` and reads the same variables and files: give it the command line that you serve with. It
shows versions, the event loop, processors, open files and temporary files, and settings that do not go together. It imports
no application and binds no address. The exit code is 1 if there is an error, with --strict also if there is a warning.
"""


def _doctor(*, as_json: bool, strict: bool, **_: object) -> int:
    context = click.get_current_context()
    config = config_from(context)
    from rsgi.doctor import Finding, look_at_machine, look_at_settings

    unknown = [Finding("environment", "warning", each, "remove it") for each in variable_warnings()]
    found = [*look_at_machine(config), *unknown, *look_at_settings(config)]
    if as_json:
        rows = [{"about": f.about, "level": f.level, "message": f.message, "hint": f.hint} for f in found]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        width = max(len(each.about) for each in found)
        for each in found:
            level = click.style(f"{each.level:7}", fg=_COLOURS[each.level])
            click.echo(f"{level}  {each.about:{width}}  {each.message}")
            if each.hint is not None:
                click.echo(f"{'':{width + 11}}hint: {each.hint}")
    bad = ("error", "warning") if strict else ("error",)
    return int(any(each.level in bad for each in found))


doctor_command = SectionedCommand(
    name="doctor",
    callback=_doctor,
    params=[
        *options(),
        targets_argument(),
        click.Option(("--json", "as_json"), is_flag=True, help="Write what was found to stdout as JSON."),
        click.Option(("--strict",), is_flag=True, help="Exit with 1 if there is a warning."),
    ],
    help=_HELP,
    short_help="Look for problems of the machine and the settings.",
)
