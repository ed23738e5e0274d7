"""Usage errors: what is wrong with a command line, and what to write instead.

A flag of another server, a value from the environment and a misspelled word each get their own hint.
"""

from __future__ import annotations

import difflib
import os

import click
from click.core import ParameterSource

from rsgi.migrate.hints import hint_for

_KUBERNETES = (
    "Kubernetes sets `{name}` for a Service that is called `rsgi`: give the Service another name, or the pod "
    "`enableServiceLinks: false`"
)


class HintedUsageError(click.UsageError):
    """A wrong command line of which is known what to write instead.

    Attributes:
        hint: What that is.
    """

    def __init__(self, message: str, hint: str, ctx: click.Context | None = None) -> None:
        super().__init__(message, ctx)
        self.hint = hint


class WrongValueError(click.BadParameter):
    """A value that an option does not take.

    Attributes:
        nearest: The word that it takes and that is most like it, or `None`.
    """

    def __init__(
        self, message: str, nearest: str | None, ctx: click.Context | None, param: click.Parameter | None
    ) -> None:
        super().__init__(message, ctx, param)
        self.nearest = nearest


class CommandGroup(click.Group):
    """The commands; a word that is none, and an option that belongs to one of them, get a hint."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first word names."""
        word = args[0]
        if not word.startswith("-") and self.get_command(ctx, word) is None:
            close = difflib.get_close_matches(word, self.commands, 1)
            if ":" in word:
                hint = f"to serve an application write `rsgi serve {' '.join(args)}`"
            else:
                hint = f"did you mean `rsgi {close[0]}`?" if close else f"the commands are {', '.join(self.commands)}"
            raise HintedUsageError(f"there is no command `{word}`", hint, ctx)
        return super().resolve_command(ctx, args)


def explain_usage(error: click.UsageError) -> tuple[str, str]:
    """What is wrong, and what to do about it."""
    if isinstance(error, HintedUsageError):
        return error.format_message(), error.hint
    if isinstance(error, click.NoSuchOption):
        path = error.ctx.command_path if error.ctx is not None else "rsgi"
        return f"`{path}` has no option `{error.option_name}`", _option_hint(error)
    if isinstance(error, click.BadParameter):
        variable = _variable_of(error)
        if variable is not None:
            flag = error.param.opts[0] if error.param is not None else ""
            error.param_hint = f"the environment variable `{variable}` ({flag})"
            if os.environ[variable].startswith("tcp://"):
                return error.format_message(), _KUBERNETES.format(name=variable)
        if isinstance(error, WrongValueError) and error.nearest is not None:
            return error.format_message(), f"did you mean `{error.nearest}`?"
    return error.format_message(), f"`{_help_command(error)}` lists all options"


def _option_hint(error: click.NoSuchOption) -> str:
    name, context = error.option_name, error.ctx
    if context is None:
        return f"`{_help_command(error)}` lists all options"
    if isinstance(context.command, click.Group):
        if name in _serve_options(context) or hint_for(name) is not None:
            return f"options follow the command: `rsgi serve … {name} …`"
        return _nearest_option(error, context.command)
    if name in _serve_options(context):
        return f"`{name}` is an option of `rsgi serve` only"
    known = hint_for(name)
    if known is not None:
        return known
    return _nearest_option(error, context.command)


def _nearest_option(error: click.NoSuchOption, command: click.Command) -> str:
    close = difflib.get_close_matches(error.option_name, _options_of(command), 1, 0.7)
    return f"did you mean `{close[0]}`?" if close else f"`{_help_command(error)}` lists all options"


def _serve_options(context: click.Context) -> list[str]:
    group = context.find_root().command
    serve = group.get_command(context, "serve") if isinstance(group, click.Group) else None
    return [] if serve is None else _options_of(serve)


def _options_of(command: click.Command) -> list[str]:
    return [name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)]


def _variable_of(error: click.BadParameter) -> str | None:
    """The environment variable that the value came from."""
    parameter, context = error.param, error.ctx
    if parameter is None or context is None or parameter.name is None:
        return None
    if context.get_parameter_source(parameter.name) is not ParameterSource.ENVIRONMENT:
        return None
    return parameter.envvar if isinstance(parameter.envvar, str) else None


def _help_command(error: click.UsageError) -> str:
    path = error.ctx.command_path if error.ctx is not None else "rsgi"
    return f"{path} --help"
