"""What a stop waits for: a call runs until its application returns, whatever its connection does; then lifespans end.

Apart from `test_shutdown.py`, which is about connections. The applications say on stderr what they got to.
"""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable

import pytest

from server import Server, wait_until
from websocket_wire import CLOSE, WebSocketConnection
from wire import Connection, get

ASGI = ("--asgi", "draining_app:new")
OLD = {"wsgi": ("--wsgi", "draining_app:old"), "bridge": ("--asgi", "draining_app:bridged")}
DRIVERS = [("--io", "loop"), ("--io", "thread"), ("--loop", "uvloop")]


def ends_after(server: Server, *lines: str) -> str:
    """End the server with SIGTERM; these lines must be in its log, in this order. Gives the log."""
    server.send_signal(signal.SIGTERM)
    assert server.wait(15) == 0, server.log()
    log = server.log()
    places = [log.find(line) for line in lines]
    assert -1 not in places, (lines, log)
    assert places == sorted(places), (lines, log)
    assert "Traceback" not in log
    return log


@pytest.mark.parametrize("driver", DRIVERS, ids="-".join)
def test_a_background_task_is_done_before_the_lifespan_ends(
    start: Callable[..., Server], driver: tuple[str, ...]
) -> None:
    server = start(*ASGI, *driver, "--grace", "10")
    assert get(server, "/job?seconds=0.7").json() == {"accepted": "job"}
    log = ends_after(server, "job began", "job done", "lifespan ended")
    assert "cancelled" not in log


@pytest.mark.parametrize("kind", OLD)
def test_what_runs_after_the_last_byte_is_waited_for(start: Callable[..., Server], kind: str) -> None:
    server = start(*OLD[kind], "--grace", "10")
    with Connection(server) as connection:
        connection.send_request("GET", "/job/1.6")
        assert connection.read_response().body == b"accepted"
        server.wait_for_log("job began")
        ends_after(server, "job began", "job done")


@pytest.mark.parametrize("kind", [*OLD, "asgi"])
def test_a_call_whose_client_left_is_waited_for(start: Callable[..., Server], kind: str) -> None:
    server = start(*(ASGI if kind == "asgi" else OLD[kind]), "--grace", "10")
    with Connection(server) as connection:
        connection.send_request("GET", "/work?seconds=1.6" if kind == "asgi" else "/work/1.6")
        server.wait_for_log("work began")
    ends_after(server, "work began", "work done")


def test_a_websocket_application_that_cleans_up_is_waited_for(start: Callable[..., Server]) -> None:
    server = start(*ASGI, "--grace", "10")
    with WebSocketConnection(server) as client:
        client.upgrade("/cleaning")
        client.send_frame(CLOSE, (1000).to_bytes(2, "big"))
        server.wait_for_log("cleaning began")
    ends_after(server, "cleaning began", "cleaning done", "lifespan ended")


def test_messages_that_wait_for_the_application_are_read(start: Callable[..., Server]) -> None:
    server = start(*ASGI, "--grace", "10")
    with WebSocketConnection(server) as client:
        client.upgrade("/slowly")
        for number in range(6):
            client.send_frame(1, str(number).encode())
        client.send_frame(CLOSE, (1000).to_bytes(2, "big"))
        server.wait_for_log("read 0")
    ends_after(server, *(f"read {number}" for number in range(6)), "read all", "lifespan ended")


def test_a_rolling_restart_loses_no_background_task(start: Callable[..., Server]) -> None:
    server = start(*ASGI, "--workers", "2", "--grace", "10")
    asked, stopped = [], threading.Event()

    def ask() -> None:
        while not stopped.is_set() and len(asked) < 400:
            label = f"job-{len(asked)}"
            assert get(server, f"/job?seconds=0.3&label={label}").status == 200
            asked.append(label)
            stopped.wait(0.02)

    client = threading.Thread(target=ask)
    client.start()
    wait_until(lambda: len(asked) > 5, 10, "the first jobs were accepted")
    server.send_signal(signal.SIGHUP)
    server.wait_for_log("all workers were replaced", 30)
    stopped.set()
    client.join(10)
    assert server.stop() == 0
    log = server.log()
    lost = [label for label in asked if f"{label} done" not in log]
    assert asked
    assert not lost


