"""asyncio and anyio inside of an application: timeouts, groups, shields, cancelled waits.

Apart from `test_asgi.py`, which has the messages: here every test asks uvicorn for the same, so that what applications know
from there is true here, on asyncio and on uvloop. Covers ASGI 3.0 "Applications" (a coroutine callable, run in a task).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator

import pytest

from server import Server, start_asgi_host, start_rsgi, wait_until
from websocket_wire import CLOSE, TEXT, WebSocketConnection
from wire import Connection, get

WAYS = ["by_wait_for", "by_timeout", "by_async_timeout", "by_wait", "by_anyio", "by_anyio_group"]


@pytest.fixture(scope="module", params=["asyncio", "uvloop", "uvicorn"])
def shared_host(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = start_asgi_host(request.param, "task_app:app")
    yield server
    assert "Traceback" not in server.log()
    assert "was never" not in server.log()
    server.stop()


@pytest.fixture(params=["ended at once", "waited"])
def host(request: pytest.FixtureRequest, shared_host: Server) -> Server:
    """The calls before say how the next one is started: in a task that exists, or in a new one."""
    with Connection(shared_host) as connection:
        for _ in range(6):
            connection.send_request("GET", "/names" if request.param == "ended at once" else "/current-task")
            connection.read_response()
    return shared_host


def skip_without_timeout(way: str) -> None:
    if way == "by_timeout" and sys.version_info < (3, 11):
        pytest.skip("asyncio.timeout is new in Python 3.11")


@pytest.mark.parametrize("way", [*WAYS, "by_bare_anyio_group"])
def test_body_outlives_a_wait_that_was_given_up(host: Server, way: str) -> None:
    skip_without_timeout(way)
    with Connection(host) as connection:
        connection.send(
            f"POST /receive-in-time?{way} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n".encode(),
        )
        connection.read_head()
        assert connection.read_chunk() == b"late"
        connection.send(b"whole")
        assert connection.read_chunk() == b"whole"
        assert connection.read_chunk() is None


@pytest.mark.parametrize("way", WAYS)
def test_send_that_was_given_up_leaves_the_response_in_order(host: Server, way: str) -> None:
    """Whether the late piece itself is sent, ASGI does not say; nothing comes twice, and the rest comes."""
    skip_without_timeout(way)
    before = len(get(host, "/events").json())
    with Connection(host, receive_buffer=65536) as connection:
        connection.send_request("GET", f"/send-in-time?{way}")
        wait_until(lambda: len(get(host, "/events").json()) > before, 10, "a late piece")
        body = connection.read_response()
    assert body.complete
    numbers = [int(number) for number in re.findall(rb"(\d{8})(?:\1){8191}", body.body)]
    assert len(body.body) == len(numbers) * 65536
    assert numbers[-1] - len(numbers) in (-1, 0)
    assert numbers == sorted(set(numbers))


def test_current_task_is_a_real_one(host: Server) -> None:
    assert get(host, "/current-task").json() == [True] * 6


TRACES = [
    "attribute",
    "variable",
    "name",
    "callback",
    "reference",
    "weak reference",
    "context",
    "coroutine",
    "cancel",
    "wait",
]


@pytest.mark.parametrize("trace", [*TRACES, "cancel and not"])
def test_task_of_a_request_has_no_trace_of_others(host: Server, trace: str) -> None:
    if trace == "cancel and not" and sys.version_info < (3, 11):
        pytest.skip("Task.uncancel is new in Python 3.11")
    nothing = {
        "attribute": False,
        "variable": "none",
        "name": False,
        "cancelling": 0,
        "kept": False,
        "listed": 1,
        "current": 1,
        "frames": True,
    }
    with Connection(host) as connection:
        for _ in range(3):
            connection.send_request("GET", "/names")
            connection.read_response()
            connection.send_request("GET", f"/leave-a-trace?{trace.replace(' ', '%20')}")
            connection.read_response()
            connection.send_request("GET", "/traces")
            found = connection.read_response().json()
            assert True not in found.pop("alive")
            assert False not in found.pop("done")
            assert found == nothing
    if trace == "callback":
        wait_until(lambda: get(host, "/events").json().count("done called back") >= 3, 5, "three calls back")


def test_tasks_of_requests_have_names_of_their_own(host: Server) -> None:
    with Connection(host) as connection:
        names = []
        for _ in range(5):
            connection.send_request("GET", "/names")
            names.append(connection.read_response().json())
        assert len(set(names)) == 5


def test_no_task_is_in_the_list_but_those_that_run(host: Server) -> None:
    with Connection(host) as connection:
        for _ in range(3):
            connection.send_request("GET", "/names")
            name = connection.read_response().json()
            connection.send_request("GET", "/how-many-tasks")
            assert name not in connection.read_response().json()


@pytest.mark.parametrize(
    ("wait", "seen"),
    [
        ("sleep", ["cancelled", "because", "worked", False]),
        ("bare", ["cancelled", "because", "worked", False]),
        ("future", ["cancelled", "because", "worked", False]),
        ("event", ["cancelled", "because", "worked", False]),
        ("task", ["cancelled", "because", "cancelled", False]),
        ("shield", ["cancelled", "because", "worked", False]),
        ("gather", ["cancelled", "because", "cancelled", False]),
        ("stubborn", ["cancelled", "because", "worked", False]),
        ("stubborn failure", ["cancelled", "because", "worked", False]),
    ],
)
def test_task_that_was_cancelled_before_it_waits(host: Server, wait: str, seen: list[object]) -> None:
    if sys.version_info < (3, 11) and wait in ("task", "gather"):
        seen = [each for each in seen if each != "because"]  # the message does not come through another task yet
    assert get(host, f"/cancel-before-the-wait?{wait.replace(' ', '%20')}").json() == seen


def test_failure_in_a_task_group_cancels_the_others(host: Server) -> None:
    assert get(host, "/task-group").json() == ["cancelled", "ValueError", False]


def test_what_is_shielded_goes_on(host: Server) -> None:
    assert get(host, "/shield").body == b"late shielded False"


def test_cancelled_task_may_answer(host: Server) -> None:
    assert get(host, "/cancelled-from-inside").json() == "cancelled, and answered"


def test_task_that_is_cancelled_while_it_waits_hears_why(host: Server) -> None:
    assert get(host, "/cancelled-while-it-waits").json() == [True, "because", "its own", "none"]


def say_three_times(server: Server) -> None:
    """Wake a request three times, and check that it is its own task each time."""
    with Connection(server) as connection:
        connection.send(b"POST /woken HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n")
        connection.read_head()
        for _ in range(3):
            connection.send(b"a\n")
            assert connection.read_chunk() == b'[true, "its own", true]'
        assert connection.read_chunk() is None


def test_task_that_is_woken_is_the_current_one(host: Server) -> None:
    say_three_times(host)


def test_anyio_finds_asyncio(host: Server) -> None:
    found = get(host, "/anyio-finds-its-way").json()
    assert found.pop("library") == "asyncio"
    assert found == dict.fromkeys(found, True)


@pytest.mark.parametrize("path", ["/two-listeners", "/two-early-listeners"])
def test_two_tasks_may_wait_for_the_client_to_leave(host: Server, path: str) -> None:
    before = len(get(host, "/events").json())

    def new() -> list[str]:
        events: list[str] = get(host, "/events").json()
        return events[before:]

    with Connection(host) as connection:
        connection.send_request("GET", path)
        if path == "/two-listeners":
            assert connection.read_head().status == 200
            assert connection.read_chunk() == b"listening"
        else:
            wait_until(new, 5, "the application listens")
    told = {"first http.disconnect", "second http.disconnect"}
    wait_until(lambda: told <= set(new()), 4, "both are told")


def test_two_tasks_may_send_to_a_slow_client(host: Server) -> None:
    before = len(get(host, "/events").json())
    with Connection(host, receive_buffer=4096) as connection:
        connection.send_request("GET", "/two-senders")
        wait_until(lambda: get(host, "/events").json()[before:] == ["sending"], 5, "the application sends")
        body = connection.read_response()
    assert body.complete
    assert (body.body.count(b"a"), body.body.count(b"b")) == (200 * 32768, 200 * 32768)
    assert get(host, "/events").json()[before:] == ["sending", "sent", "sent"]


def test_many_tasks_may_share_a_websocket(host: Server) -> None:
    with WebSocketConnection(host) as socket:
        assert socket.upgrade("/ws").status == 101
        for number in range(100):
            socket.send_frame(TEXT, str(number).encode())
        letters, received = [], None
        while (frame := socket.read_data_frame()).opcode != CLOSE:
            if frame.payload.startswith(b"["):
                received = json.loads(frame.payload)
            else:
                letters.append(frame.payload)
        assert received is not None
        assert sorted(map(int, received)) == list(range(100))
        assert sorted(letters) == [*(b"%d" % (each // 50) * 50_000 for each in range(200)), b"all sent"]


@pytest.mark.parametrize("target", ["plain_callable", "gives_a_future"])
@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_callable_that_is_no_coroutine_function(start: Callable[..., Server], kind: str, target: str) -> None:
    """It is called inside of its task; uvicorn would take it for a legacy ASGI 2 application."""
    server = start("--asgi", f"task_app:{target}", "--lifespan", "on", "--loop", kind)
    assert get(server, "/in-its-first-step").json() is True
    assert server.stop() == 0
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_consumer_that_is_not_async_sends_from_its_thread(start: Callable[..., Server], kind: str) -> None:
    """`async_to_sync(send)` has nothing to warn of."""
    server = start("--asgi", "consumer_app:app", "--lifespan", "off", "--loop", kind)
    with WebSocketConnection(server) as socket:
        assert socket.upgrade("/").status == 101
        socket.send_frame(TEXT, b"abc")
        assert [socket.read_data_frame().payload for _ in range(2)] == [b"ABC", b"main thread: False"]
    server.stop()
    assert "Warning" not in server.log()
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_debug_mode_of_asyncio(kind: str) -> None:
    server = start_rsgi("--asgi", "task_app:app", "--loop", kind, environment={"PYTHONASYNCIODEBUG": "1"})
    try:
        assert get(server, "/current-task").json() == [True] * 6
        assert get(server, "/shield").body == b"late shielded False"
        assert get(server, "/cancelled-while-it-waits").json() == [True, "because", "its own", "none"]
        say_three_times(server)
    finally:
        server.stop()
    assert "Traceback" not in server.log()
