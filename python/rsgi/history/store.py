"""The file of the history: requests and errors by minute, hour and day, for each application and route.

SQLite in WAL mode, so that other programs can read while this one writes. Every table has a bound. A file that is no
database is moved aside, never overwritten.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

FILE_NAME = "rsgi-history.sqlite3"

# For each table: its step in seconds, how many steps are kept, and how many rows at most.
SPANS: dict[str, tuple[int, int, int]] = {
    "minute": (60, 24 * 60, 200_000),
    "hour": (3600, 31 * 24, 200_000),
    "day": (86_400, 2 * 366, 200_000),
}

# So many routes are known at most, and so many minutes without the route in the list make it a new one.
_MOST_ROUTES = 20_000
_FORGOTTEN_AFTER = 60.0

# A time between two writes above this was no time of counting: the machine slept, or its clock was set.
_LONGEST_STEP = 180.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS minute (time INTEGER, app TEXT, route TEXT, requests INTEGER, errors INTEGER,
    PRIMARY KEY (time, app, route)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hour (time INTEGER, app TEXT, route TEXT, requests INTEGER, errors INTEGER,
    PRIMARY KEY (time, app, route)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS day (time INTEGER, app TEXT, route TEXT, requests INTEGER, errors INTEGER,
    PRIMARY KEY (time, app, route)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS route (app TEXT, route TEXT, requests INTEGER, errors INTEGER, last_seen INTEGER,
    quiet_from REAL, listed REAL, PRIMARY KEY (app, route)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counted (id INTEGER PRIMARY KEY CHECK (id = 1), since INTEGER, minutes REAL);
PRAGMA user_version = 1;
"""


@dataclass(frozen=True)
class Counts:
    """What was counted of one route since the last write."""

    app: str
    route: str
    requests: int
    errors: int


@dataclass(frozen=True)
class KnownRoute:
    """A route in the history.

    Attributes:
        requests: All requests, over restarts.
        errors: Those with a status from 500 on.
        last_seen: The time of the last write that had requests, in seconds since 1970.
        quiet_days: For how many counted days there was no request.
    """

    app: str
    route: str
    requests: int
    errors: int
    last_seen: int | None
    quiet_days: float


class Store:
    """The open file. Every method may raise `sqlite3.Error`; then nothing was written."""

    def __init__(self, folder: str) -> None:
        """Open the file in `folder`, and make both if they do not exist.

        Raises:
            OSError: when the folder cannot be used.
            sqlite3.Error: when the file cannot be used.
        """
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.path = Path(folder, FILE_NAME)
        self.moved: Path | None = None
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            self.moved = self.path.with_name(f"{FILE_NAME}.broken-{int(time.time())}")
            self.path.rename(self.moved)
            self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=5, check_same_thread=False, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            # What is deleted gives its pages to what comes; a checkpoint keeps the log small.
            connection.execute("PRAGMA journal_size_limit = 4194304")
            connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """All or nothing."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def write(self, now: float, elapsed: float, counts: Iterable[Counts], listed: Iterable[tuple[str, str]]) -> None:
        """Add what was counted in the last `elapsed` seconds.

        Args:
            now: The time, in seconds since 1970.
            elapsed: The time since the last write, by a clock that nobody sets.
            counts: What has grown.
            listed: The routes that the applications have now, with and without requests.
        """
        grown = [each for each in counts if each.requests > 0]
        with self._writing() as connection:
            minutes = self._count_time(connection, now, elapsed)
            for table, (step, _, _) in SPANS.items():
                at = int(now) // step * step
                connection.executemany(
                    f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?) ON CONFLICT (time, app, route) DO UPDATE SET "  # noqa: S608 - our own names
                    "requests = requests + excluded.requests, errors = errors + excluded.errors",
                    [(at, each.app, each.route, each.requests, each.errors) for each in grown],
                )
            self._list(connection, minutes, set(listed))
            connection.executemany(
                "INSERT INTO route VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (app, route) DO UPDATE SET "
                "requests = requests + excluded.requests, errors = errors + excluded.errors, "
                "last_seen = excluded.last_seen, quiet_from = excluded.quiet_from, listed = excluded.listed",
                [(e.app, e.route, e.requests, e.errors, int(now), minutes, minutes) for e in grown],
            )
            self._forget(connection, now)

    @staticmethod
    def _count_time(connection: sqlite3.Connection, now: float, elapsed: float) -> float:
        """Add the time that was counted; gives all of it, in minutes."""
        minutes = elapsed / 60 if elapsed <= _LONGEST_STEP else 0.0
        connection.execute(
            "INSERT INTO counted VALUES (1, ?, ?) ON CONFLICT (id) DO UPDATE SET minutes = minutes + excluded.minutes",
            (int(now), minutes),
        )
        (counted,) = connection.execute("SELECT minutes FROM counted").fetchone()
        return float(counted)

    @staticmethod
    def _list(connection: sqlite3.Connection, minutes: float, listed: set[tuple[str, str]]) -> None:
        """Note which routes there are. One that was not listed for a while may have had requests under another name."""
        connection.executemany(
            "INSERT INTO route VALUES (?, ?, 0, 0, NULL, ?, ?) ON CONFLICT (app, route) DO UPDATE SET quiet_from = "
            "CASE WHEN excluded.listed - listed > ? THEN excluded.quiet_from ELSE quiet_from END, "
            "listed = excluded.listed",
            [(app, route, minutes, minutes, _FORGOTTEN_AFTER) for app, route in listed],
        )

    @staticmethod
    def _forget(connection: sqlite3.Connection, now: float) -> None:
        """Keep within the bounds: what is oldest goes."""
        for table, (step, kept, most) in SPANS.items():
            connection.execute(f"DELETE FROM {table} WHERE time < ?", (int(now) - step * kept,))  # noqa: S608
            (rows,) = connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()  # noqa: S608
            if rows > most:
                # Whole steps, so that no step is shown with a part of its requests.
                connection.execute(
                    f"DELETE FROM {table} WHERE time <= (SELECT time FROM {table} ORDER BY time LIMIT 1 OFFSET ?)",  # noqa: S608
                    (rows - most,),
                )
        connection.execute(
            "DELETE FROM route WHERE (app, route) IN (SELECT app, route FROM route ORDER BY listed DESC LIMIT -1 OFFSET ?)",
            (_MOST_ROUTES,),
        )

    def counted(self) -> tuple[int, float] | None:
        """Since when there is a history, and how many days of it were counted; `None` for an empty one."""
        found = self._connection.execute("SELECT since, minutes FROM counted").fetchone()
        return None if found is None else (int(found[0]), float(found[1]) / 1440)

    def routes(self) -> list[KnownRoute]:
        """Every route in the history."""
        rows = self._connection.execute(
            "SELECT app, route, requests, errors, last_seen, (SELECT minutes FROM counted) - quiet_from FROM route "
            "ORDER BY app, route"
        )
        return [
            KnownRoute(app, route, requests, errors, last_seen, max(0.0, quiet) / 1440)
            for app, route, requests, errors, last_seen, quiet in rows
        ]

    def traffic(self, table: str) -> list[tuple[int, str, int, int]]:
        """Time, application, requests and errors, for each step of a table."""
        return self._connection.execute(
            f"SELECT time, app, SUM(requests), SUM(errors) FROM {table} GROUP BY time, app ORDER BY time, app"  # noqa: S608
        ).fetchall()