def test_what_still_runs_at_the_end_of_the_grace_time_is_named(start: Callable[..., Server]) -> None:
    server = start("--asgi", "/new=draining_app:new", "--wsgi", "draining_app:old", "--grace", "0.7")
    with Connection(server) as first, Connection(server) as second:
        first.send_request("GET", "/new/stubborn")
        second.send_request("GET", "/work/3.0")
        server.wait_for_log("work began")
        server.send_signal(signal.SIGTERM)
        assert server.wait(15) == 0
    log = server.log()
    assert re.search(r"warning: 2 calls still ran after 0\.7 s \(`--grace`\) and will be cut:\n", log), log
    assert re.search(r"warning:   app `draining_app:new`: GET /new/stubborn, for \d\.\d s\n", log), log
    assert re.search(r"warning:   app `draining_app:old`: GET /work/3\.0, for \d\.\d s\n", log), log
    assert log.index("stubborn was cancelled") < log.index("lifespan ended"), "calls end before the lifespan does"


def test_a_long_drain_says_what_it_waits_for(start: Callable[..., Server]) -> None:
    server = start(*ASGI, "--grace", "30")
    assert get(server, "/job?seconds=2").status == 200
    began = time.monotonic()
    server.send_signal(signal.SIGINT)
    log = server.wait_for_log("stopping: ", 3)
    assert re.search(
        r"stopping: 1 call still runs, the oldest for \d\.\d s; "
        r"up to (29|30) s more \(`--grace`\), a second signal ends at once\n",
        log,
    )
    assert server.wait(10) == 0
    assert 1 < time.monotonic() - began < 8


def test_a_short_drain_says_nothing(start: Callable[..., Server]) -> None:
    server = start(*ASGI)
    assert get(server, "/job?seconds=0").status == 200
    server.wait_for_log("job done")
    assert "stopping" not in ends_after(server, "lifespan ended")


@pytest.mark.parametrize("kind", [*OLD, "asgi"])
def test_an_event_stream_ends_soon_and_its_application_cleans_up(start: Callable[..., Server], kind: str) -> None:
    server = start(*(ASGI if kind == "asgi" else OLD[kind]), "--grace", "20", "--stream-grace", "0.6")
    with Connection(server) as connection:
        connection.send_request("GET", "/events")
        connection.read_head()
        assert connection.read_chunk() == b"data: tick\n\n"
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        rest = connection.read_to_end()
        assert b"data: tick" in rest, "it goes on for the time that it has"
        assert not rest.endswith(b"0\r\n\r\n"), "a stream that was ended from outside must not look whole"
        assert server.wait(10) == 0
        assert 0.5 < time.monotonic() - began < 6
    log = server.log()
    assert log.index("cleaning began") < log.index("cleaning done")
    assert "warning" not in log
    assert "Traceback" not in log


def test_an_event_stream_that_listens_sees_the_client_go(start: Callable[..., Server]) -> None:
    server = start(*ASGI, "--grace", "20", "--stream-grace", "0.3")
    with Connection(server) as connection:
        connection.send_request("GET", "/listening")
        connection.read_head()
        server.send_signal(signal.SIGTERM)
        assert b"too late" not in connection.read_to_end()
        assert server.wait(10) == 0
    assert "listening saw the end" in server.log()


def test_a_response_with_a_length_is_sent_to_its_end(start: Callable[..., Server]) -> None:
    server = start(*ASGI, "--grace", "20", "--stream-grace", "0.1")
    with Connection(server) as connection:
        connection.send_request("GET", "/measured?pieces=12")
        head = connection.read_head()
        server.send_signal(signal.SIGTERM)
        connection.read_body(head)
        assert head.complete
        assert len(head.body) == 1200
    assert server.wait(10) == 0
