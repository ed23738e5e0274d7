"""`rsgi serve`: imports the applications, listens, and serves until a signal.

`parameters.py` makes the options from `Config`.
"""

from __future__ import annotations

import sys
import traceback

import click

from rsgi.cli.environment import warn_of_variables
from rsgi.cli.parameters import SectionedCommand, given_to, options, targets_argument
from rsgi.cli.usage import HintedUsageError
from rsgi.errors import StartupError
from rsgi.settings.config import Config
from rsgi.settings.config_file import load_config, reread_of

_EXAMPLE = "  rsgi serve --wsgi old:app --asgi new:app"

_HELP = """Serve a WSGI application, an ASGI application, or both on one port.

\b
    rsgi serve --wsgi old:app --asgi new:app         new:app gets what it has routes for
    rsgi serve --wsgi old:app --asgi /api=new:app    new:app gets everything below /api
    rsgi serve app:app                               one application; rsgi detects its kind

WebSockets go to ASGI applications only. Every option is also an environment variable, such as RSGI_WSGI_THREADS for
--wsgi-threads. Separate several values by `;`.
"""


def _serve(**_: object) -> int:
    context = click.get_current_context()
    given = given_to(context)
    warn_of_variables()
    config = load_config(given, search=True)
    if not config.apps:
        raise click.UsageError(f"no application to serve; name at least one, for example\n\n{_EXAMPLE}", context)
    try:
        from rsgi.process.entry import (
            serve_config,  # it loads the extension, which `--help` and usage errors do without
        )

        _check_format(config, context)
        return serve_config(config, reread_of(given, config))
    except StartupError as error:
        if config.debug:
            traceback.print_exception(error.__cause__ or error, file=sys.stderr)
            click.echo(err=True)
        raise


def _check_format(config: Config, context: click.Context) -> None:
    """See that the access log has a format that there is: a wrong one is a wrong command line."""
    from rsgi._rsgi import check_access_log_format

    try:
        check_access_log_format(config.access_log_format)
    except StartupError as error:
        raise HintedUsageError(error.message, error.hint or "", context) from error


serve_command = SectionedCommand(
    name="serve",
    callback=_serve,
    params=[*options(), targets_argument()],
    help=_HELP,
    short_help="Serve applications.",
)
