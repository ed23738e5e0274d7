"""`--compress`: which answers are compressed, for whom, and that nothing is late, cut short or compressed twice.

Apart from `test_static_files.py`, whose copies were compressed before. The same paths are asked over WSGI, ASGI and the
bridge. What curl decodes is asked of curl; gzip is read here, byte by byte.

Spec: RFC 9110 8.4, 8.8.1, 12.5.3, 12.5.5.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from http2_wire import Http2Connection, get2
from server import APPS, Server, run_rsgi, start_rsgi, wait_until
from wire import Connection, Response, get

sys.path.insert(0, str(APPS))
from compression_app import LARGE, PIECES, TEXT

TARGETS = {
    "wsgi": ("--wsgi", "compression_app:wsgi"),
    "asgi": ("--asgi", "compression_app:asgi"),
    "bridge": ("--asgi", "compression_app:bridge"),
}
GZIP = ("Accept-Encoding", "gzip")


@pytest.fixture(scope="module", params=[*TARGETS, "workers"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One server over each interface, and one of two processes."""
    more = ("--workers", "2") if request.param == "workers" else ()
    started = start_rsgi(*TARGETS.get(request.param, TARGETS["wsgi"]), "--compress", "auto", *more)
    yield started
    started.stop()


def plain(body: bytes) -> bytes:
    """What a whole gzip stream holds; one that is cut short is no such thing."""
    decoder = zlib.decompressobj(31)
    text = decoder.decompress(body)
    assert decoder.eof, "the stream has no end"
    assert not decoder.unused_data
    return text


def test_a_whole_response_has_a_length(server: Server) -> None:
    response = get(server, "/text", GZIP)
    assert (response.status, response.framing) == (200, "length")
    assert response.header("content-encoding") == "gzip"
    assert response.header("vary") == "Cookie, Accept-Encoding"
    assert response.header("etag") == 'W/"v1"'
    assert response.header("accept-ranges") is None
    assert plain(response.body) == TEXT
    assert len(response.body) < len(TEXT) // 10


def test_who_takes_no_coding_gets_none_and_is_told_of_it(server: Server) -> None:
    for fields in ((), (("Accept-Encoding", "gzip;q=0, deflate"),), (("Accept-Encoding", "identity, gzip;q=0.5"),)):
        response = get(server, "/text", *fields)
        assert response.body == TEXT
        assert response.header("content-encoding") is None
        assert response.header("vary") == "Cookie, Accept-Encoding"
        assert response.header("etag") == '"v1"'


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip, deflate, br, zstd", "zstd"), ("gzip, br", "br"), ("zstd;q=0.5, gzip", "gzip"), ("*", "zstd")],
)
def test_the_weights_of_the_client_come_first(server: Server, accepted: str, coding: str) -> None:
    assert get(server, "/text", ("Accept-Encoding", accepted)).header("content-encoding") == coding


@pytest.mark.parametrize("path", ["/text", "/middle", "/large", "/pieces", "/error", "/json"])
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_curl_reads_all_codings(server: Server, path: str, coding: str) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed (Debian: curl)")
    expected = {"/pieces": b"".join(PIECES), "/large": LARGE, "/middle": TEXT * 20}.get(path, TEXT)
    for version in ("--http1.0", "--http1.1", "--http2-prior-knowledge"):
        if version == "--http2-prior-knowledge" and "HTTP2" not in _run(curl, "--version").decode():
            continue
        command = [curl, "-s", version, "--compressed", "-H", f"Accept-Encoding: {coding}", "-D", "/dev/stderr"]
        ran = subprocess.run(
            [*command, f"http://{server.authority}{path}"], capture_output=True, timeout=30, check=True
        )
        assert f"content-encoding: {coding}" in ran.stderr.decode().lower(), version
        assert ran.stdout == expected, version


def _run(*command: str) -> bytes:
    return subprocess.run(command, capture_output=True, timeout=30, check=True).stdout


@pytest.mark.parametrize(
    "path", ["/small", "/png", "/untyped", "/events", "/encoded", "/no-transform", "/part", "/none", "/unchanged"]
)
def test_what_is_never_compressed(server: Server, path: str) -> None:
    response = get(server, path, GZIP)
    assert response.header("content-encoding") == ("identity" if path == "/encoded" else None)
    assert response.body in (TEXT, b"small", b"")
    assert response.complete
    assert response.header("vary") is None


