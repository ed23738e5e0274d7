"""What the machine gives: interpreter, event loop, processors, open files, the accept queue, temporary files.

Apart from `settings.py` because it reads the system, and this changes with the machine.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from rsgi._rsgi import LIBRARIES, PROFILE, VERSION
from rsgi.doctor.findings import Finding
from rsgi.settings.config import Config
from rsgi.settings.cpus import usable_cpus

_FEW_FILES = 4096
# Besides connections: listeners, logs, the event loop, and the modules and databases of an application.
_OTHER_FILES = 256
_LITTLE_SPACE = 256 * 1024**2
_SOMAXCONN = Path("/proc/sys/net/core/somaxconn")


def look_at_machine(config: Config) -> list[Finding]:
    """Everything about the machine, in the order in which it is shown."""
    looks: tuple[Callable[[Config], list[Finding]], ...] = (_versions, _loop, _reload, _cpus, _files, _backlog, _space)
    return [finding for look in looks for finding in look(config)]


def _versions(config: Config) -> list[Finding]:
    found = [Finding("rsgi", "ok", f"{VERSION}; {LIBRARIES}")]
    if PROFILE != "release":
        message = f"the extension is a {PROFILE} build, which is several times slower"
        found = [Finding("rsgi", "warning", f"{VERSION}: {message}", "install a wheel, or build with `make install`")]
    python = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        hint = "rsgi is tested with the usual build of CPython"
        return [*found, Finding("python", "warning", f"{python} without the GIL", hint)]
    return [*found, Finding("python", "ok", python)]


def _loop(config: Config) -> list[Finding]:
    installed = _version_of("uvloop")
    if config.loop == "uvloop" and installed is None:
        return [
            Finding("event loop", "error", "`loop` is uvloop, which is not installed", "`pip install 'rsgi[uvloop]'`")
        ]
    if config.loop != "asyncio" and installed is not None:
        return [Finding("event loop", "ok", f"uvloop {installed}")]
    return [Finding("event loop", "ok", f"asyncio; uvloop is {'not used' if installed else 'not installed'}")]


def _reload(config: Config) -> list[Finding]:
    if config.reload and find_spec("watchfiles") is None:
        message = "`reload` is on, and watchfiles is not installed"
        return [Finding("reload", "error", message, "`pip install 'rsgi[reload]'`")]
    return []


def _cpus(config: Config) -> list[Finding]:
    of_machine, usable = os.cpu_count() or 1, usable_cpus()
    limited = "" if usable == of_machine else f", of {of_machine} that the machine has (affinity or cgroup)"
    said = f"{usable} usable{limited}; {config.workers} worker{'s' * (config.workers != 1)}"
    if config.workers > usable:
        hint = f"`--workers {usable}` or `--workers auto` is usually enough"
        return [Finding("processors", "warning", f"{said}: more workers than processors", hint)]
    if config.workers == 1 and usable > 1 and not config.reload:
        return [Finding("processors", "ok", f"{said}; `--workers auto` uses all processors")]
    return [Finding("processors", "ok", said)]


def _files(config: Config) -> list[Finding]:
    if sys.platform == "win32":
        return []
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return [Finding("open files", "ok", "no limit")]
    said = f"at most {soft} (hard limit: {'none' if hard == resource.RLIM_INFINITY else hard})"
    wanted = (config.max_connections or 0) + _OTHER_FILES
    hint = f"`ulimit -n {max(65536, wanted)}`, `LimitNOFILE=` of systemd, or `--ulimit nofile=` of Docker"
    if config.max_connections is not None and soft < wanted:
        message = f"{said}: `max_connections` is {config.max_connections}, and each connection is an open file"
        return [Finding("open files", "warning", message, hint)]
    if soft < _FEW_FILES:
        return [Finding("open files", "warning", f"{said}: each connection is an open file", hint)]
    return [Finding("open files", "ok", said)]


def _backlog(config: Config) -> list[Finding]:
    try:
        most = int(_SOMAXCONN.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return []
    if most >= config.backlog:
        return [Finding("backlog", "ok", f"{config.backlog} connections may wait to be accepted")]
    message = f"the kernel lets only {most} connections wait to be accepted; `backlog` is {config.backlog}"
    return [Finding("backlog", "warning", message, f"`sysctl -w net.core.somaxconn={config.backlog}`")]


def _space(config: Config) -> list[Finding]:
    try:
        folder = tempfile.gettempdir()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        hint = "set TMPDIR to a folder that this user may write to; large bodies are stored there"
        return [Finding("temporary files", "error", f"there is no folder for them: {error}", hint)]
    said = f"{folder}, {free // 1024**2} MiB free"
    if free < _LITTLE_SPACE:
        hint = "set TMPDIR to a folder with more space; large bodies are stored there"
        return [Finding("temporary files", "warning", said, hint)]
    return [Finding("temporary files", "ok", said)]


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
