"""`--static`: files that the server answers with by itself.

Apart from `test_compression.py`, which is about responses of applications. Here the bytes on the wire are compared with the
bytes on the disk, and what must not leave a folder is asked for in every spelling.

Spec: RFC 9110 8.8, 13, 14, 15.4.5, 15.5.6, 15.5.17; RFC 9111 5.2.2.
"""

from __future__ import annotations

import gzip
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from certificates import Certificates
from http2_wire import Http2Connection, get2
from server import APPS, Server, run_rsgi, wait_until
from wire import Connection, exchange, get, request

KITCHEN = ("--asgi", "asgi_kitchen:app")
CSS = b"body { color: black }\n" * 100
BIG = bytes(range(256)) * 4096  # 1 MiB
SECRET = b"not yours"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a bit of everything, and secrets beside it and in it."""
    made = tmp_path / "files"
    (made / "css").mkdir(parents=True)
    (made / "docs").mkdir()
    (made / ".git").mkdir()
    (made / ".well-known").mkdir()
    (made / "css/site.css").write_bytes(CSS)
    (made / "docs/index.html").write_bytes(b"<h1>docs</h1>\n")
    (made / "big.bin").write_bytes(BIG)
    (made / "empty.txt").write_bytes(b"")
    (made / "app.3f2a1b.js").write_bytes(b"hashed")
    (made / "caf\u00e9 au lait.txt").write_bytes(b"coffee")
    (made / ".git/config").write_bytes(SECRET)
    (made / ".env").write_bytes(SECRET)
    (made / ".well-known/security.txt").write_bytes(b"Contact: us")
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (made / "out.txt").symlink_to(tmp_path / "secret.txt")
    (made / "up").symlink_to("..")
    (made / "in.css").symlink_to("css/site.css")
    return made


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def serve(start: Callable[..., Server], folder: Path) -> Callable[..., Server]:
    """Start a server with that folder at `/static`."""

    def start_one(*arguments: str, app: tuple[str, ...] = KITCHEN) -> Server:
        return start(*app, "--static", f"/static={folder}", *arguments)

    return start_one


@pytest.mark.parametrize("app", [KITCHEN, ("--wsgi", "wsgi_kitchen:app")], ids=["asgi", "wsgi"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_files_are_served(serve: Callable[..., Server], app: tuple[str, ...], workers: str) -> None:
    server = serve("--workers", workers, "--access-log", app=app)
    response = get(server, "/static/css/site.css?v=1")
    assert (response.status, response.body, response.framing) == (200, CSS, "length")
    assert response.header("content-type") == "text/css; charset=utf-8"
    assert response.header("accept-ranges") == "bytes"
    assert response.header("cache-control") == "no-cache"
    assert response.header("vary") is None
    assert (response.header("etag") or "").startswith('"')
    assert get(server, "/static/big.bin").body == BIG
    assert get(server, "/static/empty.txt").body == b""
    assert get(server, "/static/caf%C3%A9%20au%20lait.txt").body == b"coffee"
    assert get(server, "/static/in.css").body == CSS
    assert get(server, "/static/.well-known/security.txt").body == b"Contact: us"
    assert get(server, "/staticx").status == get(server, "/static/nothing").status == 404
    assert get(server, "/hello").status == 200
    server.wait_for_access_log(" /static/nothing ")
    for line in server.access_log().splitlines():
        assert line.endswith(" static") == (" /static/" in line), line


def test_a_head_has_the_fields_of_get(serve: Callable[..., Server]) -> None:
    server = serve()
    for path in ("/static/css/site.css", "/static/big.bin", "/static/nothing", "/static/docs", "/static/empty.txt"):
        head, response = request(server, "HEAD", path), get(server, path)
        assert head.body == b""
        assert head.status == response.status
        # It need not say that there would be nothing.
        left_out = ("date", "content-length") if not response.body else ("date",)
        fields = [[field for field in each.headers if field[0] not in left_out] for each in (head, response)]
        assert fields[0] == fields[1], path
        assert head.header("content-length") in (response.header("content-length"), None)


def test_a_connection_goes_on(serve: Callable[..., Server]) -> None:
    with Connection(serve()) as connection:
        for path in ("/static/css/site.css", "/static/big.bin", "/static/nothing", "/hello", "/static/docs/"):
            connection.send_request("GET", path)
        assert connection.read_response().body == CSS
        assert connection.read_response().body == BIG
        assert connection.read_response().status == 404
        assert connection.read_response().status == 200
        assert connection.read_response().body == b"<h1>docs</h1>\n"


def test_http2_and_tls(serve: Callable[..., Server], certificates: Certificates) -> None:
    server = serve()
    for path, expected in (("css/site.css", CSS), ("big.bin", BIG), ("empty.txt", b"")):
        stream = get2(server, f"/static/{path}")
        assert (stream.status, stream.body, stream.ended) == (200, expected, True)
    with Http2Connection(serve(*certificates.flags()), certificates.context("h2")) as connection:
        assert connection.get("/static/big.bin").body == BIG
        head = connection.read(connection.request("HEAD", "/static/big.bin"))
        assert (head.body, head.header("content-length")) == (b"", str(len(BIG)))


@pytest.mark.parametrize(
    ("path", "location"),
    [("/static/docs", "./docs/"), ("/static/docs?a=b/c", "./docs/?a=b/c"), ("/%73tatic/docs", "./docs/")],
)
def test_a_folder_is_at_its_slash(serve: Callable[..., Server], path: str, location: str) -> None:
    response = get(serve(), path)
    assert (response.status, response.header("location"), response.body) == (307, location, b"")


def test_a_folder_without_an_index_is_nothing(serve: Callable[..., Server], folder: Path) -> None:
    server = serve()
    for path in ("/static/css", "/static/css/", "/static", "/static/", "/static/css/site.css/", "/static/docs/x"):
        assert get(server, path).status == 404, path
    (folder / "index.html").write_bytes(b"home")
    assert get(server, "/static").header("location") == "./static/"
    assert get(server, "/static/").body == b"home"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_get_and_head(serve: Callable[..., Server], method: str) -> None:
    with Connection(serve()) as connection:
        connection.send_request(method, "/static/css/site.css", body=b"x" * 100)
        response = connection.read_response()
        assert (response.status, response.header("allow")) == (405, "GET, HEAD")
        connection.send_request("GET", "/static/css/site.css")
        assert connection.read_response().body == CSS


# Each of these leads out of the folder, or to what is hidden in it, for somebody who reads it carelessly.
TRAVERSALS = [
    "/static/../secret.txt",
    "/static/css/../../secret.txt",
    "/static/%2e%2e/secret.txt",
    "/static/%2E%2E/secret.txt",
    "/static/.%2e/secret.txt",
    "/static/..%2fsecret.txt",
    "/static/..%2Fsecret.txt",
    "/static/css%2f..%2f..%2fsecret.txt",
    "/static/%2e%2e%2fsecret.txt",
    "/static/..%5csecret.txt",
    "/static/..%5Csecret.txt",
    "/static/%252e%252e/secret.txt",
    "/static/..%252fsecret.txt",
    "/static/%c0%ae%c0%ae/secret.txt",
    "/static/%c0%ae%c0%ae%c0%afsecret.txt",
    "/static/..%c0%afsecret.txt",
    "/static/%e0%80%ae%e0%80%ae/secret.txt",
    "/static/%uff0e%uff0e/secret.txt",
    "/static/..;/secret.txt",
    "/static/..%00/secret.txt",
    "/static/../secret.txt%00.css",
    "/static/css/site.css%00",
    "/static/....//secret.txt",
    "/static/..../secret.txt",
    "/static//../secret.txt",
    "/static/./../secret.txt",
    "/static//etc/passwd",
    "/static/%2fetc%2fpasswd",
    "/static/C:/secret.txt",
    "/static/up/secret.txt",
    "/static/up/files/.env",
    "/static/out.txt",
    "/static/.env",
    "/static/.git/config",
    "/static/%2egit/config",
    "/static/css/../.env",
    "/static/.",
    "/static/..",
    "/static/.well-known/../.env",
    "/static../secret.txt",
    "/static%2f..%2fsecret.txt",
    "/static/" + "../" * 40 + "etc/passwd",
    "/static/" + "a/" * 2000,
    "/static/" + "a" * 4000,
]


@pytest.mark.parametrize("follow", [(), ("--static-follow-links",)], ids=["confined", "links"])
def test_nothing_leaves_the_folder(serve: Callable[..., Server], follow: tuple[str, ...]) -> None:
    server = serve(*follow)
    linked = {"/static/out.txt", "/static/up/secret.txt"} if follow else set()
    for path in TRAVERSALS:
        response = exchange(server, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        if path in linked:
            assert response.body == SECRET, path
            continue
        assert response.status in (400, 403, 404), (path, response.status)
        assert SECRET not in response.body, path
        assert b"root:" not in response.body, path
        if "\\" not in path:
            stream = get2(server, path)
            assert stream.status in (400, 403, 404), path
            assert SECRET not in stream.body, path
    assert get(server, "/static/css/site.css").body == CSS


def test_a_link_out_of_the_folder_is_named_once(serve: Callable[..., Server], folder: Path) -> None:
    server = serve()
    for _ in range(3):
        assert get(server, "/static/out.txt").status == 403
    log = server.wait_for_log("`out.txt` in the static folder")
    assert log.count("is not served") == 1
    assert "`--static-follow-links` allows that" in log
    assert str(folder) in log


def test_what_is_no_file_is_nothing(serve: Callable[..., Server], folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    listener = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    try:
        os.chdir(folder)  # the path of a socket may not be long
        listener.bind("socket")
    finally:
        os.chdir(here)
        listener.close()
    server = serve()
    for name in ("pipe", "loop", "socket"):
        assert get(server, f"/static/{name}").status == 404, name


def test_conditions(serve: Callable[..., Server], folder: Path) -> None:
    server = serve()
    path = "/static/css/site.css"
    first = get(server, path)
    tag, date = first.header("etag") or "", first.header("last-modified") or ""
    for field in (("If-None-Match", tag), ("If-None-Match", f'"x", W/{tag}'), ("If-Modified-Since", date)):
        response = get(server, path, field)
        assert (response.status, response.body) == (304, b"")
        assert (response.header("etag"), response.header("cache-control")) == (tag, "no-cache")
        assert response.header("content-length") is None
    assert get(server, path, ("If-Match", '"x"')).status == 412
    assert get(server, path, ("If-Match", tag)).status == 200
    assert get(server, path, ("If-Unmodified-Since", "Mon, 01 Jan 2001 00:00:00 GMT")).status == 412
    (folder / "css/site.css").write_bytes(b"p" + CSS[1:])
    assert get(server, path, ("If-None-Match", tag)).status == 200
    assert get(server, path).header("etag") != tag


def test_ranges(serve: Callable[..., Server]) -> None:
    server, path, size = serve(), "/static/big.bin", len(BIG)
    for field, expected in (("0-99", BIG[:100]), ("-10", BIG[-10:]), (f"{size - 5}-", BIG[-5:]), ("5-", BIG[5:])):
        response = get(server, path, ("Range", f"bytes={field}"))
        start = size - len(expected) if field != "0-99" else 0
        assert (response.status, response.body) == (206, expected), field
        assert response.header("content-range") == f"bytes {start}-{start + len(expected) - 1}/{size}"
        assert response.header("content-length") == str(len(expected))
        assert response.header("content-type") == "application/octet-stream"
        stream = get2(server, path, [("range", f"bytes={field}")])
        assert (stream.status, stream.body) == (206, expected)
    beyond = get(server, path, ("Range", f"bytes={size}-"))
    assert (beyond.status, beyond.header("content-range")) == (416, f"bytes */{size}")
    for field in ("bytes=0-1,5-6", "bytes=x", "lines=0-1", "bytes=5-1"):
        assert get(server, path, ("Range", field)).body == BIG, field
    tag = get(server, path).header("etag") or ""
    assert get(server, path, ("Range", "bytes=0-9"), ("If-Range", tag)).status == 206
    assert get(server, path, ("Range", "bytes=0-9"), ("If-Range", '"x"')).status == 200
    assert get(server, path, ("Range", "bytes=0-9"), ("If-None-Match", tag)).status == 304
    head = request(server, "HEAD", path, [("Range", "bytes=0-9")])
    assert (head.status, head.header("content-length")) == (200, str(size))


def test_copies_that_are_compressed(serve: Callable[..., Server], folder: Path) -> None:
    server, path = serve(), "/static/css/site.css"
    copies = {"br": b"as brotli", "zstd": b"as zstandard", "gzip": gzip.compress(CSS)}
    for suffix, body in zip((".br", ".zst", ".gz"), copies.values(), strict=True):
        (folder / f"css/site.css{suffix}").write_bytes(body)
    plain = get(server, path)
    assert (plain.body, plain.header("vary"), plain.header("content-encoding")) == (CSS, "Accept-Encoding", None)
    tags = {plain.header("etag")}
    for accepted, coding in (("gzip, br, zstd", "br"), ("gzip, zstd", "zstd"), ("gzip;q=1, br;q=0.9", "gzip")):
        response = get(server, path, ("Accept-Encoding", accepted))
        assert (response.header("content-encoding"), response.body) == (coding, copies[coding])
        assert response.header("content-type") == "text/css; charset=utf-8"
        assert response.header("vary") == "Accept-Encoding"
        tags.add(response.header("etag"))
    assert len(tags) == 4, "each has a tag of its own"
    assert get(server, path, ("Accept-Encoding", "br;q=0, gzip;q=0, *;q=0")).body == CSS
    part = get(server, path, ("Accept-Encoding", "br"), ("Range", "bytes=3-8"))
    assert (part.status, part.body, part.header("content-encoding")) == (206, b"brotli", "br")
    # Copies that are older are of another version.
    for suffix in (".br", ".zst", ".gz"):
        os.utime(folder / f"css/site.css{suffix}", (1, 1))
    response = get(server, path, ("Accept-Encoding", "gzip, br"))
    assert (response.body, response.header("vary")) == (CSS, None)


def test_how_long_files_may_be_kept(start: Callable[..., Server], folder: Path, tmp_path: Path) -> None:
    (tmp_path / "rsgi.toml").write_text(
        f"static_immutable = true\n"
        f'[[static]]\nprefix = "/a"\ndir = "{folder}"\n'
        f'[[static]]\nprefix = "/b"\ndir = "{folder}"\ncache_control = "public, max-age=60"\nimmutable = false\n'
        f'[[static]]\nprefix = "/a/c"\ndir = "{folder}"\ncache_control = "off"\nimmutable = false\n'
    )
    server = start(*KITCHEN, "--config", str(tmp_path / "rsgi.toml"), "--static-cache-control", "max-age=5")
    said = {path: get(server, path).header("cache-control") for path in ("/a/app.3f2a1b.js", "/a/css/site.css")}
    assert said == {"/a/app.3f2a1b.js": "public, max-age=31536000, immutable", "/a/css/site.css": "max-age=5"}
    assert get(server, "/b/app.3f2a1b.js").header("cache-control") == "public, max-age=60"
    assert get(server, "/a/c/app.3f2a1b.js").header("cache-control") is None


def test_what_is_no_file_can_be_the_applications(start: Callable[..., Server], folder: Path) -> None:
    (folder / "index.html").write_bytes(b"<h1>page</h1>")
    server = start(*KITCHEN, "--static", f"/={folder}", "--static-fallback-to-app", "--access-log")
    assert get(server, "/").body == b"<h1>page</h1>"
    assert get(server, "/css/site.css").body == CSS
    assert get(server, "/hello").body.startswith(b"Hello")
    assert request(server, "POST", "/echo", body=b"sent").body == b"sent"
    assert request(server, "POST", "/css/site.css", body=b"x").status == 404, "it is the application's"
    assert get(server, "/.env").status == 404
    assert get(server, "/out.txt").status == 403
    server.wait_for_access_log('"GET /out.txt')
    assert '"GET /hello HTTP/1.1" 200 14' in server.access_log()


def test_a_websocket_passes_by(start: Callable[..., Server], folder: Path) -> None:
    server = start(*KITCHEN, "--static", f"/={folder}")
    handshake = (
        "GET /ws/echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    status = exchange(server, handshake.encode()).status
    bare = start(*KITCHEN)
    assert status == exchange(bare, handshake.encode()).status
    assert get(server, "/hello").status == 404
    assert "so no HTTP request reaches asgi_kitchen:app" in server.log()


def test_python_does_not_run(start: Callable[..., Server], folder: Path, tmp_path: Path) -> None:
    (tmp_path / "holding_app.py").write_text(
        "import re\n\n\ndef app(environ, start_response):\n"
        "    print('holding', file=environ['wsgi.errors'], flush=True)\n"
        "    re.match(r'(a+)+$', 'a' * 25 + 'b')\n"
        "    start_response('200 OK', [])\n    return [b'held']\n"
    )
    server = start("--wsgi", "holding_app:app", "--app-dir", str(tmp_path), "--static", f"/static={folder}")
    with Connection(server, timeout=60) as busy:
        busy.send_request("GET", "/hold")
        server.wait_for_log("holding")
        for _ in range(20):
            assert get(server, "/static/css/site.css").body == CSS
            assert get(server, "/static/big.bin").body == BIG
        assert not busy.readable(0), "the interpreter was held all the time"
        assert busy.read_response().body == b"held"


def test_a_file_that_shrinks_or_changes_is_a_cut(serve: Callable[..., Server], folder: Path) -> None:
    server, path, size = serve(), folder / "huge.bin", 24 * 1024 * 1024
    for change in (lambda: os.truncate(path, size // 2), lambda: path.write_bytes(b"y" * size)):
        path.write_bytes(b"x" * size)
        with Connection(server) as connection:
            connection.send_request("GET", "/static/huge.bin")
            head = connection.read_head()
            assert head.header("content-length") == str(size)
            change()
            connection.read_body(head)
            assert not head.complete
            assert len(head.body) < size
    path.write_bytes(b"x" * size)
    with Connection(server) as connection:
        connection.send_request("GET", "/static/huge.bin")
        head = connection.read_head()
        path.unlink()
        connection.read_body(head)
        assert head.complete, "an open file stays what it was"
        assert head.body == b"x" * size
    assert get(server, "/static/huge.bin").status == 404


def test_a_file_that_grows_is_sent_as_it_was(serve: Callable[..., Server], folder: Path) -> None:
    server, path, size = serve(), folder / "growing.log", 24 * 1024 * 1024
    path.write_bytes(b"x" * size)
    with Connection(server) as connection:
        connection.send_request("GET", "/static/growing.log")
        head = connection.read_head()
        with path.open("ab") as file:
            file.write(b"y" * 1000)
        connection.read_body(head)
        assert head.complete
        assert head.body == b"x" * size


def test_a_large_file_takes_no_memory(serve: Callable[..., Server], folder: Path) -> None:
    size = 2 * 1024**3
    with (folder / "sparse.bin").open("wb") as file:
        file.truncate(size)
    server = serve()
    assert get(server, "/static/big.bin").body == BIG
    server.reset_memory()
    before = server.memory()
    with Connection(server, timeout=60) as connection:
        connection.send_request("GET", "/static/sparse.bin")
        assert connection.read_head().header("content-length") == str(size)
        left = 256 * 1024 * 1024
        while left > 0:
            left -= len(connection.read_some(1 << 20))
    assert server.memory() - before < 16 * 1024 * 1024
    end = get(server, "/static/sparse.bin", ("Range", f"bytes={size - 1000}-"))
    assert (end.status, end.body) == (206, bytes(1000))


def test_what_runs_is_finished_at_the_end(serve: Callable[..., Server], folder: Path) -> None:
    server = serve("--grace", "20")
    (folder / "slow.bin").write_bytes(BIG * 16)
    with Connection(server) as connection:
        connection.send_request("GET", "/static/slow.bin")
        head = connection.read_head()
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        connection.read_body(head)
        assert head.complete
        assert head.body == BIG * 16
    assert server.wait(20) == 0


def test_another_folder_in_its_place_is_served_at_once(start: Callable[..., Server], tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name.txt").write_text(name)
    current = tmp_path / "current"
    current.symlink_to("one")
    server = start(*KITCHEN, "--static", f"/static={current}")
    assert get(server, "/static/name.txt").text == "one"
    (tmp_path / "next").symlink_to("two")
    os.replace(tmp_path / "next", current)
    assert get(server, "/static/name.txt").text == "two"
    current.unlink()
    assert get(server, "/static/name.txt").status == 404


def test_the_longest_prefix_wins_and_static_comes_first(start: Callable[..., Server], folder: Path) -> None:
    server = start(
        "--wsgi",
        "/static/css=wsgi_kitchen:app",
        *KITCHEN,
        *("--route", "GET /static/css/site.css=asgi"),
        *("--static", f"/static={folder}", "--static", f"/static/css={folder / 'docs'}"),
        *("--trust-proxy", "127.0.0.1"),
    )
    assert get(server, "/static/css/").body == b"<h1>docs</h1>\n"
    assert get(server, "/static/css/site.css").status == 404
    assert get(server, "/static/big.bin").body == BIG
    below = get(server, "/old/static/big.bin", ("X-Forwarded-Prefix", "/old"))
    assert below.status in (200, 404)
    log = server.log()
    assert f"  static  /static/…  {folder}\n" in log
    assert "so no HTTP request reaches wsgi_kitchen:app" in log


def test_what_is_wrong_is_said_at_the_start(folder: Path, tmp_path: Path) -> None:
    wrong = {
        ("/static=nowhere",): "the static folder `nowhere` is not there",
        (f"/static={folder / 'big.bin'}",): "is no folder",
        (f"/a={folder}", f"/a/={tmp_path}"): "have the same prefix, `/a/`",
        ("static",): "`static` cannot be read",
        (f"static={folder}",): "cannot be read",
        (f"/%61={folder}",): "it is percent-encoded",
    }
    for given, message in wrong.items():
        flags = [word for each in given for word in ("--static", each)]
        ended = run_rsgi(*KITCHEN, "--port", "0", *flags)
        assert ended.returncode == 1, given
        assert message in ended.stderr
        assert "hint: " in ended.stderr
    file = tmp_path / "rsgi.toml"
    for text, message in (
        ('[[static]]\nprefix = "/s"\n', "line 1: a static folder needs `dir`"),
        ('[[static]]\nprefix = "/s"\ndir = "x"\nimutable = true\n', "did you mean `immutable`?"),
        ('[[static]]\nprefix = "/s"\ndir = 1\n', "`dir` is text, not 1"),
        (f'[[static]]\nprefix = "/s"\ndir = "{folder}"\ncache_control = "a\\nb"\n', "`cache_control` is not valid"),
        ("static = 1\n", "static folders are tables with two brackets"),
    ):
        file.write_text(text)
        ended = run_rsgi(*KITCHEN, "--port", "0", "--config", str(file))
        assert ended.returncode == 1
        assert message in ended.stderr


def test_explain_and_routes_show_them(folder: Path) -> None:
    command = [sys.executable, "-m", "rsgi", "explain", "--app-dir", str(APPS)]

    def said(*words: str) -> str:
        flags = [*KITCHEN, "--static", f"/static={folder}"]
        ran = subprocess.run(
            [*command, *flags, *words], cwd=APPS, capture_output=True, text=True, timeout=30, check=True
        )
        return ran.stdout

    assert "/static/… is the longest match" in said("GET", "/static/x.css")
    assert "served by  the server; 404 if there is no such file" in said("GET", "/static/x.css")
    assert "/static/…" not in said("GET", "/statics")
    assert "if there is no such file:" in said("--static-fallback-to-app", "GET", "/static/x.css")


DJANGO_SETTINGS = """
SECRET_KEY = "for a test"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "files_urls"
INSTALLED_APPS = ["django.contrib.staticfiles"]
STATIC_URL = "/static/"
STATIC_ROOT = {root!r}
STATICFILES_DIRS = [{source!r}]
STORAGES = {{
    "default": {{"BACKEND": "django.core.files.storage.FileSystemStorage"}},
    "staticfiles": {{"BACKEND": {storage!r}}},
}}
"""
DJANGO_URLS = """
from django.http import HttpResponse
from django.templatetags.static import static
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse(static("css/site.css")))]
"""
DJANGO_WSGI = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "files_settings"
from django.core.wsgi import get_wsgi_application
app = get_wsgi_application()
"""


