"""Where the servers come from and what they run on: their virtual environment, their versions, the machine.

Apart because none of it is measuring; it is what a reader needs to judge the figures.
"""

from __future__ import annotations

import atexit
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from functools import cache
from pathlib import Path

from load import MeasurementError

_HERE = Path(__file__).parent
_REQUIREMENTS = _HERE / "requirements.txt"
# One for each version of Python: what is installed for one does not load in another.
_PEERS = _HERE / f".venv-{sys.version_info.major}.{sys.version_info.minor}"
_UNREADABLE = ("peregrine",)
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
        print(f"installing the other servers in {_PEERS} (once)", file=sys.stderr)
        venv.create(_PEERS, clear=True, with_pip=True)
        command = [str(_PEERS / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        # One by one: a peer that cannot be installed here is a row that says so, not the end of the comparison.
        for line in _REQUIREMENTS.read_text().splitlines():
            if line and not line.startswith("#") and subprocess.run([*command, line], check=False).returncode:
                print(f"{line} cannot be installed here; the report says so", file=sys.stderr)
        _strip_debug_information()
        stamp.write_text(wanted)


def _strip_debug_information() -> None:
    """Valgrind stops at debug information that it cannot read. Without it the code of a server is the same."""
    files = [str(path) for package in _UNREADABLE for path in _PEERS.glob(f"lib/*/site-packages/{package}/*.so")]
    if files and shutil.which("strip"):
        subprocess.run(["strip", "--strip-debug", *files], check=False)


@cache
def certificate() -> dict[str, str]:
    """The paths of a new certificate for 127.0.0.1 and its key, which are removed when this program ends.

    Raises:
        MeasurementError: openssl is not installed or refuses.
    """
    folder = tempfile.mkdtemp(prefix="rsgi-benches-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    paths = {"certificate": f"{folder}/certificate.pem", "key": f"{folder}/key.pem"}
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 30 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", paths["key"], "-out", paths["certificate"]]
    try:
        subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MeasurementError(f"openssl made no certificate: {error}") from error
    return paths


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
