"""Folders of static files: how they are configured, and what the server gets.

A folder needs no application, so it is not in `plan.py`. A folder in the file has its own settings beside those for all
folders, so it is not in `setting.py`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rsgi.errors import StartupError
from rsgi.rules import prefix_problem
from rsgi.values import SettingValueError, check_header

if TYPE_CHECKING:
    from rsgi.config import Config
    from rsgi.plan import App

FOLDER_KEYS = ("prefix", "dir", "cache_control", "immutable", "fallback_to_app", "follow_links")

_EXAMPLE = "for example `--static /static=staticfiles`"
_FLAGS = ("immutable", "fallback_to_app", "follow_links")


@dataclass(frozen=True)
class AskedFolder:
    """One folder as it was asked for; `None` is what the settings for all folders say.

    Attributes:
        prefix: The path it is served below, as written.
        dir: Where it is.
        cache_control: What `Cache-Control` says, or `off`.
        immutable: Whether files with a hash in their name never change.
        fallback_to_app: Whether what is no file there is for the applications.
        follow_links: Whether links may lead out of it.
        source: Where it stands, such as `rsgi.toml, line 7`; empty on the command line.
    """

    prefix: str
    dir: str
    cache_control: str | None = None
    immutable: bool | None = None
    fallback_to_app: bool | None = None
    follow_links: bool | None = None
    source: str = ""

    @property
    def text(self) -> str:
        """The folder as the command line has it."""
        return f"{self.prefix}={self.dir}"


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


def parse_folder(text: str) -> AskedFolder:
    """Take `PREFIX=DIR` apart.

    Raises:
        StartupError: when it is malformed.
    """
    prefix, equals, folder = text.partition("=")
    if not equals or not prefix.strip().startswith("/") or not folder.strip():
        problem = "a static folder is a prefix and a folder, `PREFIX=DIR`, and the prefix starts with `/`"
        raise StartupError(f"`{text}` cannot be read: {problem}", _EXAMPLE)
    return AskedFolder(prefix.strip(), folder.strip())


def folder_from_table(table: Mapping[str, object], source: str) -> AskedFolder:
    """Take a folder apart that is written as keys and values.

    Args:
        table: The keys of `FOLDER_KEYS`, of which `prefix` and `dir` have to be there.
        source: Where it stands, for errors.

    Raises:
        StartupError: when a key is unknown, or a value is none that it can have.
    """
    for key, value in table.items():
        if key not in FOLDER_KEYS:
            close = difflib.get_close_matches(key, FOLDER_KEYS, 1)
            hint = f"did you mean `{close[0]}`?" if close else f"it has {', '.join(FOLDER_KEYS)}"
            raise StartupError(f"{source}: a static folder has no key `{key}`", hint)
        wanted: type = bool if key in _FLAGS else str
        if not isinstance(value, wanted) or value == "":
            raise StartupError(f"{source}: `{key}` is {'true or false' if wanted is bool else 'text'}, not {value!r}")
    for key in ("prefix", "dir"):
        if key not in table:
            hint = 'for example `prefix = "/static"` and `dir = "staticfiles"`'
            raise StartupError(f"{source}: a static folder needs `{key}`", hint)
    return AskedFolder(**table, source=source)  # type: ignore[arg-type]


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


def hidden_applications(folders: Sequence[StaticFolder], apps: Sequence[App]) -> tuple[str, ...]:
    """A warning for each application that gets nothing, because a folder takes all below a prefix."""
    warnings = []
    for folder in folders:
        if folder.fallback_to_app:
            continue
        hidden = [app.name for app in apps if f"{app.prefix}/".startswith(f"{folder.prefix}/")]
        if hidden:
            what = f"the static folder `{folder.dir}` answers everything below `{folder.prefix or '/'}`"
            back = "`--static-fallback-to-app` passes requests without a file to the applications"
            warnings.append(f"{what}, so no HTTP request reaches {', '.join(hidden)}; {back}")
    return tuple(warnings)


def _asked(given: str | Mapping[str, object] | AskedFolder, number: int) -> AskedFolder:
    if isinstance(given, AskedFolder):
        return given
    return parse_folder(given) if isinstance(given, str) else folder_from_table(given, f"static folder {number}")


def _at(asked: AskedFolder) -> str:
    return f"{asked.source}: " if asked.source else ""


def _decided(asked: AskedFolder, config: Config) -> StaticFolder:
    problem = prefix_problem(asked.prefix)
    if problem:
        raise StartupError(f"{_at(asked)}the prefix `{asked.prefix}` cannot be used: {problem}", _EXAMPLE)
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
