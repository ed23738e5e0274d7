"""`rsgi.WsgiToAsgi` as an ASGI callable: by itself on an asyncio loop, under FastAPI, and under a foreign server.

Apart from the tests that run over WSGI, ASGI and the bridge alike, which show that its HTTP is the same. Here are its
scopes, contexts, threads and cancellation, and hosts that are not this server. Numbers in the docstrings are those of
the checklist in the documentation of the bridge.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from behaviours.bridges import http_scope
from rsgi import WsgiInput, WsgiPool, WsgiToAsgi, build_environ
from server import Server, start_rsgi, start_uvicorn, wait_until
from wire import Connection, get, post, request

Message = dict[str, Any]
WsgiApp = Callable[..., Any]


class Host:
    """The smallest host of an ASGI app: hands in messages from a list, then waits; keeps what is sent."""

    def __init__(self, *messages: Message) -> None:
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        for message in messages or ({"type": "http.request", "body": b"", "more_body": False},):
            self.incoming.put_nowait(message)
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        return await self.incoming.get()

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


def run(app: Callable[..., Awaitable[None]], host: Host, **scope: object) -> Host:
    """One request on an event loop of its own, bounded in time."""

    async def bounded() -> None:
        await asyncio.wait_for(app(http_scope(**scope), host.receive, host.send), 10)

    asyncio.run(bounded())
    return host


def environ_seen(**scope: object) -> dict[str, object]:
    """The environ that an app gets for this scope."""
    seen: dict[str, object] = {}

    def app(environ: dict[str, object], start_response: Any) -> list[bytes]:
        seen.update(environ)
        start_response("200 OK", [])
        return []

    run(WsgiToAsgi(app), Host(), **scope)
    return seen


# Messages


def test_messages_of_a_response() -> None:
    def app(environ: object, start_response: Any) -> list[bytes]:
        start_response("201 Created", [("Content-Type", "text/plain"), ("X-Two", "a"), ("X-Two", "b")])
        return [b"hello"]

    sent = run(WsgiToAsgi(app), Host()).sent
    assert sent[0]["type"] == "http.response.start"
    assert sent[0]["status"] == 201
    headers = [(bytes(name), bytes(value)) for name, value in sent[0]["headers"]]
    assert headers[:3] == [(b"content-type", b"text/plain"), (b"x-two", b"a"), (b"x-two", b"b")]
    assert {message["type"] for message in sent[1:]} == {"http.response.body"}
    assert b"".join(message.get("body", b"") for message in sent[1:]) == b"hello"
    assert [bool(message.get("more_body")) for message in sent[1:]] == [True] * (len(sent) - 2) + [False]


def test_body_in_many_messages() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    parts = [{"type": "http.request", "body": b"%d," % number, "more_body": number < 9} for number in range(10)]
    host = run(WsgiToAsgi(app), Host(*parts), method="POST")
    assert host.body == b"0,1,2,3,4,5,6,7,8,9,"


def test_disconnect_in_the_body_raises_in_the_app() -> None:
    """6: an interrupted upload is an OSError, and never an end of file."""
    events: list[str] = []
    reading, ended = threading.Event(), threading.Event()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        events.append(environ["wsgi.input"].read(3).decode())
        reading.set()
        try:
            environ["wsgi.input"].read()
            events.append("read")
        except OSError:
            events.append("OSError")
        ended.set()
        start_response("200 OK", [])
        return []

    class Leaving(Host):
        async def receive(self) -> Message:
            message = await super().receive()
            if message["type"] == "http.disconnect":
                await asyncio.to_thread(reading.wait, 10)
            return message

    parts = ({"type": "http.request", "body": b"abc", "more_body": True}, {"type": "http.disconnect"})
    headers = [(b"content-length", b"100")]
    run(WsgiToAsgi(app), Leaving(*parts), method="POST", headers=headers)
    assert ended.wait(10)
    assert events == ["abc", "OSError"]


def test_call_of_a_client_that_left_before_a_thread_was_free_is_not_made() -> None:
    """Nobody waits for it; the thread is for those who do."""
    calls: list[str] = []
    release, running = threading.Event(), threading.Event()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        calls.append(environ["PATH_INFO"])
        running.set()
        release.wait(10)
        start_response("200 OK", [])
        return [b"done"]

    bridge = WsgiToAsgi(app, threads=1)

    async def live() -> None:
        first, second, third = Host(), Host(), Host()
        one = asyncio.ensure_future(bridge(http_scope(path="/first", raw_path=None), first.receive, first.send))
        await asyncio.to_thread(running.wait, 10)
        two = asyncio.ensure_future(bridge(http_scope(path="/second", raw_path=None), second.receive, second.send))
        second.incoming.put_nowait({"type": "http.disconnect"})
        await asyncio.wait_for(two, 10)
        release.set()
        await asyncio.wait_for(one, 10)
        await asyncio.wait_for(bridge(http_scope(path="/third", raw_path=None), third.receive, third.send), 10)

    asyncio.run(live())
    assert calls == ["/first", "/third"]


def test_app_error_reaches_the_host(caplog: pytest.LogCaptureFixture) -> None:
    """The host, or an ASGI middleware in between, sees what went wrong and reports it; so the bridge does not."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        raise LookupError("from the app")

    with pytest.raises(LookupError, match="from the app"):
        run(WsgiToAsgi(app), Host())
    assert caplog.records == []