def test_head_has_the_fields_of_get(server: Server) -> None:
    for path in ("/text", "/large", "/pieces", "/small", "/png"):
        with Connection(server) as connection:
            connection.send_request("HEAD", path, [GZIP])
            head = connection.read_response("HEAD")
            connection.send_request("GET", path, [GZIP])
            response = connection.read_response()
        left_out = ("date", "content-length", "transfer-encoding")
        assert _fields(head, left_out) == _fields(response, left_out), path
        # It may leave a length out, and must not say another.
        lengths = (response.header("content-length"), None)
        assert head.header("content-length") in lengths, path


def _fields(response: Response, left_out: tuple[str, ...]) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in response.headers if name.lower() not in left_out)


def test_fields_stay_in_their_order(server: Server) -> None:
    response = get(server, "/order", GZIP)
    names = [name.lower() for name, _ in response.headers]
    wanted = [name for name in names if name.startswith("x-") or name == "content-type"]
    assert wanted == ["x-a", "content-type", "x-b", "x-a"]
    assert plain(response.body) == TEXT
    assert response.header("vary") == "Accept-Encoding"


def test_a_weak_tag_and_what_varies_already_stay(server: Server) -> None:
    response = get(server, "/weak", GZIP)
    assert response.header("etag") == 'W/"v1"'
    assert response.header("vary") == "accept-encoding"
    assert plain(response.body) == TEXT


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_piece_is_on_its_way_when_it_is_sent(server: Server, coding: str) -> None:
    label = f"{coding}-{id(server)}"
    with Connection(server) as connection:
        connection.send_request("GET", f"/gated/{label}", [("Accept-Encoding", coding)])
        head = connection.read_head()
        assert head.header("content-encoding") == coding
        body = connection.read_chunk() or b""
        if coding == "gzip":
            decoder = zlib.decompressobj(31)
            text = decoder.decompress(body)
            while text != b"first":
                text += decoder.decompress(connection.read_chunk() or b"")
        else:
            # Both have it in their literals as it is: it is too short to be anything else.
            while b"first" not in body:
                body += connection.read_chunk() or b""
        # With two workers the other process may have the gate: ask until this one has heard of it.
        wait_until(
            lambda: get(server, f"/open/{label}").status == 200 and connection.readable(0.05), 10, "the second piece"
        )
        rest = b""
        while (chunk := connection.read_chunk()) is not None:
            rest += chunk
    if coding == "gzip":
        assert decoder.decompress(rest) == b"second"
        assert decoder.eof
    else:
        assert b"second" in rest


def test_a_response_that_breaks_off_has_no_end(server: Server) -> None:
    response = get(server, "/broken", GZIP)
    assert response.header("content-encoding") == "gzip"
    assert not response.complete
    decoder = zlib.decompressobj(31)
    assert b"".join(PIECES[:3]).startswith(decoder.decompress(response.body))
    assert not decoder.eof
    with Http2Connection(server) as connection:
        stream = connection.get("/broken", [("accept-encoding", "gzip")])
        assert not stream.ended
        assert stream.reset is not None


def test_http_1_0_is_told_the_end_by_the_connection(server: Server) -> None:
    with Connection(server) as connection:
        connection.send(b"GET /pieces HTTP/1.0\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: keep-alive\r\n\r\n")
        raw = connection.read_to_end()
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert b"content-length" not in head.lower()
    assert plain(body) == b"".join(PIECES)


def test_http2(server: Server) -> None:
    for path, expected in (("/text", TEXT), ("/pieces", b"".join(PIECES)), ("/large", LARGE)):
        stream = get2(server, path, [("accept-encoding", "gzip")])
        assert (stream.status, stream.ended) == (200, True)
        assert stream.header("content-encoding") == "gzip"
        assert plain(stream.body) == expected


def test_a_connection_goes_on(server: Server) -> None:
    with Connection(server) as connection:
        for path in ("/text", "/pieces", "/small", "/large", "/unchanged"):
            connection.send_request("GET", path, [GZIP])
        assert plain(connection.read_response().body) == TEXT
        assert plain(connection.read_response().body) == b"".join(PIECES)
        assert connection.read_response().body == b"small"
        assert plain(connection.read_response().body) == LARGE
        assert connection.read_response().status == 304


def test_a_client_that_leaves_is_no_harm(server: Server) -> None:
    for _ in range(5):
        with Connection(server, receive_buffer=4096) as connection:
            connection.send_request("GET", "/pieces", [GZIP])
            connection.read_head()
    assert plain(get(server, "/large", GZIP).body) == LARGE


