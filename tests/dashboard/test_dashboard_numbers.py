"""The numbers of the dashboard: known traffic through both applications, and every place that shows it says the same.

Apart from `test_metrics.py`, which is about the counters themselves.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from admin import total
from board import (
    ADMIN,
    APPS,
    INSIDE,
    MORE,
    NEW,
    OLD,
    OUTSIDE,
    Board,
    Start,
    access_lines,
    address_of,
    everything,
    run_status,
)
from server import wait_until
from wire import get


def drive(board: Board) -> dict[str, int]:
    """Send known traffic. Gives how many requests each application had."""
    board.ask("/users/1", 6, INSIDE)
    board.ask("/users/2", 9, OUTSIDE)
    board.ask("/users/3", 2, OUTSIDE, method="POST")
    board.ask("/failing", 4, INSIDE)
    board.ask("/", 3)
    board.ask("/fresh/x", 5)
    board.ask("/nothing/here", 2)
    return {OLD: 9 + 2 + 3 + 2, NEW: 6 + 4 + 5}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_page_status_metrics_and_access_log_say_the_same(start: Start, tmp_path: Path, workers: str) -> None:
    log = tmp_path / "access.log"
    lines = ("--access-log-file", str(log), "--access-log-format", "json", "--access-log")
    board = Board(start(*APPS, *MORE, *ADMIN, "--workers", workers, *lines))
    sent = drive(board)
    wait_until(lambda: everything(board.routes()) == sum(sent.values()), 10, "all requests are counted")

    document = board.routes()
    assert {app["name"]: app["requests"] for app in document["apps"]} == sent
    assert (document["traffic"]["old"], document["traffic"]["new"]) == (sent[OLD], sent[NEW])
    assert board.requests("/users/{number:int}") == (9, 6)
    assert board.requests("/users/{number:int}", "POST") == (2, 0)
    assert board.requests("/failing") == (0, 4)
    assert board.route("/failing")["new"]["errors"] == 4
    assert board.requests("/") == (3, 0)
    assert board.requests("/fresh/{name}") == (0, 5)
    assert [(each["app"], each["route"], each["requests"]) for each in document["rest"]] == [(OLD, "other", 2)]

    numbers = board.admin.numbers()
    for app, count in sent.items():
        assert total(numbers, "rsgi_http_requests_total", app=app) == count
    assert total(numbers, "rsgi_http_requests_total", app=NEW, route="/users/{number:int}") == 6
    assert total(numbers, "rsgi_http_requests_total", app=OLD, route="/users/{number:int}", method="POST") == 2

    wait_until(lambda: len(access_lines(log)) == sum(sent.values()), 10, "all lines are written")
    logged = [line["app"] for line in access_lines(log)]
    assert {app: logged.count(app) for app in sent} == sent

    ended = run_status("--admin", address_of(board), "--json")
    assert ended.returncode == 0, ended.stderr
    assert {app["name"]: app["requests"] for app in json.loads(ended.stdout)["apps"]} == sent


def test_a_worker_that_ends_takes_nothing_with_it(start: Start) -> None:
    board = Board(start(*APPS, *ADMIN, "--workers", "2"))
    board.ask("/users/1", 8, INSIDE)
    board.ask("/users/1", 8, OUTSIDE)
    wait_until(lambda: board.requests("/users/{number:int}") == (8, 8), 10, "all are counted")
    before = {worker["pid"] for worker in board.routes()["server"]["workers"]}
    board.served.send_signal(signal.SIGHUP)
    board.served.wait_for_log("all workers were replaced", 60)
    wait_until(lambda: not before & {each["pid"] for each in board.routes()["server"]["workers"]}, 20, "they are new")
    assert board.requests("/users/{number:int}") == (8, 8)
    board.ask("/users/1", 1, INSIDE)
    wait_until(lambda: board.requests("/users/{number:int}") == (8, 9), 10, "new workers count on")


def test_a_killed_worker_loses_no_more_than_a_second(start: Start) -> None:
    board = Board(start(*APPS, *ADMIN, "--workers", "2"))
    board.ask("/users/1", 10, INSIDE)
    wait_until(lambda: board.requests("/users/{number:int}") == (0, 10), 10, "all are counted")
    os.kill(board.routes()["server"]["workers"][0]["pid"], signal.SIGKILL)
    board.served.wait_for_log("another worker replaces it", 20)
    wait_until(lambda: board.requests("/users/{number:int}") == (0, 10), 10, "they stay counted")


def test_every_route_says_who_answers_it(start: Start) -> None:
    board = Board(start(*APPS, *ADMIN))
    document = board.routes()
    assert (document["migrated"], document["old"]) == (0, 6)
    assert {(app["name"], app["interface"], app["framework"]) for app in document["apps"]} == {
        (OLD, "wsgi", "Flask"),
        (NEW, "asgi", "Starlette"),
    }
    user = board.route("/users/{number:int}")
    assert (user["status"], user["served_by"], user["share"]["share"]) == ("kept", OLD, "25%")
    assert user["share"]["rule"] == user["rule"] == "/users/{number}=asgi"
    assert user["old"]["defined"].endswith("dashboard_old.user")
    assert user["new"]["routes"] == ["/users/{number:int}"]
    assert board.route("/fresh/{name}")["status"] == "only new"
    assert board.route("/forgotten")["status"] == "only old"
    assert board.route("/forgotten")["share"] is None
    assert document["history"] is None
    assert all(not each["safe_to_delete"] for each in document["routes"])


def test_the_fallback_application_has_numbers_for_each_route(start: Start) -> None:
    """The table is that of the new application; the old one gets the rest, and its routes are known all the same."""
    board = Board(start("--wsgi", OLD, "--asgi", NEW, *ADMIN))
    assert board.routes()["migrated"] == 3
    board.ask("/users/4", 3)
    board.ask("/users/4", 2, method="POST")
    board.ask("/forgotten", 1)
    wait_until(lambda: everything(board.routes()) == 6, 10, "all are counted")
    assert board.requests("/users/{number:int}") == (0, 3)
    assert board.requests("/users/{number:int}", "POST") == (2, 0)
    assert board.requests("/forgotten") == (1, 0)
    assert board.routes()["rest"] == []


def test_mounted_and_probed_applications_have_them_too(start: Start) -> None:
    mounted = Board(start("--wsgi", OLD, "--asgi", f"/api={NEW}", *ADMIN))
    mounted.ask("/api/users/4", 3)
    wait_until(lambda: mounted.requests("/api/users/{number:int}") == (0, 3), 10, "below the mount")
    probed = Board(start("--wsgi", OLD, "--asgi", NEW, "--fallback", "probe", *ADMIN))
    probed.ask("/users/4", 2)
    probed.ask("/forgotten", 1)
    wait_until(lambda: everything(probed.routes()) == 3, 10, "all are counted")
    assert probed.requests("/users/{number:int}") == (0, 2)
    assert probed.requests("/forgotten") == (1, 0)


def test_times_and_trouble_are_seen(start: Start) -> None:
    board = Board(start(*APPS, *MORE, *ADMIN))
    board.ask("/slow", 25, INSIDE)
    board.ask("/slow", 25, OUTSIDE)
    board.ask("/failing", 25, INSIDE)
    wait_until(lambda: everything(board.routes()) == 75, 10, "all are counted")
    slow = board.route("/slow")
    assert slow["new"]["p50"] >= 0.05
    assert slow["old"]["p50"] < slow["new"]["p50"]
    assert slow["new"]["recent"]["requests"] == 25
    shown = run_status("--admin", address_of(board)).stdout
    assert "2 in trouble" in shown
    assert "! GET /failing: 100 % errors in the new one" in shown
    assert "! GET /slow: the new one takes" in shown


def test_a_reload_of_the_rules_changes_the_list(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "rsgi.toml"
    apps = f'prefer = "wsgi"\n[apps.old]\nwsgi = "{OLD}"\n[apps.new]\nasgi = "{NEW}"\n'
    text = apps + '[[routes]]\npath = "/slow"\napp = "new"\n'
    file.write_text(text + 'share = "5%"\n')
    board = Board(start("--config", str(file), *ADMIN))
    assert board.route("/slow")["share"]["share"] == "5%"
    board.ask("/", 2)
    wait_until(lambda: board.requests("/") == (2, 0), 10, "they are counted")
    before = board.routes()["recent_seconds"]
    file.write_text(text)
    board.served.send_signal(signal.SIGHUP)
    wait_until(lambda: board.route("/slow")["status"] == "migrated", 20, "the rule has no share any more")
    assert board.route("/slow")["share"] is None
    assert board.requests("/") == (2, 0), "counters stay"
    assert board.routes()["recent_seconds"] >= before, "the last minutes do not begin again"
    assert board.route("/")["old"]["recent"]["requests"] == 2
    assert board.route("/")["old"]["last_seen"] is not None
    assert get(board.served, "/slow", OUTSIDE).body == b"new is slow"
