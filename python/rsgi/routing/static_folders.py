"""Folders of static files, as the server gets them.

A folder needs no application, so it is not in `planning.py`. `settings/static_folder.py` parses how it was asked for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from rsgi.errors import StartupError
from rsgi.settings.config import Config
from rsgi.settings.rules import prefix_problem
from rsgi.settings.static_folder import FOLDER_EXAMPLE, AskedFolder, folder_from_table, parse_folder
from rsgi.settings.values import SettingValueError, check_header


@dataclass(frozen=True)
class StaticFolder:
    """One folder as the server has it; all of it is as in `AskedFolder`, but decided.

    Attributes:
        prefix: Empty for the whole site, or `/static` without a slash at the end.
        cache_control: What `Cache-Control` says; `None` leaves it out.
    """

    prefix: str
    dir: str
    cache_control: str | None
    immutable: bool
    fallback_to_app: bool
    follow_links: bool

    @property
    def place(self) -> str:
        """The paths that are looked for there."""
        return f"{self.prefix}/…"


def static_folders(config: Config) -> tuple[StaticFolder, ...]:
    """The folders of the settings, each with what it has of its own.

    Raises:
        StartupError: when one is not there, when two have one prefix, or a value is none that it can have.
    """
    found: dict[str, tuple[AskedFolder, StaticFolder]] = {}
    for number, given in enumerate(config.static, 1):
        asked = _asked(given, number)
        folder = _decided(asked, config)
        if folder.prefix in found:
            first = found[folder.prefix][0]
            message = f"the static folders `{first.dir}` and `{asked.dir}` have the same prefix, `{asked.prefix}`"
            raise StartupError(f"{_at(asked)}{message}", "give each its own prefix")
        found[folder.prefix] = (asked, folder)
    return tuple(folder for _, folder in found.values())


def _asked(given: str | Mapping[str, object] | AskedFolder, number: int) -> AskedFolder:
    if isinstance(given, AskedFolder):
        return given
    return parse_folder(given) if isinstance(given, str) else folder_from_table(given, f"static folder {number}")


def _at(asked: AskedFolder) -> str:
    return f"{asked.source}: " if asked.source else ""


def _decided(asked: AskedFolder, config: Config) -> StaticFolder:
    problem = prefix_problem(asked.prefix)
    if problem:
        raise StartupError(f"{_at(asked)}the prefix `{asked.prefix}` cannot be used: {problem}", FOLDER_EXAMPLE)
    _see_that_it_is_there(asked)

    def own(name: str) -> bool:
        value = getattr(asked, name)
        return bool(getattr(config, f"static_{name}") if value is None else value)

    return StaticFolder(
        asked.prefix.rstrip("/"),
        asked.dir,
        _cache_control(asked, config),
        own("immutable"),
        own("fallback_to_app"),
        own("follow_links"),
    )


def _see_that_it_is_there(asked: AskedFolder) -> None:
    if os.path.isdir(asked.dir):
        return
    what = "is no folder" if os.path.exists(asked.dir) else "is not there"
    hint = f"the folder is `{os.path.abspath(asked.dir)}`; with Django, `manage.py collectstatic` creates `STATIC_ROOT`"
    raise StartupError(f"{_at(asked)}the static folder `{asked.dir}` {what}", hint)


def _cache_control(asked: AskedFolder, config: Config) -> str | None:
    text = asked.cache_control
    if text is None:
        return config.static_cache_control
    if text.strip().lower() == "off":
        return None
    try:
        check_header(text, "header value")
    except SettingValueError as error:
        hint = "for example `public, max-age=3600`, or off"
        raise StartupError(f"{_at(asked)}`cache_control` is not valid: {error}", hint) from error
    return text