# The environ


def test_scope_is_in_the_environ() -> None:
    scope = environ_seen(path="/x")["asgi.scope"]
    assert isinstance(scope, dict)
    assert scope["path"] == "/x"


# Contexts, threads, loops


def test_bridges_share_a_pool() -> None:
    names: set[str] = set()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        names.add(threading.current_thread().name)
        start_response("200 OK", [])
        return [b"%d" % environ["wsgi.multithread"]]

    pool = WsgiPool(1)
    one, two = WsgiToAsgi(app, pool=pool), WsgiToAsgi(app, pool=pool)
    assert [run(bridge, Host()).body for bridge in (one, two, one)] == [b"0"] * 3
    assert names == {"rsgi-bridge-1"}


@pytest.mark.parametrize(
    "options",
    [
        {"threads": 0},
        {"threads": 1, "pool": WsgiPool(1)},
        {"request_buffer_bytes": 0},
        {"response_buffer_bytes": 0},
        {"duplicate_header_limit": 0},
    ],
    ids=lambda options: "-".join(options),
)
def test_options_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"at least 1|not both"):
        WsgiToAsgi(lambda environ, start_response: [], **options)


def test_bridge_works_on_both_sides_of_a_fork() -> None:
    """29: threads do not survive a fork, so each process starts its own."""
    program = """if True:
        import asyncio, os, sys
        from rsgi import WsgiInput, WsgiPool, WsgiToAsgi, build_environ

        def app(environ, start_response):
            start_response("200 OK", [])
            return [str(os.getpid()).encode()]

        bridge = WsgiToAsgi(app, threads=2)
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}

        async def call():
            sent = []
            async def receive(): return {"type": "http.request", "body": b"", "more_body": False}
            async def send(message): sent.append(message)
            await asyncio.wait_for(bridge(scope, receive, send), 10)
            return sent[1]["body"]

        assert asyncio.run(call()) == str(os.getpid()).encode()
        child = os.fork()
        assert asyncio.run(call()) == str(os.getpid()).encode()
        if child:
            assert os.waitpid(child, 0)[1] == 0
            assert asyncio.run(call()) == str(os.getpid()).encode()
    """
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("stuck", ["while True: pass", "time.sleep(30)", "sys.stdin.read()"])
def test_interpreter_ends_while_a_call_runs(stuck: str) -> None:
    """29: under a foreign host, too, a call that does not end holds up nothing and crashes nothing."""
    program = f"""if True:
        import asyncio, sys, threading, time
        from rsgi import WsgiInput, WsgiPool, WsgiToAsgi, build_environ

        running = threading.Event()

        def app(environ, start_response):
            running.set()
            {stuck}

        async def main():
            async def receive(): return {{"type": "http.request"}}
            call = asyncio.ensure_future(WsgiToAsgi(app)(scope, receive, None))
            await asyncio.to_thread(running.wait, 10)
            call.cancel()

        scope = {{"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}}
        asyncio.run(main())
        sys.exit(7)
    """
    started = time.monotonic()
    done = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert done.wait(20) == 7
    finally:
        done.kill()
        _, stderr = done.communicate()
    assert time.monotonic() - started < 20
    assert "Fatal" not in stderr


