"""A connection between two requests: after a moment without any it is parked, which shows in the memory of the server alone.

Apart from `test_wire.py`, whose connections never wait long enough to be parked. How long a connection must lie idle is not
known here: many of them is watched until each costs the server less than it did while there was something to say.
Covers RFC 9112, 9.3.
"""

from __future__ import annotations

import contextlib
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from certificates import Certificates, TlsConnection
from kitchens import INTERFACES, KITCHENS
from server import Server, start_rsgi, wait_until
from websocket_wire import TEXT, WebSocketConnection
from wire import Connection, get

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of the server from /proc")

HELLO = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
CONNECTIONS = 500
# In bytes. A parked one has 2 to 5 KiB, another one 12 or 13.
PARKED = 9 * 1024
# Over TLS a parked one has 12 to 16 KiB, another one 25 to 29.
PARKED_OVER_TLS = 20 * 1024


def greet(connection: Connection) -> None:
    connection.send(HELLO)
    assert connection.read_response().body == b"Hello, world!\n"


def resident(server: Server) -> int:
    """The memory that it has resident now, in bytes."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{server.pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def time_to_park(connect: Callable[[], Connection], server: Server, most: int) -> float:
    """Watch many connections until each costs at most so many bytes; gives how long it took since the first response."""
    for _ in range(50):  # until the allocator has the pages that it needs anyway
        with connect() as connection:
            greet(connection)
    before = resident(server)
    with contextlib.ExitStack() as opened:
        connections = [opened.enter_context(connect()) for _ in range(CONNECTIONS)]
        began = time.monotonic()
        for connection in connections:
            greet(connection)
        wait_until(lambda: resident(server) - before < most * CONNECTIONS, 20, f"connections of {most} bytes each")
        return time.monotonic() - began


@pytest.fixture(scope="module")
def many_files() -> None:
    """Room for the sockets of all clients."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip(f"only {hard} open files are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))


# What the allocator is given back leaves the server at once.
GIVES_BACK = {"MIMALLOC_PURGE_DELAY": "0"}


@pytest.fixture(scope="module")
def nap(many_files: None) -> float:
    """How long a connection has to lie idle until it is surely parked."""
    server = start_rsgi(*KITCHENS["asgi"], environment=GIVES_BACK)
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(server.stop)
        return time_to_park(lambda: Connection(server), server, PARKED)


@pytest.fixture(scope="module")
def idle(request: pytest.FixtureRequest, nap: float) -> dict[str, list[Connection]]:
    """Connections to the shared kitchens that had a response, and are parked; a test takes one."""
    connections: dict[str, list[Connection]] = {}
    for interface in INTERFACES:
        server = request.getfixturevalue(f"{interface}_server")
        connections[interface] = [Connection(server) for _ in range(10)]
        for connection in connections[interface]:
            request.addfinalizer(connection.__exit__)
            greet(connection)
    time.sleep(nap)
    return connections


@pytest.fixture
def parked(idle: dict[str, list[Connection]], interface: str) -> Connection:
    """A connection that had a response, and is parked."""
    return idle[interface].pop()


