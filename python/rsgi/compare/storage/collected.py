"""Reads results: from the folder of the store, or from the `/shadow.json` of a running server.

`rsgi diff` uses it. The server only writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rsgi.compare.results.report import RouteReport, reports_of
from rsgi.compare.results.tally import Tally
from rsgi.compare.storage.store import FILE, VERSION, read_counts, read_samples
from rsgi.errors import StartupError


def reports_in_folder(folder: str) -> list[RouteReport]:
    """The results in the folder of a store.

    Raises:
        StartupError: when there are none, or they cannot be read.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        hint = "name the folder that `[shadow_store] folder` names; the server makes the file with the first sample"
        raise StartupError(f"there are no samples in `{folder}`: it has no file `{FILE}`", hint)
    try:
        connection = _opened(path)
    except sqlite3.Error as error:
        raise StartupError(f"cannot read `{path}`: {error}", "check that you may read the file") from error
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            hint = f"this version of rsgi reads version {VERSION}: use the version that wrote it, or delete the file"
            raise StartupError(f"`{path}` has version {version}", hint)
        return reports_of(read_counts(connection), read_samples(connection))
    except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
        hint = "it is not a store of rsgi, or it is damaged: delete it, and the server makes a new one"
        raise StartupError(f"cannot read `{path}`: {error}", hint) from error
    finally:
        connection.close()


def _opened(path: Path) -> sqlite3.Connection:
    """Open for reading. A reader that may not write into the folder gets what was written into the file itself."""
    name = f"file:{quote(str(path.absolute()))}"
    connection = sqlite3.connect(f"{name}?mode=ro", uri=True, timeout=5)
    try:
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        return sqlite3.connect(f"{name}?mode=ro&immutable=1", uri=True)
    return connection


def reports_in_summary(summary: Mapping[str, Any]) -> list[RouteReport]:
    """The results in a summary of an observer.

    Raises:
        StartupError: when it is none.
    """
    try:
        return reports_of(Tally.from_json(summary["counts"]), summary["samples"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        hint = "use the same version of rsgi as the server"
        raise StartupError("the server has results that this version of rsgi cannot read", hint) from error
