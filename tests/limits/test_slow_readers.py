"""Clients that ask for much and take nothing: no other client notices, and neither memory nor disk fill up.

Apart from `test_streaming.py`, where one client holds one application back: here many do, and what is asked is who else is
answered meanwhile. Every way to give a body is among them, over both versions of HTTP and every host of the application.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from http2_wire import Http2Connection, Stream
from server import Server, start_rsgi, start_uvicorn, wait_until
from wire import Connection, get, many_connections

MIB = 1024 * 1024

# What the application answers, in whatever pieces.
BODY = b"".join(b"%015d\n" % number for number in range(4 * MIB // 16))

KINDS = ("chunks", "crumbs", "declared", "one", "list", "write")

# Before readers that stall were taken off their threads, this was 29 s; most of what it is now is the machine's.
PROMPT = 1.0

HOSTS: dict[str, Callable[[], Server]] = {
    "wsgi": lambda: start_rsgi("--wsgi", "slow_reader_app:app", "--wsgi-threads", "6"),
    "bridge": lambda: start_rsgi("--asgi", "slow_reader_app:bridged"),
    "bridge-inside": lambda: start_rsgi("--asgi", "slow_reader_app:dispatcher"),
    "bridge-uvicorn": lambda: start_uvicorn("slow_reader_app:bridged"),
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(params=HOSTS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "bridge-uvicorn":
        pytest.importorskip("uvicorn", reason="the package uvicorn is not installed")
    started = HOSTS[request.param]()
    yield started
    started.kill()


@contextlib.contextmanager
def stalled(server: Server, count: int, *kinds: str) -> Iterator[list[Connection]]:
    """So many clients that have asked for something and read none of it."""
    with many_connections(server, count, receive_buffer=4096) as connections:
        for number, connection in enumerate(connections):
            connection.send_request("GET", f"/{kinds[number % len(kinds)]}")
        yield connections


@contextlib.contextmanager
def stalled_streams(server: Server, count: int, *kinds: str) -> Iterator[list[tuple[Http2Connection, Stream]]]:
    """The same over HTTP/2, a hundred on each connection, all with closed windows."""
    with contextlib.ExitStack() as opened:
        streams: list[tuple[Http2Connection, Stream]] = []
        for number in range(count):
            if number % 100 == 0:
                connection = opened.enter_context(Http2Connection(server, window=0, reading=False, timeout=30))
            streams.append((connection, connection.request("GET", f"/{kinds[number % len(kinds)]}")))
        yield streams


def slowest_but_two(server: Server, count: int = 200) -> float:
    """The 99th percentile of how long a client with good manners waits for each of its responses."""
    times = []
    for _ in range(count):
        began = time.monotonic()
        with Connection(server, timeout=60) as connection:
            connection.send_request("GET", "/")
            assert connection.read_response().body == b"ok"
        times.append(time.monotonic() - began)
    return sorted(times)[-1 - count // 100]


def stored(server: Server) -> int:
    """How many bytes of its open files nobody else can see: those of temporary files."""
    total = 0
    folder = f"/proc/{server.pid}/fd"
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(f"{folder}/{name}").endswith("(deleted)"):
                total += os.stat(f"{folder}/{name}").st_size
    return total


def test_two_hundred_stalled_readers_hold_nobody_up(server: Server) -> None:
    with stalled(server, 200, *KINDS) as connections:
        assert slowest_but_two(server) < PROMPT
        for connection in connections[-len(KINDS) :]:
            response = connection.read_response()
            assert response.complete
            assert response.body == BODY


def test_two_hundred_stalled_http2_streams_hold_nobody_up() -> None:
    server = HOSTS["wsgi"]()
    try:
        with stalled_streams(server, 200, *KINDS) as streams:
            assert slowest_but_two(server) < PROMPT
            for connection, stream in streams[-len(KINDS) :]:
                connection.h2.increment_flow_control_window(len(BODY))
                connection.h2.increment_flow_control_window(len(BODY), stream.number)
                connection.flush()
                assert connection.wait_for(lambda stream=stream: stream.over, 30)
                assert stream.ended
                assert stream.body == BODY
    finally:
        server.kill()


def test_bodies_of_stalled_readers_do_not_stay_in_memory(start: Callable[..., Server]) -> None:
    """Lists leave their thread at once, so nothing else bounds how many of them wait."""
    server = start("--wsgi", "slow_reader_app:app", "--wsgi-threads", "6")
    for kind in ("list", "chunks"):
        server.reset_memory()
        before = server.memory()
        with stalled(server, 200, kind) as connections:
            assert slowest_but_two(server) < PROMPT
            # The system may keep some megabytes of each in the buffers of its sockets.
            wait_until(lambda: stored(server) > 50 * MIB, 20, "what waits is in files")
            assert server.memory() - before < 400 * MIB, "of 800 that were asked for"
            assert connections[-1].read_response().body == BODY
        wait_until(lambda: stored(server) == 0, 10, "the disk is free again")


# What goes on for ever


def read_body(connection: Connection, size: int) -> bytes:
    """The next `size` bytes of a chunked body, in whatever chunks they come."""
    body = b""
    while len(body) < size:
        body += connection.read_chunk() or b""
    return body[:size]


def cut_off(connection: Connection) -> bool:
    """Whether a body breaks off; reads what is there of it."""
    return not connection.read_response().complete


def test_endless_responses_that_nobody_reads_are_given_up_for_others(server: Server) -> None:
    """Half of the pool may wait for clients; what is more ends once requests wait, and never looks whole."""
    with stalled(server, 24, "endless") as connections:
        assert slowest_but_two(server, 20) < 15  # before, two minutes: each held its thread until the client was cut
        server.wait_for_log("reads the response too slowly")
        assert any(connection.readable() and cut_off(connection) for connection in connections[:8])
    wait_until(lambda: get(server, "/open").body == b"0", 10, "every stream was closed")


def test_endless_streams_of_one_http2_connection_end_it(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "slow_reader_app:app", "--wsgi-threads", "6", "--log-level", "debug")
    with stalled_streams(server, 100, "endless") as streams:
        connection = streams[0][0]
        assert slowest_but_two(server, 20) < 15
        assert connection.ends_within(15)
        assert connection.goaway == 0
        assert not any(stream.ended for _, stream in streams)
    server.wait_for_log("of its streams were cut because it did not read them")
    wait_until(lambda: get(server, "/open").body == b"0", 10, "every stream was closed")
    assert stored(server) == 0


def test_one_thread_is_not_held_by_a_client(start: Callable[..., Server]) -> None:
    """It has no spare, so the client that takes nothing has to go."""
    server = start("--wsgi", "slow_reader_app:app", "--wsgi-threads", "1", "--response-spool", "1MiB")
    with stalled(server, 1, "endless") as [connection]:
        assert connection.readable(5)
        assert get(server, "/").body == b"ok"
        assert cut_off(connection)


def test_nobody_is_given_up_while_there_are_threads(start: Callable[..., Server]) -> None:
    """A client may sleep for as long as nobody needs its thread: the stream goes on where it stopped."""
    server = start("--wsgi", "slow_reader_app:app", "--wsgi-threads", "2", "--response-spool", "1MiB")
    with stalled(server, 1, "endless") as [connection]:
        assert connection.readable(5)
        ends = time.monotonic() + 2
        while time.monotonic() < ends:
            assert get(server, "/").body == b"ok"
        connection.read_head()
        assert read_body(connection, 6 * MIB) == (BODY[:65536] * 96)


@pytest.mark.parametrize("version", ["1", "2"])
def test_client_that_leaves_a_stored_response_ends_its_stream(start: Callable[..., Server], version: str) -> None:
    server = start("--wsgi", "slow_reader_app:app", "--response-spool", "1MiB")
    with (stalled if version == "1" else stalled_streams)(server, 2, "endless"):  # type: ignore[operator]
        wait_until(lambda: stored(server) >= 2 * MIB - 131072, 10, "both are stored as far as they may")
        assert get(server, "/open").body == b"2"
    wait_until(lambda: get(server, "/open").body == b"0", 5, "both have ended")
    assert stored(server) == 0


# How much is stored


def test_all_responses_together_are_bounded(start: Callable[..., Server]) -> None:
    """Sixteen times what one may."""
    server = start("--wsgi", "slow_reader_app:app", "--wsgi-threads", "64", "--response-spool", "256KiB")
    with stalled(server, 40, "endless"):
        wait_until(lambda: get(server, "/open").body == b"40", 10, "all run")
        wait_until(lambda: stored(server) == 4 * MIB, 10, "as much is stored as may be")
        for _ in range(50):
            assert stored(server) <= 4 * MIB
            assert get(server, "/").body == b"ok"


def test_client_of_usual_speed_leaves_the_disk_alone(server: Server) -> None:
    """An application that is faster than its client waits for it, as it always did."""
    with Connection(server) as connection:
        connection.send_request("GET", "/endless")
        connection.read_head()
        for _ in range(200):
            assert connection.read_chunk() == BODY[:65536]
            assert stored(server) == 0
            time.sleep(0.002)  # 30 MB/s


def test_nothing_is_stored_when_it_is_switched_off(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "slow_reader_app:app", "--response-spool", "0")
    with stalled(server, 3, "chunks") as connections:
        for connection in connections:
            assert connection.readable(5)
        ends = time.monotonic() + 1
        while time.monotonic() < ends:
            assert get(server, "/").body == b"ok"
            assert stored(server) == 0
        for connection in connections:
            assert connection.read_response().body == BODY


def test_disk_that_cannot_be_written_lets_the_thread_wait(start: Callable[..., Server], tmp_path: Path) -> None:
    """Nothing of the response is lost, and the operator hears of it."""
    environment = {"TMPDIR": str(tmp_path / "missing")}
    server = start("--wsgi", "slow_reader_app:app", environment=environment)
    with stalled(server, 2, "chunks") as connections:
        for connection in connections:
            assert connection.readable(5)
        ends = time.monotonic() + 0.5
        while time.monotonic() < ends:
            assert get(server, "/").body == b"ok"
        for connection in connections:
            assert connection.read_response().body == BODY
    server.wait_for_log("the response cannot be stored for its slow client: No such file or directory")
    server.wait_for_log("app `slow_reader_app:app`: GET /chunks")


# HTTP/2: streams that are cut for their pace


def test_http2_connection_whose_streams_are_cut_again_and_again_ends(start: Callable[..., Server]) -> None:
    """Each stream has its grace; a connection has ten of them."""
    server = start(
        "--wsgi",
        "slow_reader_app:app",
        "--min-data-rate",
        "1MiB",
        "--min-data-rate-grace",
        "300ms",
        "--log-level",
        "debug",
    )
    with stalled_streams(server, 9, "list") as streams:
        connection = streams[0][0]
        assert connection.wait_for(lambda: all(stream.over for _, stream in streams), 10)
        assert all(stream.reset is not None for _, stream in streams)
        assert connection.goaway is None
        assert connection.read(connection.request("HEAD", "/")).ended
        last = connection.request("GET", "/list")
        assert connection.ends_within(10)
        assert connection.goaway == 0
        assert not last.ended
    server.wait_for_log("debug: the HTTP/2 connection of 127.0.0.1, port ")
