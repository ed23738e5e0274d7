"""Usage errors: what is wrong with a command line, and what to write instead.

A flag of another server, a value from the environment and a misspelled word each get their own hint.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click
from click.core import ParameterSource

# Words that are commands of other programs, and flags of this one.
_FLAGS_OF_RSGI = ("help", "version")
_EXTRA_WORDS = re.compile(r"Got unexpected extra arguments? \((.+)\)", re.DOTALL)  # what click says

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
    """The commands; a word that is none, and an option that belongs to one of them, get a hint.

    The command `name` is `name_command` in `rsgi.cli.name`. It is imported when somebody asks for it, so that `rsgi serve`
    starts without the others.
    """

    def __init__(self, *arguments: Any, names: Sequence[str] = (), **details: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **details)
        self._names = tuple(names)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help."""
        return sorted(self._names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self._names:
            return None
        command: click.Command = getattr(import_module(f"rsgi.cli.{cmd_name}"), f"{cmd_name}_command")
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run a command. click does not say to which one an option without its value belongs."""
        try:
            return super().invoke(ctx)
        except click.BadOptionUsage as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            if error.ctx is None and command is not None:
                error.ctx = click.Context(command, ctx, info_name=ctx.invoked_subcommand)
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first word names."""
        word = args[0]
        if not word.startswith("-") and self.get_command(ctx, word) is None:
            close = difflib.get_close_matches(word, self._names, 1)
            if ":" in word:
                hint = f"to serve an application write `rsgi serve {' '.join(args)}`"
            elif word in _FLAGS_OF_RSGI:
                hint = f"did you mean `rsgi {' '.join([*args[1:2], f'--{word}'])}`?"
            else:
                hint = f"did you mean `rsgi {close[0]}`?" if close else f"the commands are {', '.join(self._names)}"
            raise HintedUsageError(f"there is no command `{word}`", hint, ctx)
        return super().resolve_command(ctx, args)


def explain_usage(error: click.UsageError) -> tuple[str, str]:
    """What is wrong, and what to do about it."""
    if isinstance(error, HintedUsageError):
        return error.format_message(), error.hint
    if isinstance(error, click.NoSuchOption):
        return f"`{_path(error)}` has no option `{error.option_name}`", _option_hint(error)
    if isinstance(error, click.BadOptionUsage):
        return f"the option `{error.option_name}` needs a value", _value_hint(error)
    if isinstance(error, click.MissingParameter):
        missing = error.param.human_readable_name if error.param is not None else "one more word"
        return f"`{_path(error)}` needs `{missing}`", _usage_hint(error)
    if extra := _EXTRA_WORDS.fullmatch(error.message):
        return f"`{_path(error)}` does not take `{extra[1]}`", _usage_hint(error)
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
    from rsgi.migrate.hints import hint_for  # only here are the flags of other servers needed

    name, context = error.option_name, error.ctx
    if context is None:
        return f"`{_help_command(error)}` lists all options"
    if isinstance(context.command, click.Group):
        if name in _serve_options(context) or hint_for(name) is not None:
            return f"options follow the command: `rsgi serve … {name} …`"
        return _nearest_option(error, context.command)
    if name in _serve_options(context):
        return f"`{name}` is an option of `rsgi serve`"
    known = hint_for(name)
    if known is not None:
        return known
    return _nearest_option(error, context.command)


def _value_hint(error: click.BadOptionUsage) -> str:
    """What the option takes, as the help shows it."""
    for each in error.ctx.command.params if error.ctx is not None else ():
        shown = each.get_help_record(error.ctx) if error.ctx is not None and error.option_name in each.opts else None
        if shown is not None:
            return f"write `{shown[0]}`; `{_help_command(error)}` lists all options"
    return f"`{_help_command(error)}` lists all options"


def _usage_hint(error: click.UsageError) -> str:
    """How the command is written, as the help shows it."""
    context = error.ctx
    if context is None:
        return f"`{_help_command(error)}` lists all options"
    pieces = " ".join(context.command.collect_usage_pieces(context))
    return f"write `{context.command_path} {pieces}`; `{_help_command(error)}` lists all options"


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
    return f"{_path(error)} --help"


def _path(error: click.UsageError) -> str:
    return error.ctx.command_path if error.ctx is not None else "rsgi"
