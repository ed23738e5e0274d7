"""A folder of static files as it is configured: on the command line, or as a table of the file.

A folder in the file has its own settings beside those for all folders, so it is not in `setting.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rsgi.errors import StartupError
from rsgi.settings.table_keys import unknown_key

FOLDER_KEYS = ("prefix", "dir", "cache_control", "immutable", "fallback_to_app", "follow_links")

FOLDER_EXAMPLE = "for example `--static /static=staticfiles`"
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


def parse_folder(text: str) -> AskedFolder:
    """Take `PREFIX=DIR` apart.

    Raises:
        StartupError: when it is malformed.
    """
    prefix, equals, folder = text.partition("=")
    if not equals or not prefix.strip().startswith("/") or not folder.strip():
        problem = "a static folder is a prefix and a folder, `PREFIX=DIR`, and the prefix starts with `/`"
        raise StartupError(f"`{text}` cannot be read: {problem}", FOLDER_EXAMPLE)
    return AskedFolder(prefix.strip(), folder.strip())


def folder_from_table(table: Mapping[str, object], source: str) -> AskedFolder:
    """Take a folder apart that is written as keys and values.

    Args:
        table: The keys of `FOLDER_KEYS`, of which `prefix` and `dir` have to be there.
        source: Where it stands, for errors.

    Raises:
        StartupError: when a key is unknown, or a value is none that it can have.
    """
    if (found := unknown_key(table, FOLDER_KEYS, "a static folder")) is not None:
        raise StartupError(f"{source}: {found[0]}", found[1])
    for key, value in table.items():
        wanted: type = bool if key in _FLAGS else str
        if not isinstance(value, wanted) or value == "":
            raise StartupError(f"{source}: `{key}` is {'true or false' if wanted is bool else 'text'}, not {value!r}")
    for key in ("prefix", "dir"):
        if key not in table:
            hint = 'for example `prefix = "/static"` and `dir = "staticfiles"`'
            raise StartupError(f"{source}: a static folder needs `{key}`", hint)
    return AskedFolder(**table, source=source)  # type: ignore[arg-type]
