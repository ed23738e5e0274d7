"""What load balancers, orchestrators and service managers are told: the health path, the delay before a drain, sd_notify.

Apart from `test_shutdown.py`, which is about clients.
"""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server import Server, run_rsgi, wait_until
from wire import Connection, get, request

HEALTH = ("--health-path", "/healthz")


def test_the_health_path_is_the_servers(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen(*HEALTH, "--access-log", "--access-log-skip", "/hello")
    response = get(server, "/healthz?verbose")
    assert (response.status, response.body) == (200, b"ok\n")
    assert response.header("content-type") == "text/plain; charset=utf-8"
    assert response.header("cache-control") == "no-store"
    head = request(server, "HEAD", "/healthz")
    assert (head.status, head.body, head.header("content-length")) == (200, b"", "3")
    post = request(server, "POST", "/healthz", body=b"x=1")
    assert (post.status, post.header("allow")) == (405, "GET, HEAD")
    assert get(server, "/healthz/").status == 404
    assert get(server, "/hello").status == 200
    assert get(server, "/echo").status == 200
    server.wait_for_access_log('"GET /echo HTTP/1.1"')
    log = server.access_log()
    assert "/healthz HTTP" not in log
    assert "/healthz?" not in log
    assert "/hello" not in log
    assert '"GET /healthz/ HTTP/1.1" 404' in log


def test_the_health_path_answers_while_the_applications_cannot(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "draining_app:old", "--wsgi-threads", "1", *HEALTH, "--grace", "10")
    with Connection(server) as busy:
        busy.send_request("GET", "/work/1.0")
        server.wait_for_log("work began")
        assert get(server, "/healthz").body == b"ok\n"
        assert busy.read_response().status == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_requests_are_served_for_the_delay_and_health_says_no(start: Callable[..., Server], workers: str) -> None:
    server = start("--asgi", "asgi_kitchen:app", *HEALTH, "--drain-delay", "1.5", "--workers", workers)
    assert get(server, "/healthz").status == 200
    began = time.monotonic()
    server.send_signal(signal.SIGTERM)
    wait_until(lambda: get(server, "/healthz").status == 503, 1, "health says no")
    assert get(server, "/healthz").body == b"stopping\n"
    assert get(server, "/hello").status == 200, "a new connection is still served"
    assert server.wait(10) == 0
    assert 1.3 < time.monotonic() - began < 8
    if workers == "1":
        assert "stopping: requests are served for 1.5 s more (`--drain-delay`)\n" in server.log()


def test_a_second_signal_does_not_wait_for_the_delay(start: Callable[..., Server]) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--drain-delay", "30")
    server.send_signal(signal.SIGTERM)
    server.wait_for_log("stopping: requests are served")
    server.send_signal(signal.SIGTERM)
    assert server.wait(5) == 1


@pytest.mark.parametrize("flag", ["--health-path", "--access-log-skip"])
@pytest.mark.parametrize("path", ["healthz", "/a b", "/a?b"])
def test_what_is_no_path_is_a_usage_error(flag: str, path: str) -> None:
    ended = run_rsgi("--asgi", "asgi_kitchen:app", flag, path)
    assert ended.returncode == 2
    assert f"{path!r} is not a path; write it as in a URL, for example /healthz" in ended.stderr.replace("\n", " ")


class Manager:
    """A service manager: what it was told, message by message."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(10)

    def next(self, *ignored: str) -> dict[str, str]:
        """The next message that is not only about one of `ignored`."""
        for _ in range(1000):
            message = dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())
            if not set(message).issubset(ignored):
                return message
        raise AssertionError("nothing else came")


@contextmanager
def manager_at(path: Path) -> Iterator[Manager]:
    manager = Manager(path)
    try:
        yield manager
    finally:
        manager.socket.close()


@pytest.mark.parametrize("arguments", [("--asgi", "asgi_kitchen:app"), ("--wsgi", "wsgi_kitchen:app")])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_manager_hears_of_start_life_and_end(
    start: Callable[..., Server], tmp_path: Path, arguments: tuple[str, ...], workers: str
) -> None:
    with manager_at(tmp_path / "notify") as manager:
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        server = start(*arguments, "--workers", workers, environment=environment)
        ready = manager.next("WATCHDOG")
        assert ready["READY"] == "1"
        assert str(server.port) in ready["STATUS"]
        for _ in range(3):
            assert manager.next() == {"WATCHDOG": "1"}
        if workers == "2":
            server.send_signal(signal.SIGHUP)
            assert int(manager.next("WATCHDOG")["MONOTONIC_USEC"]) > 0
            assert manager.next("WATCHDOG")["READY"] == "1"
        server.send_signal(signal.SIGTERM)
        assert manager.next("WATCHDOG")["STOPPING"] == "1"
        assert server.wait(10) == 0


def test_a_service_manager_hears_of_a_reload(start: Callable[..., Server], tmp_path: Path) -> None:
    settings = tmp_path / "rsgi.toml"
    settings.write_text('[apps.new]\nasgi = "asgi_kitchen:app"\n')
    with manager_at(tmp_path / "notify") as manager:
        server = start("--config", str(settings), environment={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        ready = manager.next()
        server.send_signal(signal.SIGHUP)
        assert int(manager.next()["MONOTONIC_USEC"]) > 0
        assert manager.next() == ready
        server.wait_for_log("reloaded")


def test_a_blocked_loop_is_not_alive_for_the_watchdog(start: Callable[..., Server], tmp_path: Path) -> None:
    with manager_at(tmp_path / "notify") as manager:
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        server = start(
            "--asgi", "stopping_app:new", "--grace", "0.1", "--lifespan-timeout", "0.1", environment=environment
        )
        assert "READY" in manager.next("WATCHDOG")
        with Connection(server) as connection:
            connection.send_request("GET", "/block")
            server.wait_for_log("blocked")
            manager.socket.settimeout(1.5)
            with pytest.raises(TimeoutError):
                for _ in range(20):  # one may have been under way
                    manager.next()


def test_children_do_not_speak_for_the_service(start: Callable[..., Server], tmp_path: Path) -> None:
    with manager_at(tmp_path / "notify"):
        server = start(
            "--wsgi",
            "environment_app:app",
            environment={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1"},
        )
        assert get(server, "/").text == "no NOTIFY_SOCKET, no WATCHDOG_USEC"
