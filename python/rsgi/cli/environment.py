"""Finds environment variables that start with `RSGI_` but are not settings.

Options read the variables that they know. Nobody reads a misspelled one, so nobody else would report it.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping

import click

from rsgi.cli.parameters import options

_PREFIX = "RSGI_"
# What Kubernetes sets in every pod beside a Service that is called `rsgi`.
_SERVICE = re.compile(r"RSGI_(?:SERVICE_\w+|PORT_\d+_(?:TCP|UDP|SCTP)\w*)")


def warn_of_variables() -> None:
    """Say on stderr which variables no option knows."""
    for warning in variable_warnings():
        click.echo(click.style("warning", fg="yellow", bold=True) + f": {warning}", err=True)


def variable_warnings() -> list[str]:
    """One warning for each variable of this process that no option knows."""
    return unknown_variables(each.envvar for each in options() if isinstance(each.envvar, str))


def unknown_variables(known: Iterable[str], environment: Mapping[str, str] = os.environ) -> list[str]:
    """One warning for each variable that begins like ours and is no setting.

    Args:
        known: The variables that are settings.
        environment: All variables.
    """
    names = list(known)
    return [
        f"the environment variable `{name}` is not a setting{_nearest(name, names)}"
        for name in sorted(environment)
        if name.startswith(_PREFIX) and name not in names and not _SERVICE.fullmatch(name)
    ]


def _nearest(name: str, known: list[str]) -> str:
    # Without what they all begin with, which would make any two alike.
    close = difflib.get_close_matches(name.removeprefix(_PREFIX), [each.removeprefix(_PREFIX) for each in known], 1)
    return f"; did you mean `{_PREFIX}{close[0]}`?" if close else ""
