"""`--request-timeout`: an application that does not begin its response in time is answered for, and its capacity comes back.

Apart from `test_limits.py`, whose limits are about clients: here the application is at fault. Flask and FastAPI are asked,
over both versions of HTTP, through the bridge, and where one application is asked before another.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from http2_wire import Http2Connection, get2
from server import Server, run_rsgi, wait_until
from websocket_wire import WebSocketConnection
from wire import Connection, chunk_bytes, get, many_connections

OLD, NEW = ("--wsgi", "overdue_app:old"), ("--asgi", "overdue_app:new")
BRIDGED, INSIDE = ("--asgi", "overdue_app:bridged"), ("--asgi", "overdue_app:inside")
SHORT = ("--request-timeout", "300ms")

pytest.importorskip("flask", reason="the package flask is not installed")
pytest.importorskip("fastapi", reason="the package fastapi is not installed")

Start = Callable[..., Server]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("apps", [OLD, NEW, BRIDGED, INSIDE], ids=["flask", "fastapi", "bridge", "bridge-inside"])
def test_what_takes_too_long_gets_504(start: Start, apps: tuple[str, ...], workers: str) -> None:
    """Over both versions; the connection goes on, and others are served meanwhile."""
    server = start(*apps, *SHORT, "--workers", workers)
    with Connection(server) as connection:
        connection.send_request("GET", "/hang")
        response = connection.read_response()
        assert response.status == 504
        assert response.text == "504 Gateway Timeout: the application took too long\n"
        connection.send_request("GET", "/fast")
        assert connection.read_response().status == 200
    with Http2Connection(server) as connection:
        slow, fast = connection.request("GET", "/hang"), connection.request("GET", "/fast")
        assert connection.read(fast).status == 200
        assert connection.read(slow).status == 504
        assert connection.get("/fast").status == 200
    said = r"warning: app `[^`]+`: GET /hang had no response after 0.3 s \(`--request-timeout`\)"
    wait_until(lambda: len(re.findall(said, server.log())) == 2, 5, "both are said")
    get(server, "/release")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_task_is_cancelled_and_the_log_says_where_it_was(start: Start, loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop", reason="the package uvloop is not installed")
    server = start(*NEW, *SHORT, "--loop", loop)
    assert get(server, "/hang").status == 504
    wait_until(lambda: get(server, "/cancelled").json() == {"cancelled": 1}, 5, "the task was cancelled")
    log = server.wait_for_log("is cancelled, and was here:")
    assert re.search(r'overdue_app.py", line \d+, in wait_for_the_database\n    await asyncio.sleep\(60\)', log), log
    assert "in new_hang" in log
    assert "Traceback" not in log


def test_a_thread_is_given_up_and_the_log_says_where_it_hangs(start: Start) -> None:
    server = start(*OLD, *SHORT, "--wsgi-threads", "2")
    assert get(server, "/hang").status == 504
    log = server.wait_for_log("runs on in its thread, which is here:")
    assert re.search(r'overdue_app.py", line \d+, in hang_in_the_database\n    released.wait\(60\)', log), log
    assert "in old_hang" in log
    get(server, "/release")
    assert server.stop() == 0
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("apps", [OLD, ("--asgi", "overdue_app:narrow")], ids=["flask", "bridge"])
def test_capacity_is_not_lost(start: Start, apps: tuple[str, ...]) -> None:
    """As many calls hang as there are threads, twice: others are served all the same, by threads in their places."""
    server = start(*apps, *SHORT, "--wsgi-threads", "2")
    with many_connections(server, 2) as connections:
        for connection in connections:
            connection.send_request("GET", "/hang")
        assert [connection.read_response().status for connection in connections] == [504, 504]
        assert get(server, "/fast").status == 200
        # Two at a time still: one holds its thread, the other is served.
        connections[0].send_request("GET", "/hang")
        wait_until(lambda: server.access_log().count("old hangs") == 3, 5, "the third call hangs")
        assert get(server, "/fast").status == 200
        assert connections[0].read_response().status == 504
    assert get(server, "/fast").status == 200
    assert get(server, "/release").status == 200
    wait_until(
        lambda: {get(server, "/fast").text.rpartition("-")[2] for _ in range(10)} <= {"1", "2", "3", "4"},
        5,
        "spares end",
    )


def test_one_thread_is_not_replaced(start: Start) -> None:
    """Its application was promised to be alone, so that the next request waits; for long, and it is refused."""
    server = start(*OLD, *SHORT, "--wsgi-threads", "1", "--queue-timeout", "600ms")
    assert get(server, "/hang").status == 504
    assert get(server, "/fast").status == 503
    assert "spare" not in server.log()
    server.kill()


@pytest.mark.parametrize("apps", [OLD, NEW, BRIDGED, INSIDE], ids=["flask", "fastapi", "bridge", "bridge-inside"])
def test_a_response_that_has_begun_is_not_cut(start: Start, apps: tuple[str, ...]) -> None:
    """However long it takes from there: the time of another request passes meanwhile."""
    server = start(*apps, *SHORT)
    with Connection(server) as connection, Http2Connection(server) as http2:
        connection.send_request("GET", "/stream")
        stream = http2.request("GET", "/stream")
        head = connection.read_head()
        assert head.status == 200
        assert connection.read_chunk() == b"first "
        assert http2.wait_for(lambda: stream.body == b"first ")
        assert get(server, "/hang").status == 504
        assert get(server, "/release").status == 200
        assert connection.read_chunk() == b"second"
        assert http2.read(stream).body == b"first second"


@pytest.mark.parametrize("apps", [OLD, NEW], ids=["flask", "fastapi"])
def test_the_time_of_a_slow_client_does_not_count(start: Start, apps: tuple[str, ...]) -> None:
    """A body that is longer in coming than the application may take is read to its end, without a 504."""
    server = start(*apps, *SHORT, "--wsgi-request-buffering", "off")
    with Connection(server) as connection:
        connection.send(
            b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk_bytes(b"x" * 1000)
        )
        for number in range(3):
            # Another request times out, which takes as long as this one had.
            assert get(server, "/hang").status == 504
            assert not connection.readable(), number
            connection.send(chunk_bytes(b"x" * 1000))
        connection.send(chunk_bytes(b""))
        response = connection.read_response()
    assert (response.status, response.text) == (200, "4000")
    get(server, "/release")


def test_the_wait_for_a_thread_does_not_count(start: Start) -> None:
    server = start(*OLD, "--request-timeout", "700ms", "--wsgi-threads", "1", "--queue-timeout", "10s")
    with many_connections(server, 2) as (first, second):
        first.send_request("GET", "/hang")
        wait_until(lambda: "old hangs" in server.access_log(), 5, "the thread is taken")
        second.send_request("GET", "/release")
        # It waits for the thread that does not come back, longer than an application may take.
        assert first.read_response().status == 504
        assert not second.readable(1)
    server.kill()


def test_the_first_of_two_that_are_asked_has_its_time(start: Start) -> None:
    """Where an ASGI application is asked first, a 504 is its response; what it has no route for goes on, with new time."""
    server = start("--asgi", "overdue_app:opaque", *OLD, "--fallback", "probe", *SHORT)
    for ask in (get, get2):
        assert ask(server, "/hang").status == 504
        assert ask(server, "/many").json() == {"multithread": True}
    assert "`overdue_app:opaque`: GET /hang had no response" in server.log()
    assert "old hangs" not in server.access_log()


def test_a_websocket_has_to_be_accepted_in_time(start: Start) -> None:
    server = start(*NEW, *SHORT)
    with WebSocketConnection(server) as connection:
        assert connection.upgrade("/never-accepts").status == 504
    wait_until(lambda: get(server, "/cancelled").json() == {"cancelled": 1}, 5, "the task was cancelled")
    with WebSocketConnection(server) as connection:
        assert connection.upgrade("/echo").status == 101
        assert get(server, "/hang").status == 504
        connection.send_frame(1, b"still here")
        assert connection.read_data_frame().payload == b"still here"


def test_without_it_an_application_takes_as_long_as_it_likes(start: Start) -> None:
    server = start(*OLD)
    with Connection(server) as connection:
        connection.send_request("GET", "/hang")
        wait_until(lambda: "old hangs" in server.access_log(), 5, "the call runs")
        assert not connection.readable(0.5)
        assert get(server, "/release").status == 200
        assert connection.read_response().text == "late"


# Of one application


def configured(folder: Path, text: str) -> tuple[str, str]:
    file = folder / "rsgi.toml"
    file.write_text(text)
    return "--config", str(file)


def test_each_application_may_have_its_own_limits(start: Start, tmp_path: Path) -> None:
    """Two threads of its own, of which a slow application takes all: the other one has its threads still."""
    text = """
