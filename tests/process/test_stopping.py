"""The end comes in order whatever an application does: it stops the loop, has handlers and threads of its own, or is stuck.

Apart from `test_drain.py`, which is about work that is waited for.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections.abc import Callable

import pytest

from server import Server, run_rsgi, wait_until
from wire import Connection, get

ASGI = ("--asgi", "stopping_app:new")
DRIVERS = [("--io", "loop"), ("--io", "thread"), ("--loop", "uvloop")]


def accepts_nobody(server: Server) -> bool:
    """Whether the port is free again."""
    assert isinstance(server.address, tuple)
    try:
        socket.create_connection(server.address, timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("driver", DRIVERS, ids="-".join)
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/stop", "the application stopped the event loop"),
        ("/leave", "a task of the application raised SystemExit, which ends the event loop"),
        ("/interrupt", "a task of the application raised KeyboardInterrupt, which ends the event loop"),
    ],
)
def test_a_loop_that_stops_by_itself_is_an_orderly_end(
    start: Callable[..., Server], driver: tuple[str, ...], path: str, reason: str
) -> None:
    server = start(*ASGI, *driver, "--grace", "10")
    with Connection(server) as slow, Connection(server) as other:
        slow.send_request("GET", "/slow?seconds=0.7")
        server.wait_for_log("slow began")
        other.send_request("GET", path)
        assert slow.read_response().body == b"slow", "what runs is waited for"
        assert server.wait(10) == 1
    log = server.log()
    assert f"error: {reason}; the server drains and ends\n" in log
    assert log.index("slow ended") < log.index("lifespan ended")
    assert accepts_nobody(server)


@pytest.mark.parametrize("driver", DRIVERS, ids="-".join)
def test_a_task_that_ends_the_loop_when_it_is_woken(start: Callable[..., Server], driver: tuple[str, ...]) -> None:
    server = start(*ASGI, *driver, "--grace", "10")
    with Connection(server) as slow:
        slow.send_request("GET", "/slow?seconds=0.7")
        server.wait_for_log("slow began")
        with Connection(server) as other:
            other.send_request("GET", "/leave-when-woken")
            server.wait_for_log("waits for the client to leave")
        assert slow.read_response().body == b"slow", "what runs is waited for"
        assert server.wait(10) == 1
    reason = "a task of the application raised SystemExit, which ends the event loop"
    assert f"error: {reason}; the server drains and ends\n" in server.log()


def test_a_stopped_loop_beside_wsgi_leaves_no_part_alive(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "stopping_app:old", "--asgi", "/new=stopping_app:new")
    assert get(server, "/").body == b"old"
    get(server, "/new/stop")
    assert server.wait(10) == 1
    assert accepts_nobody(server)


@pytest.mark.parametrize("driver", DRIVERS, ids="-".join)
@pytest.mark.parametrize("how", ["import", "lifespan", "loop"])
def test_a_handler_of_the_application_comes_after_ours(
    start: Callable[..., Server], driver: tuple[str, ...], how: str
) -> None:
    server = start(*ASGI, *driver, "--grace", "10", environment={"STOPPING_APP": how})
    if how == "lifespan":  # set past the loop, and seen at the next look
        wait_until(lambda: handled_by_python(server), 5, "the server has its handlers")
        time.sleep(1.2)  # the look itself cannot be seen from outside
    with Connection(server) as slow:
        slow.send_request("GET", "/slow?seconds=0.7")
        server.wait_for_log("slow began")
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("stopping app: handler of")
        assert slow.read_response().body == b"slow"
        assert slow.closed_within(2), "our own drain has begun"
    assert server.wait(10) == 0
    assert "lifespan ended" in server.log()


def handled_by_python(server: Server) -> bool:
    """Whether SIGTERM has a handler at all."""
    with open(f"/proc/{server.pid}/status") as status:
        caught = re.search(r"^SigCgt:\s+(\w+)$", status.read(), re.MULTILINE)
    assert caught is not None
    return bool(int(caught[1], 16) & (1 << (signal.SIGTERM - 1)))


def test_a_handler_that_leaves_does_not_cut_the_drain_short(start: Callable[..., Server]) -> None:
    server = start(*ASGI, "--grace", "10", environment={"STOPPING_APP": "import-exit"})
    with Connection(server) as slow:
        slow.send_request("GET", "/slow?seconds=0.7")
        server.wait_for_log("slow began")
        server.send_signal(signal.SIGTERM)
        assert slow.read_response().body == b"slow"
    assert server.wait(10) == 7
    assert "lifespan ended" in server.log()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_without_a_meaning_ends_nothing(start: Callable[..., Server], number: int, workers: str) -> None:
    server = start(*ASGI, "--workers", workers)
    server.send_signal(number)
    server.wait_for_log(f"{signal.Signals(number).name} has no effect here and was ignored")
    assert get(server, "/pid").status == 200
    assert server.stop() == 0


def test_a_worker_ignores_a_signal_without_a_meaning(start: Callable[..., Server]) -> None:
    server = start(*ASGI, "--workers", "2")
    worker = get(server, "/pid").text
    os.kill(int(worker), signal.SIGUSR1)
    server.wait_for_log(f"[{worker}] SIGUSR1 has no effect here and was ignored")
    assert server.stop() == 0
    assert "replaces it" not in server.log()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigquit_drains(start: Callable[..., Server], workers: str) -> None:
    server = start(*ASGI, "--workers", workers, "--grace", "10")
    with Connection(server) as slow:
        slow.send_request("GET", "/slow?seconds=0.7")
        server.wait_for_log("slow began")
        server.send_signal(signal.SIGQUIT)
        assert slow.read_response().body == b"slow"
    assert server.wait(10) == 0


@pytest.mark.parametrize("arguments", [("--wsgi", "stopping_app:old"), ASGI], ids=["wsgi", "asgi"])
def test_a_thread_of_the_application_does_not_keep_the_process(
    start: Callable[..., Server], arguments: tuple[str, ...]
) -> None:
    server = start(*arguments, "--grace", "1.5")
    assert get(server, "/thread?name=old-thread&seconds=60").status == 200
    began = time.monotonic()
    server.send_signal(signal.SIGTERM)
    assert server.wait(10) == 0
    assert 1 < time.monotonic() - began < 8
    assert "warning: threads of the application still run: 'old-thread'; the grace time" in server.log()


def test_a_thread_of_the_application_may_finish_within_the_grace_time(start: Callable[..., Server]) -> None:
    server = start(*ASGI, "--grace", "10")
    assert get(server, "/thread?name=worker&seconds=1.5").status == 200
    assert server.stop() == 0
    assert "the thread ended" in server.log()
    assert "the process ends without them" not in server.log()


def test_a_blocked_loop_does_not_keep_the_process(start: Callable[..., Server]) -> None:
    server = start(*ASGI, "--io", "loop", "--grace", "0.2", "--lifespan-timeout", "0.5")
    with Connection(server) as connection:
        connection.send_request("GET", "/block")
        server.wait_for_log("blocked")
        server.send_signal(signal.SIGTERM)
        assert server.wait(15) == 1
    log = server.log()
    assert "error: the server did not end in time; its main thread is stuck here" in log
    assert "in block\n    time.sleep(120)\n" in log


def test_a_worker_that_is_stuck_ends_after_its_supervisor_was_killed(start: Callable[..., Server]) -> None:
    server = start(*ASGI, "--workers", "2", "--io", "loop", "--grace", "0.2", "--lifespan-timeout", "0.5")
    with Connection(server) as connection:
        connection.send_request("GET", "/block")
        server.wait_for_log("blocked")
        server.process.kill()
        server.process.wait(5)
        wait_until(lambda: accepts_nobody(server), 20, "the last worker has ended")


def test_gevent_is_refused_by_name() -> None:
    pytest.importorskip("gevent", reason="gevent is not installed")
    ended = run_rsgi("--wsgi", "gevent_app:app")
    assert ended.returncode == 1
    assert "error: gevent has replaced `threading`" in ended.stderr
    assert "hint: " in ended.stderr
