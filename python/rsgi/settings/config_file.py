"""Reads settings from `rsgi.toml`, or from `[tool.rsgi]` in `pyproject.toml`.

`config.py` defines the settings. This file finds the configuration file, names file and line in errors, and reads the
file again while the server runs. Its keys are the names of the settings, which check the values.

Spec: TOML 1.0.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from rsgi._types import Interface
from rsgi.errors import StartupError
from rsgi.settings.config import Config, Setting, flag_of, settings
from rsgi.settings.rules import ParsedRule, rule_from_table
from rsgi.settings.setting import OWN_SETTINGS, AppTarget
from rsgi.settings.shadow_rules import ParsedShadow, shadow_from_table
from rsgi.settings.static_folder import AskedFolder, folder_from_table
from rsgi.settings.toml_lines import KeyPath, TomlLines
from rsgi.settings.values import SettingValueError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE_NAME = "rsgi.toml"
PROJECT_FILE_NAME = "pyproject.toml"

_INTERFACES: tuple[Interface, ...] = ("wsgi", "asgi")
_APP_KEYS = ("wsgi", "asgi", "prefix", *OWN_SETTINGS)
# What says where settings are read, and so is known before.
_NOT_HERE = ("config", "env_file")
# Settings that have a table of their own in a file, without the name of the table before them.
_TABLES = {
    "share": ("by", "testers"),
    "shadow_store": ("folder", "redact", "samples", "size"),
    "history": ("folder", "quiet_days"),
}
_TABLE_HINTS = {
    "share": "write the share of a rule in its `[[routes]]`",
    "shadow_store": "docs/settings.md lists the settings",
    "history": "docs/settings.md lists the settings",
}
_APP_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_OURS = re.compile(rb"^\s*(\[\[?\s*)?tool\s*\.\s*rsgi\b", re.MULTILINE)
_SYNTAX_PLACE = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)", re.DOTALL)


def load_config(given: Mapping[str, Any], *, search: bool = False) -> Config:
    """Settings from here and from a file; what is given wins.

    Args:
        given: Values by the names of the settings. `wsgi` and `asgi`, lists of `AppTarget`, take the place of the
            applications of their kind in the file; `targets`, of which nobody said the kind, that of all. `config` is
            the file.
        search: Whether to look for a file when `config` is not given.

    Raises:
        StartupError: when there is no such file, or something in it is wrong; names file and line.
    """
    named = dict(given)
    path = named.pop("config", None)
    if path is None and search:
        path = find_file([".", str(named.get("app_dir", "."))])
    values = {} if path is None else read_file(str(path))
    apps: Sequence[AppTarget] = values.pop("apps", ())
    chosen = [target for interface in _INTERFACES for target in named.pop(interface, ())]
    chosen += (untold := named.pop("targets", ()))
    replaced = _INTERFACES if untold else {target.interface for target in chosen}
    apps = (*chosen, *(target for target in apps if target.interface not in replaced))
    return Config(**{**values, "apps": apps, **named, "config": None if path is None else str(path)})


def reread_of(given: Mapping[str, Any], config: Config) -> Callable[[], Config] | None:
    """What gives the settings as the file has them later; `None` when there is no file.

    Args:
        given: What `load_config` was given.
        config: What it made of that.
    """
    if config.config is None:
        return None
    # The application may change the folder.
    path = os.path.abspath(config.config)
    return partial(load_config, {**given, "config": path})


def find_file(folders: Sequence[str]) -> str | None:
    """The first file with settings: in each folder `rsgi.toml`, then a `pyproject.toml` that has `[tool.rsgi]`."""
    for folder in folders:
        own, project = Path(folder, FILE_NAME), Path(folder, PROJECT_FILE_NAME)
        if own.is_file():
            return str(own)
        # Looked at as text first: a project file that has nothing to do with us may be broken.
        if project.is_file() and _OURS.search(project.read_bytes()):
            return str(project)
    return None


def read_file(path: str) -> dict[str, Any]:
    """The settings in a file, by the names of the fields of `Config`.

    Raises:
        StartupError: when it cannot be read, or something in it is wrong.
    """
    return _parse(path).read()


def places_in(path: str) -> dict[str, str]:
    """In which line of a file each setting stands; `wsgi` and `asgi` beside them, and `apps.NAME`.

    Raises:
        StartupError: when it cannot be read.
    """
    return _parse(path).places()


def _parse(path: str) -> _File:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise StartupError(
            f"cannot read the configuration file `{path}`: {reason}",
            f"`--config` takes the path of a TOML file; the current folder is {Path.cwd()}",
        ) from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _SYNTAX_PLACE.fullmatch(str(error))
        line = int(found["line"] or text.count("\n") + 1) if found else None
        what = found["what"] if found else str(error)
        raise StartupError(f"{_where(path, line)}: {what[:1].lower()}{what[1:]}", _not_toml(path)) from error
    return _File(path, text, document)


def _not_toml(path: str) -> str:
    if Path(path).suffix in (".toml", ""):
        return "the file must be TOML"
    return (
        "the file must be TOML. rsgi does not read files of other servers: see `rsgi translate` and docs/coming-from.md"
    )


def _hint_for(error: Exception) -> str:
    nearest = getattr(error, "nearest", None)
    return "see docs/settings.md for its values" if nearest is None else f"did you mean `{nearest}`?"


def _where(path: str, line: int | None) -> str:
    return path if line is None else f"{path}, line {line}"


class _File:
    """One file while it is read."""

    def __init__(self, path: str, text: str, document: dict[str, Any]) -> None:
        self._path = path
        self._lines = TomlLines(text)
        self._root: KeyPath = ("tool", "rsgi") if Path(path).name == PROJECT_FILE_NAME else ()
        self._table: Any = document
        for key in self._root:
            self._table = self._table.get(str(key)) if isinstance(self._table, dict) else None
        self._fields = {field.name: setting for field, setting in settings() if field.name not in _NOT_HERE}

    def read(self) -> dict[str, Any]:
        """Every setting that the file has."""
        if not isinstance(self._table, dict):
            self._fail((), "there is no table `[tool.rsgi]`", "a file with any other name does not need it")
        values: dict[str, Any] = {}
        apps: list[AppTarget] = []
        for key, value in self._table.items():
            if key == "apps":
                apps += self._apps(value)
            elif key in _INTERFACES:
                apps += self._unnamed_apps(key, value)
            elif key == "routes":
                values[key] = self._routes(value)
            elif key == "static":
                values[key] = self._static(value)
            elif key == "shadow":
                values[key] = self._shadow(value)
            elif key in _TABLES:
                values |= self._settings_in(key, value)
            elif key in self._fields:
                values[key] = self._value(key, value, self._fields[key])
            elif key in _NOT_HERE:
                hint = f"use `{flag_of(key)}` or the environment variable"
                self._fail(
                    (key,), f"there is no setting `{key}` in a file: rsgi needs it before it reads the file", hint
                )
            else:
                self._unknown((key,), [*self._fields, *_INTERFACES], "docs/settings.md lists the settings")
        if apps:
            values["apps"] = tuple(apps)
        return values

    def places(self) -> dict[str, str]:
        """Where each key stands, and each application by its name."""
        table = self._table if isinstance(self._table, dict) else {}
        # Of rules and folders, the first: `[[routes]]` is an array.
        found = {key: self._place((key, 0)) for key in table if key not in ("apps", *_TABLES)}
        for name in _TABLES:
            found |= {f"{name}_{key}": self._place((name, key)) for key in table.get(name, {})}
        for name, app in table.get("apps", {}).items():
            interface = next(each for each in _INTERFACES if each in app)
            found[f"apps.{name}"] = self._place(("apps", name, interface))
            found |= {f"apps.{name}.{key}": self._place(("apps", name, key)) for key in OWN_SETTINGS if key in app}
        return found

    def _value(self, key: str, value: object, setting: Setting) -> object:
        if isinstance(value, dict):
            self._fail((key,), f"`{key}` is a setting, not a table", f"write `{key} = …` above the first table")
        try:
            return setting.check(value)
        except (SettingValueError, TypeError) as error:
            self._fail((key,), f"`{key}` cannot be {setting.shown(value)}: {error}", _hint_for(error))

    def _unnamed_apps(self, interface: Interface, value: object) -> list[AppTarget]:
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            self._fail((interface,), f"`{interface}` is a target or a list of targets, not {value!r}")
        return [self._target((interface,), interface, text) for text in texts]

    def _target(self, place: KeyPath, interface: Interface, text: str) -> AppTarget:
        try:
            return AppTarget.parse(interface, text)
        except SettingValueError as error:
            self._fail(place, f"`{interface}` cannot be {text!r}: {error}")

    def _apps(self, value: object) -> list[AppTarget]:
        if not isinstance(value, dict) or not all(isinstance(app, dict) for app in value.values()):
            self._fail(
                ("apps",), "an application is a table with a name", 'for example `[apps.old]` and `wsgi = "old:app"`'
            )
        return [self._app(name, app) for name, app in value.items()]

    def _app(self, name: str, app: dict[str, Any]) -> AppTarget:
        place: KeyPath = ("apps", name)
        if not _APP_NAME.fullmatch(name) or name in _INTERFACES:
            hint = "letters, digits, `_`, `-` and `.`; `wsgi` and `asgi` stand for the interface"
            self._fail(place, f"`{name}` cannot be the name of an application", hint)
        for key in app:
            if key not in _APP_KEYS:
                self._unknown((*place, key), _APP_KEYS, "an application has `wsgi` or `asgi`, and perhaps `prefix`")
        for key, text in app.items():
            if key not in OWN_SETTINGS and (not isinstance(text, str) or not text.strip()):
                self._fail((*place, key), f"`{key}` is text, not {text!r}")
        given = [interface for interface in _INTERFACES if interface in app]
        if len(given) != 1:
            what = "both `wsgi` and `asgi`" if given else "neither `wsgi` nor `asgi`"
            self._fail(place, f"the application `{name}` has {what}", "use one of them, with its target")
        own = tuple((key, self._own_value((*place, key), app[key])) for key in OWN_SETTINGS if key in app)
        if given[0] == "asgi" and "wsgi_threads" in app:
            hint = "an ASGI application runs in the event loop; remove the setting"
            self._fail((*place, "wsgi_threads"), f"the application `{name}` is ASGI and has no WSGI threads", hint)
        return AppTarget(given[0], app[given[0]].strip(), app.get("prefix", ""), name, own)

    def _own_value(self, place: KeyPath, value: object) -> object:
        key = str(place[-1])
        try:
            return self._fields[key].check(value)
        except (SettingValueError, TypeError) as error:
            self._fail(place, f"`{key}` cannot be {value!r}: {error}", _hint_for(error))

    def _routes(self, value: object) -> tuple[str | ParsedRule, ...]:
        if not isinstance(value, list) or not all(isinstance(rule, (str, dict)) for rule in value):
            hint = 'for example `[[routes]]`, `path = "/users/{id}"` and `app = "new"`'
            self._fail(("routes",), "rules are tables with two brackets, or strings as for `--route`", hint)
        return tuple(
            rule if isinstance(rule, str) else rule_from_table(rule, self._place(("routes", index)))
            for index, rule in enumerate(value)
        )

    def _static(self, value: object) -> tuple[str | AskedFolder, ...]:
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(folder, (str, dict)) for folder in listed):
            hint = 'for example `[[static]]`, `prefix = "/static"` and `dir = "staticfiles"`'
            self._fail(("static",), "static folders are tables with two brackets, or strings as for `--static`", hint)
        return tuple(
            folder if isinstance(folder, str) else folder_from_table(folder, self._place(("static", index)))
            for index, folder in enumerate(listed)
        )

    def _shadow(self, value: object) -> tuple[str | ParsedShadow, ...]:
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(rule, (str, dict)) for rule in listed):
            hint = 'for example `[[shadow]]`, `path = "/users/{id}"` and `to = "new"`'
            self._fail(("shadow",), "shadow rules are tables with two brackets, or strings as for `--shadow`", hint)
        return tuple(
            rule if isinstance(rule, str) else shadow_from_table(rule, self._place(("shadow", index)))
            for index, rule in enumerate(listed)
        )

    def _settings_in(self, table: str, value: object) -> dict[str, Any]:
        """The settings of a table, such as `by` in `[share]`."""
        known = _TABLES[table]
        if not isinstance(value, dict):
            words = " and ".join(f"`{key}`" for key in known)
            hint = f"{_TABLE_HINTS[table]}; `[{table}]` has {words}"
            self._fail((table,), f"`{table}` must be a table, not {value!r}", hint)
        values: dict[str, Any] = {}
        for key, given in value.items():
            if key not in known:
                self._unknown((table, key), known, _TABLE_HINTS[table])
            name = f"{table}_{key}"
            if name in self._table:
                self._fail((name,), f"`{name}` is set twice", f"remove this one, or `{key}` in `[{table}]`")
            try:
                values[name] = self._fields[name].check(given)
            except (SettingValueError, TypeError) as error:
                shown, hint = self._fields[name].shown(given), _hint_for(error)
                self._fail((table, key), f"`{key}` cannot be {shown}: {error}", hint)
        return values

    def _place(self, path: KeyPath) -> str:
        return _where(self._path, self._lines.line_of((*self._root, *path)))

    def _unknown(self, path: KeyPath, known: Sequence[str], hint: str) -> NoReturn:
        key = str(path[-1])
        close = difflib.get_close_matches(key.lower().replace("-", "_"), known, 1)
        self._fail(path, f"there is no setting `{key}`", f"did you mean `{close[0]}`?" if close else hint)

    def _fail(self, path: KeyPath, problem: str, hint: str | None = None) -> NoReturn:
        raise StartupError(f"{self._place(path)}: {problem}", hint)
