"""Finds the databases that applications have configured, and how many connections each can need.

The operator compares the number with the limit of the database (`max_connections` of PostgreSQL). It counts what can be
seen after the import: the settings of Django, and the engines of SQLAlchemy. SQLite has no limit, so it is left out.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# What psycopg's pool has when Django's settings do not say it.
_DJANGO_POOL = 4


@dataclass(frozen=True)
class Callers:
    """What can hold connections at the same time, in each worker.

    Attributes:
        wsgi_threads: The threads of the WSGI applications.
        executor_threads: The threads that ASGI applications run blocking code in; 0 without one.
        asgi_requests: How many requests of Django's ASGI handler run at a time; `None` if there is no limit, 0 without it.
        workers: The number of workers.
    """

    wsgi_threads: int
    executor_threads: int
    asgi_requests: int | None
    workers: int


@dataclass(frozen=True)
class Database:
    """A database, and the most connections to it.

    Attributes:
        name: Which one it is, for people. It has no password.
        most: The most connections of all workers; `None` if there is no limit.
        reason: What that is made of.
    """

    name: str
    most: int | None
    reason: str

    @property
    def line(self) -> str:
        """The same as a line of the banner."""
        most = "any number of connections" if self.most is None else f"up to {counted(self.most)}"
        return f"database: {most} to {self.name}: {self.reason}"


def counted(number: int) -> str:
    """`1 connection`, `12 connections`."""
    return "1 connection" if number == 1 else f"{number} connections"


def databases(callers: Callers) -> tuple[Database, ...]:
    """The databases of all applications that have been imported."""
    return (*_of_django(callers), *_of_sqlalchemy(callers))


def default_executor_threads() -> int:
    """How many threads asyncio's executor has."""
    processors = getattr(os, "process_cpu_count", os.cpu_count)()  # from Python 3.13 on, those that may be used
    return min(32, (processors or 1) + 4)


def _times_workers(text: str, workers: int) -> str:
    return text if workers == 1 else f"({text}) x {workers} workers" if " + " in text else f"{text} x {workers} workers"


# Django: a connection belongs to a thread, or to one request of its ASGI handler.


def _of_django(callers: Callers) -> Iterator[Database]:
    settings = getattr(sys.modules.get("django.conf"), "settings", None)
    if settings is None or not settings.configured:
        return
    for alias, database in (getattr(settings, "DATABASES", None) or {}).items():
        engine = str(database.get("ENGINE") or "").rpartition(".")[2]
        if engine and engine not in ("sqlite3", "dummy", "spatialite"):
            yield _django_database(f"`{alias}` ({engine})", database, callers)


def _django_database(name: str, database: dict[str, Any], callers: Callers) -> Database:
    pool = (database.get("OPTIONS") or {}).get("pool")
    if pool:
        given = pool if isinstance(pool, dict) else {}
        most = given.get("max_size") or given.get("min_size") or _DJANGO_POOL
        return Database(name, most * callers.workers, _times_workers(f"the pool has {most}", callers.workers))
    if callers.asgi_requests is None:
        why = "Django's ASGI handler opens one for each running request; --limit-concurrency limits them"
        return Database(name, None, why)
    parts = [
        (callers.wsgi_threads, "WSGI thread"),
        (callers.executor_threads, "executor thread"),
        (callers.asgi_requests, "ASGI request"),
    ]
    shown = " + ".join(f"{number} {what}{'' if number == 1 else 's'}" for number, what in parts if number)
    kept = database.get("CONN_MAX_AGE", 0)
    lasting = "" if kept == 0 else ", kept open" if kept is None else f", kept open for {kept} s"
    most = sum(number for number, _ in parts) * callers.workers
    return Database(name, most, _times_workers(shown, callers.workers) + lasting)


# SQLAlchemy: connections belong to the pool of an engine.


def _of_sqlalchemy(callers: Callers) -> Iterator[Database]:
    engine_class = getattr(sys.modules.get("sqlalchemy.engine.base"), "Engine", None)
    if engine_class is None:
        return
    # Nothing lists the engines. The collector knows all of them, also those in the closure of a factory.
    engines = [each for each in gc.get_objects() if type(each) is engine_class]
    found = [_sqlalchemy_database(each, callers) for each in engines if each.dialect.name != "sqlite"]
    yield from sorted(found, key=lambda each: each.name)


def _sqlalchemy_database(engine: Any, callers: Callers) -> Database:  # noqa: ANN401 - SQLAlchemy need not be there
    url = engine.url
    name = f"`{url.host or 'local'}/{url.database or ''}` ({engine.dialect.name}, an engine of SQLAlchemy)"
    size = getattr(engine.pool, "size", None)
    overflow = getattr(engine.pool, "_max_overflow", -1)
    if not callable(size):
        return Database(name, None, f"a {type(engine.pool).__name__} has no limit")
    if size() == 0 or overflow < 0:
        return Database(name, None, "its pool has no limit (`pool_size=0` or `max_overflow=-1`)")
    made = f"pool_size {size()} + max_overflow {overflow}"
    return Database(name, (size() + overflow) * callers.workers, _times_workers(made, callers.workers))
