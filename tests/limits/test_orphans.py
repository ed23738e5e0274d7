"""Calls that go on after their clients have left: counted, and replaced by a bounded number of spare threads.

Apart from the other thread tests because every host of the application behaves alike here: the server's own gateway, the
bridge that the server calls by itself, the bridge inside an ASGI application, and the bridge under a foreign server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from server import Server, start_rsgi, start_uvicorn, wait_until
from wire import Connection, get, many_connections

HOSTS: dict[str, Callable[[], Server]] = {
    "wsgi": lambda: start_rsgi("--wsgi", "orphans_app:app", "--wsgi-threads", "2"),
    "bridge": lambda: start_rsgi("--asgi", "orphans_app:bridged"),
    "bridge-inside": lambda: start_rsgi("--asgi", "orphans_app:dispatcher"),
    "bridge-uvicorn": lambda: start_uvicorn("orphans_app:bridged"),
}


@pytest.fixture(params=HOSTS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "bridge-uvicorn":
        pytest.importorskip("uvicorn", reason="the package uvicorn is not installed")
    started = HOSTS[request.param]()
    yield started
    started.stop()


def leave_stuck(server: Server, path: str, *, count: int) -> None:
    """Let `count` clients start a call and leave it once it runs."""
    with many_connections(server, count) as connections:
        for connection in connections:
            connection.send_request("GET", path)
        wait_until(lambda: server.log().count("stuck") == count, 10, "all calls to run")


@pytest.mark.parametrize("path", ["/stuck", "/stuck-later"])
def test_all_threads_are_stuck_and_a_request_still_runs(server: Server, path: str) -> None:
    """18: both threads sleep in calls of clients that left; a third one answers, and a fourth is not started."""
    leave_stuck(server, path, count=2)
    assert get(server, "/").body.endswith(b"-3")
    server.wait_for_log("a spare thread was started")
    assert get(server, "/").body.endswith(b"-3")
    assert get(server, "/release").status == 200
    names = {get(server, "/").body.rpartition(b"-")[2] for _ in range(20)}
    assert names <= {b"1", b"2", b"3"}
    assert server.log().count("a spare thread was started") == 1


def test_spare_threads_that_come_and_go_are_told_of_once() -> None:
    """Clients that leave streams again and again must not fill the log."""
    server = start_rsgi("--wsgi", "orphans_app:app", "--wsgi-threads", "2")
    try:
        for rounds in range(1, 4):
            with many_connections(server, 2) as connections:
                for connection in connections:
                    connection.send_request("GET", "/stuck-again")
                wait_until(lambda most=2 * rounds: server.log().count("stuck") == most, 10, "both calls run")
            assert get(server, "/").body.endswith(b"-%d" % (rounds + 2))
            assert get(server, "/release-once").status == 200
        server.wait_for_log("a spare thread was started")
        assert server.log().count("started") == 1, server.log()
    finally:
        server.stop()


def test_one_thread_has_no_spare() -> None:
    """An application that is never to be called twice at a time waits for itself."""
    server = start_rsgi("--wsgi", "orphans_app:app", "--wsgi-threads", "1")
    try:
        leave_stuck(server, "/stuck", count=1)
        with Connection(server) as waiting:
            waiting.send_request("GET", "/")
            assert not waiting.readable(0.5)
        assert "spare" not in server.log()
    finally:
        server.kill()


# The bridge as the server's own application


def test_server_calls_a_bridged_application_by_itself() -> None:
    """The event loop is held up by another application, and the bridge does not notice: it is called without it."""
    server = start_rsgi("--asgi", "/new=orphans_app:blocking", "--asgi", "orphans_app:bridged")
    try:
        with Connection(server) as blocked:
            blocked.send_request("GET", "/new/block")
            assert get(server, "/").body == b"rsgi-bridge-1"
            assert not blocked.readable(0.1)
            assert get(server, "/release").status == 200
            assert blocked.read_response().body == b"blocked"
    finally:
        server.stop()


def test_scope_is_in_the_environ_of_a_bridged_application() -> None:
    """As it is under any other host."""
    expected = b"('http', '/api/scope', '/api', {}, 1)"
    for target in ("bridged", "dispatcher", "strict"):
        server = start_rsgi("--asgi", f"/api=orphans_app:{target}")
        try:
            assert get(server, "/api/scope").body == expected, target
        finally:
            server.stop()


def test_websocket_to_a_bridged_application_is_refused() -> None:
    server = start_rsgi("--asgi", "orphans_app:bridged")
    try:
        with Connection(server) as connection:
            connection.send_request(
                "GET",
                "/",
                headers=[
                    ("Connection", "Upgrade"),
                    ("Upgrade", "websocket"),
                    ("Sec-WebSocket-Version", "13"),
                    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ],
            )
            assert connection.read_response().status == 404
    finally:
        server.stop()
