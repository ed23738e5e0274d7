"""Makes the options of a command from the settings of `Config`, and a `Config` from the given options.

Commands with the same applications and routes share it. Name, help, checks and default of an option come from the field.
An option that is not given is not passed on, so the default also comes from the field.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import MISSING, Field
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from rsgi._types import AskedInterface, Interface
from rsgi.apps.importer import parse_target
from rsgi.cli.usage import HintedUsageError, WrongValueError
from rsgi.errors import StartupError
from rsgi.settings.config import SECTIONS, AppTarget, Config, Setting, flag_of, settings
from rsgi.settings.config_file import load_config
from rsgi.settings.env_file import apply_env_file
from rsgi.settings.values import SettingValueError, write_value

_INTERFACES: tuple[Interface, ...] = ("wsgi", "asgi")
_TARGETS = "targets"
_METAVARS = {"size": "SIZE", "duration": "TIME", "number": "N", "processes": "N|auto", "text": "TEXT"}


if TYPE_CHECKING:
    _ParamType = click.ParamType[object]  # generic from click 8.2 on, and only there
else:
    _ParamType = click.ParamType


class SettingType(_ParamType):
    """Reads the text of one value as its setting does."""

    def __init__(self, setting: Setting, interface: AskedInterface | None = None) -> None:
        self.name = (setting.metavar or _METAVARS.get(setting.unit, "VALUE")).lower()
        self._setting = setting
        self._interface = interface

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> object:  # noqa: ANN401
        """What `value` means; anything but text was read before."""
        if not isinstance(value, str):
            return value
        try:
            if self._interface is not None:
                return AppTarget.parse(self._interface, value)
            return self._setting.parse(value)
        except SettingValueError as error:
            raise WrongValueError(str(error), error.nearest, ctx, param) from error

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The words that the setting takes; for a file or a folder, the shell itself looks."""
        kind = {"FILE": "file", "DIR": "dir"}.get(self._setting.metavar or "")
        if kind is not None:
            return [CompletionItem(incomplete, type=kind)]
        return [CompletionItem(word) for word in self._setting.choices if word.startswith(incomplete)]

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        """The values in an environment variable that may hold several."""
        return [part.strip() for part in re.split(self._setting.separators, rv) if part.strip()]


class SettingOption(click.Option):
    """An option that knows under which heading it stands."""

    def __init__(self, *declarations: str, section: str, **details: Any) -> None:  # noqa: ANN401
        super().__init__(list(declarations), **details)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose help shows its options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one list of options for each heading."""
        listed: dict[str, list[tuple[str, str]]] = {section: [] for section in (*SECTIONS, "Other")}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            # The first line shows arguments; later versions of click list them a second time.
            if record is not None and not isinstance(parameter, click.Argument):
                listed[getattr(parameter, "section", "Other")].append(record)
        for section, records in listed.items():
            if records:
                with formatter.section(section):
                    formatter.write_dl(records, col_max=32)


def options() -> list[click.Parameter]:
    """One option for each setting, in the order of `Config`; two for the applications, one for each interface."""
    made: list[click.Parameter] = []
    for config_field, setting in settings():
        if setting.unit == "apps":
            made.extend(_app_option(setting, interface) for interface in _INTERFACES)
        elif setting.unit == "flag":
            made.append(_flag_option(config_field, setting))
        elif config_field.name == "env_file":
            # First of all, since other options look into the environment.
            made.append(_value_option(config_field, setting, is_eager=True, callback=_read_env_file))
        else:
            made.append(_value_option(config_field, setting))
    return made


def _read_env_file(context: click.Context, parameter: click.Parameter, path: str | None) -> str | None:
    if path is not None:
        apply_env_file(path)
    return path


def targets_argument() -> click.Argument:
    """Applications that are named without `--wsgi` or `--asgi`."""
    setting = next(setting for each, setting in settings() if each.name == "apps")
    return click.Argument((_TARGETS,), nargs=-1, type=SettingType(setting, "auto"), metavar="[[PREFIX=]TARGET]...")


def config_from(context: click.Context) -> Config:
    """The `Config` that the options of a command and the configuration file come to.

    Raises:
        StartupError: when the values do not fit together, or the file is wrong.
    """
    return load_config(given_to(context), search=True)


def given_to(context: click.Context) -> dict[str, Any]:
    """What the options of a command say, without defaults: the names of settings, and `wsgi` and `asgi`."""
    known = {*_INTERFACES, _TARGETS, *(each.name for each, _ in settings())}
    given = {
        name: value
        for name, value in context.params.items()
        if name in known
        and context.get_parameter_source(name) in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
    }
    for named in given.get(_TARGETS, ()):
        _see_that_it_is_a_target(named, context)
    return given


def _see_that_it_is_a_target(named: AppTarget, context: click.Context) -> None:
    try:
        parse_target(str(named.target), context.params["app_dir"] or ".")
    except StartupError as error:
        raise HintedUsageError(error.message, error.hint or "", context) from error


def _app_option(setting: Setting, interface: Interface) -> SettingOption:
    return SettingOption(
        f"--{interface}",
        section=setting.section,
        type=SettingType(setting, interface),
        multiple=True,
        metavar=setting.metavar,
        envvar=f"RSGI_{interface.upper()}",
        help=setting.help.replace("{INTERFACE}", f"{'a' if interface == 'wsgi' else 'an'} {interface.upper()}"),
    )


def _flag_option(config_field: Field[Any], setting: Setting) -> SettingOption:
    flag = flag_of(config_field.name)
    return SettingOption(
        f"{flag}/--no-{flag.removeprefix('--')}",
        config_field.name,
        section=setting.section,
        default=False,
        envvar=variable_of(config_field.name),
        help=setting.help,
    )


def _value_option(config_field: Field[Any], setting: Setting, **details: Any) -> SettingOption:  # noqa: ANN401
    default = _default_text(config_field, setting)
    return SettingOption(
        flag_of(config_field.name),
        *((setting.short,) if setting.short else ()),
        config_field.name,
        section=setting.section,
        type=SettingType(setting),
        multiple=setting.repeatable,
        metavar=_metavar(setting),
        envvar=variable_of(config_field.name),
        help=setting.help + (f"  [{default}]" if default else ""),
        **details,
    )


def _metavar(setting: Setting) -> str:
    if setting.metavar:
        return setting.metavar
    return "|".join(setting.choices) or _METAVARS[setting.unit]


def _default_text(config_field: Field[Any], setting: Setting) -> str | None:
    if setting.default_text is not None:
        return f"default: {setting.default_text}"
    if config_field.default is MISSING or setting.repeatable:
        return None
    if config_field.default is None:
        return "default: no limit" if setting.unit in ("size", "number") else None
    return f"default: {write_value(config_field.default, setting.unit)}"


def variable_of(name: str) -> str:
    """The environment variable of a setting: named after its flag."""
    return "RSGI_" + flag_of(name).removeprefix("--").replace("-", "_").upper()
