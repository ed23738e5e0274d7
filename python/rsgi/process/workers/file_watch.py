"""Which files restart a server that runs with `--reload`, and when they change.

`code_reload.py` does the restart. This file handles only file names.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from rsgi.errors import StartupError
from rsgi.settings.config import Config

# Code, templates and configuration. What applications write while they run (databases, logs, uploads) is not among it.
_INCLUDED = (
    *("*.py", "*.html", "*.htm", "*.jinja", "*.jinja2", "*.j2", "*.mako", "*.pt"),
    *("*.toml", "*.yaml", "*.yml", "*.ini", "*.cfg", ".env", ".env.*", "*.env"),
)
# Tools' folders, and what editors put beside the file that is edited.
_EXCLUDED = (
    *("__pycache__", ".git", ".hg", ".svn", ".venv", "venv", "site-packages", "node_modules", ".tox", ".nox"),
    *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".idea", ".vscode", ".ipynb_checkpoints"),
    *("*.py[cod]", "*.sw?", "*~", ".#*", "#*#", "*___jb_tmp___", "*___jb_old___", "*.kate-swp", "flycheck_*", "4913"),
)

# How long nothing else may change before a change is told, and how long it is put off at most, in milliseconds.
_QUIET, _LONGEST = 50, 1000


class FileWatch:
    """The files that concern one server.

    Attributes:
        folders: What is watched, with all that is below.
    """

    def __init__(self, config: Config) -> None:
        """Nothing is watched yet.

        Raises:
            StartupError: when a folder is not there, or the library that watches is not installed.
        """
        try:
            import watchfiles  # noqa: F401 - an extra
        except ImportError as error:
            message = "`--reload` needs the package `watchfiles`, which is not installed"
            raise StartupError(message, "pip install 'rsgi[reload]'") from error
        self.folders = tuple(_folder(each) for each in config.reload_dir or (config.app_dir,))
        self._files = frozenset(os.path.abspath(each) for each in (config.config, config.env_file) if each is not None)
        self._included = (*_INCLUDED, *config.reload_include)
        self._excluded = (*_EXCLUDED, *config.reload_exclude)

    async def changes(self) -> AsyncIterator[list[str]]:
        """The paths of what has changed; saves that follow each other closely are one change.

        Raises:
            StartupError: when the system does not watch so many files.
        """
        found: asyncio.Queue[list[str] | Exception] = asyncio.Queue()
        elsewhere = {os.path.dirname(each) for each in self._files if not self._is_below(each)}
        tasks = [asyncio.create_task(self._watch(self.folders, found, recursive=True))]
        if elsewhere:
            # A folder, since editors put another file into the place of the old one.
            tasks.append(asyncio.create_task(self._watch(elsewhere, found, recursive=False)))
        try:
            while True:
                paths = await found.get()
                if isinstance(paths, Exception):
                    hint = "`--reload-dir` names a smaller folder; WATCHFILES_FORCE_POLLING=1 polls instead"
                    raise StartupError(f"cannot watch files: {paths}", hint) from paths
                yield paths
        finally:
            for task in tasks:
                task.cancel()

    def concerns(self, path: str) -> bool:
        """Whether the server restarts when this file changes."""
        if path in self._files:
            return True
        for folder in self.folders:
            if path.startswith(f"{folder}{os.sep}"):
                parts = Path(path).relative_to(folder).parts
                return _matches(parts[-1:], path, self._included) and not _matches(parts, path, self._excluded)
        return False

    async def _watch(
        self, folders: Iterable[str], found: asyncio.Queue[list[str] | Exception], *, recursive: bool
    ) -> None:
        """Put what changes into a queue, until this is cancelled."""
        from watchfiles import awatch

        watching = awatch(
            *folders,
            watch_filter=None,
            debounce=_LONGEST,
            step=_QUIET,
            recursive=recursive,
            ignore_permission_denied=True,
        )
        try:
            async for changes in watching:
                paths = {each for _, path in changes for each in self._concerned(path)}
                if paths:
                    found.put_nowait(sorted(paths))
        except Exception as error:  # of the system, or of the library
            found.put_nowait(error)

    def _concerned(self, path: str) -> Iterator[str]:
        """The file, if it concerns the server; those in a folder, which was there before it could be watched."""
        if not os.path.isdir(path):
            yield from [path] if self.concerns(path) else []
            return
        for folder, names, files in os.walk(path):
            names[:] = [name for name in names if not _matches((name,), os.path.join(folder, name), self._excluded)]
            yield from filter(self.concerns, (os.path.join(folder, name) for name in files))

    def _is_below(self, path: str) -> bool:
        return any(path.startswith(f"{folder}{os.sep}") for folder in self.folders)


def _folder(name: str) -> str:
    path = os.path.abspath(os.path.expanduser(name))
    if not os.path.isdir(path):
        raise StartupError(f"there is no folder `{name}`", "`--reload-dir` names a folder to watch")
    return path


def _matches(parts: tuple[str, ...], path: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern fits: one with a `/` the end of the path, or of a folder that it is in; any other a name."""
    for pattern in patterns:
        if "/" in pattern:
            wanted = pattern.rstrip("/") if pattern.startswith("/") else f"*/{pattern.rstrip('/')}"
            if fnmatchcase(path, wanted) or fnmatchcase(path, f"{wanted}/*"):
                return True
        elif any(fnmatchcase(part, pattern) for part in parts):
            return True
    return False
