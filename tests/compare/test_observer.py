"""Counting, noise, the store and reports: from exchanges to the results of a route.

In this process, but with real SQLite files, and with several processes that write to one.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compare_records import exchanged, request_record, response_record
from rsgi.compare.exchange import Exchange
from rsgi.compare.observer import Observer, merged
from rsgi.compare.options import Comparison, ObserverOptions
from rsgi.compare.results.report import RouteReport, samples_needed, wilson_low
from rsgi.compare.results.verdict import judge, parse_percent, write_percent
from rsgi.compare.storage.collected import reports_in_folder, reports_in_summary
from rsgi.compare.storage.store import FILE, FileStore
from rsgi.errors import StartupError

SAME = exchanged(response_record({"n": 1}), response_record({"n": 1}))
OTHER = exchanged(response_record({"n": 1, "at": 5}), response_record({"n": 2, "at": 6}))


def observed(*exchanges: Exchange, **options: Any) -> RouteReport:
    """The results of the only route."""
    observer = Observer(ObserverOptions(**options))
    for each in exchanges:
        observer.observe(each)
    (report,) = reports_in_summary(json.loads(json.dumps(observer.summary())))
    observer.close()
    return report


def places(report: RouteReport) -> dict[str, int]:
    return {f"{each.kind} {each.path}": each.count for each in report.places}


def test_counts() -> None:
    report = observed(*[SAME] * 3, OTHER)
    assert (report.n, report.matched, report.match) == (4, 3, 0.75)
    assert places(report) == {"value $.n": 1, "value $.at": 1}
    assert report.places[0].example == ("5", "6")
    assert [pair["request"]["target"] for pair in report.pairs] == ["/x"]


def test_observe_says_whether_they_match() -> None:
    observer = Observer(ObserverOptions())
    assert observer.observe(SAME) is True
    assert observer.observe(OTHER) is False
    assert observer.observe(exchanged(response_record(error="timeout"), response_record({}))) is None


def test_noise_also_hides_differences_from_before() -> None:
    at_only = exchanged(response_record({"n": 1, "at": 5}), response_record({"n": 1, "at": 6}))
    learnt = exchanged(
        response_record({"n": 1, "at": 5}),
        response_record({"n": 1, "at": 6}),
        repeat=response_record({"n": 1, "at": 7}),
    )
    report = observed(at_only, OTHER, learnt)
    assert (report.n, report.matched) == (3, 2)
    assert places(report) == {"value $.n": 1}
    assert dict(report.noise) == {"value $.at": 1}
    assert len(report.pairs) == 1


def test_noise_hides_no_other_type_and_no_missing_field() -> None:
    learnt = exchanged(response_record({"at": 5}), response_record({"at": 6}), repeat=response_record({"at": 7}))
    assert places(observed(learnt, exchanged(response_record({"at": 5}), response_record({"at": "5"})))) == {
        "type $.at": 1
    }
    assert places(observed(learnt, exchanged(response_record({"at": 5}), response_record({})))) == {"missing $.at": 1}


def test_noise_of_one_route_is_none_of_another() -> None:
    observer = Observer(ObserverOptions())
    observer.observe(
        exchanged(response_record({"at": 5}), response_record({"at": 6}), "/a", repeat=response_record({"at": 7}))
    )
    observer.observe(exchanged(response_record({"at": 5}), response_record({"at": 6}), "/b"))
    assert {each["route"]: each["match"] for each in observer.summary()["routes"]} == {"/a": 1.0, "/b": 0.0}


def test_a_primary_that_is_not_stable_does_not_count() -> None:
    report = observed(exchanged(response_record({}), response_record({}), repeat=response_record({}, status=503)))
    assert (report.n, report.match, report.low) == (0, None, None)
    assert dict(report.skipped) == {"the primary gave two different responses to the same request": 1}


def test_routes_may_have_their_own_comparison() -> None:
    routes = {"/x": Comparison(ignore=("$.n", "$.at"))}
    assert observed(OTHER, routes=routes).match == 1
    assert observed(OTHER, routes={"/y": routes["/x"]}).match == 0


def test_the_comparison_of_a_route_can_change() -> None:
    observer = Observer(ObserverOptions())
    for ignore, matches in [(("$.n", "$.at"), True), (("$.n",), False), (("$.n",), False)]:
        observer.compare_by("/x", Comparison(ignore=ignore))
        assert observer.observe(OTHER) is matches


def test_what_cannot_be_compared_does_not_raise() -> None:
    observer = Observer(ObserverOptions())
    observer.observe(None)  # type: ignore[arg-type]
    assert observer.summary()["failed"] == 1


def test_options_that_cannot_be_read_raise_at_the_start() -> None:
    with pytest.raises(ValueError, match="is not a JSON path"):
        Observer(ObserverOptions(default=Comparison(ignore=("$[",))))


def test_memory_is_bounded() -> None:
    observer = Observer(ObserverOptions())
    for number in range(700):
        observer.observe(exchanged(response_record({f"k{number}x": 1}), response_record({}), f"/{number % 600}"))
    summary = observer.summary()
    assert len(summary["counts"]) == 501
    assert sum(each["n"] for each in summary["routes"]) == 700
    observer = Observer(ObserverOptions())
    for number in range(1000):
        observer.observe(exchanged(response_record({f"key{'x' * number}": 1}), response_record({})))
    (route,) = observer.summary()["routes"]
    assert (route["n"], route["match"]) == (1000, 0.0)
    assert len(json.dumps(observer.summary())) < 2_000_000


# Several processes


def test_summaries_of_several_processes_are_added() -> None:
    summaries = []
    for exchange in (SAME, OTHER):
        observer = Observer(ObserverOptions())
        observer.observe(exchange)
        summaries.append(json.loads(json.dumps(observer.summary())))
    both = merged(summaries)
    (route,) = both["routes"]
    assert (route["n"], route["match"]) == (2, 0.5)
    assert len(both["samples"]) == 1
    assert merged([both, both])["routes"][0]["n"] == 4
    assert merged([])["routes"] == []


def _write(folder: str, start: Any, times: int) -> None:
    observer = Observer(ObserverOptions(folder=folder))
    start.wait(30)
    for number in range(times):
        observer.observe(exchanged(response_record({"n": 1}), response_record({"n": 1 + number % 2}), f"/{number % 3}"))
    observer.close()


def test_several_processes_write_to_one_store(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    writers = [context.Process(target=_write, args=(str(tmp_path), start, 60)) for _ in range(3)]
    for each in writers:
        each.start()
    for each in writers:
        each.join(120)
        assert each.exitcode == 0
    reports = reports_in_folder(str(tmp_path))
    assert {each.route: (each.n, each.matched) for each in reports} == {f"/{n}": (60, 30) for n in range(3)}
    assert all(each.pairs for each in reports)


def test_a_summary_may_be_asked_for_by_another_thread(tmp_path: Path) -> None:
    observer = Observer(ObserverOptions(folder=str(tmp_path)))
    asked_for: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: asked_for.extend(observer.summary() for _ in range(20)))
    thread.start()
    for number in range(100):
        observer.observe(exchanged(response_record({"n": 1}), response_record({"n": number}), f"/{number}"))
    thread.join(30)
    assert len(asked_for) == 20
    assert len(observer.summary()["routes"]) == 100
    observer.close()


def test_a_forked_process_opens_the_file_again(tmp_path: Path) -> None:
    observer = Observer(ObserverOptions(folder=str(tmp_path)))
    observer.observe(SAME)
    child = os.fork()
    if child == 0:
        observer.observe(OTHER)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    observer.observe(SAME)
    observer.close()
    assert [each.n for each in reports_in_folder(str(tmp_path))] == [3]


# The file


def test_counts_stay_over_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        observer = Observer(ObserverOptions(folder=str(tmp_path / "deep" / "shadow")))
        observer.observe(OTHER)
        assert observer.summary()["routes"][0]["n"] == 1
        observer.close()
    (report,) = reports_in_folder(str(tmp_path / "deep" / "shadow"))
    assert (report.n, len(report.pairs)) == (2, 2)


def test_others_cannot_read_the_file(tmp_path: Path) -> None:
    observer = Observer(ObserverOptions(folder=str(tmp_path)))
    observer.observe(OTHER)
    assert [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()] == [0o600] * len(list(tmp_path.iterdir()))
    observer.close()


def sample_count(folder: Path) -> int:
    connection = sqlite3.connect(folder / FILE)
    try:
        return int(connection.execute("SELECT count(*) FROM samples").fetchone()[0])
    finally:
        connection.close()


def test_rows_are_bounded(tmp_path: Path) -> None:
    observer = Observer(ObserverOptions(folder=str(tmp_path), max_samples=30))
    for number in range(200):
        observer.observe(exchanged(response_record({"n": number}), response_record({"n": -1}), f"/{number % 10}"))
    observer.close()
    assert sample_count(tmp_path) == 30
    reports = reports_in_folder(str(tmp_path))
    assert sum(each.n for each in reports) == 200
    newest = max(json.loads(pair["primary"]["body"])["n"] for each in reports for pair in each.pairs)
    assert newest == 199


def test_equal_differences_do_not_push_out_others(tmp_path: Path) -> None:
    observer = Observer(ObserverOptions(folder=str(tmp_path)))
    observer.observe(exchanged(response_record({"rare": 1}), response_record({})))
    for number in range(100):
        observer.observe(exchanged(response_record({"n": number}), response_record({"n": -1})))
    observer.close()
    assert sample_count(tmp_path) == 21
    (report,) = reports_in_folder(str(tmp_path))
    assert {each["path"] for pair in report.pairs for each in pair["differences"]} == {"$.rare", "$.n"}


def test_bytes_are_bounded(tmp_path: Path) -> None:
    observer = Observer(ObserverOptions(folder=str(tmp_path), max_bytes=512 * 1024))
    for number in range(300):
        body = {"n": number, "text": str(number) * 2000}
        observer.observe(exchanged(response_record(body), response_record({"n": -1}), f"/{number % 20}"))
    assert (tmp_path / FILE).stat().st_size <= 512 * 1024
    assert observer.summary()["lost"] == 0
    observer.close()
    assert sum(each.n for each in reports_in_folder(str(tmp_path))) == 300
    assert sample_count(tmp_path) > 10


def test_a_locked_file_loses_samples_but_no_counts(tmp_path: Path) -> None:
    observer = Observer(ObserverOptions(folder=str(tmp_path)))
    observer.observe(OTHER)
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    observer.observe(OTHER)
    assert observer.summary()["lost"] == 1
    other.execute("COMMIT")
    other.close()
    observer.observe(OTHER)
    observer.close()
    (report,) = reports_in_folder(str(tmp_path))
    assert (report.n, sample_count(tmp_path)) == (3, 2)


def test_a_full_store_loses_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    observer = Observer(ObserverOptions(folder=str(tmp_path)))
    observer.observe(OTHER)
    with monkeypatch.context() as patched:
        patched.setattr(FileStore, "_add_sample", full)
        observer.observe(OTHER)
    assert observer.summary()["lost"] == 1
    observer.observe(SAME)
    observer.close()
    assert [each.n for each in reports_in_folder(str(tmp_path))] == [3]


@pytest.fixture
def unusable(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder that no store can be in."""
    kind = request.param
    folder = tmp_path / "shadow"
    if kind == "a file":
        folder.write_text("")
    else:
        folder.mkdir()
        (folder / FILE).write_bytes(b"this is no database" * 100)
    yield folder


