"""Reads the arguments of `rsgi serve` that tests are configured with.

Both servers of the plugin listen on a free port of this machine. So an address among the arguments is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
from click.core import ParameterSource

from rsgi.cli.parameters import given_to
from rsgi.cli.serve import serve_command
from rsgi.cli.usage import explain_usage
from rsgi.errors import StartupError
from rsgi.settings.config import Config, flag_of
from rsgi.settings.config_file import find_file, load_config

_ADDRESSES = ("host", "port", "bind", "uds")


def config_of(arguments: Sequence[str], folder: Path) -> Config:
    """The settings that arguments of `rsgi serve` come to.

    Args:
        arguments: The arguments.
        folder: Where applications and the configuration file are, unless the arguments or the file say otherwise.

    Raises:
        StartupError: when they are wrong, or name no application.
    """
    try:
        context = serve_command.make_context("rsgi serve", list(arguments))
        with context.scope():
            given = given_to(context)
    except click.UsageError as error:
        message, hint = explain_usage(error)
        raise StartupError(message, hint) from error
    for name in _ADDRESSES:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise StartupError(f"tests use a free port, so `{flag_of(name)}` cannot be used", "remove it")
    if "config" not in given and (path := find_file([str(folder)])) is not None:
        given["config"] = path
    config = load_config(given)
    if not config.apps:
        hint = "for example `rsgi_args = --wsgi old:app --asgi new:app` in pytest.ini"
        raise StartupError("`rsgi_args` names no application", hint)
    return replace(config, app_dir=str(folder / config.app_dir))
