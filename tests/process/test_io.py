"""Who drives the sockets: whatever `--io` says, applications and their event loops behave the same.

Covers the parts of asyncio that an application may use (`selectors`, timers, threads, signals, child processes).
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from server import Server, run_rsgi, wait_until
from threads import NEEDS_TWO_PROCESSORS, waits_of_the_io_thread
from wire import Connection, get

LOOPS = (("loop", "asyncio"), ("thread", "asyncio"), ("thread", "uvloop"))

OWN_THINGS = {
    "reader": "bytes",
    "writer": str(1 << 20),
    "streams": "HELLO",
    "threads": "190",
    "timers": "[0, 1, 3, 5]",
    "child": "dlihc 0",
    "callbacks": "1000",
}


@pytest.mark.parametrize(("io", "loop"), LOOPS)
def test_an_application_uses_the_loop_for_things_of_its_own(start: Callable[..., Server], io: str, loop: str) -> None:
    server = start("--asgi", "io_apps:app", "--io", io, "--loop", loop)
    for path, response in OWN_THINGS.items():
        assert get(server, f"/{path}").body.decode() == response


@pytest.mark.parametrize(("io", "loop"), LOOPS)
def test_requests_and_things_of_its_own_at_once(start: Callable[..., Server], io: str, loop: str) -> None:
    server = start("--asgi", "io_apps:app", "--io", io, "--loop", loop)
    paths = [path for path in OWN_THINGS if path != "child"] * 10
    with ThreadPoolExecutor(12) as clients:
        responses = list(clients.map(lambda path: get(server, f"/{path}").body.decode(), paths))
    assert responses == [OWN_THINGS[path] for path in paths]
    assert server.stop() == 0


@pytest.mark.skipif(
    find_spec("test.test_asyncio") is None, reason="needs CPython's tests (Debian: libpython3-testsuite)"
)
def test_cpythons_own_event_loop_tests_pass() -> None:
    command = [sys.executable, str(Path(__file__).with_name("loop_tests.py"))]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "Ran 0 tests" not in ended.stderr


@pytest.mark.parametrize(("io", "loop"), LOOPS)
def test_a_task_factory_makes_the_tasks_of_requests(start: Callable[..., Server], io: str, loop: str) -> None:
    server = start("--asgi", "io_apps:with_task_factory", "--io", io, "--loop", loop)
    assert [get(server, "/").body for _ in range(3)] == [b"1", b"2", b"3"]


@pytest.mark.parametrize(("io", "loop"), LOOPS)
def test_what_a_first_step_schedules_runs_after_it(start: Callable[..., Server], io: str, loop: str) -> None:
    server = start("--asgi", "io_apps:scheduled", "--lifespan", "off", "--io", io, "--loop", loop)
    for _ in range(3):
        assert get(server, "/").body == b"step, step ends, callback, child"


NEEDS_SCHEDSTAT = pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="reads it from /proc (Linux)")
EVERY_IO = {
    "thread": ("--asgi", "asgi_kitchen:app", "--io", "thread"),
    "loop": ("--asgi", "asgi_kitchen:app", "--io", "loop"),
    "pool": ("--wsgi", "wsgi_kitchen:app", "--io", "pool"),
}


def _awake(server: Server, seconds: float) -> float:
    """How much of so many seconds a thread of the server ran or waited for a processor: the share of the busiest one.

    On a busy machine a thread that does not sleep runs less and waits more; the sum stays.
    """
    began, before = time.monotonic_ns(), _not_asleep(server)
    time.sleep(seconds)
    after = _not_asleep(server)
    return max(after[thread] - before.get(thread, 0) for thread in after) / (time.monotonic_ns() - began)


def _not_asleep(server: Server) -> dict[str, int]:
    """How long each thread ran or waited for a processor, in nanoseconds."""
    found = {}
    for thread in Path(f"/proc/{server.process.pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            found[thread.name] = sum(int(field) for field in (thread / "schedstat").read_text().split()[:2])
    return found


@NEEDS_SCHEDSTAT
@pytest.mark.parametrize("poll", ["20ms", "auto"])
@pytest.mark.parametrize("apps", EVERY_IO.values(), ids=EVERY_IO)
def test_busy_polling_ends_when_nobody_asks(start: Callable[..., Server], apps: tuple[str, ...], poll: str) -> None:
    server = start(*apps, "--busy-poll", poll)
    with Connection(server) as client:
        # It looks on while requests follow each other, and from the first one after a rest, too.
        for rest in (*[0.0] * 50, 0.3, *[0.0] * 50):
            time.sleep(rest)
            client.send_request("GET", "/hello")
            assert client.read_response().status == 200
    wait_until(lambda: _awake(server, 0.3) < 0.3, 10, "all threads sleep")
    assert server.stop() == 0


@NEEDS_SCHEDSTAT
@pytest.mark.parametrize("apps", EVERY_IO.values(), ids=EVERY_IO)
def test_busy_polling_looks_on_for_as_long_as_was_said(start: Callable[..., Server], apps: tuple[str, ...]) -> None:
    server = start(*apps, "--busy-poll", "1s")

    def looks_on() -> bool:
        assert get(server, "/hello").status == 200
        return _awake(server, 0.4) > 0.7

    # Again where the machine had so much to do that more than a second went by.
    wait_until(looks_on, 10, "a thread that does not sleep")
    assert server.stop() == 0


WSGI_IO = ("thread", "pool")


@pytest.mark.parametrize("io", WSGI_IO)
def test_the_only_thread_is_in_a_call_and_the_sockets_are_served(start: Callable[..., Server], io: str) -> None:
    apps = ("--wsgi", "/old=wsgi_kitchen:app", "--asgi", "/new=io_apps:app")
    server = start(*apps, "--wsgi-threads", "1", "--io", io)
    with Connection(server) as held, Connection(server) as waiting, Connection(server) as other:
        held.send_request("GET", "/old/stream-gated?label=io")
        held.read_head()
        assert held.read_chunk() == b"first"
        # The thread waits at a gate. Who sends what it gave, and takes other requests, is another.
        waiting.send_request("GET", "/old/hello")
        for _ in range(3):
            other.send_request("GET", "/new/callbacks")
            assert other.read_response().body == b"1000"
        assert not waiting.readable()


@pytest.mark.parametrize("io", WSGI_IO)
def test_one_thread_streams_more_than_any_buffer_holds(start: Callable[..., Server], io: str) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-threads", "1", "--io", io)
    assert get(server, "/download-chunked?mib=20").body == b"x" * (20 << 20)


@pytest.mark.parametrize("io", WSGI_IO)
def test_a_call_that_computes_for_long_holds_up_no_others(start: Callable[..., Server], io: str) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-threads", "4", "--io", io)
    with Connection(server) as computing:
        computing.send_request("GET", "/compute?ms=4000&label=alone")
        with ThreadPoolExecutor(8) as clients:
            responses = list(clients.map(lambda _: get(server, "/hello").status, range(40)))
        assert responses == [200] * 40
        assert get(server, "/record?label=alone").json() == ["running"]
        assert computing.read_response().body == b"computed\n"


@pytest.mark.parametrize("io", WSGI_IO)
def test_one_stuck_call_among_short_ones_holds_up_no_others(start: Callable[..., Server], io: str) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-threads", "4", "--io", io)
    with ExitStack() as opened:
        stuck = opened.enter_context(Connection(server))
        others = [opened.enter_context(Connection(server)) for _ in range(12)]
        for turn in range(30):
            # Short calls, so that a thread runs all that it has read. The last time the first of them is stuck.
            if turn == 29:
                stuck.send_request("GET", "/stream-gated?label=among-short")
            for other in others:
                other.send_request("GET", "/hello")
            assert [other.read_response().status for other in others] == [200] * len(others)
        assert get(server, "/open-gate?label=among-short").status == 200
        assert stuck.read_response().body == b"firstsecond"


@pytest.mark.parametrize("io", WSGI_IO)
def test_a_stuck_call_leaves_no_request_for_the_loop_behind(start: Callable[..., Server], io: str) -> None:
    """A thread that reads a batch wakes the loop at its end, even if it leaves for a call before."""
    apps = ("--wsgi", "/old=wsgi_kitchen:app", "--asgi", "/new=io_apps:app")
    server = start(*apps, "--wsgi-threads", "2", "--io", io)
    with ExitStack() as opened:
        stuck = opened.enter_context(Connection(server))
        others = [opened.enter_context(Connection(server)) for _ in range(40)]
        for turn in range(4):
            for place, other in enumerate(others):
                other.send_request("GET", "/new/callbacks")
                if turn == 3 and place == 20:
                    stuck.send_request("GET", "/old/stream-gated?label=behind")
            assert [other.read_response().body for other in others] == [b"1000"] * len(others)
        stuck.read_head()
        assert stuck.read_chunk() == b"first"
        assert get(server, "/new/callbacks").body == b"1000"
        assert get(server, "/old/open-gate?label=behind").status == 200


@NEEDS_TWO_PROCESSORS
@pytest.mark.parametrize(
    "options",
    [
        ("--wsgi", "wsgi_kitchen:app", "--wsgi-threads", "4"),
        ("--asgi", "asgi_kitchen:app", "--loop", "uvloop"),
        ("--asgi", "asgi_kitchen:app", "--loop", "asyncio", "--io", "thread"),
    ],
    ids=["wsgi", "uvloop", "thread"],
)
def test_calls_that_wait_in_a_long_queue_are_answered_in_batches(
    start: Callable[..., Server], options: tuple[str, ...]
) -> None:
    """A wake for each response cost a third of the processor time of a Flask page."""
    server = start(*options)
    turns, clients = 15, 128
    with ExitStack() as opened:
        connections = [opened.enter_context(Connection(server)) for _ in range(clients)]
        before = 0
        for turn in range(turns + 3):
            if turn == 3:
                before = waits_of_the_io_thread(server)
            for connection in connections:
                connection.send_request("GET", "/compute-briefly?us=40")
            assert [connection.read_response().body for connection in connections] == [b"computed\n"] * clients
        waits = waits_of_the_io_thread(server) - before
    # About 400. If each response woke the thread, 1,200 to 1,900.
    assert waits < turns * clients * 0.4


@NEEDS_TWO_PROCESSORS
def test_the_io_thread_sleeps_while_all_calls_are_stuck(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-threads", "2")
    with ExitStack() as opened:
        others = [opened.enter_context(Connection(server)) for _ in range(40)]
        stuck = [opened.enter_context(Connection(server)) for _ in range(2)]
        for _ in range(5):
            for other in others:
                other.send_request("GET", "/compute-briefly?us=40")
            assert [other.read_response().status for other in others] == [200] * len(others)
        for connection in stuck:
            connection.send_request("GET", "/stream-gated?label=queue")
            connection.read_head()
        for other in others[:-1]:
            other.send_request("GET", "/compute-briefly?us=40")

        def sleeps() -> bool:
            before = waits_of_the_io_thread(server)
            time.sleep(0.3)
            return waits_of_the_io_thread(server) - before < 30

        wait_until(sleeps, 10, "the thread that handles the sockets sleeps")
        assert not any(other.readable() for other in others[:-1])


@pytest.mark.parametrize("io", WSGI_IO)
def test_calls_that_compute_go_one_after_the_other(start: Callable[..., Server], io: str) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-threads", "8", "--io", io)
    with ThreadPoolExecutor(16) as clients:
        responses = list(clients.map(lambda _: get(server, "/company").body, range(192)))
    assert responses == [b"done\n"] * 192
    company = get(server, "/record?label=company").json()
    assert len(company) == 192
    # Each of the eight that begins a call as it likes makes it 5.
    assert sum(company) / len(company) < 2


@pytest.mark.parametrize("io", WSGI_IO)
def test_fast_and_slow_calls_from_many_clients_are_all_answered(start: Callable[..., Server], io: str) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-threads", "4", "--io", io)
    paths = ["/hello", "/slow?ms=5", "/slow?ms=1", "/hello"] * 50
    with ThreadPoolExecutor(16) as clients:
        responses = list(clients.map(lambda path: get(server, path).body, paths))
    assert responses == [get(server, path).body for path in paths[:4]] * 50
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "driver"),
    [
        (("--asgi", "io_apps:app"), "the event loop drives them"),
        (("--asgi", "io_apps:app", "--loop", "uvloop"), "a separate thread drives them"),
        (("--wsgi", "wsgi_kitchen:app"), "the WSGI threads drive them, in turn"),
        (("--wsgi", "/old=wsgi_kitchen:app", "--asgi", "io_apps:app"), "the WSGI threads drive them, in turn"),
        # It has threads, but they are the bridge's own.
        (("--asgi", "bridge_kitchen:app"), "a separate thread drives them"),
    ],
)
def test_the_banner_says_who_drives(start: Callable[..., Server], arguments: tuple[str, ...], driver: str) -> None:
    assert f"sockets: {driver}\n" in start(*arguments).log()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            ("--wsgi", "wsgi_kitchen:app", "--io", "loop"),
            "the event loop cannot drive the sockets of a WSGI application",
        ),
        (("--asgi", "io_apps:app", "--io", "loop", "--loop", "uvloop"), "uvloop cannot drive the sockets"),
        (("--asgi", "io_apps:app", "--io", "pool"), "no WSGI threads can drive the sockets"),
    ],
)
def test_what_cannot_drive_is_refused(arguments: tuple[str, ...], error: str) -> None:
    ended = run_rsgi(*arguments)
    assert ended.returncode == 1
    assert f"error: {error}" in ended.stderr
    assert "hint: " in ended.stderr