@pytest.mark.parametrize("unusable", ["a file", "no database"], indirect=True)
def test_a_store_that_cannot_be_used_does_not_raise(unusable: Path) -> None:
    observer = Observer(ObserverOptions(folder=str(unusable)))
    assert observer.observe(OTHER) is False
    assert (observer.summary()["lost"], observer.summary()["routes"][0]["n"]) == (1, 1)
    observer.close()
    with pytest.raises(StartupError) as error:
        reports_in_folder(str(unusable))
    assert error.value.hint


def test_another_version_is_not_touched(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    observer = Observer(ObserverOptions(folder=str(tmp_path)))
    observer.observe(OTHER)
    assert observer.summary()["lost"] == 1
    with pytest.raises(StartupError, match="has version 99"):
        reports_in_folder(str(tmp_path))


# What the numbers mean


@pytest.mark.parametrize(
    ("matched", "n", "low"), [(0, 10, 0.0), (10, 10, 0.7225), (50, 100, 0.4038), (99, 100, 0.9455), (381, 381, 0.9900)]
)
def test_wilson(matched: int, n: int, low: float) -> None:
    """The values are those of R's `prop.test(matched, n, correct = FALSE)`."""
    assert wilson_low(matched, n) == pytest.approx(low, abs=0.0001)


@pytest.mark.parametrize("wanted", [0.5, 0.9, 0.95, 0.99, 0.999])
def test_samples_needed(wanted: float) -> None:
    needed = samples_needed(wanted)
    assert needed is not None
    assert wilson_low(needed, needed) >= wanted > wilson_low(needed - 1, needed - 1) if needed > 1 else True
    assert samples_needed(1) is None


def test_percentages() -> None:
    parts = (0, 0.00001, 0.5, 0.98765, 0.9999, 1)
    assert [write_percent(each) for each in parts] == ["0%", "0.1%", "50.0%", "98.8%", "99.9%", "100%"]
    assert parse_percent(" 99.5 % ") == 0.995
    for text in ("99", "101%", "x%", "-1%", ""):
        with pytest.raises(ValueError, match=r"is (not a percentage|more than 100%)"):
            parse_percent(text)


def test_verdict() -> None:
    report = observed(*[SAME] * 99, OTHER)
    assert not judge([report], 0.99).failures
    assert "too few samples" in judge([report], 0.99).notes[0]
    assert judge([report], 0.995).failures == ("/x: 99.0% of 100 samples match, less than 99.5%",)
    assert judge([report], 0.99, 101).failures == ("/x: 100 samples, fewer than 101 samples",)
    assert judge([], 0.5).failures == ("no sample was compared",)
    assert not judge([observed(*[SAME] * 381)], 0.99).notes
    assert judge([observed(exchanged(response_record(error="timeout"), response_record({})))], 0.5).failures


def test_request_headers_are_part_of_a_sample() -> None:
    exchange = exchanged(
        response_record({"n": 1}), response_record({"n": 2}), request=request_record("/x?a=1", ("Accept", "text/html"))
    )
    (pair,) = observed(exchange).pairs
    assert ["Accept", "text/html"] in pair["request"]["headers"]
    assert pair["request"]["target"] == "/x?a=1"
