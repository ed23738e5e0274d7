"""One server, one event: starts it, puts it under load, lets the event happen, and counts.

Apart from the events because here is which server has which event, and with which of its own settings.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from certificates import Certificates
from trials.apps import BROKEN, JOBS
from trials.ends import events
from trials.ends.clients import CUT, WHOLE, WRONG, Load
from trials.servers import FOLDER, PEERS, RSGI, Kind, start

WORKERS = 2

# What every server gets, below its interface's letter; then what only this server is asked for as well.
SHARED = ("get", "post", "upload", "download", "job", "events")
OURS = [("websocket", "/a/ws"), ("http2", "/w/get"), ("http2", "/a/get")]


@dataclass(frozen=True)
class Happening:
    """An event, and what the servers that know it need for it.

    Attributes:
        title: The row of the table.
        arguments: By server, the settings that the event needs. A server that is not listed has no such thing.
        kills: Whether a process is killed, so that what it ran is lost.
        ends: Whether the server is gone afterwards.
        leaks: Whether a client makes the application take memory.
        workers: How many processes serve.
        rules: Whether the applications are named in a file.
        encrypted: Whether everybody speaks TLS.
    """

    title: str
    event: events.Event
    arguments: dict[str, tuple[str, ...]]
    kills: bool = False
    ends: bool = False
    leaks: bool = False
    workers: int = WORKERS
    rules: bool = False
    encrypted: bool = False


_ALL: dict[str, tuple[str, ...]] = {"rsgi": (), "gunicorn": (), "uvicorn": (), "Granian": (), "Hypercorn": ()}
_SIGNALS: dict[str, tuple[str, ...]] = {"rsgi": (), "gunicorn": (), "uvicorn": ()}
HAPPENINGS = {
    "term": Happening("SIGTERM", events.terminated, _ALL, ends=True),
    "hup": Happening("SIGHUP, repeated", events.restarted, {**_SIGNALS, "Granian": ()}),
    "resize": Happening("TTIN and TTOU, repeated", events.resized, _SIGNALS),
    "worker-killed": Happening(
        "kill -9 of a worker", events.worker_killed, {**_ALL, "Granian": ("--respawn-failed-workers",)}, kills=True
    ),
    "supervisor-killed": Happening("kill -9 of the supervisor", events.supervisor_killed, _ALL, ends=True),
    "max-requests": Happening(
        "recycled by number of requests",
        events.recycled,
        {
            "rsgi": ("--max-requests", "150"),
            "gunicorn": ("--max-requests", "150"),
            "uvicorn": ("--limit-max-requests", "150"),
            "Hypercorn": ("--max-requests", "150"),
        },
    ),
    "max-rss": Happening(
        "recycled by memory",
        events.recycled,
        {"rsgi": ("--max-rss", "120MiB"), "Granian": ("--workers-max-rss", "120", "--rss-sample-interval", "1")},
        leaks=True,
    ),
    "hang": Happening(
        "a worker stops (SIGSTOP)",
        events.worker_hung,
        {
            "rsgi": ("--worker-timeout", "3"),
            "gunicorn": ("--timeout", "3"),
            "uvicorn": ("--timeout-worker-healthcheck", "3"),
        },
        kills=True,
    ),
    "broken": Happening("SIGHUP with code that cannot start", events.broken_restart, {**_SIGNALS, "Granian": ()}),
    # The others read nothing again without a restart.
    "rules": Happening("other rules and SIGHUP, repeated", events.rules_reloaded, {"rsgi": ()}, workers=1, rules=True),
    "certificate": Happening(
        "a new certificate and SIGHUP, repeated", events.certificate_renewed, {"rsgi": ()}, workers=1, encrypted=True
    ),
}


@dataclass
class Result:
    """What was counted.

    Attributes:
        begun, done: Jobs of the application.
        lost: Jobs that were begun and not done by a process that nobody killed.
        failed: Why the server did not come through, if it did not.
    """

    counts: Counter[str]
    begun: int
    done: int
    lost: int
    left: int
    clients: int
    notes: list[str]
    log: str
    failed: str | None = None

    def cell(self) -> str:
        """For a table: requests sent / whole / cut, then jobs lost."""
        sent = sum(self.counts[outcome] for outcome in (WHOLE, CUT, WRONG))
        cut = self.counts[CUT] + self.counts[WRONG]
        text = f"{sent} / {self.counts[WHOLE]} / **{cut}**; {self.begun - self.done} of {self.begun}"
        if self.left:
            text += f"; {self.left} processes stay"
        return f"{text}; {self.failed}" if self.failed else text

    def story(self) -> str:
        """For a message."""
        return f"{dict(self.counts)}, jobs {self.begun}/{self.done}, {self.failed}\n" + "\n".join(self.notes[:20])


KINDS_OF_RSGI = [(name, f"/{letter}/{name}") for letter in "wa" for name in SHARED] + OURS


def _kinds(kind: Kind) -> list[tuple[str, str]]:
    letter = kind.interfaces[0][0]
    return list(KINDS_OF_RSGI) if kind is RSGI else [(name, f"/{letter}/{name}") for name in SHARED]


def try_one(kind: Kind, happening: Happening, restarts: int) -> Result:
    """Let it happen to a server."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        jobs = folder / "jobs"
        jobs.touch()
        environment = {JOBS: str(jobs), BROKEN: str(folder / "broken")}
        arguments = list(happening.arguments[kind.name])
        target = f"trials.apps:{kind.interfaces[0]}"
        if kind is RSGI:
            arguments += ["--app-dir", str(FOLDER), "--grace", "10"]
            arguments += [] if happening.rules else ["--asgi", "/a=trials.apps:asgi"]
        if happening.rules:
            target = ""
            arguments += ["--config", str(events.write_rules(folder, 0))]
        certificates = Certificates.make(folder) if happening.encrypted else None
        arguments += certificates.flags() if certificates else ()
        server = start(kind, kind.interfaces[0], target, *arguments, workers=happening.workers, environment=environment)
        clients = _kinds(kind)
        if happening.leaks:
            clients.append(("get", f"/{kind.interfaces[0][0]}/leak"))
        load = Load(server, clients, certificates and certificates.context)
        run = events.Run(server, load, folder, restarts, certificates)
        failed = None
        try:
            with load:
                happening.event(run)
            if not happening.ends:
                events.terminated(run)
        except AssertionError as error:
            failed = str(error).partition(":")[0]
        finally:
            server.kill_tree()
        begun, done = _jobs(jobs)
        spared = {pid: count for pid, count in (begun - done).items() if pid not in run.killed}
        return Result(
            load.counts(),
            sum(begun.values()),
            sum(done.values()),
            sum(spared.values()),
            run.left,
            len(clients),
            load.notes(),
            server.log(),
            failed,
        )


def _jobs(record: Path) -> tuple[Counter[int], Counter[int]]:
    """How many jobs each process has begun, and done."""
    lines = [line.split() for line in record.read_text().splitlines()]
    begun, done = (Counter(int(pid) for what, pid in lines if what == wanted) for wanted in ("begun", "done"))
    return begun, done


def table(tell: Callable[[str], None]) -> Iterator[str]:
    """The lines of the table: rows are events, columns are servers."""
    kinds = [kind for kind in (RSGI, *PEERS) if kind.installed()]
    yield "| event | " + " | ".join(kind.name for kind in kinds) + " |"
    yield "|---|" + "---|" * len(kinds)
    for happening in HAPPENINGS.values():
        cells = []
        for kind in kinds:
            if kind.name not in happening.arguments:
                cells.append("·")
                continue
            result = try_one(kind, happening, 10 if kind is RSGI else 3)
            tell(f"{happening.title}, {kind.name}: {result.story()}")
            cells.append(result.cell())
        yield f"| {happening.title} | " + " | ".join(cells) + " |"
