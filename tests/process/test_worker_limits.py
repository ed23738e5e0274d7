"""How long a worker lives: until it has served enough, has grown too much, or hangs; no request is lost when it is replaced.

Apart from `test_workers.py`, whose workers are replaced because somebody says so: here the supervisor decides.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from test_workers import Load, alive, replaced, workers_of

from http2_wire import Http2Connection
from server import Server, ServerExited, run_rsgi, wait_until
from wire import Connection, ConnectionEnded, get

pytest.importorskip("flask", reason="the package flask is not installed")
pytest.importorskip("fastapi", reason="the package fastapi is not installed")

Start = Callable[..., Server]

OLD, NEW = ("--wsgi", "worn_app:old"), ("--asgi", "worn_app:new")


class Http2Load(threading.Thread):
    """A client with one HTTP/2 connection at a time that notes every request without a response."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server, self.lost, self.responses, self.over = server, list[str](), 0, threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                self._use_one_connection()
            except (OSError, AssertionError, ConnectionEnded) as error:
                self.lost.append(repr(error))

    def _use_one_connection(self) -> None:
        with Http2Connection(self.server) as connection:
            first = True
            while not self.over.is_set() and connection.goaway is None:
                try:
                    stream = connection.get("/")
                except (OSError, AssertionError, ConnectionEnded):
                    # A connection that had nothing to do may be closed; that it was, is not seen before it is used.
                    if first or connection.goaway is None:
                        raise
                    return
                assert stream.status == 200, stream.status
                self.responses += 1
                first = False


@pytest.mark.parametrize("apps", [OLD, NEW], ids=["flask", "fastapi"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_workers_are_replaced_after_some_requests_and_none_is_lost(
    start: Start, apps: tuple[str, ...], workers: str
) -> None:
    """Under load over both versions; never more than one at a time."""
    server = start(*apps, "--workers", workers, "--max-requests", "150", "--max-requests-jitter", "50")
    first = workers_of(server)
    assert len(first) == int(workers)
    http2 = Http2Load(server)
    http2.start()
    with Load(server) as load:
        most = 0

        def has_replaced() -> bool:
            nonlocal most
            most = max(most, len(workers_of(server)))
            return server.log().count("is replaced: it has had ") >= 4

        wait_until(has_replaced, 60, "four workers were replaced")
    http2.over.set()
    http2.join(15)
    assert load.lost == []
    assert http2.lost == []
    assert load.responses > 300
    assert http2.responses > 0
    # One that is new, and those that drain.
    assert most <= int(workers) + 2
    counts = [int(count) for count in re.findall(r"it has had (\d+) requests \(`--max-requests`\)", server.log())]
    assert all(150 <= count <= 200 for count in counts), counts
    assert len(set(counts)) > 1, "each has a jitter of its own"
    assert not first & workers_of(server)
    assert server.stop() == 0


def test_one_worker_has_a_supervisor_then(start: Start) -> None:
    server = start(*OLD, "--max-requests", "3")
    (worker,) = workers_of(server)
    assert f"process {server.pid} with 1 worker\n" in server.log()
    for _ in range(3):
        assert get(server, "/").json()["pid"] == worker
    replaced(server, {worker}, 1)
    assert f"worker {worker} is replaced: it has had 3 requests (`--max-requests`)\n" in server.log()


def test_a_worker_is_replaced_when_it_is_old(start: Start) -> None:
    """Both are as old as each other; they are replaced one after the other."""
    server = start(*NEW, "--workers", "2", "--max-worker-age", "2s")
    first = workers_of(server)
    with Load(server) as load:
        # Their successors grow old as soon, so it is never quiet again.
        wait_until(lambda: not first & workers_of(server), 60, "both were replaced")
    assert load.lost == []
    order = re.findall(r"worker (\d+) is replaced: it has served for \d+ s \(`--max-worker-age`\)", server.log())
    assert {int(pid) for pid in order[:2]} == first


def test_a_worker_that_has_grown_is_replaced(start: Start) -> None:
    server = start(*OLD, "--workers", "2", "--max-rss", "120MiB")
    first = workers_of(server)
    grown: int = get(server, "/grow").json()["pid"]
    with Connection(server) as connection:
        # One process answers all of a connection.
        while grown in workers_of(server) and "is replaced" not in server.log():
            connection.send_request("GET", "/grow")
            grown = connection.read_response().json()["pid"]
    assert re.search(rf"worker {grown} is replaced: it has \d+ MiB resident \(`--max-rss 120MiB`\)\n", server.log())
    wait_until(lambda: grown not in workers_of(server), 20, "it has gone")
    (stays,) = first - {grown}
    assert stays in workers_of(server)


def test_a_limit_below_what_a_worker_starts_with_is_said(start: Start) -> None:
    server = start(*OLD, "--max-rss", "2MiB")
    log = server.wait_for_log("which it is not replaced for")
    assert re.search(
        r"warning: worker \d+ has \d+ MiB resident before its first request, more than `--max-rss 2MiB`", log
    )
    assert get(server, "/").status == 200
    assert "is replaced" not in server.log()


def test_a_worker_whose_successor_cannot_start_serves_on(start: Start, tmp_path: object) -> None:
    version = os.path.join(str(tmp_path), "version")
    with open(version, "w") as file:
        file.write("1")
    server = start("--wsgi", "workers_apps:pid", "--max-requests", "5", environment={"RSGI_TEST_VERSION_FILE": version})
    (worker,) = workers_of(server)
    with open(version, "w") as file:
        file.write("broken")
    for _ in range(5):
        assert get(server, "/").json()["pid"] == worker
    server.wait_for_log(f"error: worker {worker} continues", 20)
    assert get(server, "/").json()["pid"] == worker
    assert "this version is broken" in server.log()


def test_a_worker_whose_threads_all_hang_is_replaced(start: Start) -> None:
    """With one thread there is no spare one: what was promised to an application is kept, and a process is as good."""
    server = start(*OLD, "--workers", "2", "--wsgi-threads", "1", "--request-timeout", "300ms", "--grace", "1")
    first = workers_of(server)
    assert get(server, "/hang").status == 504
    log = server.wait_for_log("hang in calls that took too long")
    found = re.search(r"worker (\d+) is replaced: all WSGI threads of app `worn_app:old` hang in calls", log)
    assert found is not None, log
    hung = int(found[1])
    assert hung in first
    wait_until(lambda: hung not in workers_of(server) and len(workers_of(server)) == 2, 20, "it was replaced")
    assert [get(server, "/").status for _ in range(10)] == [200] * 10


def test_one_process_says_that_all_its_threads_hang(start: Start) -> None:
    server = start(*OLD, "--wsgi-threads", "1", "--request-timeout", "300ms", "--grace", "1")
    assert get(server, "/hang").status == 504
    server.wait_for_log("error: all WSGI threads of app `worn_app:old` hang in calls that took too long")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-requests", "0"), "0 is less than 1"),
        (("--max-requests", "many"), "max-requests"),
        (("--max-rss", "12"), "less than"),
        (("--workers", "2", "--max-requests-jitter", "5"), "`--max-requests-jitter` needs `--max-requests`"),
        (("--max-requests-jitter", "5"), "`--max-requests-jitter` needs `--max-requests`"),
    ],
)
def test_limits_that_make_no_sense_are_refused(arguments: tuple[str, ...], message: str) -> None:
    ended = run_rsgi(*OLD, *arguments)
    assert ended.returncode != 0
    assert message in ended.stderr


