"""The admin listener: who may look, what it answers, and that it answers whatever the server and its clients do.

Apart from `test_metrics.py`, which is about the numbers.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from admin import READY, Admin
from server import Server, rsgi_command, run_rsgi, wait_until
from wire import Connection, ConnectionEnded, get, request

WSGI = ("--wsgi", "wsgi_kitchen:app")
ASGI = ("--asgi", "asgi_kitchen:app")
ADMIN = ("--admin", "127.0.0.1:0")
TOKEN = "sesame-0123456789"


def bearer(token: str, scheme: str = "Bearer") -> tuple[str, str]:
    return ("Authorization", f"{scheme} {token}")


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("arguments", [WSGI, ASGI])
def test_some_paths_and_nothing_else(start: Callable[..., Server], arguments: tuple[str, ...], workers: str) -> None:
    admin = Admin(start(*arguments, *ADMIN, "--workers", workers))
    for path, body in [("/healthz", b"ok\n"), ("/readyz", b"ready\n")]:
        response = admin.get(path + "?verbose=1")
        assert (response.status, response.body, response.header("cache-control")) == (200, body, "no-store")
        assert response.header("content-type") == "text/plain; charset=utf-8"
    for path in ("/metrics/", "/healthz/x", "/hello", "/index.html"):
        assert admin.get(path).status == 404
    for path in ("/healthz", "/readyz", "/metrics", "/status.json", "/shares"):
        head = request(admin.server, "HEAD", path)
        assert (head.status, head.body) == (200, b"")
        assert int(head.header("content-length") or 0) > 0
        post = request(admin.server, "POST", path, body=b"x")
        assert (post.status, post.header("allow")) == (405, "GET, HEAD, PUT" if path == "/shares" else "GET, HEAD")


def test_the_served_address_shows_nothing(start: Callable[..., Server]) -> None:
    server = start(*WSGI, *ADMIN)
    for path in ("/healthz", "/metrics", "/status.json"):
        assert get(server, path).status == 404


def test_there_is_no_listener_unless_asked_for(start: Callable[..., Server]) -> None:
    server = start(*WSGI)
    assert "admin" not in server.log()
    names = {path.read_text().strip() for path in Path(f"/proc/{server.pid}/task").glob("*/comm")}
    assert "rsgi-admin" not in names


@pytest.mark.parametrize("workers", ["1", "2"])
def test_only_who_knows_the_token_may_look(start: Callable[..., Server], workers: str) -> None:
    environment = {"RSGI_ADMIN_TOKEN": TOKEN}
    server = start(*WSGI, "--admin", "0.0.0.0:0", "--workers", workers, environment=environment)
    admin = Admin(server)
    admin.address = ("127.0.0.1", admin.address[1])  # type: ignore[assignment]
    for path in ("/healthz", "/readyz", "/metrics", "/status.json", "/nothing"):
        response = admin.get(path)
        assert (response.status, response.header("www-authenticate")) == (401, 'Bearer realm="rsgi"'), path
    for header in [bearer(TOKEN[:-1]), bearer(TOKEN + "x"), bearer(TOKEN.upper()), bearer("")]:
        assert admin.get("/metrics", header).status == 401
    assert 'error="invalid_token"' in (admin.get("/metrics", bearer("wrong")).header("www-authenticate") or "")
    assert admin.get("/metrics", bearer(TOKEN, "Basic")).status == 401
    assert admin.get("/metrics", bearer(TOKEN), bearer(TOKEN)).status == 401, "two are none"
    for path in ("/healthz", "/readyz", "/metrics", "/status.json"):
        assert admin.get(path, bearer(TOKEN, "bearer")).status == 200
    assert TOKEN not in admin.get("/status.json", bearer(TOKEN)).text
    assert TOKEN not in server.log()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (("--admin", "0.0.0.0:0"), "is reachable from other machines, but there is no token", "RSGI_ADMIN_TOKEN"),
        (("--admin", "0.0.0.0:0", "--admin-token", ""), "must be visible ASCII text", "token_urlsafe"),
        (("--admin", "127.0.0.1:0", "--admin-token", "a b"), "must be visible ASCII text", "token_urlsafe"),
        (("--admin-token", TOKEN), "no `--admin` address", "--admin 127.0.0.1:9090"),
        (("--admin", "192.0.2.1:9090", "--admin-token", TOKEN), "the admin listener: cannot listen on", "`--admin`"),
    ],
)
def test_what_cannot_be_is_a_startup_error(arguments: tuple[str, ...], error: str, hint: str, workers: str) -> None:
    ended = run_rsgi(*WSGI, *arguments, "--workers", workers)
    said = " ".join(ended.stderr.split())
    assert ended.returncode == 1, said
    assert f"{error}" in said.partition("hint:")[0]
    assert hint in said.partition("hint:")[2]
    assert "Traceback" not in said


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("admin", ["127.0.0.1:{port}", "localhost:{port}", "0.0.0.0:{port}", "unix:{path}"])
def test_an_address_that_is_served_is_a_startup_error(tmp_path: Path, admin: str, workers: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = tmp_path / "socket"
    address = admin.format(port=port, path=path)
    served = ("--bind", f"127.0.0.1:{port}", "--bind", f"unix:{path}")
    ended = run_rsgi(*WSGI, *served, "--admin", address, "--admin-token", TOKEN, "--workers", workers)
    said = " ".join(ended.stderr.split())
    assert ended.returncode == 1, said
    assert f"error: `--admin {address}` is also an address of the applications" in said
    assert "hint: use another port" in said
    assert not path.exists()


def test_an_address_that_is_none_is_a_usage_error() -> None:
    ended = run_rsgi(*WSGI, "--admin", "9090")
    assert ended.returncode == 2
    assert "--admin" in ended.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_unix_socket_needs_no_token_and_goes_with_the_server(
    start: Callable[..., Server], tmp_path: Path, workers: str
) -> None:
    path = tmp_path / "admin.sock"
    server = start(*WSGI, "--admin", f"unix:{path}", "--workers", workers)
    assert f"admin on unix:{path}\n" in server.log()
    assert Admin(server).get("/readyz").body == b"ready\n"
    assert list(tmp_path.iterdir()) == [path], "no other file was written"
    assert server.stop() == 0
    assert not path.exists()


def test_a_worker_process_leaves_the_socket_of_the_supervisor_alone(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    path = tmp_path / "admin.sock"
    server = start("--wsgi", "workers_apps:pid", "--admin", f"unix:{path}", "--workers", "2")
    pid = get(server, "/").json()["pid"]
    os.kill(pid, signal.SIGKILL)
    server.wait_for_log("another worker replaces it")
    assert Admin(server).get("/healthz").status == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_held_interpreter_stops_no_response(start: Callable[..., Server], workers: str) -> None:
    server = start("--wsgi", "admin_apps:holding", *ADMIN, "--workers", workers)
    admin = Admin(server)
    with Connection(server) as busy:
        busy.send_request("GET", "/hold")
        server.wait_for_log("admin app: holds")
        began = time.monotonic()
        assert admin.get("/healthz").body == b"ok\n"
        assert admin.get("/readyz").body == b"ready\n"
        assert admin.number("rsgi_wsgi_threads", state="busy") == 1
        (call,) = (call for worker in admin.status()["workers"] for call in worker["calls"])
        assert (call["app"], call["method"], call["route"]) == ("admin_apps:holding", "GET", "other")
        assert time.monotonic() - began < 1, "nothing waited for the interpreter"
        assert "let go" not in server.log()
        assert busy.read_response().body == b"here"


@pytest.mark.parametrize("io", ["loop", "thread"])
def test_a_blocked_event_loop_is_seen(start: Callable[..., Server], io: str) -> None:
    server = start("--asgi", "admin_apps:blocking", *ADMIN, "--io", io, "--loop", "asyncio")
    admin = Admin(server)
    wait_until(lambda: 0 < admin.number("rsgi_event_loop_lag_seconds") < 0.5, 5, "the loop was asked")
    with Connection(server) as busy:
        busy.send_request("GET", "/block")
        server.wait_for_log("admin app: blocks")
        assert admin.get("/healthz").body == b"ok\n"
        wait_until(lambda: admin.number("rsgi_event_loop_lag_seconds") > 0.2, 1.4, "the loop lags")
        assert busy.read_response().body == b"here"
    wait_until(lambda: admin.number("rsgi_event_loop_lag_seconds") < 0.2, 5, "the loop is well again")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_server_that_starts_is_not_ready(request: pytest.FixtureRequest, tmp_path: Path, workers: str) -> None:
    gate = tmp_path / "gate"
    command = rsgi_command("--asgi", "admin_apps:starting", *ADMIN, "--workers", workers)
    server = Server(command, ready=READY, environment={"GATE": str(gate)})
    request.addfinalizer(server.stop)
    admin = Admin(server)
    assert admin.get("/healthz").status == 200
    response = admin.get("/readyz")
    assert (response.status, response.body) == (503, b"starting\n")
    assert admin.status()["state"] == "starting"
    assert admin.number("rsgi_workers", state="serving") == 0
    gate.touch()
    server.wait_for_log("listening on")
    wait_until(lambda: admin.get("/readyz").status == 200, 5, "it is ready")
    assert admin.number("rsgi_workers", state="serving") == int(workers)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_answers_until_the_end_of_a_drain(start: Callable[..., Server], workers: str) -> None:
    server = start(*ASGI, *ADMIN, "--workers", workers)
    admin = Admin(server)
    with Connection(server) as slow:
        slow.send_request("GET", "/slow?ms=1500&label=drain")
        wait_until(lambda: admin.number("rsgi_calls_running") == 1, 5, "the call runs")
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: admin.get("/readyz").body == b"draining\n", 5, "it drains")
        assert admin.get("/readyz").status == 503
        assert admin.get("/healthz").status == 200
        assert admin.status()["state"] == "draining"
        wait_until(lambda: admin.number("rsgi_workers", state="leaving") >= 1, 5, "workers leave")
        assert slow.read_response().status == 200
    assert server.wait(10) == 0
    assert isinstance(admin.address, tuple)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(admin.address, timeout=5)


def test_silent_and_hostile_clients_keep_nobody_out(start: Callable[..., Server]) -> None:
    server = start(*WSGI, *ADMIN)
    admin = Admin(server)
    with contextlib.ExitStack() as open_connections:
        silent = [open_connections.enter_context(Connection(admin.server)) for _ in range(100)]
        for connection in silent[::2]:
            with contextlib.suppress(OSError):
                connection.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n")
        assert admin.get("/healthz").status == 200
        assert get(server, "/hello").status == 200
        assert silent[0].closed_within(5), "the oldest goes when there are too many"
        late = open_connections.enter_context(Connection(admin.server))
        assert late.closed_within(8), "a client that says nothing is not waited for"
    for data in (b"\x16\x03\x01\x02\x00", b"GET /metrics\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 40_000):
        with Connection(admin.server) as connection, contextlib.suppress(OSError, ConnectionEnded):
            connection.send(data)
            connection.read_to_end()
    assert admin.get("/healthz").status == 200
    assert server.stop() == 0
    assert "Traceback" not in server.log()
    assert "panicked" not in server.log()


def test_a_connection_is_for_one_request(start: Callable[..., Server]) -> None:
    admin = Admin(start(*WSGI, *ADMIN))
    with Connection(admin.server) as connection:
        connection.send_request("GET", "/healthz")
        assert connection.read_response().header("connection") == "close"
        assert connection.closed_within(2)


def test_status_says_what_there_is_and_no_secret(start: Callable[..., Server], tmp_path: Path) -> None:
    server = start("--wsgi", "workers_apps:pid", "--asgi", "/new=asgi_kitchen:app", *ADMIN, "--wsgi-threads", "3")
    with Connection(server) as slow:
        slow.send_request("GET", "/new/slow?ms=1000&label=status&password=hunter2")
        admin = Admin(server)
        wait_until(lambda: admin.status()["workers"][0]["calls"], 5, "the call is shown")
        status, text = admin.status(), admin.get("/status.json").text
        assert "hunter2" not in text
        assert "/slow" not in text, "the route is shown, not the path"
        assert slow.read_response().status == 200
    assert status["version"] == "0.1.0"
    assert (status["state"], status["pid"]) == ("serving", server.pid)
    assert status["addresses"] == [f"http://127.0.0.1:{server.port}"]
    assert status["apps"] == [
        {"name": "workers_apps:pid", "interface": "wsgi", "prefix": ""},
        {"name": "asgi_kitchen:app", "interface": "asgi", "prefix": "/new"},
    ]
    assert status["settings"]["wsgi_threads"] == 3
    assert not [name for name in status["settings"] if "token" in name or "password" in name or "key" in name]
    (worker,) = status["workers"]
    assert (worker["pid"], worker["state"], worker["answered"]) == (server.pid, "serving", True)
    assert worker["wsgi_threads"] == {"idle": 3, "busy": 0, "orphaned": 0, "stalled": 0, "queue_length": 0}
    (call,) = worker["calls"]
    assert (call["app"], call["route"], call["method"]) == ("asgi_kitchen:app", "/new", "GET")
    assert 0 < call["seconds"] < 5


def test_status_of_several_workers(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "workers_apps:pid", *ADMIN, "--workers", "2")
    status = Admin(server).status()
    assert status["pid"] == server.pid
    assert [worker["worker"] for worker in status["workers"]] == [1, 2]
    assert all(worker["answered"] for worker in status["workers"])
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    assert {worker["pid"] for worker in status["workers"]} == set(map(int, children))
    assert [app["name"] for app in status["apps"]] == ["workers_apps:pid"]
