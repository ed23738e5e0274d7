"""The thread that keeps the history: every minute it writes what has been counted, and shows the dashboard what is kept.

If the disk is full or the file is locked, it logs a warning once and tries again a minute later. What was counted meanwhile
is written then.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from typing import Any, Protocol

from rsgi.errors import StartupError
from rsgi.history.document import history_document
from rsgi.history.store import Counts, Store
from rsgi.observe.console import say
from rsgi.settings.config import Config

# How often it is written, in seconds, and how soon after the start for the first time.
_EVERY = 60.0
_FIRST = 5.0


class Counting(Protocol):
    """Where the counters are: the admin listener of a supervisor, or the dashboard of a process that serves alone."""

    def counters(self) -> str:
        """All counters so far, as JSON."""

    def show_history(self, text: str) -> None:
        """Show this history, which is JSON."""


@contextlib.contextmanager
def keep_history(config: Config, counting: Counting | None) -> Iterator[None]:
    """Keep the history until the end of the block, if the settings name a folder.

    Args:
        config: All settings.
        counting: Where the counters are; `None` when there is no admin listener in this process.

    Raises:
        StartupError: when the folder or the file cannot be used.
    """
    if config.history_folder is None or counting is None:
        yield
        return
    keeper = Keeper(_open(config.history_folder), counting, config.history_quiet_days)
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()


def check_history(config: Config) -> None:
    """See that a history has something to keep.

    Raises:
        StartupError: when there is no admin listener.
    """
    if config.history_folder is not None and config.admin is None:
        raise StartupError(
            "`--history-folder` keeps the numbers of the dashboard, but there is no `--admin` address",
            "set an address, for example `--admin 127.0.0.1:9090`",
        )


def _open(folder: str) -> Store:
    try:
        store = Store(folder)
    except (OSError, sqlite3.Error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise StartupError(
            f"the history cannot be kept in `{folder}`: {why}", "name a folder that the server can write to"
        ) from error
    if store.moved is not None:
        say(f"warning: `{store.path}` is no history and was moved to `{store.moved}`; a new one begins")
    return store


class Keeper:
    """Writes the history of one server."""

    def __init__(self, store: Store, counting: Counting, quiet_days: float) -> None:
        self._store, self._counting, self._quiet_days = store, counting, quiet_days
        self._written: dict[tuple[str, str], tuple[int, int]] = {}
        self._written_at = time.monotonic()
        self._failed = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rsgi-history", daemon=True)

    def start(self) -> None:
        """Show what is kept, and begin to write."""
        self._attempt(self.show)
        self._thread.start()

    def stop(self) -> None:
        """Write for the last time."""
        self._over.set()
        self._thread.join()
        self._attempt(self.write)
        with contextlib.suppress(sqlite3.Error):
            self._store.close()

    def _run(self) -> None:
        wait = _FIRST
        while not self._over.wait(wait):
            self._attempt(self.write)
            self._attempt(self.show)
            wait = _EVERY

    def _attempt(self, what: Any) -> None:  # noqa: ANN401 - one of the two methods
        """Do it; a failure is logged once until something succeeds again."""
        try:
            what()
        except (OSError, sqlite3.Error, ValueError) as error:
            if not self._failed:
                say(f"warning: the history was not written and rsgi tries again every minute: {error}")
            self._failed = True
        else:
            if self._failed and what == self.write:
                say("the history is written again")
                self._failed = False

    def write(self) -> None:
        """Write what has been counted since the last time that this succeeded."""
        now, moment = time.time(), time.monotonic()
        read = json.loads(self._counting.counters())
        counters = {(app, route): (requests, errors) for app, route, requests, errors in read["series"]}
        grown = [self._since(key, totals) for key, totals in counters.items()]
        self._store.write(now, moment - self._written_at, grown, (tuple(each) for each in read["known"]))
        # A worker that was killed takes up to a second of its counts with it, so a total can go down.
        self._written = {key: self._most(key, totals) for key, totals in counters.items()}
        self._written_at = moment

    def _since(self, key: tuple[str, str], totals: tuple[int, int]) -> Counts:
        requests, errors = self._written.get(key, (0, 0))
        return Counts(*key, max(0, totals[0] - requests), max(0, totals[1] - errors))

    def _most(self, key: tuple[str, str], totals: tuple[int, int]) -> tuple[int, int]:
        requests, errors = self._written.get(key, (0, 0))
        return max(totals[0], requests), max(totals[1], errors)

    def show(self) -> None:
        """Show the dashboard what is kept."""
        text = history_document(self._store, self._quiet_days)
        if text is not None:
            self._counting.show_history(text)
