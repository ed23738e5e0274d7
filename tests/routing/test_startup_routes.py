"""Routes that an application adds in its startup are its own from the first request on.

Apart from `test_lifespan.py`, which has the startup itself: here the route table is read again after it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from commands import run
from server import APPS, Server, run_rsgi
from wire import get, request

BOTH = ("--wsgi", "startup_apps:old", "--asgi", "startup_apps:new")


def owner(server: Server, path: str) -> str:
    return str(get(server, path).json()["app"])


@pytest.mark.parametrize("how", [("--io", "thread"), ("--io", "pool"), ("--loop", "asyncio")], ids=str)
def test_a_route_that_the_startup_adds_is_the_new_application_s(
    start: Callable[..., Server], how: tuple[str, ...]
) -> None:
    server = start(*BOTH, *how)
    assert [owner(server, path) for path in ("/metrics", "/orders", "/other")] == ["new", "new", "old"]
    before, _, after = server.log().partition("the routes changed in the startup:\n")
    assert "table: 1 route of startup_apps:new, read from FastAPI" in before
    assert after.splitlines()[:3] == [
        "  table: 2 routes of startup_apps:new, read from FastAPI",
        "  + route GET /metrics",
        f"listening on http://127.0.0.1:{server.port}",
    ]


def test_what_a_mount_refuses_is_no_news(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "startup_apps:old", "--asgi", "startup_apps:mounting")
    assert [owner(server, path) for path in ("/metrics/", "/metrics/other", "/orders")] == ["new", "old", "new"]
    after = server.log().partition("the routes changed in the startup:\n")[2]
    assert after.splitlines()[:3] == [
        "  table: 2 routes of startup_apps:mounting, read from FastAPI",
        "  + route GET /metrics/",
        "  + route GET /metrics",
    ]
    assert after.splitlines()[3].startswith("listening on ")


def test_nothing_is_said_where_the_startup_adds_nothing(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "startup_apps:old", "--asgi", "startup_apps:plain")
    assert [owner(server, path) for path in ("/metrics", "/orders")] == ["old", "new"]
    assert "after the startup" not in server.log()


def test_every_worker_reads_its_routes_after_its_startup(start: Callable[..., Server]) -> None:
    server = start(*BOTH, "--workers", "2")
    assert {owner(server, "/metrics") for _ in range(20)} == {"new"}
    assert server.log().count("the routes changed in the startup:") == 1


def test_a_table_that_the_startup_makes_unreadable_ends_the_start_in_order() -> None:
    found = run_rsgi("--wsgi", "startup_apps:old", "--asgi", "startup_apps:unreadable", "--fallback", "table")
    assert found.returncode == 1
    assert "error: the routes of `startup_apps:unreadable` cannot be read (`Unreadable` does not show" in found.stderr
    assert "hint: name the inner application: `--routes-from module:attr`" in found.stderr
    assert "the application has stopped" in found.stderr
    assert "listening on" not in found.stderr


def test_without_a_table_asked_for_it_is_asked_first_then(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "startup_apps:old", "--asgi", "startup_apps:unreadable")
    assert "  probe: the routes of startup_apps:unreadable cannot be read" in server.log()
    assert [owner(server, path) for path in ("/orders", "/other")] == ["new", "old"]


def test_routes_that_come_later_are_read_at_hangup(start: Callable[..., Server], tmp_path: Path) -> None:
    file = tmp_path / "rsgi.toml"
    file.write_text('[apps.old]\nwsgi = "startup_apps:old"\n[apps.new]\nasgi = "startup_apps:grown"\n')
    server = start("--config", str(file))
    assert owner(server, "/grown") == "old"
    assert request(server, "POST", "/grow").json() == {"app": "new"}
    server.wait_for_log("  + route GET /grown")
    assert [owner(server, path) for path in ("/grown", "/metrics")] == ["new", "new"]
    said = server.log().partition("reloaded ")[2]
    assert "/metrics" not in said, "what the startup added is no news"


# The commands


def ask(command: str, new: str, *more: str, folder: Path = APPS) -> tuple[int, str, str]:
    words = ("GET", "/metrics") if command == "explain" else ()
    found = run(command, "--wsgi", "startup_apps:old", "--asgi", f"startup_apps:{new}", *more, *words, folder=folder)
    return found.returncode, found.stdout, found.stderr


@pytest.mark.parametrize("command", ["routes", "explain", "check"])
def test_the_commands_say_that_they_did_not_run_a_startup(command: str) -> None:
    code, shown, said = ask(command, "new")
    assert code == 0
    assert "1 route of startup_apps:new" in shown or "served by  startup_apps:old" in shown
    assert "note: startup_apps:new has a startup, which did not run. Routes that it adds are missing here" in said
    assert "the application has" not in said
    assert "note:" not in ask(command, "plain")[2]


@pytest.mark.parametrize("command", ["routes", "explain", "check"])
@pytest.mark.parametrize("how", ["auto", "on"])
def test_the_commands_run_the_startup_where_they_are_asked_to(command: str, how: str) -> None:
    code, shown, said = ask(command, "new", "--lifespan", how)
    assert code == 0, said
    assert "2 routes of startup_apps:new" in shown or "served by  startup_apps:new" in shown
    assert said.splitlines()[:2] == ["the application has started", "the application has stopped"]
    assert "note:" not in said


def test_a_startup_that_fails_or_takes_too_long_is_said(tmp_path: Path) -> None:
    code, _, said = ask("check", "failing", "--lifespan", "auto")
    assert code == 1
    assert "error: the startup of `startup_apps:failing` failed: " in said
    assert "OSError: there is no database" in said
    (tmp_path / "rsgi.toml").write_text("lifespan_timeout = 0.05\n")
    code, _, said = ask("check", "hanging", "--lifespan", "on", "--app-dir", str(APPS), folder=tmp_path)
    assert code == 1
    assert "error: the startup of `startup_apps:hanging` did not end within 0.05 seconds" in said


def test_an_application_without_a_lifespan_is_wrong_only_where_one_is_asked_for() -> None:
    assert ask("check", "without_lifespan", "--lifespan", "auto")[0] == 0
    code, _, said = ask("check", "without_lifespan", "--lifespan", "on")
    assert code == 1
    assert "the startup of `startup_apps:without_lifespan` failed: ValueError: no lifespan here" in said
