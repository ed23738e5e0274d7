"""The command line `rsgi`: the entry point, the group of commands, and the conversion of errors to text and exit codes.

docs/command-line.md lists the exit codes. The server itself does not need this package.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from rsgi.cli.usage import CommandGroup, explain_usage
from rsgi.errors import StartupError
from rsgi.observe.console import say, writes_json

USAGE_ERROR = 2
STARTUP_ERROR = 1

_MORE_THREADS = "raise the limit (`ulimit -u`, `TasksMax=` of systemd), or lower `--wsgi-threads`"

_NAMES = (
    "serve",
    "routes",
    "explain",
    "check",
    "openapi",
    "config",
    "doctor",
    "share",
    "status",
    "diff",
    "replay",
    "translate",
    "completion",
)


@click.group(
    name="rsgi",
    cls=CommandGroup,
    names=_NAMES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.option("--version", is_flag=True, help="Show the versions of rsgi and its libraries, and exit.")
@click.pass_context
def commands(context: click.Context, *, version: bool) -> None:
    """One process, one port, two applications: serves WSGI and ASGI side by side.

    \b
        rsgi serve --wsgi old:app --asgi new:app
    """  # noqa: D301 - click's own mark: do not wrap what follows
    if os.environ.get("NO_COLOR"):
        context.color = False
    if version:
        from rsgi.cli.version import version_text

        click.echo(version_text())
    elif context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; that of the process if `None`.

    Returns:
        The exit code: 0 after an orderly end, 1 when the server cannot start or was cut short, 2 for a wrong usage.
    """
    words = None if arguments is None else list(arguments)
    try:
        result = commands.main(words, prog_name="rsgi", standalone_mode=False)
    except click.UsageError as error:
        _print_error(*explain_usage(error))
        return USAGE_ERROR
    except click.ClickException as error:
        _print_error(error.format_message(), None)
        return error.exit_code
    except StartupError as error:
        _print_error(error.message, error.hint)
        return STARTUP_ERROR
    except (click.Abort, KeyboardInterrupt):
        return STARTUP_ERROR
    except RuntimeError as error:
        if str(error) != "can't start new thread":  # as `threading` says it
            raise
        _print_error("the system allows this process no more threads", _MORE_THREADS)
        return STARTUP_ERROR
    return result if isinstance(result, int) else 0


def _print_error(message: str, hint: str | None) -> None:
    if writes_json():
        say(f"error: {message}")
        if hint is not None:
            say(f"hint: {hint}")
        return
    color = False if os.environ.get("NO_COLOR") else None  # click itself asks whether it is a terminal
    click.echo(click.style("error", fg="red", bold=True) + f": {message}", err=True, color=color)
    if hint is not None:
        click.echo("\n" + click.style("hint", fg="cyan", bold=True) + f": {hint}", err=True, color=color)
