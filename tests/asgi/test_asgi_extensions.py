"""When the head of an ASGI answer leaves, which extensions are offered, and `http.response.pathsend`: as bytes on the wire.

Apart from the other ASGI tests because the application here waits between its messages.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from http2_wire import get2
from server import APPS, Server, run_rsgi, start_rsgi
from wire import Connection, get, request

PATHSEND = ("--asgi-extensions", "pathsend")


@pytest.fixture(params=["asyncio", "uvloop"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop", reason="the package uvloop is not installed")
    started = start_rsgi("--asgi", "extension_app:app", "--loop", request.param, *PATHSEND)
    yield started
    started.stop()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "caf\xe9 file"
    path.write_bytes(bytes(range(256)) * 2000)
    return path


def path_of(file: Path) -> str:
    return quote(str(file))


# When the head leaves


@pytest.mark.parametrize("target", ["/gated", "/gated-in-a-task"])
def test_head_leaves_though_the_body_waits(server: Server, target: str) -> None:
    """The time to the first byte is the application's own."""
    with Connection(server) as connection:
        connection.send_request("GET", target)
        response = connection.read_head()
        assert (response.status, response.header("x-app")) == (200, "extension")
        assert response.header("transfer-encoding") == "chunked"
        assert get(server, "/open").body == b"hello"
        connection.read_body(response)
        assert (response.body, response.complete) == (b"hello", True)


def test_head_that_left_by_itself_keeps_its_length(server: Server) -> None:
    with Connection(server) as connection:
        connection.send_request("GET", "/gated?length=5")
        response = connection.read_head()
        assert response.header("content-length") == "5"
        assert get(server, "/open").status == 200
        connection.read_body(response)
        assert (response.body, response.complete) == (b"hello", True)


@pytest.mark.parametrize(("method", "query"), [("HEAD", ""), ("GET", "?status=204"), ("GET", "?status=304")])
def test_response_without_a_body_is_over_with_its_head(server: Server, method: str, query: str) -> None:
    with Connection(server) as connection:
        connection.send_request(method, f"/gated{query}")
        assert connection.read_response(method).body == b""
        connection.send_request("GET", "/open")
        assert connection.read_response().body == b"hello"


@pytest.mark.parametrize("turns", [0, 1, 2])
def test_body_that_comes_a_turn_later_leaves_with_its_head(server: Server, turns: int) -> None:
    """Middleware hands messages from task to task: the response is one piece with its length all the same."""
    with Connection(server) as connection:
        connection.send_request("GET", f"/turns?turns={turns}")
        received = connection.read_some()
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-length: 5" in head
    assert body == b"hello"


# What is offered


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ((), []),
        (("--asgi-extensions", "none"), []),
        (("--asgi-extensions", "pathsend"), ["http.response.pathsend"]),
        (("--asgi-extensions", "trailers, pathsend"), ["http.response.pathsend", "http.response.trailers"]),
    ],
)
@pytest.mark.parametrize("version", ["1", "2"])
def test_extensions_are_offered_when_they_are_asked_for(
    start: Callable[..., Server], version: str, asked: tuple[str, ...], offered: list[str]
) -> None:
    server = start("--asgi", "extension_app:app", *asked)
    if version == "2":
        assert get2(server, "/offered").body.decode() == ",".join(offered)
    else:
        assert get(server, "/offered", ("TE", "trailers")).body.decode() == ",".join(offered)


@pytest.mark.parametrize("name", ["pathsend", "zerocopysend", "trailers", "early_hint"])
def test_message_of_an_extension_that_is_not_offered_raises(
    start: Callable[..., Server], file: Path, name: str
) -> None:
    server = start("--asgi", "extension_app:app")
    assert get(server, f"/not-offered?name={name}&path={path_of(file)}", ("TE", "trailers")).status == 500
    server.wait_for_log(
        f"ValueError: 'http.response.{name}' is not in scope['extensions']; `--asgi-extensions {name}` offers it"
    )


def test_extension_that_is_not_known_is_a_startup_error() -> None:
    ended = run_rsgi("--asgi", "extension_app:app", "--asgi-extensions", "pathsend,push")
    assert ended.returncode == 2
    assert "error: " in ended.stderr
    assert "'push' is not one of pathsend, " in ended.stderr
    assert "hint: " in ended.stderr


def test_middleware_that_knows_no_extension_sees_every_byte_of_a_file(start: Callable[..., Server]) -> None:
    """Middleware that compresses, as most does, was passed by: 500, an empty page, or a file as it was."""
    server = start("--asgi", "extension_app:compressed", folder=APPS)
    plain = (APPS / "extension_app.py").read_bytes()
    response = get(server, "/static/extension_app.py", ("Accept-Encoding", "gzip"))
    assert (response.status, response.header("content-encoding")) == (200, "gzip")
    assert gzip.decompress(response.body) == plain
    response = get(server, "/upper/extension_app.py")
    assert (response.status, response.body) == (200, plain.upper())


@pytest.mark.parametrize("asked", [(), PATHSEND], ids=["not-offered", "offered"])
def test_relative_path_is_taken_from_the_current_folder(start: Callable[..., Server], asked: tuple[str, ...]) -> None:
    """`FileResponse("file.txt")`: Starlette hands the path on as it is."""
    server = start("--asgi", "extension_app:compressed", *asked, folder=APPS)
    response = get(server, "/relative")
    assert (response.status, response.body) == (200, (APPS / "extension_app.py").read_bytes())


