"""`rsgi completion`: the script that completes commands, options and values in a shell.

click asks the command line itself what fits, so there is no second list of options. The script is loaded by the shell and
runs `rsgi` at each press of Tab.
"""

from __future__ import annotations

import difflib
from typing import Any

import click
from click.shell_completion import get_completion_class

from rsgi.cli.usage import WrongValueError

_VARIABLE = "_RSGI_COMPLETE"
_SHELLS = ("bash", "zsh", "fish")

_HELP = """Write a script to stdout that completes commands, options and values in a shell.

\b
    rsgi completion bash > ~/.local/share/bash-completion/completions/rsgi
    rsgi completion zsh > ~/.zfunc/_rsgi             (with ~/.zfunc in fpath, before compinit)
    rsgi completion fish > ~/.config/fish/completions/rsgi.fish

It needs bash 4.4, zsh 5 or fish 3.
"""


class _Shell(click.Choice):  # type: ignore[type-arg] # generic from click 8.2 on
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ANN401
        if value not in _SHELLS:
            near = difflib.get_close_matches(value, _SHELLS, 1)
            raise WrongValueError(
                f"{value!r} is not one of {', '.join(_SHELLS)}", near[0] if near else None, ctx, param
            )
        return str(value)


def _completion(*, shell: str) -> int:
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 - click has all three
    script = made(click.get_current_context().find_root().command, {}, "rsgi", _VARIABLE)
    # `source()` would ask the bash of this machine for its version.
    click.echo(script.source_template % script.source_vars())
    return 0


completion_command = click.Command(
    name="completion",
    callback=_completion,
    params=[click.Argument(("shell",), type=_Shell(_SHELLS), metavar="|".join(_SHELLS))],
    help=_HELP,
    short_help="Complete commands and options in a shell.",
)