def test_limits_of_workers_have_no_meaning_with_reload(start: Start) -> None:
    pytest.importorskip("watchfiles", reason="the package watchfiles is not installed")
    server = start(*OLD, "--reload", "--max-requests", "2", "--max-worker-age", "1s")
    assert "warning: `--max-requests`, `--max-worker-age` have no meaning with `--reload`\n" in server.log()
    (worker,) = workers_of(server)
    assert {get(server, "/").json()["pid"] for _ in range(4)} == {worker}


def test_an_application_that_is_an_object_cannot_be_replaced() -> None:
    program = "import rsgi; rsgi.serve(wsgi=lambda environ, start_response: [], port=0, max_requests=5)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert (
        "cannot be served by workers that can be replaced: each worker process imports the application" in ended.stderr
    )


# Workers that hang


def ask_and_leave(server: Server, target: str) -> Connection:
    connection = Connection(server)
    connection.send_request("GET", target)
    return connection


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_worker_whose_loop_is_blocked_is_ended_and_replaced(start: Start, workers: str) -> None:
    """Its stacks are in the log before; others serve meanwhile."""
    server = start(*NEW, "--workers", workers, "--worker-timeout", "1s")
    first = workers_of(server)
    with ask_and_leave(server, "/block") as connection:
        log = server.wait_for_log("replaces it", 20)
        with pytest.raises((ConnectionEnded, OSError)):
            connection.read_response()
    found = re.search(r"error: worker (\d+) has not driven its sockets for 1 s \(`--worker-timeout`\)", log)
    assert found is not None, log
    assert re.search(r'File ".*worn_app.py", line \d+ in block_the_loop', log), log
    assert f"error: worker {found[1]} was killed by SIGABRT" in log
    hung = int(found[1])
    assert hung in first
    wait_until(lambda: not alive(hung) and len(workers_of(server)) == int(workers), 20, "there is another one")
    assert get(server, "/").status == 200
    assert server.stop() == 0


def test_a_worker_that_is_stopped_is_killed_and_replaced(start: Start) -> None:
    """One that cannot even write its stacks."""
    server = start(*OLD, "--workers", "2", "--worker-timeout", "1s")
    victim, other = sorted(workers_of(server))
    os.kill(victim, signal.SIGSTOP)
    server.wait_for_log(f"warning: worker {victim} did not write its stacks and was killed", 20)
    new = replaced(server, {victim}, 2)
    assert other in new


def test_who_is_slow_to_import_does_not_hang(start: Start) -> None:
    server = start(*NEW, "--worker-timeout", "1s", environment={"RSGI_TEST_SLOW_IMPORT": "3"})
    assert get(server, "/").status == 200
    assert "has not driven its sockets" not in server.log()


@pytest.mark.parametrize(
    ("apps", "target"), [(OLD, "/hold"), (NEW, "/wait")], ids=["a thread that holds the interpreter", "a long request"]
)
def test_who_takes_long_does_not_hang(start: Start, apps: tuple[str, ...], target: str) -> None:
    server = start(*apps, "--workers", "2", "--worker-timeout", "1s")
    with Connection(server) as connection:
        connection.send_request("GET", target)
        assert connection.read_response().status == 200
    assert "has not driven its sockets" not in server.log()


def test_it_can_be_turned_off(start: Start) -> None:
    """Then nothing is sent, and nobody is ended."""
    server = start(*NEW, "--workers", "2", "--worker-timeout", "0", "--grace", "1")
    assert len(workers_of(server)) == 2
    with pytest.raises(ServerExited):
        start(*NEW, "--worker-timeout", "-1s")
    assert get(server, "/").status == 200