@pytest.mark.parametrize(
    "storage",
    [
        "django.contrib.staticfiles.storage.ManifestStaticFilesStorage",
        "whitenoise.storage.CompressedManifestStaticFilesStorage",
    ],
)
def test_django_collects_and_the_server_serves(start: Callable[..., Server], tmp_path: Path, storage: str) -> None:
    pytest.importorskip("django")
    if storage.startswith("whitenoise"):
        pytest.importorskip("whitenoise")
    source, root = tmp_path / "source", tmp_path / "collected"
    (source / "css").mkdir(parents=True)
    (source / "css/site.css").write_bytes(CSS)
    (tmp_path / "files_settings.py").write_text(
        DJANGO_SETTINGS.format(root=str(root), source=str(source), storage=storage)
    )
    (tmp_path / "files_urls.py").write_text(DJANGO_URLS)
    (tmp_path / "files_wsgi.py").write_text(DJANGO_WSGI)
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "files_settings", "PYTHONPATH": str(tmp_path)}
    collect = [sys.executable, "-m", "django", "collectstatic", "--noinput"]
    subprocess.run(collect, env=environment, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    flags = ("--static", f"/static={root}", "--static-immutable", "--access-log")
    server = start("--wsgi", "files_wsgi:app", "--app-dir", str(tmp_path), *flags)
    url = get(server, "/").text
    assert url != "/static/css/site.css", "it has a hash"
    response = get(server, url)
    assert (response.body, response.header("cache-control")) == (CSS, "public, max-age=31536000, immutable")
    assert get(server, "/static/css/site.css").header("cache-control") == "no-cache"
    response = get(server, url, ("Accept-Encoding", "gzip"))
    if storage.startswith("whitenoise"):
        assert response.header("content-encoding") == "gzip"
        assert gzip.decompress(response.body) == CSS
    else:
        assert response.body == CSS
    server.wait_for_access_log(url)
    lines = [line for line in server.access_log().splitlines() if url in line]
    assert all(line.endswith(" static") for line in lines), lines


def test_rules_are_read_again_and_files_stay(start: Callable[..., Server], folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "rsgi.toml"
    file.write_text(f'[[static]]\nprefix = "/static"\ndir = "{folder}"\n')
    server = start(*KITCHEN, "--config", str(file))
    file.write_text(f'[[static]]\nprefix = "/other"\ndir = "{folder}"\n')
    server.send_signal(signal.SIGHUP)
    server.wait_for_log("`static` changed in")
    assert get(server, "/static/css/site.css").body == CSS
    assert wait_until(lambda: get(server, "/other/css/site.css").status == 404, 5, "that needs a restart")
