"""`rsgi openapi`: one OpenAPI document for all applications, so that readers of an API see more than its new half.

`rsgi.routing.coverage.openapi` makes the document. This file writes it.
"""

from __future__ import annotations

import json
from pathlib import Path

import click

from rsgi.cli.asking import application_parameters, note, survey_of, warn
from rsgi.cli.parameters import SectionedCommand
from rsgi.errors import StartupError

_HELP = """Write one OpenAPI document: the routes of the new application, and those that the old one still answers.

\b
    rsgi openapi --wsgi old:app --asgi new:app > openapi.json
    rsgi openapi --wsgi old:app --asgi new:app --output openapi.json

FastAPI and Litestar describe their routes themselves. For a route of the old application, the document has its path,
methods, parameters and docstring. `x-rsgi-app` names the application that answers. rsgi binds no address.
"""


def _openapi(*, output: str | None, **_: object) -> int:
    survey = survey_of(click.get_current_context())
    from rsgi.routing.coverage import draw_map
    from rsgi.routing.coverage.openapi import to_openapi

    document = to_openapi(survey, draw_map(survey))
    warn(survey)
    for app, table in zip(survey.plan.apps, survey.tables, strict=True):
        if app.interface == "wsgi" and (table is None or not table.complete):
            why = "they cannot be read" if table is None or table.why is None else table.why
            note(f"routes of {app.name} are missing in the document: {why}")
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if output is None:
        click.echo(text)
        return 0
    try:
        Path(output).write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        message = f"`{output}` cannot be written: {error.strerror or error}"
        raise StartupError(message, "name a file in an existing folder") from error
    click.echo(f"wrote {output}: {len(document['paths'])} paths", err=True)
    return 0


openapi_command = SectionedCommand(
    name="openapi",
    callback=_openapi,
    params=[
        *application_parameters(),
        click.Option(("--output",), metavar="FILE", help="Write to this file instead of stdout."),
    ],
    help=_HELP,
    short_help="Write one OpenAPI document for all applications.",
)
