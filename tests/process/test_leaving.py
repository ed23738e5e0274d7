"""No request is lost under a stop: clients that keep connections, such as proxies, hear of it before these close.

Apart from `test_shutdown.py`, which is about what runs and what is idle, because here requests are on their way when the
signal comes. A client may send again what was never let in (a refused connection), but not a request that it has sent on
a connection which is reset or closed without a response: a proxy gives 502 for such a POST.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_shutdown import refuses_connections

from server import Server, wait_until
from websocket_wire import WebSocketConnection
from wire import Connection, ConnectionEnded, get

BODY = b"x" * 100


class Clients:
    """Clients that post again and again, each on a connection that it keeps as long as it may."""

    def __init__(self, server: Server, count: int) -> None:
        self.server, self.stopping, self.stopped = server, threading.Event(), threading.Event()
        self.responded, self.lost, self.told = 0, [], 0  # type: int, list[str], int
        self.threads = [threading.Thread(target=self._run) for _ in range(count)]

    def __enter__(self) -> Clients:
        for thread in self.threads:
            thread.start()
        wait_until(lambda: self.responded > 10 * len(self.threads), 10, "the clients are served")
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join(10)

    def _run(self) -> None:
        while not self.stopped.is_set():
            try:
                connection = Connection(self.server)
            except OSError:  # refused: nothing was sent, so nothing is lost
                self.stopped.wait(0.02)
                continue
            with connection:
                try:
                    self._post(connection)
                except Exception as error:
                    self.lost.append(repr(error))

    def _post(self, connection: Connection) -> None:
        for turn in range(10_000):
            try:
                connection.send_request("POST", "/echo", body=BODY)
                response = connection.read_response()
            except ConnectionResetError:
                # The kernel resets a connection that came between the last accept and the close of the listening socket.
                if turn == 0 and self.stopping.is_set():
                    return
                raise
            assert (response.status, response.body) == (200, BODY)
            self.responded += 1
            if response.header("connection") == "close":
                self.told += 1
                return
            # It thinks for a moment, as all do: most closes come then.
            if self.stopped.wait(0.002):
                return


WAYS = {
    "alone": (),
    "workers": ("--workers", "2"),
    "preload": ("--workers", "2", "--preload"),
    "delay": ("--drain-delay", "0.5"),
}


@pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)
def test_no_request_on_a_kept_connection_is_lost_when_it_stops(
    start_kitchen: Callable[..., Server], how: tuple[str, ...]
) -> None:
    server = start_kitchen(*how)
    with Clients(server, 8) as clients:
        clients.stopping.set()
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 0
    assert not clients.lost
    assert clients.told >= 1


@pytest.mark.parametrize("how", [(), ("--preload",)], ids=["imported", "preload"])
def test_no_request_on_a_kept_connection_is_lost_in_a_rolling_restart(
    start: Callable[..., Server], how: tuple[str, ...]
) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--workers", "2", *how)
    with Clients(server, 8) as clients:
        server.send_signal(signal.SIGHUP)
        server.wait_for_log("all workers were replaced", 30)
    assert not clients.lost


def test_a_request_that_came_while_the_server_was_slow_is_answered(start: Callable[..., Server]) -> None:
    """Time to ask is over before the server looks again, and the request is there by then: it must not be dropped."""
    for _ in range(5):  # a machine that stalls may let the time pass before the loop is blocked
        server = start("--asgi", "asgi_kitchen:app", "--io", "loop")
        with Connection(server) as client, Connection(server) as blocker:
            for connection in (client, blocker):
                connection.send_request("GET", "/hello")
                assert connection.read_response().status == 200
            server.send_signal(signal.SIGTERM)
            wait_until(lambda draining=server: refuses_connections(draining), 5, "the server drains")
            blocker.send_request("GET", "/block-loop?ms=700")
            client.send_request("GET", "/hello")
            try:
                assert blocker.read_response().status == 200
            except (ConnectionEnded, OSError):
                continue
            response = client.read_response()
            assert (response.status, response.header("connection")) == (200, "close")
            return
    pytest.skip("this machine is too slow to block the loop in time")


def test_responses_during_the_delay_end_their_connections(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--drain-delay", "2", "--health-path", "/healthz")
    with Connection(server) as kept:
        kept.send_request("GET", "/hello")
        assert kept.read_response().header("connection") is None
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: get(server, "/healthz").status == 503, 1, "the delay has begun")
        kept.send_request("GET", "/hello")
        response = kept.read_response()
        assert (response.status, response.header("connection")) == (200, "close")
        assert kept.closed_within(1)
    for path, status in (
        ("/hello", 200),
        ("/healthz", 503),
    ):  # one of an application, and one that the server has at once
        with Connection(server) as late:
            late.send_request("GET", path)
            response = late.read_response()
            assert (response.status, response.header("connection")) == (status, "close")


def test_a_websocket_opens_during_the_delay(start: Callable[..., Server]) -> None:
    """Its handshake says `Connection: Upgrade`, and nothing of a close."""
    server = start("--asgi", "asgi_kitchen:app", "--drain-delay", "1", "--health-path", "/healthz")
    server.send_signal(signal.SIGTERM)
    wait_until(lambda: get(server, "/healthz").status == 503, 1, "the delay has begun")
    with WebSocketConnection(server) as client:
        assert client.upgrade("/ws/echo").status == 101
        client.send_frame(1, b"hello")
        assert client.read_frame().payload == b"hello"
        assert client.read_frame().close_code == 1012


@contextlib.contextmanager
def waiting_clients(server: Server, count: int) -> Iterator[list[Connection]]:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Connection(server)) for _ in range(count)]
        for client in clients:
            client.send_request("GET", "/hello")
        yield clients


@pytest.mark.parametrize("address", ["tcp", "unix"])
def test_clients_that_wait_to_be_accepted_are_served(
    start: Callable[..., Server], tmp_path: Path, address: str
) -> None:
    """The signal comes while nobody accepts: the loop that drives the sockets is blocked."""
    where = ("--uds", str(tmp_path / "socket")) if address == "unix" else ()
    server = start("--asgi", "asgi_kitchen:app", "--io", "loop", *where)
    with Connection(server) as blocker:
        blocker.send_request("GET", "/block-loop?ms=500")
        time.sleep(0.1)  # a blocked loop says nothing; when it is not blocked yet, the test is only an easier one
        with waiting_clients(server, 12) as clients:
            server.send_signal(signal.SIGTERM)
            for client in clients:
                assert client.read_response().status == 200
        assert blocker.read_response().status == 200
    assert server.wait(10) == 0


@pytest.mark.parametrize("how", [(), ("--preload",)], ids=["imported", "preload"])
@pytest.mark.parametrize("delay", ["0", "0.5"])
def test_workers_that_drain_let_nobody_in_who_would_not_be_served(
    start: Callable[..., Server], delay: str, how: tuple[str, ...]
) -> None:
    """The supervisor, and the process that imports, have the same sockets; the first lives as long as the last call."""
    server = start("--asgi", "draining_app:new", "--workers", "2", "--drain-delay", delay, "--grace", "10", *how)
    with Connection(server) as busy:
        busy.send_request("GET", "/work?seconds=2")
        server.wait_for_log("work began")
        server.send_signal(signal.SIGTERM)
        began = time.monotonic()
        wait_until(lambda: refuses_connections(server), 2, "new connections are refused")
        assert time.monotonic() - began >= float(delay) - 0.1
        assert busy.read_response().json() == {"worked": 2}
    assert server.wait(10) == 0


def test_the_file_of_a_unix_socket_stays_during_the_delay(start: Callable[..., Server], tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = start("--asgi", "asgi_kitchen:app", "--workers", "2", "--uds", str(path), "--drain-delay", "1")
    server.send_signal(signal.SIGTERM)

    def told() -> bool:
        response = get(server, "/hello")
        assert response.status == 200
        return response.header("connection") == "close"

    with contextlib.suppress(ConnectionError, FileNotFoundError):
        for _ in range(20):
            assert path.exists()
            told()
            time.sleep(0.02)
    assert server.wait(10) == 0
    assert not path.exists()