@pytest.mark.usefixtures("many_files")
def test_parked_connections_give_their_buffers_back(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen(environment=GIVES_BACK)
    time_to_park(lambda: Connection(server), server, PARKED)


@pytest.mark.usefixtures("many_files")
def test_over_tls_they_do_too(start: Callable[..., Server], tmp_path: Path) -> None:
    certificates = Certificates.make(tmp_path)
    context = certificates.context()
    server = start(*KITCHENS["asgi"], *certificates.flags(), environment=GIVES_BACK)
    time_to_park(lambda: TlsConnection(server, context), server, PARKED_OVER_TLS)


def test_requests_after_parking(parked: Connection, nap: float) -> None:
    for _ in range(2):
        greet(parked)
        parked.send_request("POST", "/echo", body=b"body" * 50_000)
        assert parked.read_response().body == b"body" * 50_000
        time.sleep(nap)
    parked.send(HELLO * 3)
    assert [parked.read_response().body for _ in range(3)] == [b"Hello, world!\n"] * 3


def test_a_head_in_pieces_resumes_a_parked_connection(parked: Connection) -> None:
    for piece in (b"\r\n", HELLO[:7], HELLO[7:30], HELLO[30:]):
        parked.send(piece)
        assert parked.silent_for(0.05) or piece == HELLO[30:]
    assert parked.read_response().body == b"Hello, world!\n"


def test_a_head_longer_than_what_is_read_at_first(parked: Connection) -> None:
    parked.send(b"GET /hello HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 30_000 + b"\r\n\r\n" + HELLO)
    assert [parked.read_response().body for _ in range(2)] == [b"Hello, world!\n"] * 2


def test_a_refused_head_after_parking(parked: Connection) -> None:
    parked.send(b"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    response = parked.read_response()
    assert response.status == 400
    assert response.header("connection") == "close"
    assert parked.closed_within(2)


def test_upgrade_after_parking(asgi_server: Server, nap: float) -> None:
    with WebSocketConnection(asgi_server) as connection:
        greet(connection)
        time.sleep(nap)
        assert connection.upgrade("/ws/echo").status == 101
        time.sleep(nap)
        connection.send_frame(TEXT, b"awake")
        assert connection.read_frame().payload == b"awake"


def test_parking_over_tls(start_kitchen: Callable[..., Server], tmp_path: Path, nap: float) -> None:
    certificates = Certificates.make(tmp_path)
    server = start_kitchen(*certificates.flags())
    with TlsConnection(server, certificates.context()) as connection:
        for _ in range(2):
            greet(connection)
            time.sleep(nap)
        connection.send(HELLO * 2)
        assert [connection.read_response().body for _ in range(2)] == [b"Hello, world!\n"] * 2


def test_a_request_that_lasts_longer_than_a_moment_is_not_parked(kitchen: Server, nap: float) -> None:
    with Connection(kitchen) as connection:
        connection.send_request("GET", f"/slow?ms={nap * 1000:.0f}")
        assert connection.read_response().status == 200
        greet(connection)


def test_the_idle_time_counts_from_the_response(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--keep-alive-timeout", "3")
    with Connection(server) as connection:
        greet(connection)
        assert not connection.closed_within(2)
        greet(connection)
        began = time.monotonic()
        assert connection.closed_within(5)
        assert time.monotonic() - began > 2.5


def test_parked_connections_are_closed_at_once(start_kitchen: Callable[..., Server], nap: float) -> None:
    server = start_kitchen("--grace", "30")
    with contextlib.ExitStack() as cleanup:
        connections = [cleanup.enter_context(Connection(server)) for _ in range(5)]
        for connection in connections:
            greet(connection)
        time.sleep(nap)
        server.send_signal()
        # At once is long before the grace time, also on a machine that has much to do.
        assert all(connection.closed_within(10) for connection in connections)
        assert server.wait(5) == 0


def test_nothing_is_asked_of_a_closed_connection_after_parking(wsgi_server: Server, nap: float) -> None:
    with Connection(wsgi_server) as connection:
        target = b"/compute?ms=1&label=after the close".replace(b" ", b"%20")
        connection.send(b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET " + target)
        assert connection.read_response().body == b"Hello, world!\n"
        time.sleep(nap)
        with contextlib.suppress(ConnectionError):
            connection.send(b" HTTP/1.1\r\nHost: a\r\n\r\n")
            connection.read_to_end()
    assert get(wsgi_server, "/record?label=after%20the%20close").json() == []


def test_a_client_that_leaves_while_it_is_parked(start_kitchen: Callable[..., Server], nap: float) -> None:
    server = start_kitchen()
    with contextlib.ExitStack() as cleanup:
        for _ in range(50):
            greet(cleanup.enter_context(Connection(server)))
        descriptors = Path(f"/proc/{server.pid}/fd")
        many = len(list(descriptors.iterdir()))
        time.sleep(nap)
    wait_until(lambda: len(list(descriptors.iterdir())) <= many - 50, 5, "the server closed what its clients had left")
