"""The history: over restarts, within its bounds, and never at the cost of a request.

The store is asked with times of its own, so that months pass in a moment.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from board import ADMIN, APPS, OUTSIDE, Board, Start
from rsgi.history.document import history_document
from rsgi.history.keeper import Keeper
from rsgi.history.store import FILE_NAME, SPANS, Counts, Store
from server import run_rsgi, wait_until
from wire import get

DAY = 86_400
NOW = 1_800_000_000.0
LISTED = [("old", "/a"), ("old", "/b")]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(str(tmp_path / "history"))
    yield opened
    opened.close()


def minutes(
    store: Store, count: int, *counts: Counts, begin: float = NOW, listed: list[tuple[str, str]] = LISTED
) -> float:
    """Let minutes pass; `counts` come in the first. Gives the time after them."""
    for minute in range(count):
        store.write(begin + minute * 60, 60, counts if minute == 0 else (), listed)
    return begin + count * 60


def quiet_days(store: Store, route: str) -> float:
    return next(each.quiet_days for each in store.routes() if each.route == route)


def test_counts_are_added_by_minute_hour_and_day(store: Store) -> None:
    begin = NOW // DAY * DAY
    for at in (0, 30, 3600, DAY):
        store.write(
            begin + at, 30, [Counts("old", "/a", 2, 1), Counts("new", "/a", 5, 0), Counts("new", "/b", 0, 0)], []
        )
    assert store.traffic("day") == [
        (begin, "new", 15, 0),
        (begin, "old", 6, 3),
        (begin + DAY, "new", 5, 0),
        (begin + DAY, "old", 2, 1),
    ]
    assert [row[2] for row in store.traffic("hour") if row[1] == "old"] == [4, 2, 2]
    (old,) = (each for each in store.routes() if each.app == "old")
    assert (old.requests, old.errors, old.last_seen) == (8, 4, begin + DAY)


def test_only_counted_time_makes_a_route_quiet(store: Store) -> None:
    now = minutes(store, 1440, Counts("old", "/a", 1, 0))
    assert quiet_days(store, "/a") == pytest.approx(1, abs=0.01)
    # Ten days without a server are no days without requests.
    now = minutes(store, 720, begin=now + 10 * DAY)
    assert quiet_days(store, "/a") == pytest.approx(1.5, abs=0.01)
    store.write(now, 60, [Counts("old", "/a", 1, 0)], LISTED)
    assert quiet_days(store, "/a") == 0
    assert quiet_days(store, "/b") == pytest.approx(1.5, abs=0.01), "never asked, in all the time that was counted"
    # A machine that slept counted nothing meanwhile.
    store.write(now + 5 * DAY, 5 * DAY, [], LISTED)
    assert quiet_days(store, "/b") == pytest.approx(1.5, abs=0.01)


def test_a_route_that_is_new_in_the_list_is_not_quiet_yet(store: Store) -> None:
    now = minutes(store, 1440)
    minutes(store, 60, begin=now, listed=[*LISTED, ("old", "/renamed/{id}")])
    assert quiet_days(store, "/renamed/{id}") < 0.1
    assert quiet_days(store, "/b") > 1


def test_a_route_that_was_away_begins_again(store: Store) -> None:
    now = minutes(store, 1440)
    now = minutes(store, 120, begin=now, listed=[("old", "/a")])
    store.write(now, 60, [], LISTED)
    assert quiet_days(store, "/b") == 0, "it may have had requests that were counted elsewhere"
    assert quiet_days(store, "/a") > 1


def test_every_table_has_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for table, (step, _, _) in list(SPANS.items()):
        monkeypatch.setitem(SPANS, table, (step, 10_000_000, 50))
    for number in range(200):
        store.write(NOW + number * DAY, 60, [Counts("old", f"/{each}", 1, 0) for each in range(3)], [])
    for table in SPANS:
        times = [row[0] for row in store.traffic(table)]
        assert 14 <= len(times) <= 17
        assert times[-1] == (NOW + 199 * DAY) // SPANS[table][0] * SPANS[table][0], "the newest are kept"
        assert all(row[2] == 3 for row in store.traffic(table)), "no step is shown with a part of its requests"
    monkeypatch.setitem(SPANS, "minute", (60, 5, 50))
    store.write(NOW + 200 * DAY, 60, [], [])
    assert store.traffic("minute") == []


def test_a_write_that_fails_leaves_nothing_behind(store: Store) -> None:
    store.write(NOW, 60, [Counts("old", "/a", 1, 0)], [])
    with pytest.raises(sqlite3.Error):
        store.write(NOW, 60, [Counts("old", "/b", 1, 0)], [("old", object())])  # type: ignore[list-item]
    assert [each.route for each in store.routes()] == ["/a"]
    store.write(NOW, 60, [Counts("old", "/b", 1, 0)], [])
    assert [each.requests for each in store.routes()] == [1, 1]


class FakeCounters:
    """Counters that a test sets, and what was shown."""

    def __init__(self) -> None:
        self.series: list[tuple[str, str, int, int]] = []
        self.shown = ""

    def counters(self) -> str:
        return json.dumps({"series": self.series, "known": LISTED, "apps": []})

    def show_history(self, text: str) -> None:
        self.shown = text


def test_a_full_disk_loses_no_counts_once_there_is_room(
    store: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    counters = FakeCounters()
    keeper = Keeper(store, counters, 30)
    counters.series = [("old", "/a", 3, 0)]
    keeper._attempt(keeper.write)
    whole = Store.write

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Store, "write", full)
    for count in (5, 8):
        counters.series = [("old", "/a", count, 1)]
        keeper._attempt(keeper.write)
    assert capfd.readouterr().err.count("the history was not written") == 1, "said once"
    monkeypatch.setattr(Store, "write", whole)
    counters.series = [("old", "/a", 9, 1)]
    keeper._attempt(keeper.write)
    assert "the history is written again" in capfd.readouterr().err
    (found,) = (each for each in store.routes() if each.route == "/a")
    assert (found.requests, found.errors) == (9, 1)


def test_counts_that_go_down_are_not_counted_twice(store: Store) -> None:
    """A killed worker takes up to a second of its counts with it."""
    counters = FakeCounters()
    keeper = Keeper(store, counters, 30)
    for count in (10, 8, 12):
        counters.series = [("old", "/a", count, 0)]
        keeper.write()
    (found,) = (each for each in store.routes() if each.route == "/a")
    assert found.requests == 12
    keeper.show()
    assert json.loads(counters.shown)["quiet_days"] == 30


def test_an_empty_history_says_nothing(store: Store) -> None:
    assert history_document(store, 30) is None


@pytest.mark.parametrize("workers", ["1", "2"])
def test_counters_outlive_a_restart(start: Start, tmp_path: Path, workers: str) -> None:
    folder = tmp_path / "kept"
    arguments = (*APPS, *ADMIN, "--workers", workers, "--history-folder", str(folder))
    board = Board(start(*arguments))
    board.ask("/users/1", 4, OUTSIDE)
    wait_until(lambda: board.requests("/users/{number:int}") == (4, 0), 10, "they are counted")
    assert board.served.stop() == 0
    board = Board(start(*arguments))
    assert board.requests("/users/{number:int}") == (0, 0), "as the metrics, which begin at zero"
    kept = board.admin.get("/history.json").json()
    (route,) = (each for each in kept["routes"] if each["requests"])
    assert (route["app"], route["route"], route["requests"]) == ("dashboard_old:app", "/users/{number:int}", 4)
    assert sum(step[2] for step in kept["traffic"]["day"]) == 4
    assert board.route("/users/{number:int}")["old"]["last_seen"] == route["last_seen"]
    assert board.routes()["history"]["quiet_days"] == 30
    board.ask("/users/1", 3, OUTSIDE)
    wait_until(lambda: board.requests("/users/{number:int}") == (3, 0), 10, "they are counted")
    assert board.served.stop() == 0
    with contextlib.closing(Store(str(folder))) as kept_store:
        (found,) = (each for each in kept_store.routes() if each.requests)
    assert found.requests == 7
    assert {path.name.split("-")[0] for path in folder.iterdir()} == {"rsgi"}


def test_a_quiet_route_is_safe_to_delete_only_when_the_history_covers_the_days(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    store = Store(str(folder))
    old = "dashboard_old:app"
    listed = [(old, path) for path in ("/", "/forgotten", "/users/{number:int}")]
    begin = NOW - 60 * DAY
    counts = [Counts(old, path, 1, 0) for _, path in listed]
    for minute in range(2 * 1440 + 10):
        asked = counts if minute == 0 else [counts[0]] if minute == 1440 else []
        store.write(begin + minute * 60, 60, asked, listed)
    store.close()
    arguments = (*APPS, *ADMIN, "--history-folder", str(folder), "--history-quiet-days")
    board = Board(start(*arguments, "2"))
    document = board.routes()
    assert document["history"]["counted_days"] > 2
    safe = {each["path"] for each in document["routes"] if each["safe_to_delete"]}
    assert safe == {"/forgotten", "/users/{number:int}"}, "`/` had a request, and the rest is not known for so long"
    board.ask("/forgotten", 1)
    wait_until(lambda: not board.route("/forgotten")["safe_to_delete"], 10, "it is asked again")
    assert board.served.stop() == 0
    board = Board(start(*arguments, "3"))
    assert not [each for each in board.routes()["routes"] if each["safe_to_delete"]]


def test_a_file_that_is_no_history_is_kept_beside_the_new_one(start: Start, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"something of somebody" * 100)
    board = Board(start(*APPS, *ADMIN, "--history-folder", str(tmp_path)))
    assert "is no history and was moved to" in board.served.log()
    (moved,) = tmp_path.glob("*.broken-*")
    assert moved.read_bytes() == b"something of somebody" * 100
    assert get(board.served, "/").status == 200


def test_a_locked_file_delays_no_request_and_no_end(start: Start, tmp_path: Path) -> None:
    board = Board(start(*APPS, *ADMIN, "--history-folder", str(tmp_path)))
    wait_until(lambda: "counted_days" in board.admin.get("/history.json").text, 15, "the history has begun")
    with sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None) as locking:
        locking.execute("BEGIN IMMEDIATE")
        assert get(board.served, "/").status == 200
        assert board.route("/")["old"] is not None
        assert board.served.stop() == 0
        assert "the history was not written" in board.served.log()
        locking.execute("ROLLBACK")
    locking.close()


def test_a_folder_that_cannot_be_used_is_a_startup_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for workers in ("1", "2"):
        ended = run_rsgi(*APPS, *ADMIN, "--history-folder", str(tmp_path / "file" / "x"), "--workers", workers)
        said = " ".join(ended.stderr.split())
        assert ended.returncode == 1, said
        assert "error: the history cannot be kept in" in said
        assert "hint: name a folder that the server can write to" in said


def test_a_history_without_an_admin_listener_is_a_startup_error(tmp_path: Path) -> None:
    ended = run_rsgi(*APPS, "--history-folder", str(tmp_path))
    assert ended.returncode == 1
    assert "there is no `--admin` address" in " ".join(ended.stderr.split())


def test_the_file_has_a_table_for_it(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "rsgi.toml"
    file.write_text(
        'wsgi = "dashboard_old:app"\nadmin = "127.0.0.1:0"\n[history]\nfolder = "kept"\nquiet_days = 7\n'.replace(
            "kept", str(tmp_path / "kept")
        )
    )
    board = Board(start("--config", str(file)))
    history = wait_until(lambda: board.routes()["history"], 15, "the history has begun")
    assert history["quiet_days"] == 7
    file.write_text('wsgi = "dashboard_old:app"\n[history]\nfolders = "x"\n')
    said = " ".join(run_rsgi("--config", str(file)).stderr.split())
    assert "there is no setting `folders`" in said
    assert "did you mean `folder`?" in said
