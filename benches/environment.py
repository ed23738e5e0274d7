"""Where the servers come from and what they run on: their virtual environment, their versions, the machine.

Apart because none of it is measuring; it is what a reader needs to judge the figures.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import venv
from pathlib import Path

_HERE = Path(__file__).parent
_REQUIREMENTS = _HERE / "requirements.txt"
_PEERS = _HERE / ".venv"
_VERSIONS = """
import sys
from importlib.metadata import PackageNotFoundError, version
for name in sys.argv[1:]:
    try:
        print(name, version(name))
    except PackageNotFoundError:
        print("no", name)
"""


class MissingError(Exception):
    """What the comparison needs and does not find; the message says how to get it."""


def find_rsgi(given: Path | None) -> Path:
    """The `rsgi` executable: the one given, else the one beside the Python that runs this.

    Raises:
        MissingError: there is none.
    """
    path = given.absolute() if given else Path(sys.executable).with_name("rsgi")
    if not os.access(path, os.X_OK):
        raise MissingError(f"there is no executable {path}; hint: `make bench`, or `--rsgi PATH`")
    return path


def peers_folder() -> Path:
    """The folder of the other servers' executables, whether they are installed or not."""
    return _PEERS / "bin"


def install_peers() -> None:
    """Installs the other servers on the first run and when their pins change."""
    stamp = _PEERS / "installed.txt"
    wanted = f"# CPython {platform.python_version()}\n{_REQUIREMENTS.read_text()}"
    if not stamp.exists() or stamp.read_text() != wanted:
        print("installing the other servers in benches/.venv (once)", file=sys.stderr)
        venv.create(_PEERS, clear=True, with_pip=True)
        command = [str(_PEERS / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # One by one: a peer that cannot be installed here is a row that says so, not the end of the comparison.
        for line in _REQUIREMENTS.read_text().splitlines():
            if line and not line.startswith("#") and subprocess.run([*command, line], check=False).returncode:
                print(f"{line} cannot be installed here; the report says so", file=sys.stderr)
        stamp.write_text(wanted)


def versions(executable: str, distributions: tuple[str, ...]) -> str:
    """The versions of `distributions` in the virtual environment that `executable` belongs to."""
    python = Path(executable).with_name("python")
    if not python.exists():
        return "unknown"
    command = [str(python), "-c", _VERSIONS, *distributions]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    return ", ".join(finished.stdout.splitlines()) or "unknown"


def describe_machine() -> str:
    """Processor, cores, kernel, Python and how busy the machine was before the first run."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    processor = found.group(1) if found else platform.machine()
    return (
        f"{processor}, {os.cpu_count()} cores, Linux {platform.release()}, CPython {platform.python_version()}; "
        f"load average at the start {os.getloadavg()[0]:.1f}"
    )