request_timeout = "20s"
[apps.slow]
wsgi = "overdue_app:old"
prefix = "/slow"
wsgi_threads = 1
request_timeout = "300ms"
limit_concurrency = 2
[apps.quick]
wsgi = "overdue_app:old"
prefix = "/quick"
[apps.new]
asgi = "overdue_app:new"
request_timeout = "none"
"""
    server = start(*configured(tmp_path, text))
    log = server.log()
    assert "1 thread of its own, queue 1024, at most 2 at a time, answers within 0.3s" in log
    assert re.search(r"quick = overdue_app:old .* threads, queue 1024, answers within 20s\n", log)
    assert re.search(r"new = overdue_app:new .* lifespan auto\n", log)
    assert get(server, "/quick/many").json() == {"multithread": True}
    assert get(server, "/slow/many").json() == {"multithread": False}
    assert get(server, "/slow/fast").text == "rsgi-wsgi-slow-1"
    assert get(server, "/quick/fast").text.startswith("rsgi-wsgi-")
    assert get(server, "/slow/hang").status == 504
    with many_connections(server, 2) as (first, second):
        for connection in (first, second):
            connection.send_request("GET", "/slow/fast")
        server.wait_for_log("the WSGI threads of app `slow` are busy, all 1: ")
        refused = get(server, "/slow/fast")
        assert (refused.status, refused.header("retry-after")) == (503, "1")
        assert get(server, "/quick/fast").status == 200
        assert get2(server, "/quick/fast").status == 200
        assert get(server, "/fast").status == 200
        assert get(server, "/quick/release").status == 200
        assert [connection.read_response().text for connection in (first, second)] == ["rsgi-wsgi-slow-1"] * 2


def test_an_application_alone_may_have_its_own_threads(start: Start, tmp_path: Path) -> None:
    """Then there are no others, and these drive the sockets."""
    server = start(*configured(tmp_path, '[apps.alone]\nwsgi = "overdue_app:old"\nwsgi_threads = 2\n'), *SHORT)
    assert "sockets: the WSGI threads drive them, in turn" in server.log()
    for _ in range(2):
        assert get(server, "/hang").status == 504
    assert {get(server, "/fast").text.rpartition("-")[0] for _ in range(5)} == {"rsgi-wsgi-alone"}
    assert get2(server, "/release").status == 200


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        (
            'request_timeout = "soon"',
            "line 4: `request_timeout` cannot be 'soon'",
            "see docs/settings.md for its values",
        ),
        (
            "wsgi_threads = 0",
            "line 4: `wsgi_threads` cannot be 0: 0 is less than 1",
            "see docs/settings.md for its values",
        ),
        ("limit_concurrency = -1", "line 4: `limit_concurrency` cannot be -1", "see docs/settings.md for its values"),
        ("grace = 3", "line 4: there is no setting `grace`", "an application has `wsgi` or `asgi`"),
        ("request_timout = 3", "line 4: there is no setting `request_timout`", "did you mean `request_timeout`?"),
    ],
)
def test_what_an_application_cannot_have_is_said(tmp_path: Path, line: str, message: str, hint: str) -> None:
    ended = run_rsgi(*configured(tmp_path, f'\n[apps.old]\nwsgi = "overdue_app:old"\n{line}\n'))
    assert ended.returncode == 1
    assert f"rsgi.toml, {message}" in ended.stderr
    assert f"hint: {hint}" in ended.stderr


@pytest.mark.parametrize("target", ["overdue_app:new", "overdue_app:bridged"])
def test_an_asgi_application_has_no_wsgi_threads(tmp_path: Path, target: str) -> None:
    ended = run_rsgi(*configured(tmp_path, f'[apps.new]\nasgi = "{target}"\nwsgi_threads = 3\n'))
    assert ended.returncode == 1
    assert "line 3: the application `new` is ASGI and has no WSGI threads" in ended.stderr
    assert "hint: " in ended.stderr


def test_config_shows_what_an_application_has_for_itself(tmp_path: Path) -> None:
    text = '[apps.old]\nwsgi = "overdue_app:old"\nrequest_timeout = 1.5\n'
    command = [sys.executable, "-m", "rsgi", "config", *configured(tmp_path, text)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    assert f"apps.old.request_timeout\t1.5s\t{tmp_path / 'rsgi.toml'}, line 3\n" in shown
