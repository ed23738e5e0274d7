"""`rsgi status`: the dashboard of a running server, in the terminal.

`admin_client.py` talks to the server. `rsgi.dashboard.terminal` draws.
"""

from __future__ import annotations

import contextlib
import json
import time

import click

from rsgi.cli.admin_client import AdminClient
from rsgi.cli.environment import warn_of_variables
from rsgi.cli.parameters import SectionedCommand, config_from, options
from rsgi.cli.routes import console
from rsgi.errors import StartupError

_HELP = """Show how far the migration of a running server is, and how its routes do.

\b
    rsgi status              once
    rsgi status --watch      again every two seconds, until Ctrl-C
    rsgi status --json       as /routes.json of the admin listener

This command talks to the admin listener of the server. Name it as for `rsgi serve`: with `--admin`, RSGI_ADMIN or the
configuration file. Times and errors are those of the last five minutes.
"""

_OPTIONS = ("config", "env_file", "app_dir", "admin", "admin_token", "debug")
_PATH = "/routes.json"
# How many routes are shown without `--all`.
_BUSIEST = 20


def _status(*, watch: bool, as_json: bool, show_all: bool, interval: float, **_: object) -> int:
    warn_of_variables()
    client = AdminClient(config_from(click.get_current_context()))
    most = None if show_all else _BUSIEST
    if as_json:
        click.echo(json.dumps(client.document(_PATH), indent=2, ensure_ascii=False))
    elif watch:
        _watch(client, most, interval)
    else:
        from rsgi.dashboard.terminal import render

        screen = console()
        screen.print(render(client.document(_PATH), width=screen.width, most=most))
    return 0


def _watch(client: AdminClient, most: int | None, interval: float) -> None:
    """Draw again and again, in the same place where the output is a terminal."""
    from rich.live import Live
    from rich.text import Text

    from rsgi.dashboard.terminal import render

    screen = console()
    first = render(client.document(_PATH), width=screen.width, most=most)
    with contextlib.suppress(KeyboardInterrupt), Live(first, console=screen, auto_refresh=False) as live:
        while True:
            if not screen.is_terminal:
                screen.print(live.get_renderable())
            time.sleep(interval)
            try:
                live.update(render(client.document(_PATH), width=screen.width, most=most), refresh=True)
            except StartupError as error:
                # The server restarts, or has ended. What was seen last is no longer true.
                live.update(Text(f"  {error.message}; trying again"), refresh=True)


status_command = SectionedCommand(
    name="status",
    callback=_status,
    params=[
        *(each for each in options() if each.name in _OPTIONS),
        click.Option(("--watch",), is_flag=True, help="Show it again every two seconds, until Ctrl-C."),
        click.Option(
            ("--interval",),
            type=click.FloatRange(0.2, 3600),
            default=2.0,
            metavar="SECONDS",
            help="The time between two looks of `--watch`.  [default: 2]",
        ),
        click.Option(("--all", "show_all"), is_flag=True, help="Show all routes, not only the 20 busiest."),
        click.Option(("--json", "as_json"), is_flag=True, help="Write `/routes.json` to stdout."),
    ],
    help=_HELP,
    short_help="Show how far the migration of a running server is.",
)
