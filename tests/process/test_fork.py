"""An application that forks: its children are no second servers, whoever drives the sockets.

Apart from `test_io.py` because here two processes have the same memory and the same sockets. The parent's response says how
its child ended; a child that hangs would be killed by it, and the response would say so.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from websockets.sync.client import connect

from server import Server, start_rsgi, start_uvicorn, wait_until
from wire import Connection

UVLOOP = pytest.param(
    ("--asgi", "fork_app:asgi", "--io", "thread", "--loop", "uvloop"),
    id="asgi-uvloop",
    marks=pytest.mark.skipif(find_spec("uvloop") is None, reason="the package uvloop is not installed"),
)
BOTH = ("--wsgi", "/old=fork_app:wsgi", "--asgi", "fork_app:asgi")

WSGI = [
    pytest.param(("--wsgi", "fork_app:wsgi", "--io", "pool"), id="wsgi-pool"),
    pytest.param(("--wsgi", "fork_app:wsgi", "--io", "thread"), id="wsgi-thread"),
    pytest.param(("--wsgi", "fork_app:wsgi", "--workers", "2"), id="wsgi-workers"),
    pytest.param(("--asgi", "fork_app:bridged"), id="bridge"),
    pytest.param(("uvicorn",), id="bridge-uvicorn"),
]
ASGI = [
    pytest.param(("--asgi", "fork_app:asgi", "--io", "loop"), id="asgi-loop"),
    pytest.param(("--asgi", "fork_app:asgi", "--io", "thread", "--loop", "asyncio"), id="asgi-thread"),
    pytest.param((*BOTH, "--io", "pool", "--loop", "asyncio"), id="asgi-pool"),
    pytest.param(("--asgi", "fork_app:asgi", "--workers", "2"), id="asgi-workers"),
    UVLOOP,
]
EVERY = WSGI + ASGI

# What the child does, and its exit code.
LEAVING = {"return": 0, "raise": 1, "exit": 3, "words": 1, "os": 4}


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[[tuple[str, ...]], Server]]:
    """Serve with these arguments, once for all tests of this file."""
    servers: dict[tuple[str, ...], Server] = {}

    def serve_one(arguments: tuple[str, ...]) -> Server:
        if arguments not in servers:
            uvicorn = arguments == ("uvicorn",)
            servers[arguments] = start_uvicorn("fork_app:bridged") if uvicorn else start_rsgi(*arguments)
        return servers[arguments]

    yield serve_one
    for each in servers.values():
        assert each.stop() in (0, -signal.SIGTERM)  # uvicorn ends with the signal


@pytest.fixture(scope="module", params=EVERY)
def server(request: pytest.FixtureRequest, serve: Callable[[tuple[str, ...]], Server]) -> Server:
    """Every way to serve, one after the other."""
    return serve(request.param)


@pytest.fixture(scope="module", params=[each for each in EVERY if each.id != "bridge-uvicorn"])
def own_server(request: pytest.FixtureRequest, serve: Callable[[tuple[str, ...]], Server]) -> Server:
    """Every way to serve with signal handlers of rsgi."""
    return serve(request.param)


@pytest.fixture(scope="module", params=WSGI)
def wsgi_server(request: pytest.FixtureRequest, serve: Callable[[tuple[str, ...]], Server]) -> Server:
    """Every way to serve the WSGI application."""
    return serve(request.param)


@pytest.fixture(scope="module", params=ASGI)
def asgi_server(request: pytest.FixtureRequest, serve: Callable[[tuple[str, ...]], Server]) -> Server:
    """Every way to serve the ASGI application."""
    return serve(request.param)


def response_of(server: Server, target: str) -> str:
    """The one response to a request, which is all there is on its connection."""
    with Connection(server, timeout=20) as connection:
        connection.send_request("GET", target, [("connection", "close")])
        response = connection.read_response()
        assert connection.closed_within(5), f"more than one response: {connection.read_some()!r}"
    assert (response.status, response.complete) == (200, True)
    return response.text


def processes_of(server: Server) -> set[int]:
    """The processes that may answer: the workers, or the one that there is."""
    command = Path(f"/proc/{server.pid}/cmdline").read_bytes().split(b"\0")
    if command[0] != b"rsgi: supervisor":
        return {server.pid}
    return {int(pid) for pid in Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()}


@pytest.mark.parametrize(("how", "code"), LEAVING.items(), ids=LEAVING)
def test_a_child_that_leaves_the_call_ends_and_answers_nothing(server: Server, how: str, code: int) -> None:
    serving = processes_of(server)
    ended, _, parent = response_of(server, f"/?{how}").partition(" of ")
    assert (ended, int(parent) in serving) == (str(code), True)
    assert {int(response_of(server, "/pid")) for _ in range(8)} <= serving


def test_the_developer_sees_why_a_child_ended(server: Server) -> None:
    mark = server.log_mark()
    response_of(server, "/?raise")
    log = server.wait_for_log("RuntimeError: raised in the child", since=mark)
    assert "fork_app.py" in log
    assert log.count("Traceback") == 1
    mark = server.log_mark()
    response_of(server, "/?words")
    assert "Traceback" not in server.wait_for_log("last words", since=mark)


@pytest.mark.parametrize(("how", "code"), [("return", 0), ("exit", 3)])
def test_a_child_of_an_iteration_ends(wsgi_server: Server, how: str, code: int) -> None:
    response = response_of(wsgi_server, f"/iterated?{how}")
    assert response.startswith(f"begun, {code} of ")


@pytest.mark.parametrize(("how", "code"), [("return", 0), ("exit", 3)])
def test_a_child_of_close_ends(wsgi_server: Server, how: str, code: int) -> None:
    mark = wsgi_server.log_mark()
    assert response_of(wsgi_server, f"/closing?{how}") == "whole"
    wsgi_server.wait_for_log(f"close: {code} of ", since=mark)


def test_a_child_cannot_write(wsgi_server: Server) -> None:
    """It neither answers nor waits for ever for room in its response."""
    assert response_of(wsgi_server, "/written").startswith("begun, 1 of ")


@pytest.mark.parametrize("how", ["send", "receive", "await"])
def test_a_child_cannot_use_the_loop_of_its_parent(asgi_server: Server, how: str) -> None:
    assert response_of(asgi_server, f"/?{how}").startswith("1 of ")


@pytest.mark.parametrize(("how", "code"), [("return", 0), ("raise", 1), ("exit", 3)])
def test_a_child_of_a_threads_function_ends(asgi_server: Server, how: str, code: int) -> None:
    """As a FastAPI endpoint without `async` is called, and Django's views are."""
    assert response_of(asgi_server, f"/executor?{how}").startswith(f"{code} of ")


