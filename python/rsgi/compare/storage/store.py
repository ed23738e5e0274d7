"""Where counts and samples are kept: an SQLite file in a folder, and the newest samples in memory.

Several workers write to the same file. What cannot be written is lost or written later, and never an error: shadow
traffic must not disturb the server.

Spec: https://www.sqlite.org/wal.html
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rsgi.compare.results.tally import RouteKey, RouteTally, Signature, Tally

FILE = "shadow.sqlite3"

# The version of the tables. A file of another version is not touched.
VERSION = 1

_TABLES = """
CREATE TABLE IF NOT EXISTS counts (
    route TEXT, primary_app TEXT, shadow_app TEXT, what TEXT, name TEXT, n INTEGER NOT NULL,
    PRIMARY KEY (route, primary_app, shadow_app, what, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS samples (
    id INTEGER PRIMARY KEY, route TEXT NOT NULL, signature TEXT NOT NULL, size INTEGER NOT NULL, sample TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS samples_by_route ON samples (route, signature);
"""
_ADD = (
    "INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (route, primary_app, shadow_app, what, name) DO UPDATE SET n = n + excluded.n"
)

# How long a write waits for another worker, in seconds.
_TIMEOUT = 0.25

# How many samples with the same differences a route has.
_PER_SIGNATURE = 20
_SHOWN_PER_SIGNATURE = 5

_PAGE = 4096


class NewestSamples:
    """The newest samples of this process, in memory, for `/shadow.json`.

    Args:
        most: How many.
        max_bytes: How large they may be together.
    """

    def __init__(self, most: int, max_bytes: int) -> None:
        self._most, self._max_bytes = most, max_bytes
        self._samples: deque[tuple[str, Signature, int, dict[str, Any]]] = deque()
        self._size = 0

    def add(self, route: str, signature: Signature, sample: dict[str, Any]) -> None:
        """Keep a sample. A route has only a few with the same differences."""
        same = [each for each in self._samples if each[:2] == (route, signature)]
        if len(same) >= _SHOWN_PER_SIGNATURE:
            self._samples.remove(same[0])
            self._size -= same[0][2]
        size = len(json.dumps(sample))
        self._samples.append((route, signature, size, sample))
        self._size += size
        while len(self._samples) > self._most or (self._size > self._max_bytes and len(self._samples) > 1):
            self._size -= self._samples.popleft()[2]

    def newest_first(self) -> list[dict[str, Any]]:
        """The samples."""
        return [sample for _, _, _, sample in reversed(self._samples)]


class FileStore:
    """Keeps counts and samples in the file `shadow.sqlite3` of a folder.

    Args:
        folder: The folder. It is made if it is missing.
        max_samples: How many samples.
        max_bytes: How large the file may be.
    """

    def __init__(self, folder: str, max_samples: int, max_bytes: int) -> None:
        self._path = Path(folder) / FILE
        self._max_samples, self._max_bytes = max_samples, max(max_bytes, 64 * _PAGE)
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    def write(self, counts: Tally, route: str, signature: Signature, sample: Mapping[str, Any] | None) -> bool:
        """Add counts, and a sample if there is one, in one transaction."""
        try:
            connection = self._opened()
            with _transaction(connection):
                connection.executemany(_ADD, list(_rows(counts)))
                if sample is not None:
                    self._add_sample(connection, route, json.dumps(signature), json.dumps(sample))
        except (sqlite3.Error, OSError, ValueError):
            self.close()
            return False
        return True

    def _opened(self) -> sqlite3.Connection:
        """The connection of this process. SQLite's connections may not be used after a fork."""
        if self._connection is None or self._process != os.getpid():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection, self._process = self._open(), os.getpid()
        return self._connection

    def _open(self) -> sqlite3.Connection:
        """Open the file. Another worker may be making it at the same time, and SQLite does not always wait for that."""
        for _ in range(20):
            try:
                return _open(self._path, self._max_bytes)
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
            time.sleep(_TIMEOUT / 20)
        return _open(self._path, self._max_bytes)

    def _add_sample(self, connection: sqlite3.Connection, route: str, signature: str, sample: str) -> None:
        same = connection.execute(
            "SELECT count(*), min(id) FROM samples WHERE route = ? AND signature = ?", (route, signature)
        ).fetchone()
        if same[0] >= _PER_SIGNATURE:
            connection.execute("DELETE FROM samples WHERE id = ?", (same[1],))
        self._make_room(connection, len(sample))
        connection.execute(
            "INSERT INTO samples (route, signature, size, sample) VALUES (?, ?, ?, ?)",
            (route, signature, len(sample), sample),
        )

    def _make_room(self, connection: sqlite3.Connection, size: int) -> None:
        """Delete the oldest samples until there are fewer than allowed, and until the file has room for the next."""
        pages = 3 + (size * 4) // _PAGE
        for _ in range(20):
            (count,) = connection.execute("SELECT count(*) FROM samples").fetchone()
            (used,) = connection.execute("PRAGMA page_count").fetchone()
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            has_room = (used - free + pages) * _PAGE <= self._max_bytes
            if not count or (count < self._max_samples and has_room):
                return
            some = max(1, count - self._max_samples + 1 if has_room else count // 20)
            connection.execute("DELETE FROM samples WHERE id IN (SELECT id FROM samples ORDER BY id LIMIT ?)", (some,))

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None and self._process == os.getpid():
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _open(path: Path, max_bytes: int) -> sqlite3.Connection:
    # Other users of the machine must not read samples.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, timeout=_TIMEOUT, isolation_level=None, check_same_thread=False)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise ValueError("another version of rsgi wrote the file")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA max_page_count = {max_bytes // _PAGE}")
        connection.execute(f"PRAGMA journal_size_limit = {max_bytes // 4}")
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE;{_TABLES}PRAGMA user_version = {VERSION};COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _rows(counts: Tally) -> Iterator[tuple[str, str, str, str, str, int]]:
    for key, tally in counts.routes.items():
        for signature, n in tally.signatures.items():
            yield (*key, "signature", json.dumps(signature), n)
        for what in ("noise", "partial", "skipped"):
            for name, n in getattr(tally, what).items():
                yield (*key, what, name, n)
        if tally.repeats:
            yield (*key, "repeats", "", tally.repeats)


def read_counts(connection: sqlite3.Connection) -> Tally:
    """All counts of a file."""
    tally = Tally()
    for route, primary, shadow, what, name, n in connection.execute("SELECT * FROM counts"):
        key: RouteKey = (route, primary, shadow)
        counts = tally.route(key)
        if what == "signature":
            counts.merge(RouteTally({tuple(json.loads(name)): n}))  # type: ignore[arg-type]
        elif what == "repeats":
            counts.repeats += n
        else:
            getattr(counts, what)[name] += n
    return tally


def read_samples(connection: sqlite3.Connection, most: int = 2000) -> list[dict[str, Any]]:
    """The newest samples of a file."""
    rows = connection.execute("SELECT sample FROM samples ORDER BY id DESC LIMIT ?", (most,))
    return [json.loads(sample) for (sample,) in rows]
