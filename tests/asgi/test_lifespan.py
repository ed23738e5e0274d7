"""The lifespan protocol: who is asked, what happens when the start fails, and the state that requests see.

Covers the ASGI lifespan specification, version 2.0.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from server import Server, run_rsgi
from wire import get


def test_start_comes_before_listening_and_end_before_exit(start: Callable[..., Server]) -> None:
    server = start("--asgi", "lifespan_apps:first")
    log = server.log()
    assert log.index("first: started") < log.index("listening on ")
    assert "first: ended" not in log
    assert server.stop() == 0
    assert server.log().count("first: ended") == 1


def test_state_reaches_requests_as_a_shallow_copy(start: Callable[..., Server]) -> None:
    server = start("--asgi", "lifespan_apps:first")
    expected = {"name": "first", "shared": ["one list for all requests"], "request only": True}
    assert get(server, "/").json() == expected
    assert get(server, "/").json() == expected


def test_every_app_has_its_own_state(start: Callable[..., Server]) -> None:
    server = start("--asgi", "/one=lifespan_apps:first", "--asgi", "/two=lifespan_apps:second")
    assert get(server, "/one").json()["name"] == "first"
    assert get(server, "/two").json()["name"] == "second"
    assert server.stop() == 0
    assert "first: ended" in server.log()
    assert "second: ended" in server.log()


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_failed_start_refuses_to_serve(mode: str) -> None:
    ended = run_rsgi("--asgi", "lifespan_apps:failing", "--lifespan", mode)
    assert ended.returncode == 1
    assert "error: " in ended.stderr
    assert "the kitchen has no gas" in ended.stderr
    assert "lifespan_apps:failing" in ended.stderr
    assert "listening on" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_failed_start_of_one_app_ends_the_others(start: Callable[..., Server]) -> None:
    ended = run_rsgi("--asgi", "/one=lifespan_apps:first", "--asgi", "/two=lifespan_apps:failing")
    assert ended.returncode == 1
    assert "the kitchen has no gas" in ended.stderr
    assert ended.stderr.count("first: started") == ended.stderr.count("first: ended")


@pytest.mark.parametrize("app", ["raising", "raising_after_startup_message", "returning"])
def test_app_without_lifespan_is_served_all_the_same(start: Callable[..., Server], app: str) -> None:
    server = start("--asgi", f"lifespan_apps:{app}")
    assert get(server, "/").status == 200
    assert "Traceback" not in server.log()
    assert server.stop() == 0


@pytest.mark.parametrize("app", ["raising", "returning"])
def test_lifespan_on_insists(app: str) -> None:
    ended = run_rsgi("--asgi", f"lifespan_apps:{app}", "--lifespan", "on")
    assert ended.returncode == 1
    assert "error: " in ended.stderr
    assert "lifespan" in ended.stderr


def test_lifespan_off_asks_nobody(start: Callable[..., Server]) -> None:
    server = start("--asgi", "lifespan_apps:first", "--lifespan", "off")
    state = get(server, "/").json()
    assert state in (None, {"request only": True})
    assert server.stop() == 0
    assert "first: started" not in server.log()
    assert "first: ended" not in server.log()


def test_start_that_never_ends_times_out() -> None:
    ended = run_rsgi("--asgi", "lifespan_apps:never_complete", "--lifespan-timeout", "0.5")
    assert ended.returncode == 1
    assert "error: " in ended.stderr
    assert "lifespan_apps:never_complete" in ended.stderr
    assert "listening on" not in ended.stderr


def test_failed_shutdown_is_logged(start: Callable[..., Server]) -> None:
    server = start("--asgi", "lifespan_apps:shutdown_failing")
    assert get(server, "/").status == 200
    server.stop()
    assert "the kitchen is on fire" in server.log()


def test_start_and_end_are_one_call(start: Callable[..., Server]) -> None:
    server = start("--asgi", "lifespan_apps:same_task")
    assert server.stop() == 0
    assert "same task: ended" in server.log()


def test_wsgi_apps_are_not_asked(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--lifespan", "on")
    assert get(server, "/hello").status == 200


def test_frameworks_see_their_state(start: Callable[..., Server]) -> None:
    server = start("--asgi", "fastapi_app:app")
    assert get(server, "/state").json() == {"opened": "by the lifespan"}