@pytest.mark.parametrize("how", ["return", "raise"])
def test_a_child_of_a_task_of_its_own_ends(asgi_server: Server, how: str) -> None:
    mark = asgi_server.log_mark()
    assert response_of(asgi_server, f"/task?{how}").startswith("1 of ")
    asgi_server.wait_for_log("returned to its parent's event loop", since=mark)


@pytest.mark.parametrize(("how", "code"), [("return", 0), ("raise", 1), ("exit", 3), ("send", 1)])
def test_a_child_of_a_websocket_ends(asgi_server: Server, how: str, code: int) -> None:
    with connect(f"ws://127.0.0.1:{asgi_server.port}/?{how}") as socket:
        assert str(socket.recv(20)).startswith(f"{code} of ")


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_processes_that_come_back_to_nobody_work(server: Server, method: str) -> None:
    assert response_of(server, f"/processes?{method}") == "from a process, 0, [0, 2, 4], from a program"


def test_a_child_ends_when_it_is_told_to(own_server: Server) -> None:
    """The handlers of the server are its own; a signal that comes right after the fork counts, too."""
    assert [response_of(own_server, "/terminated") for _ in range(5)] == ["-15"] * 5


@contextmanager
def sleeping_child(pid: int) -> Iterator[None]:
    """A child that sleeps for the while of the test, whoever is its parent then."""
    try:
        os.kill(pid, 0)
        yield
        os.kill(pid, 0)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def assert_port_is_free(server: Server) -> None:
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", server.port))
        again.listen()


OUTLIVED = [
    pytest.param(("--wsgi", "fork_app:wsgi"), "multiprocessing", id="wsgi"),
    pytest.param(("--asgi", "fork_app:asgi"), "multiprocessing", id="asgi"),
    # Workers whose supervisor is gone end in order, and their daemons with them.
    pytest.param(("--wsgi", "fork_app:wsgi", "--workers", "2"), "os", id="workers"),
]


@pytest.mark.parametrize(("arguments", "kind"), OUTLIVED)
def test_a_child_that_outlives_the_server_keeps_no_port_and_no_connection(
    start: Callable[..., Server], arguments: tuple[str, ...], kind: str
) -> None:
    server = start(*arguments)
    with Connection(server) as idle:
        idle.send_request("GET", "/pid")
        idle.read_response()
        with sleeping_child(int(response_of(server, f"/sleeper?{kind}"))):
            server.kill()
            assert idle.closed_within(10)
            wait_until(lambda: not refuses(assert_port_is_free, server), 10, "the port is free")


def refuses(act: Callable[[Server], None], server: Server) -> bool:
    """Whether the system does not let it happen."""
    try:
        act(server)
    except OSError:
        return True
    return False


def test_a_child_of_an_import_keeps_no_port_of_a_worker(start: Callable[..., Server]) -> None:
    """There the sockets are bound before the applications are imported."""
    server = start("--wsgi", "fork_app:wsgi", "--workers", "2", environment={"FORK_AT_IMPORT": "1"})
    children = {int(response_of(server, "/at-import")) for _ in range(20)}
    try:
        assert server.stop() == 0
        assert all(os.kill(child, 0) is None for child in children)
        assert_port_is_free(server)
    finally:
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def test_a_unix_socket_leads_to_no_child(start: Callable[..., Server], tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "socket")
    server = start("--wsgi", "fork_app:wsgi", "--uds", path)
    with sleeping_child(int(response_of(server, "/sleeper?os"))):
        server.kill()
        with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
            client.connect(path)
