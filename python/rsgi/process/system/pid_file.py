"""The file with the id of the process that takes signals: `--pid-file`.

It can outlive its process. A file of a killed server is replaced. A file that another server has written since is not
removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rsgi.errors import StartupError
from rsgi.observe.console import say


@contextmanager
def pid_file(path: str | None) -> Iterator[str | None]:
    """Write the number of this process to the file at `path` for as long as the server runs; gives its absolute path.

    Raises:
        StartupError: when it is that of a process that lives, or cannot be written.
    """
    if path is None:
        yield None
        return
    absolute = os.path.abspath(path)  # an application may change the folder
    written = _write(absolute)
    try:
        yield absolute
    finally:
        if written == _identity(absolute):
            _remove(absolute)


def _write(path: str) -> tuple[int, int, int] | None:
    """Write the file; gives what it is known by."""
    try:
        _remove_stale(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(os.open(path, flags, 0o644), "w", encoding="ascii") as file:
            file.write(f"{os.getpid()}\n")
    except OSError as error:
        raise StartupError(
            f"cannot write the pid file `{path}`: {error.strerror}",
            "the folder must exist, and the user of the server needs write permission in it",
        ) from error
    return _identity(path)


def _remove_stale(path: str) -> None:
    """Remove the file of a process that is no more.

    Raises:
        StartupError: when the process lives, or it is another kind of file.
    """
    try:
        text = Path(path).read_bytes()[:64].decode("ascii", "replace").strip()
    except FileNotFoundError:
        return
    if text and not text.isdigit():
        raise StartupError(
            f"`{path}` is not a pid file, so it is not overwritten", "name another one with `--pid-file`"
        )
    if text and _lives(int(text)):
        raise StartupError(
            f"the pid file `{path}` belongs to process {text}, which is running",
            "stop that server; if the process is another program, remove the file",
        )
    os.unlink(path)


def _lives(process: int) -> bool:
    """Whether it is another process, and runs."""
    if process in (0, os.getpid()):  # in a container a server may have the same number each time
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _identity(path: str) -> tuple[int, int, int] | None:
    """The file, and the process that has written it, if that is this one."""
    try:
        found = os.stat(path, follow_symlinks=False)
        if Path(path).read_text(encoding="ascii").strip() != str(os.getpid()):
            return None
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, os.getpid()


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError as error:
        say(f"warning: could not remove the pid file `{path}`: {error.strerror}; the next start replaces it")
