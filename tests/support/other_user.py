"""Lets a server become another user where the interpreter and the tests lie in folders that are closed to others.

Apart from the tests because it is about this machine: often Python is below `/root`. Such a folder gets another one, open
and with the same contents, laid over it, in a mount namespace that only the server is in.
"""

from __future__ import annotations

import atexit
import functools
import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from server import APPS

# An account that each Debian has; it is in no other group.
USER = pwd.getpwnam("nobody")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may become another user")

_OPENED = """
set -e
open=$1 closed=$2
shift 2
mount --make-rprivate /
for each in "$closed"/* "$closed"/.[!.]*; do
    if [ -d "$each" ]; then
        mkdir -p "$open/${each##*/}"
        mount --rbind "$each" "$open/${each##*/}"
    fi
done
mount --rbind "$open" "$closed"
exec "$@"
"""

_TRIED = """
import os, sys
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[2]))
import workers_apps, json, rsgi._rsgi
os.execv(sys.executable, [sys.executable, "-c", ""])
"""


def opened(command: list[str]) -> list[str]:
    """A command line for what other users may run; the test is skipped where that is not to be had."""
    prefix = _prefix()
    if prefix is None:
        pytest.skip(f"`{USER.pw_name}` cannot run {sys.executable}, and folders cannot be laid over others here")
    return [*prefix, *command]


def _remove(folder: str) -> None:
    """Remove the folder, and those in it, which are empty outside of the namespace."""
    for each in Path(folder).iterdir():
        each.rmdir()
    os.rmdir(folder)


@functools.cache
def _prefix() -> tuple[str, ...] | None:
    needed = (Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), APPS.resolve())
    closed = {folder for path in needed for folder in path.parents if not folder.stat().st_mode & 0o001}
    prefix: tuple[str, ...] = ()
    if closed:
        open_folder = tempfile.mkdtemp()
        os.chmod(open_folder, 0o755)
        atexit.register(_remove, open_folder)
        prefix = ("unshare", "--mount", "sh", "-c", _OPENED, "sh", open_folder, str(min(closed)))
    tried = [*prefix, sys.executable, "-c", _TRIED, str(USER.pw_gid), str(USER.pw_uid)]
    try:
        ran = subprocess.run(tried, cwd=APPS, capture_output=True, timeout=20, check=False)
    except OSError:
        return None
    return prefix if ran.returncode == 0 else None


def lowered(command: list[str], user: int, group: int) -> list[str]:
    """A command line that runs `command` as another user."""
    become = (
        f"import os, sys; os.setgroups([]); os.setgid({group}); os.setuid({user}); os.execv(sys.argv[1], sys.argv[1:])"
    )
    return opened([sys.executable, "-c", become, *command])