@pytest.mark.parametrize("policy", ["asyncio", "uvloop"])
def test_several_event_loops_at_once(policy: str) -> None:
    """29: loops in several threads call one bridge at the same time."""
    new_loop = pytest.importorskip("uvloop").new_event_loop if policy == "uvloop" else asyncio.new_event_loop

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield environ["wsgi.input"].read()
        yield b"!"

    bridge = WsgiToAsgi(app, threads=3)
    bodies: list[bytes] = []

    async def many(number: int) -> None:
        for turn in range(20):
            body = b"%d-%d" % (number, turn)
            host = Host({"type": "http.request", "body": body, "more_body": False})
            await asyncio.wait_for(bridge(http_scope(method="POST"), host.receive, host.send), 10)
            bodies.append(host.body)

    def run_loop(number: int) -> None:
        loop = new_loop()
        try:
            loop.run_until_complete(many(number))
        finally:
            loop.close()

    threads = [threading.Thread(target=run_loop, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(bodies) == sorted(b"%d-%d!" % (number, turn) for number in range(4) for turn in range(20))


# Bodies


def read_all(environ: Any, start_response: Any) -> list[bytes]:
    """An app that reads as Django does: CONTENT_LENGTH bytes and no more."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    start_response("200 OK", [])
    return [b"%d " % length, environ["wsgi.input"].read(length)]


@pytest.mark.parametrize("size", [0, 6, 300_000, 3_000_000])
def test_body_without_a_length_is_kept_whole(size: int) -> None:
    """7: in pieces, in memory or in a file; CONTENT_LENGTH says how much it came to."""
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    pieces = [body[start : start + 70_000] for start in range(0, size, 70_000)]
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    host = Host(*messages, {"type": "http.request", "body": b"", "more_body": False})
    run(WsgiToAsgi(read_all), host, method="POST", headers=[(b"transfer-encoding", b"chunked")])
    assert host.body == b"%d " % size + body


def test_client_that_leaves_in_a_body_without_a_length_calls_nothing() -> None:
    """6: half an upload is none."""
    host = Host({"type": "http.request", "body": b"abc", "more_body": True}, {"type": "http.disconnect"})
    run(WsgiToAsgi(lambda environ, start_response: pytest.fail("called")), host, method="POST")
    assert host.sent == []


@pytest.mark.parametrize(
    ("headers", "pieces"),
    [([(b"content-length", b"11")], [b"x" * 11]), ([], [b"x" * 6, b"x" * 5, b"never asked for"])],
    ids=["declared", "counted"],
)
def test_body_over_the_limit_is_413(headers: list[tuple[bytes, bytes]], pieces: list[bytes]) -> None:
    host = Host(*({"type": "http.request", "body": piece, "more_body": True} for piece in pieces))
    app = WsgiToAsgi(lambda environ, start_response: pytest.fail("called"), max_body_bytes=10)
    run(app, host, method="POST", headers=headers)
    assert host.sent[0]["status"] == 413
    assert host.body.decode() == f"413 {HTTPStatus(413).phrase}: the body is larger than 10 bytes\n"


def test_header_that_comes_too_often_is_431() -> None:
    """23: bounded, so that joining them cannot be made costly."""
    app = WsgiToAsgi(lambda environ, start_response: pytest.fail("called"), duplicate_header_limit=2)
    assert run(app, Host(), headers=[(b"x-a", b"1")] * 3).sent[0]["status"] == 431


@pytest.mark.parametrize("second", [b"4", b"", b"-3", b"3x"])
def test_lengths_that_contradict_each_other_are_400(second: bytes) -> None:
    app = WsgiToAsgi(lambda environ, start_response: pytest.fail("called"))
    headers = [(b"content-length", b"3"), (b"content-length", second)]
    assert run(app, Host(), method="POST", headers=headers).sent[0]["status"] == 400


def test_length_said_twice_is_one() -> None:
    headers = [(b"content-length", b"3"), (b"Content-Length", b"3")]
    host = Host({"type": "http.request", "body": b"abc", "more_body": False})
    assert run(WsgiToAsgi(read_all), host, method="POST", headers=headers).body == b"3 abc"


def test_os_error_of_the_app_is_not_taken_for_a_client_that_left() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        raise FileNotFoundError("the app's own")

    with pytest.raises(FileNotFoundError, match="the app's own"):
        run(WsgiToAsgi(app), Host())


def test_error_that_the_app_answered_is_raised_on_request() -> None:
    """11: the client gets the app's error page, and the middleware outside the error."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-A", "1")])
        try:
            raise LookupError("answered")
        except LookupError:
            start_response("500 Sorry", [("X-B", "2")], sys.exc_info())
        return [b"sorry"]

    for reraise in (False, True):
        host = Host()
        with pytest.raises(LookupError, match="answered") if reraise else contextlib.nullcontext():
            run(WsgiToAsgi(app, reraise_exc_info=reraise), host)
        assert (host.sent[0]["status"], host.body) == (500, b"sorry")
        assert [bytes(name) for name, _ in host.sent[0]["headers"]] == [b"x-b"]


# Files


def send_file(path: str, start: int = 0, headers: tuple[tuple[str, str], ...] = (), status: str = "200 OK") -> WsgiApp:
    def app(environ: Any, start_response: Any) -> Any:
        start_response(status, list(headers))
        file = open(path, "rb")
        file.seek(start)
        opened.append(file)
        return environ["wsgi.file_wrapper"](file)

    opened: list[Any] = []
    app.opened = opened  # type: ignore[attr-defined]
    return app


@pytest.mark.parametrize("offered", [True, False], ids=["pathsend", "no-pathsend"])
@pytest.mark.parametrize("size", [0, 10, 500_000])
def test_file_goes_out_without_python(offered: bool, size: int, tmp_path: Path) -> None:
    """As a path, where the host can send files; else in blocks that no Python code reads."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * (size // 10))
    app, host = send_file(str(path)), Host()
    run(WsgiToAsgi(app), host, extensions={"http.response.pathsend": {}} if offered else None)
    assert (b"content-length", str(size).encode()) in host.sent[0]["headers"]
    if offered:
        assert host.sent[1:] == [{"type": "http.response.pathsend", "path": str(path)}]
    else:
        assert host.body == path.read_bytes()
        assert not host.sent[-1]["more_body"]
    wait_until(lambda: app.opened[0].closed, 10, "the file to be closed")


@pytest.mark.parametrize(
    ("start", "headers", "expected"),
    [(4, (), b"456789"), (4, (("Content-Length", "3"),), b"456"), (0, (("Content-Length", "2"),), b"01")],
)
def test_part_of_a_file_is_not_sent_as_a_path(start: int, headers: Any, expected: bytes, tmp_path: Path) -> None:
    """The position of the file and the app's Content-Length (a range) count: a path would send all of it."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    host = Host()
    app = send_file(str(path), start, headers, "206 Partial Content")
    run(WsgiToAsgi(app), host, extensions={"http.response.pathsend": {}})
    assert (b"content-length", str(len(expected)).encode()) in host.sent[0]["headers"]
    assert host.body == expected


def test_file_whose_path_leads_elsewhere_is_not_sent_as_a_path(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        file = open(path, "rb")
        path.unlink()
        path.write_bytes(b"new")
        return environ["wsgi.file_wrapper"](file)

    host = Host()
    run(WsgiToAsgi(app), host, extensions={"http.response.pathsend": {}})
    assert host.body == b"old"


# By itself


def test_environ_by_itself() -> None:
    scope = http_scope(root_path="/api", path="/api/x", raw_path=b"/api/x", headers=[(b"host", b"h"), (b"x-a", b"1")])
    environ = build_environ(scope, content_length=3, multithread=False)
    assert type(environ) is dict
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["HTTP_X_A"]) == ("/api", "/x", "1")
    assert (environ["CONTENT_LENGTH"], environ["wsgi.multithread"]) == ("3", False)
    assert environ["wsgi.input"].read() == b""
    assert environ["asgi.scope"] is scope
    mine = WsgiInput(b"abc")
    assert build_environ(scope, mine)["wsgi.input"] is mine


def test_input_by_itself() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"on"
        yield b""
        yield b"e\ntwo"

    stream = WsgiInput(pieces())
    assert (stream.readline(), stream.read(1), stream.readlines()) == (b"one\n", b"t", [b"wo"])

    def broken() -> Iterator[bytes]:
        yield b"abc"
        raise ValueError("the source broke")

    stream = WsgiInput(broken())
    assert stream.read(2) == b"ab"
    with pytest.raises(OSError, match="the source broke"):
        stream.read()


# Other scopes


# Under FastAPI, here and under a foreign server


@pytest.fixture(scope="module", params=["rsgi", "uvicorn"])
def mounted(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A FastAPI app that carries the Flask app below `/old`."""
    start = {"rsgi": lambda: start_rsgi("--asgi", "fastapi_app:bridged"), "uvicorn": _start_uvicorn_with_fastapi}
    server = start[request.param]()
    yield server
    server.stop()


def _start_uvicorn_with_fastapi() -> Server:
    pytest.importorskip("uvicorn", reason="the package uvicorn is not installed")
    return start_uvicorn("fastapi_app:bridged")


def test_flask_below_fastapi(mounted: Server) -> None:
    assert get(mounted, "/new").json() == {"app": "fastapi"}
    assert get(mounted, "/old/").body == b"Flask index\n"
    assert get(mounted, "/old/users/me").json() == {"app": "flask", "method": "GET", "user": "me"}
    assert post(mounted, "/old/raw", b"x" * 200_000).body == b"x" * 200_000
    assert get(mounted, "/old/stream?name=a").body == b"line 0 of a\nline 1 of a\nline 2 of a\n"
    assert get(mounted, "/old/url").json()["root"] == "/old"
    assert get(mounted, "/old/go").header("location") == "/visits"


def test_chunked_upload_below_fastapi(mounted: Server) -> None:
    assert request(mounted, "POST", "/old/raw", chunks=[b"one ", b"two ", b"three"]).body == b"one two three"


@pytest.fixture(scope="module")
def foreign() -> Iterator[Server]:
    """The bridged WSGI kitchen under uvicorn."""
    pytest.importorskip("uvicorn", reason="the package uvicorn is not installed")
    server = start_uvicorn("bridge_kitchen:app")
    yield server
    server.stop()


def test_bridge_under_a_foreign_server(foreign: Server) -> None:
    assert get(foreign, "/hello").body == b"Hello, world!\n"
    assert post(foreign, "/echo", b"x" * 500_000).body == b"x" * 500_000
    assert get(foreign, "/stream/20").body == b"".join(b"chunk %d\n" % number for number in range(20))
    assert get(foreign, "/status/404").status == 404
    assert get(foreign, "/cookies").all("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]
    assert get(foreign, "/lazy-start").status == 201
    assert get(foreign, "/file?position=300").body == (bytes(range(256)) * 4)[300:]


# What hosts put on the wire as it is


@pytest.mark.parametrize("kind", ["list", "generator", "write"])
@pytest.mark.parametrize(
    ("method", "status", "length"),
    [("HEAD", "200 OK", "5"), ("GET", "204 No Content", None), ("GET", "304 Not Modified", "5")],
)
def test_response_without_a_body_sends_none_to_the_host(
    method: str, status: str, length: str | None, kind: str
) -> None:
    """Some hosts send whatever they get: the bytes would be the start of the next response."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        write = start_response(status, [("Content-Length", "5")])
        if kind == "write":
            write(b"hello")
            return []
        return [b"hello"] if kind == "list" else iter([b"hel", b"lo"])

    host = run(WsgiToAsgi(app), Host(), method=method)
    assert host.body == b""
    assert host.sent[-1].get("more_body", False) is False
    assert dict(host.sent[0]["headers"]).get(b"content-length") == (None if length is None else length.encode())


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_head_tells_the_length_that_the_application_did_not(method: str) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [])
        return [b"hello"]

    host = run(WsgiToAsgi(app), Host(), method=method)
    assert host.body == (b"" if method == "HEAD" else b"hello")
    assert dict(host.sent[0]["headers"]).get(b"content-length", b"5") == b"5"
    assert (b"content-length" in dict(host.sent[0]["headers"])) >= (method == "HEAD")


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize(("method", "status"), [("HEAD", "200"), ("GET", "204"), ("GET", "304")])
def test_next_response_under_uvicorn_is_whole(http: str, method: str, status: str) -> None:
    pytest.importorskip(http, reason=f"the package {http} is not installed")
    server = start_uvicorn("bridge_kitchen:app", "--http", http, "--lifespan", "off")
    try:
        with Connection(server) as connection:
            for _ in range(3):
                connection.send_request(method, f"/status/{status}")
                assert connection.read_response(method).status == int(status)
                connection.send_request("GET", "/hello")
                assert connection.read_response().body == b"Hello, world!\n"
    finally:
        server.stop()


def test_cookies_in_many_headers_are_no_repeats() -> None:
    """HTTP/2 divides them, and some hosts hand them on like that."""
    seen = {}

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        seen.update(environ)
        start_response("200 OK", [])
        return []

    host = run(WsgiToAsgi(app), Host(), headers=[(b"cookie", b"a=%d" % number) for number in range(150)])
    assert host.sent[0]["status"] == 200
    assert seen["HTTP_COOKIE"].count("; ") == 149


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have notes from Python 3.11 on")
def test_error_names_the_application() -> None:
    """The host's log is for several, and does not know them."""
    error = ValueError("broken")

    def broken_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        raise error

    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            run(WsgiToAsgi(broken_app), Host())
    [note] = error.__notes__
    assert "broken_app" in note


def test_response_that_breaks_off_names_the_application() -> None:
    def short_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [("Content-Length", "9")])
        return [b"1234"]

    with pytest.raises(RuntimeError, match=r"the response of the WSGI application `.*short_app.*` broke off"):
        run(WsgiToAsgi(short_app), Host())