@pytest.mark.parametrize("asked", [(), PATHSEND], ids=["not-offered", "offered"])
def test_dictionaries_of_a_scope_are_its_own(start: Callable[..., Server], asked: tuple[str, ...]) -> None:
    """What an application writes into any of them, no later request sees."""
    server = start("--asgi", "extension_app:app", *asked)
    first = get(server, "/scribbled").json()
    assert get(server, "/scribbled").json() == first
    assert first["asgi"] == {"version": "3.0", "spec_version": "2.5"}


# Files


def test_extensions_are_the_scopes_own(server: Server) -> None:
    """What an application writes into them, the next request does not see."""
    names = get(server, "/offered").body.decode().split(",")
    assert "http.response.pathsend" in names
    assert "mine" not in names
    assert get(server, "/offered").body.decode().split(",") == names


@pytest.mark.parametrize("length", ["", "&length=512000"])
def test_file_is_sent_by_its_path(server: Server, file: Path, length: str) -> None:
    response = get(server, f"/file?path={path_of(file)}{length}")
    assert response.body == file.read_bytes()
    assert response.all("content-length") == ["512000"]


def test_file_after_the_head_has_left(server: Server, file: Path) -> None:
    with Connection(server) as connection:
        connection.send_request("GET", f"/late-file?path={path_of(file)}")
        response = connection.read_head()
        assert get(server, "/open").status == 200
        connection.read_body(response)
        assert (response.body, response.complete) == (file.read_bytes(), True)


def test_empty_file(server: Server, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    response = get(server, f"/file?path={tmp_path}/empty")
    assert (response.status, response.body, response.all("content-length")) == (200, b"", ["0"])


@pytest.mark.parametrize("path", ["/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"])
def test_a_file_whose_size_says_nothing_is_sent_to_its_end(server: Server, path: str) -> None:
    if not Path(path).exists():
        pytest.skip(f"this system has no {path}")
    response = get(server, f"/file?path={path}")
    assert (response.body, response.complete) == (Path(path).read_bytes(), True)


def test_head_request_for_a_file(server: Server, file: Path) -> None:
    response = request(server, "HEAD", f"/file?path={path_of(file)}")
    assert (response.status, response.body, response.all("content-length")) == (200, b"", ["512000"])


def test_status_without_a_body_sends_no_file(server: Server, file: Path) -> None:
    with Connection(server) as connection:
        connection.send_request("GET", f"/file?status=204&path={path_of(file)}")
        response = connection.read_response()
        assert (response.status, response.body, response.header("content-length")) == (204, b"", None)
        connection.send_request("GET", "/offered")
        assert connection.read_response().status == 200


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/file?path=nowhere", "FileNotFoundError: [Errno 2] No such file or directory (os error 2): 'nowhere'"),
        ("/file?path=/nowhere/at/all", "FileNotFoundError: [Errno 2]"),
        ("/file?path=/", "ValueError: 'path' is no regular file: /"),
        ("/file?path=/dev/zero", "ValueError: 'path' is no regular file: /dev/zero"),
        ("/file?length=3&path={file}", "ValueError: Content-Length is 3, but the file has 512000 bytes"),
        ("/file-first?path={file}", "'http.response.pathsend' was sent before 'http.response.start'"),
    ],
)
def test_file_that_cannot_be_sent_is_an_error_in_the_app(server: Server, file: Path, target: str, message: str) -> None:
    """Nothing of the response is out yet, so the client gets a 500, and the log a traceback."""
    assert get(server, target.format(file=path_of(file))).status == 500
    log = server.wait_for_log("app `extension_app:app` failed")
    server.wait_for_log(message)
    assert "await send(sends_file)" in log or "await send(sends_file)" in server.log()


def test_file_after_a_body_is_an_error_and_a_cut(server: Server, file: Path) -> None:
    response = get(server, f"/file-after-body?path={path_of(file)}")
    assert not response.complete
    server.wait_for_log("'http.response.pathsend' was sent after 'http.response.body'")


def test_client_that_leaves_a_file(server: Server, tmp_path: Path) -> None:
    """The next one is served, and nothing is logged."""
    large = tmp_path / "large"
    with large.open("wb") as stream:
        stream.truncate(300 * 1024 * 1024)
    for target in ("/file", "/late-file"):
        with Connection(server, receive_buffer=4096) as connection:
            connection.send_request("GET", f"{target}?path={large}")
            connection.read_head()
            if target == "/late-file":
                assert get(server, "/open").status == 200
            assert connection.read_some(1) != b""
        assert get(server, "/offered").status == 200
    assert "error" not in server.log()


def test_bridge_inside_an_application_sends_files_by_their_paths(file: Path) -> None:
    """The host offers it, so `wsgi.file_wrapper` uses it."""
    server = start_rsgi("--asgi", "extension_app:inside", *PATHSEND)
    try:
        assert get(server, f"/?path={path_of(file)}").body == file.read_bytes()
        assert get(server, "/sent").body == b"lifespan.startup.complete,http.response.start,http.response.pathsend"
    finally:
        server.stop()
