"""Defaults that depend on the machine or on the platform.

`config.py` is only the list of settings. These defaults need code.
"""

from __future__ import annotations

import os

from rsgi.errors import StartupError
from rsgi.settings.cpus import schedulable_cpus
from rsgi.settings.values import SettingValueError, parse_processes


def default_wsgi_threads() -> int:
    """As many as the standard library's thread pool takes: enough to wait on a database, few enough for one GIL."""
    return min(32, schedulable_cpus() + 4)


def default_workers() -> int:
    """What the platform asks for: `WEB_CONCURRENCY`, which other servers obey as well; else one.

    Raises:
        StartupError: when it is set and says nothing.
    """
    asked = os.environ.get("WEB_CONCURRENCY", "")
    try:
        workers = parse_processes(asked) if asked.strip() else 1
        if workers < 1:
            raise SettingValueError("at least one process serves")
    except SettingValueError as error:
        hint = "unset it, or set the number of processes with `--workers`"
        raise StartupError(f"the environment variable `WEB_CONCURRENCY` cannot be {asked!r}: {error}", hint) from error
    return workers
