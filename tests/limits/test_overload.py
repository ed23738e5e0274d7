"""What the log says when requests wait for a thread or are refused: once when it begins, once when it is over.

Apart from `test_limits.py`, which is about what clients get.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable

from server import Server, wait_until
from wire import Connection, get


def ask(server: Server, connections: contextlib.ExitStack, target: str) -> Connection:
    """Send one request, and do not wait for its response."""
    connection = connections.enter_context(Connection(server))
    connection.send_request("GET", target)
    return connection


def test_busy_threads_are_said_once_and_so_is_their_end(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "draining_app:old", "--wsgi-threads", "2", "--wsgi-queue", "2", "--grace", "10")
    with contextlib.ExitStack() as connections:
        busy = [ask(server, connections, "/work/3.5") for _ in range(2)]
        wait_until(lambda: server.log().count("work began") == 2, 5, "both threads are busy")
        waiting = [ask(server, connections, "/work/0.0") for _ in range(2)]
        log = server.wait_for_log("WSGI threads are busy", 5)
        assert (
            "warning: the WSGI threads are busy, all 2: requests have waited for more than a second, 2 wait now; "
            "`--wsgi-threads` adds threads\n"
        ) in log
        assert ask(server, connections, "/work/0.0").read_response().status == 503
        assert [each.read_response().body for each in (*busy, *waiting)] == [b"worked"] * 4
        log = server.wait_for_log("WSGI threads are free again", 5)
        assert re.search(r"WSGI threads are free again after \d+ s: up to 2 requests waited, 1 got 503\n", log), log
    assert log.count("WSGI threads are busy") == 1


def test_refusals_of_a_full_application_are_said_once(start: Callable[..., Server]) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--limit-concurrency", "1")
    with Connection(server) as slow:
        slow.send_request("GET", "/slow?ms=1200&label=limit")
        wait_until(lambda: get(server, "/hello").status == 503, 5, "the application is full")
        assert get(server, "/hello").status == 503
        assert slow.read_response().body == b"slow\n"
    log = server.wait_for_log("has room again", 5)
    begun = "app `asgi_kitchen:app` has as many requests at a time as `--limit-concurrency 1` allows: others get 503\n"
    assert log.count(f"warning: {begun}") == 1
    assert re.search(r"app `asgi_kitchen:app` has room again after \d+ s: \d+ requests got 503\n", log), log


def test_a_queue_that_moves_is_no_shortage(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-threads", "1")
    for _ in range(4):  # longer than a second, in which nobody waits for so long
        with contextlib.ExitStack() as connections:
            asked = [ask(server, connections, f"/slow?ms=25&label={number}") for number in range(16)]
            assert [each.read_response().status for each in asked] == [200] * 16
    assert server.stop() == 0
    assert "busy" not in server.log()
