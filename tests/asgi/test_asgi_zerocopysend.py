"""`http.response.zerocopysend`: pieces of open files among the other messages of a body.

Covers the ASGI extension "Zero Copy Send".
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from http2_wire import get2
from server import Server, start_rsgi
from wire import Connection, get, request

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors are opened anew through /proc")

CONTENT = bytes(range(256)) * 4000


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = start_rsgi("--asgi", "zero_copy_app:app", "--lifespan", "off", "--asgi-extensions", "zerocopysend")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("zero-copy") / "file"
    file.write_bytes(CONTENT)
    return str(file)


def said(server: Server) -> str:
    """What was raised in the application last."""
    return get(server, "/said").body.decode()


@pytest.mark.parametrize("how", ["whole", "number"])
def test_a_whole_file_leaves_with_its_length(server: Server, path: str, how: str) -> None:
    response = get(server, f"/{how}?path={path}")
    assert response.header("content-length") == str(len(CONTENT))
    assert response.body == CONTENT


def test_a_part_of_a_file(server: Server, path: str) -> None:
    response = get(server, f"/part?path={path}")
    assert (response.header("content-length"), response.body) == ("20", CONTENT[10:30])


def test_without_an_offset_the_position_counts_and_moves(server: Server, path: str) -> None:
    response = get(server, f"/from-position?path={path}")
    assert response.body == CONTENT[100:105] + b"|" + CONTENT[105:110] + b"|110"
    assert response.complete


@pytest.mark.parametrize("count", [3, 600_000])
def test_pieces_and_bodies_keep_their_order(server: Server, path: str, count: int) -> None:
    response = get(server, f"/mixed?path={path}&count={count}")
    assert response.header("transfer-encoding") == "chunked"
    assert response.body == b"before " + CONTENT[:count] + b" between " + CONTENT[5:7]


def test_a_declared_length_is_kept(server: Server, path: str) -> None:
    response = get(server, f"/mixed?path={path}&length=21")
    assert (response.header("content-length"), response.body) == (
        "21",
        b"before " + CONTENT[:3] + b" between " + CONTENT[5:7],
    )


@pytest.mark.parametrize("length", [9, 20, 30])
def test_another_length_is_an_error_and_never_looks_whole(server: Server, path: str, length: int) -> None:
    with Connection(server) as connection:
        connection.send_request("GET", f"/mixed?path={path}&length={length}")
        response = connection.read_head()
        connection.read_body(response)
        assert not response.complete
    assert said(server).startswith("ValueError: Content-Length leaves ")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
@pytest.mark.parametrize("how", ["whole", "mixed"])
def test_a_response_without_a_body_has_none(server: Server, path: str, how: str, method: str, status: int) -> None:
    response = request(server, method, f"/{how}?path={path}&status={status}")
    assert (response.status, response.body) == (status, b"")


def test_over_http2(server: Server, path: str) -> None:
    assert get2(server, f"/whole?path={path}").body == CONTENT
    stream = get2(server, f"/mixed?path={path}&count=600000")
    assert (stream.body, stream.ended) == (b"before " + CONTENT[:600_000] + b" between " + CONTENT[5:7], True)


def test_a_client_that_leaves_ends_the_send(server: Server, path: str) -> None:
    with Connection(server, receive_buffer=4096) as connection:
        connection.send_request("GET", f"/mixed?path={path}&count=1000000")
        connection.read_head()
    assert get(server, f"/part?path={path}").body == CONTENT[10:30]


@pytest.mark.parametrize(
    ("file", "error"),
    [
        ("text", "TypeError: 'file' must be a file descriptor or have a fileno(), not str ('7')"),
        ("true", "TypeError: 'file' must be a file descriptor or have a fileno(), not bool (True)"),
        ("memory", "UnsupportedOperation: fileno"),
        ("pipe", "OSError: [Errno 29] Illegal seek"),
        ("closed", "OSError: [Errno 9] Bad file descriptor"),
        ("negative", "ValueError: 'offset' must be a number of bytes, 0 or more, not int (-1)"),
    ],
)
def test_what_cannot_be_sent_is_an_error_in_the_application(server: Server, file: str, error: str) -> None:
    assert get(server, f"/bad?file={file}").status == 500
    assert said(server) == error


def test_a_send_that_is_not_awaited(server: Server, path: str) -> None:
    with Connection(server, receive_buffer=4096) as connection:
        connection.send_request("GET", f"/not-awaited?path={path}")
        response = connection.read_head()
        connection.read_body(response)
        assert not response.complete
    assert "await its `send`" in said(server)
