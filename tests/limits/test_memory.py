"""What the server holds in memory while much goes through it, and how many connections it carries.

Apart from `test_streaming.py` because these move hundreds of megabytes and read the peak from `/proc`.
"""

from __future__ import annotations

import contextlib
import hashlib
import resource
import sys
from collections.abc import Iterator

import pytest

from kitchens import KITCHENS
from server import Server, start_rsgi
from wire import Connection, chunk_bytes, get, many_connections

MIB = 1024 * 1024
PIECE = bytes(range(256)) * 256

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")


@pytest.fixture(scope="module")
def fresh_servers() -> Iterator[dict[str, Server]]:
    """The three kitchens, not warmed up by other tests' leftovers."""
    servers = {name: start_rsgi(*kitchen) for name, kitchen in KITCHENS.items()}
    yield servers
    for server in servers.values():
        server.stop()


@pytest.fixture
def fresh(fresh_servers: dict[str, Server], interface: str) -> Server:
    return fresh_servers[interface]


def upload(server: Server, mib: int, *, chunked: bool = False) -> dict[str, object]:
    """Send so many MiB, piece by piece; gives what the app saw."""
    pieces = mib * 16
    field = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {pieces * len(PIECE)}"
    with Connection(server, timeout=60) as connection:
        connection.send(f"POST /upload-hash HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n".encode())
        for _ in range(pieces):
            connection.send(chunk_bytes(PIECE) if chunked else PIECE)
        if chunked:
            connection.send(b"0\r\n\r\n")
        seen: dict[str, object] = connection.read_response().json()
        return seen


def download(server: Server, mib: int) -> int:
    """Read so many MiB and throw them away; gives how many bytes came."""
    received = 0
    with Connection(server, timeout=60) as connection:
        connection.send_request("GET", f"/download?mib={mib}")
        assert connection.read_head().header("content-length") == str(mib * MIB)
        while received < mib * MIB:
            received += len(connection.read_some(MIB))
    return received


def expected(mib: int) -> dict[str, object]:
    digest = hashlib.sha256()
    for _ in range(mib * 16):
        digest.update(PIECE)
    return {"bytes": mib * MIB, "sha256": digest.hexdigest()}


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_large_upload(fresh: Server, chunked: bool) -> None:
    for _ in range(3):  # until the allocator has its pages, which come 2 MiB at a time
        upload(fresh, 32, chunked=chunked)
    fresh.reset_memory()
    before = fresh.memory()
    assert upload(fresh, 200, chunked=chunked) == expected(200)
    assert fresh.memory() - before < 16 * MIB


def test_large_download(fresh: Server) -> None:
    download(fresh, 32)
    fresh.reset_memory()
    before = fresh.memory()
    assert download(fresh, 200) == 200 * MIB
    assert fresh.memory() - before < 16 * MIB


def test_many_requests_leave_nothing_behind(fresh: Server) -> None:
    def thousand_requests() -> None:
        with Connection(fresh) as connection:
            for _ in range(100):
                connection.send(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n" * 10)
                for _ in range(10):
                    assert connection.read_response().status == 200

    for _ in range(3):
        thousand_requests()
    fresh.reset_memory()
    before = fresh.memory()
    for _ in range(5):
        thousand_requests()
    assert fresh.memory() - before < 2 * MIB


def test_many_connections_leave_nothing_behind(fresh: Server) -> None:
    def connect_often(times: int) -> None:
        for _ in range(times):
            assert get(fresh, "/hello").status == 200

    connect_often(300)
    fresh.reset_memory()
    before = fresh.memory()
    connect_often(1500)
    assert fresh.memory() - before < 2 * MIB


@pytest.fixture(scope="module")
def many_files() -> None:
    """Room for a thousand sockets on each side."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip(f"only {hard} open files are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))


@pytest.mark.usefixtures("many_files")
def test_a_thousand_connections_are_answered(interface: str) -> None:
    server = start_rsgi(*KITCHENS[interface])
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(server.stop)
        connections = cleanup.enter_context(many_connections(server, 1000))
        for turn in range(2):
            for number, connection in enumerate(connections):
                connection.send_request("POST", "/echo", body=b"%d of turn %d" % (number, turn))
            for number, connection in enumerate(connections):
                assert connection.read_response().body == b"%d of turn %d" % (number, turn)
