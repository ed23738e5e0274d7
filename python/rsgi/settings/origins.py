"""Every setting with its value and where it came from.

`config_file.py` makes the settings without keeping their origin, because only people need it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rsgi.apps.importer import target_name
from rsgi.settings.config import AppTarget, Config, Setting, setting_of, settings
from rsgi.settings.config_file import places_in
from rsgi.settings.rollback import in_full
from rsgi.settings.rules import ParsedRule
from rsgi.settings.shadow_rules import ParsedShadow
from rsgi.settings.static_folder import AskedFolder
from rsgi.settings.values import write_value

Kind: TypeAlias = Literal["flag", "argument", "environment", "file", "default"]

_FIELDS = {field.name: field for field, _ in settings()}

_SECRET = "********"  # noqa: S105 - stands in the place of one


@dataclass(frozen=True)
class Origin:
    """Where a value came from.

    Attributes:
        kind: The way.
        where: The flag, the variable, or the file and its line; empty for a default.
    """

    kind: Kind
    where: str = ""

    def __str__(self) -> str:
        """One column of a table."""
        return self.where or self.kind


@dataclass(frozen=True)
class Row:
    """One setting, or one of the applications.

    Attributes:
        name: What Python and the file call it.
        text: The value as a person would write it; secrets are hidden.
        data: The value for JSON; secrets are hidden.
        origin: Where it came from.
    """

    name: str
    text: str
    data: object
    origin: Origin


def rows(config: Config, given: Mapping[str, object], named: Mapping[str, Origin]) -> list[Row]:
    """All settings in the order of `Config`.

    Args:
        config: The settings as they came out.
        given: The values that flags and the environment gave, by the names of settings, and `wsgi`, `asgi` and `targets`.
        named: Where each of those came from.
    """
    places = {} if config.config is None else places_in(config.config)
    made: list[Row] = []
    for field, setting in settings():
        value = getattr(config, field.name)
        if setting.unit == "apps":
            made += _app_rows(value, given, named, places)
            continue
        origin = named.get(field.name) or _unnamed(field.name, value, places)
        hidden = _SECRET if setting.secret and value is not None else None
        text, data = hidden or _text(field.name, value, setting), hidden or _data(value)
        made.append(Row(field.name, text, data, origin))
    return made


def to_document(made: Sequence[Row]) -> dict[str, object]:
    """What `--json` writes: each setting by its name, and the list `apps`."""
    document: dict[str, object] = {"apps": []}
    apps: list[object] = []
    for row in made:
        source = {"from": row.origin.kind, "where": row.origin.where or None}
        if isinstance(row.data, dict):
            apps.append({**row.data, **source})
        else:
            document[row.name] = {"value": row.data, **source}
    return {**document, "apps": apps}


def _unnamed(name: str, value: object, places: Mapping[str, str]) -> Origin:
    """Where a setting came from that neither a flag nor a variable of ours names."""
    if name in places:
        return Origin("file", places[name])
    if name == "workers" and os.environ.get("WEB_CONCURRENCY", "").strip():
        return Origin("environment", "WEB_CONCURRENCY")
    return Origin("default", "found" if name == "config" and value is not None else "")


def _app_rows(
    apps: Sequence[AppTarget],
    given: Mapping[str, object],
    named: Mapping[str, Origin],
    places: Mapping[str, str],
) -> list[Row]:
    made = []
    for app in apps:
        ways = [way for way in ("wsgi", "asgi", "targets") if any(app is each for each in _listed(given.get(way)))]
        file = places.get(f"apps.{app.name}" if app.name else app.interface, "")
        origin = named[ways[0]] if ways else Origin("file", file)
        target = target_name(app.target)
        data = {"interface": app.interface, "target": target, "prefix": app.prefix, "name": app.name or None}
        text = f"{app.prefix}={target}" if app.prefix else target
        made.append(Row(app.interface, f"{app.name}: {text}" if app.name else text, data, origin))
        for key, value in app.own:
            name = f"apps.{app.name}.{key}"
            setting = setting_of(_FIELDS[key])
            made.append(Row(name, _text(name, value, setting), value, Origin("file", places.get(name, file))))
    return made


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, (list, tuple)) else ()


def _text(name: str, value: object, setting: Setting) -> str:
    if value is None:
        unlimited = "no limit" if setting.unit in ("size", "number") else "none"
        return unlimited if name == "config" else setting.default_text or unlimited
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple) and setting.unit != "words":
        return "; ".join(str(_data(each)) for each in value) or "none"
    return write_value(value, setting.unit)


def _data(value: object) -> object:
    if isinstance(value, tuple):
        return [_data(each) for each in value]
    if isinstance(value, ParsedRule):
        return in_full(value)
    return value.text if isinstance(value, (ParsedShadow, AskedFolder)) else value
