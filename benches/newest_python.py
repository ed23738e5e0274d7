"""Prints the path of the newest CPython on this machine: what `make bench` measures with.

Apart because it runs before there is a virtual environment, under whatever Python there is. It looks on the PATH and at
what pyenv has installed. Pre-releases and free-threaded builds do not count, nor does a Python that cannot make virtual
environments.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_OLDEST = (3, 10)
_ASK = """
import ensurepip, sys, sysconfig, venv
usable = sys.implementation.name == "cpython" and sys.version_info.releaselevel == "final"
usable = usable and not sysconfig.get_config_var("Py_GIL_DISABLED")
print(*sys.version_info[:3] if usable else (0, 0, 0))
"""


def newest(candidates: Iterator[Path]) -> Path | None:
    """The newest of the Pythons that can be used, the first of equals; None where there is none."""
    versions: dict[Path, tuple[int, ...]] = {}
    for path in candidates:
        versions.setdefault(path, _version(path))
    best = max(versions, key=lambda path: versions[path], default=None)
    return best if best and versions[best] >= _OLDEST else None


def candidates(environment: dict[str, str]) -> Iterator[Path]:
    """All that may be a Python, those on the PATH first."""
    for folder in environment.get("PATH", "").split(os.pathsep):
        yield from _pythons(Path(folder))
    root = environment.get("PYENV_ROOT") or Path.home() / ".pyenv"
    for folder in sorted(Path(root).glob("versions/*/bin")):
        yield from _pythons(folder)


def _pythons(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if re.fullmatch(r"python3(\.\d+)?", path.name))


def _version(path: Path) -> tuple[int, ...]:
    """Its version; nothing where it does not run or cannot be used."""
    try:
        said = subprocess.run([str(path), "-c", _ASK], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(int(number) for number in said.split())


if __name__ == "__main__":
    found = newest(candidates(dict(os.environ)))
    if found is None:
        sys.exit("error: there is no CPython 3.10 or later; hint: name one: make bench PYTHON=/path/to/python3")
    print(found)
