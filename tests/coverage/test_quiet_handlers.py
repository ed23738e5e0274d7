"""`rsgi routes --dead --admin ADDRESS`: handlers that no request has reached, by the numbers of a running server."""

from __future__ import annotations

import json
import time

import pytest

from board import ADMIN, Board, Start, address_of, everything
from commands import run
from rsgi.routing.coverage.quiet import quiet_handlers
from rsgi.routing.coverage.survey import survey_plan
from rsgi.routing.planning import build_plan
from rsgi.settings.config import AppTarget, Config
from server import APPS, wait_until

BOTH = ("--wsgi", "dashboard_old:app", "--asgi", "dashboard_new:app")


@pytest.fixture
def board(start: Start) -> Board:
    board = Board(start(*BOTH, *ADMIN, "--workers", "2"))
    board.ask("/", 3)
    board.ask("/users/1", 2, method="POST")
    wait_until(lambda: everything(board.routes()) == 5, 10, "all are counted")
    return board


def test_it_lists_what_can_be_reached_and_is_not(board: Board) -> None:
    asked = ("routes", *BOTH, "--dead", "--admin", address_of(board))
    ended = run(*asked, folder=APPS)
    assert ended.returncode == 0, ended.stderr
    dead, _, quiet = ended.stdout.partition("no request for a day (counted since ")
    assert quiet, ended.stdout
    assert "dashboard_old.forgotten of dashboard_old:app, last request: never" in quiet
    assert "dashboard_old.py:" in quiet
    for used in ("dashboard_old.home", "dashboard_old.change"):
        assert used not in quiet
    assert "dashboard_old.forgotten" not in dead
    document = json.loads(run(*asked, "--json", folder=APPS).stdout)
    listed = {each["defined"]: each for each in document["quiet"]}
    only = listed["dashboard_old.forgotten"]
    assert (only["last_seen"], only["app"]) == (None, "dashboard_old:app")
    assert only["routes"] == [{"methods": ["GET", "HEAD"], "host": None, "path": "/forgotten"}]
    assert only["file"].endswith("dashboard_old.py")
    assert 0 < time.time() - document["counting_since"] < 600
    assert listed.keys().isdisjoint(each["defined"] for each in document["handlers"])


def test_a_server_with_other_applications_is_noticed(board: Board) -> None:
    asked = ("--dead", "--admin", address_of(board))
    ended = run("routes", "--wsgi", "flask_app:app", *asked, folder=APPS)
    assert ended.returncode == 0, ended.stderr
    assert "note: the server does not have " in ended.stderr


def test_mistakes_are_said() -> None:
    ended = run("routes", *BOTH, "--admin", "127.0.0.1:1", folder=APPS)
    assert (ended.returncode, "`--admin` goes together with `--dead`" in ended.stderr) == (2, True)
    ended = run("routes", *BOTH, "--dead", "--admin", "127.0.0.1:1", folder=APPS)
    assert ended.returncode == 1
    assert "cannot reach the admin listener at 127.0.0.1:1" in ended.stderr


def test_a_request_of_the_last_day_keeps_a_handler() -> None:
    config = Config(apps=(AppTarget("wsgi", "dashboard_old:app"),), app_dir=str(APPS))
    survey = survey_plan(build_plan(config), config)
    now = int(time.time())

    def side(name: str, path: str, last_seen: int | None) -> dict[str, object]:
        old = {"app": "dashboard_old:app", "routes": [path], "defined": f"dashboard_old.{name}", "last_seen": last_seen}
        return {"old": old, "new": None}

    routes = [side("home", "/", now - 3600), side("slow", "/slow", now - 90_000), side("failing", "/failing", None)]
    document = {"routes": routes, "counting_since": now - 50, "history": {"since": now - 1_000_000}}
    found = quiet_handlers(survey, (), document)
    shown = [(each.handler.defined, each.last_seen) for each in found.listed]
    assert shown == [("dashboard_old.failing", None), ("dashboard_old.slow", now - 90_000)]
    assert (found.since, found.unknown) == (now - 1_000_000, 3)
