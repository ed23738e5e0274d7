"""Virtual environments of the matrix: one for each framework and release, since their requirements exclude each other.

An environment has the framework, its usual server and what rsgi itself needs. rsgi is read from the source, so the
interpreter has to be that of the build.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

from matrix.frameworks import Framework

_OURS = ("click>=8.1", "rich>=13", "tomli>=2; python_version < '3.11'")
_SERVERS = {"wsgi": ("gunicorn",), "asgi": ("uvicorn", "websockets")}
_LONGEST_INSTALL = 600


def environment_of(framework: Framework, older: bool, folder: Path) -> Path | None:
    """The interpreter of an environment, which is made if it is not there.

    Returns:
        Its path; `None` when the packages cannot be installed here.
    """
    home = folder / f"{framework.key}-{'older' if older else 'newest'}"
    python, mark = home / "bin/python", home / "installed.json"
    wanted = [*_OURS, *_SERVERS[framework.interface], *(framework.older if older else framework.newest)]
    if mark.is_file() and json.loads(mark.read_text()) == wanted:
        return python
    venv.create(home, with_pip=False, clear=True, symlinks=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--no-compile",
    ]
    try:
        ran = subprocess.run([*pip, *wanted], capture_output=True, text=True, timeout=_LONGEST_INSTALL, check=False)
    except subprocess.TimeoutExpired:
        return _left_out(home, "the installation took too long")
    if ran.returncode:
        return _left_out(home, ran.stderr.strip().rpartition("\n")[2])
    mark.write_text(json.dumps(wanted))
    return python


def _left_out(home: Path, why: str) -> None:
    print(f"{home.name} cannot be installed: {why}", file=sys.stderr, flush=True)


def version_in(python: Path, package: str) -> str:
    """The version of a package in an environment."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()