def test_nothing_is_compressed_unless_it_is_asked_for(start: Callable[..., Server]) -> None:
    server = start(*TARGETS["wsgi"])
    response = get(server, "/text", GZIP)
    assert response.body == TEXT
    assert (response.header("vary"), response.header("etag")) == ("Cookie", '"v1"')


def test_codings_types_and_the_least_size_can_be_chosen(start: Callable[..., Server]) -> None:
    server = start(
        *TARGETS["asgi"], "--compress", "br,gzip", "--compress-types", "image/*", "--compress-min-size", "8801"
    )
    assert get(server, "/text", GZIP).header("content-encoding") is None
    assert get(server, "/png", GZIP).header("content-encoding") is None
    server = start(*TARGETS["asgi"], "--compress", "br,gzip", "--compress-types", "image/*,+json")
    both = ("Accept-Encoding", "gzip, br, zstd")
    assert [get(server, path, both).header("content-encoding") for path in ("/text", "/png", "/json")] == [
        None,
        "br",
        "br",
    ]


def test_what_is_no_type_is_an_error() -> None:
    ended = run_rsgi(*TARGETS["asgi"], "--compress", "auto", "--compress-types", "html")
    assert ended.returncode == 1
    assert "error: `html` is not a content type\n\nhint: " in ended.stderr


def test_trailers_are_kept(start: Callable[..., Server]) -> None:
    server = start("--asgi", "compression_app:trailed", "--asgi-extensions", "trailers", "--compress", "auto")
    stream = get2(server, "/", [("accept-encoding", "gzip"), ("te", "trailers")])
    assert plain(stream.body) == b"".join(PIECES)
    assert ("x-after", "all") in stream.trailers
    with Connection(server) as connection:
        connection.send_request("GET", "/", [GZIP, ("TE", "trailers")])
        raw = b""
        while not raw.endswith(b"\r\nx-after: all\r\n\r\n"):
            raw += connection.read_some()
        assert b"content-encoding: gzip" in raw


def test_a_file_that_the_server_reads_is_compressed_on_its_way(start: Callable[..., Server], tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    path.write_bytes(LARGE)
    server = start("--asgi", "compression_app:sent_file", "--asgi-extensions", "pathsend", "--compress", "auto")
    response = get(server, f"/?{path}", GZIP)
    assert (response.header("content-encoding"), response.header("content-length")) == ("gzip", None)
    assert plain(response.body) == LARGE


@pytest.mark.parametrize("target", [("--wsgi", "flask"), ("--asgi", "fastapi")], ids=["flask", "fastapi"])
def test_frameworks_and_their_own_middleware(
    start: Callable[..., Server], tmp_path: Path, target: tuple[str, str]
) -> None:
    apps = {
        "flask": "from flask import Flask\napp = Flask(__name__)\n\n@app.get('/page')\ndef page():\n"
        "    return 'hello world ' * 1000\n",
        "fastapi": "from fastapi import FastAPI\nfrom fastapi.responses import HTMLResponse\n"
        "from starlette.middleware.gzip import GZipMiddleware\n\napp = FastAPI()\n"
        "zipped = FastAPI()\nzipped.add_middleware(GZipMiddleware)\n\n@app.get('/page')\n@zipped.get('/page')\n"
        "def page():\n    return HTMLResponse('hello world ' * 1000)\n",
    }
    (tmp_path / "site_app.py").write_text(apps[target[1]])
    attributes = ["app", "zipped"] if target[1] == "fastapi" else ["app"]
    for attribute in attributes:
        server = start(target[0], f"site_app:{attribute}", "--compress", "gzip", "--app-dir", str(tmp_path))
        response = get(server, "/page", GZIP)
        assert response.all("content-encoding") == ["gzip"]
        assert response.all("vary") == ["Accept-Encoding"]
        assert plain(response.body) == b"hello world " * 1000


def test_a_large_response_holds_nobody_up(start: Callable[..., Server]) -> None:
    """Two connections of one process: the small response comes while the large one is still compressed."""
    server = start(*TARGETS["asgi"], "--compress", "br")
    with Connection(server) as slow:
        slow.send_request("GET", "/large", [("Accept-Encoding", "br")])
        assert get(server, "/small").body == b"small"
        assert slow.read_response().complete
