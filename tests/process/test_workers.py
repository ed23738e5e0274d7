"""Several processes: all answer, what dies is replaced, and no signal but the last loses a request.

Apart from `test_shutdown.py` because here two kinds of processes are watched: the supervisor, which the tests start, and
its workers, found as its children.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from certificates import Certificates, TlsConnection
from server import APPS, Server, ServerExited, run_rsgi, wait_until
from wire import Connection, ConnectionEnded, get

WSGI = ("--wsgi", "workers_apps:pid")
BOTH = (*WSGI, "--asgi", "/new=workers_apps:pid_asgi")


def workers_of(server: Server) -> set[int]:
    """The processes that a supervisor has started and not buried."""
    found = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return {int(pid) for pid in found}


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def answering(server: Server, target: str = "/", requests: int = 40) -> set[int]:
    """Which processes answer so many requests, each on a connection of its own, many of them open at a time."""
    found: set[int] = set()
    with contextlib.ExitStack() as open_connections:
        for _ in range(requests):
            connection = open_connections.enter_context(Connection(server))
            connection.send_request("GET", target)
            found.add(connection.read_response().json()["pid"])
    return found


def wait_for_workers(server: Server, expected: set[int]) -> None:
    wait_until(lambda: answering(server) == expected, 15, f"{expected} answer")


def replaced(server: Server, gone: set[int], count: int) -> set[int]:
    """Wait until `count` workers answer, none of them of `gone`."""
    wait_until(lambda: not gone & workers_of(server) and len(workers_of(server)) == count, 20, "there are new workers")
    now = workers_of(server)
    wait_for_workers(server, now)
    return now


class Load:
    """Clients in a loop, half of them with new connections, that note every request without a response."""

    def __init__(self, server: Server) -> None:
        self.server, self.lost = server, list[str]()
        self.responses, self.pids, self.over = 0, set[int](), threading.Event()
        runs = (self._new_connections, self._one_connection) * 2
        self.threads = [threading.Thread(target=run, daemon=True) for run in runs]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        wait_until(lambda: self.responses > 20, 10, "there is load")
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(15)

    def _note(self, response: object) -> None:
        assert isinstance(response, dict)
        self.responses += 1
        self.pids.add(response["pid"])

    def _new_connections(self) -> None:
        while not self.over.is_set():
            try:
                self._note(get(self.server, "/").json())
            except (OSError, ConnectionEnded, AssertionError) as error:
                self.lost.append(f"new connection: {error!r}")

    def _one_connection(self) -> None:
        while not self.over.is_set():
            try:
                self._until_it_closes()
            except (OSError, ConnectionEnded, AssertionError) as error:
                self.lost.append(f"kept connection: {error!r}")

    def _until_it_closes(self) -> None:
        with Connection(self.server) as connection:
            for number in range(10_000):
                if self.over.is_set():
                    return
                try:
                    connection.send_request("GET", "/")
                    response = connection.read_response()
                except (OSError, ConnectionEnded):
                    # An idle connection may be closed at any time, and the client asks again. A new one may not.
                    if number == 0:
                        raise
                    return
                self._note(response.json())
                if response.header("connection") == "close":
                    return


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """What `workers_apps` reads when it is imported: another version of the application."""
    file = tmp_path / "version"
    file.write_text("1")
    return file


def test_all_workers_answer_on_one_free_port(start: Callable[..., Server]) -> None:
    server = start(*BOTH, "--workers", "3")
    workers = workers_of(server)
    assert len(workers) == 3
    assert server.pid not in workers
    wait_for_workers(server, workers)
    assert answering(server, "/new/x") <= workers
    assert get(server, "/").json()["many"] is True
    assert get(server, "/new/x").json()["path"] == "/new/x"
    log = server.log()
    assert log.count("listening on ") == 1
    assert log.count("workers_apps:pid_asgi") == log.count("WebSocket: ") + 1 == 2
    assert f"process {server.pid} with 3 workers\n" in log
    assert server.stop() == 0
    assert sorted(server.access_log().split()) == sorted(
        word for pid in workers for word in f"lifespan of {pid} ended".split()
    )
    assert not any(alive(pid) for pid in workers)


def test_one_worker_is_the_process_itself(start: Callable[..., Server]) -> None:
    server = start(*WSGI, "--workers", "1")
    assert not workers_of(server)
    assert get(server, "/").json()["pid"] == server.pid
    assert get(server, "/").json()["many"] is False


@pytest.mark.parametrize(
    ("path", "end"),
    [("/exit", "ended with exit code 3"), ("/segfault", "was killed by SIGSEGV"), (None, "was killed by SIGKILL")],
)
def test_a_worker_that_dies_is_replaced(start: Callable[..., Server], path: str | None, end: str) -> None:
    server = start(*WSGI, "--workers", "2")
    before = workers_of(server)
    mark = server.log_mark()
    if path is None:
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
    else:
        with Connection(server) as connection:
            connection.send_request("GET", path)
            with pytest.raises(ConnectionEnded):
                connection.read_response()
    # The sockets are the supervisor's: nobody is refused, at no moment.
    for _ in range(20):
        assert get(server, "/").status == 200
    assert f"{end}" in server.wait_for_log("replaces it\n", since=mark)
    victims = before - workers_of(server)
    assert len(victims) == 1
    assert f"error: worker {victims.pop()} {end}" in server.log(mark)
    wait_until(lambda: len(workers_of(server)) == 2, 10, "there are two again")
    wait_for_workers(server, workers_of(server))
    assert server.stop() == 0


def test_a_worker_that_dies_again_and_again_is_waited_with(start: Callable[..., Server]) -> None:
    server = start(*WSGI, "--workers", "2")
    stays, victim = sorted(workers_of(server))
    os.kill(victim, signal.SIGKILL)
    (second,) = replaced(server, {victim}, 2) - {stays}
    os.kill(second, signal.SIGKILL)
    assert "waiting 1 s before the next worker" in server.wait_for_log("ended early")
    assert answering(server, requests=5) == {stays}
    wait_until(lambda: len(workers_of(server)) == 2, 10, "there are two again")
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("apps", "message", "hint"),
    [
        (("--wsgi", "missing_module:app"), "could not import `missing_module:app`", "hint: run from the folder"),
        (("--asgi", "lifespan_apps:failing"), "the kitchen has no gas", "hint: the application says so"),
    ],
)
def test_what_cannot_start_is_told_once(apps: tuple[str, ...], message: str, hint: str) -> None:
    ended = run_rsgi(*apps, "--workers", "3")
    assert ended.returncode == 1
    assert ended.stderr.count("error: ") == 1
    assert ended.stderr.count(message) == 1
    assert ended.stderr.count(hint) == 1
    assert "Traceback" not in ended.stderr
    assert "listening on" not in ended.stderr


def test_the_traceback_of_a_worker_is_shown_when_asked_for() -> None:
    ended = run_rsgi("--wsgi", "missing_module:app", "--workers", "2", "--debug")
    assert ended.stderr.count("ModuleNotFoundError: ") == 1


def test_a_worker_that_dies_while_it_starts_is_an_error_of_the_start(tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text("import os\nos._exit(7)\n")
    ended = run_rsgi("--wsgi", "dying:app", "--workers", "2", "--app-dir", str(tmp_path))
    assert ended.returncode == 1
    assert "error: a worker ended with exit code 7 while it started\n" in ended.stderr
    assert ended.stderr.count("error: ") == 1


def test_an_address_that_is_taken_is_told_once(start: Callable[..., Server]) -> None:
    taken = start(*WSGI)
    ended = run_rsgi(*WSGI, "--workers", "2", "--port", str(taken.port))
    assert ended.returncode == 1
    assert ended.stderr.count("the address is in use") == 1
    assert ended.stderr.count("error: ") == 1


def test_hangup_replaces_all_workers_and_loses_no_request(start: Callable[..., Server], version: Path) -> None:
    server = start(*WSGI, "--workers", "2", environment={"RSGI_TEST_VERSION_FILE": str(version)})
    before = workers_of(server)
    with Load(server) as load:
        for number in ("2", "3"):
            version.write_text(number)
            mark = server.log_mark()
            server.send_signal(signal.SIGHUP)
            server.wait_for_log("all workers were replaced\n", 20, since=mark)
            assert get(server, "/").json()["version"] == number
    assert load.lost == []
    assert load.responses > 100
    assert len(load.pids) > len(before)
    assert not before & workers_of(server)
    assert len(workers_of(server)) == 2
    assert server.stop() == 0


def test_a_version_that_cannot_start_leaves_the_old_one(start: Callable[..., Server], version: Path) -> None:
    server = start(*WSGI, "--workers", "2", environment={"RSGI_TEST_VERSION_FILE": str(version)})
    before = workers_of(server)
    version.write_text("broken")
    with Load(server) as load:
        server.send_signal(signal.SIGHUP)
        log = server.wait_for_log("the remaining old workers continue\n", 20)
    assert "this version is broken" in log
    assert (load.lost, load.pids | before) == ([], before)
    wait_until(lambda: workers_of(server) == before, 5, "the old ones are left")
    version.write_text("2")
    server.send_signal(signal.SIGHUP)
    replaced(server, before, 2)
    assert get(server, "/").json()["version"] == "2"


def test_hangup_reads_the_settings_again(start: Callable[..., Server], tmp_path: Path) -> None:
    file = tmp_path / "rsgi.toml"
    file.write_text('workers = 2\nwsgi = "workers_apps:pid"\n')
    server = start("--config", str(file))
    before = workers_of(server)
    file.write_text('workers = 0\nwsgi = "workers_apps:pid"\n')
    server.send_signal(signal.SIGHUP)
    assert "was not reloaded, and nothing has changed" in server.wait_for_log("hint: ")
    assert workers_of(server) == before
    file.write_text('workers = 3\nmax_request_line = "300"\nwsgi = "workers_apps:pid"\n')
    server.send_signal(signal.SIGHUP)
    server.wait_for_log("all workers were replaced\n", 20)
    replaced(server, before, 3)
    assert get(server, "/" + "x" * 400).status == 414


def test_signals_change_the_number_of_workers(start: Callable[..., Server]) -> None:
    server = start(*WSGI, "--workers", "2")
    first = workers_of(server)
    with Load(server) as load:
        server.send_signal(signal.SIGTTIN)
        wait_until(lambda: len(workers_of(server)) == 3, 10, "there are three")
        wait_for_workers(server, workers_of(server))
        victim = min(workers_of(server))
        os.kill(victim, signal.SIGKILL)
        server.send_signal(signal.SIGTTIN)
        server.wait_for_log("4 workers from now on\n")
        assert len(replaced(server, {victim}, 4)) == len(workers_of(server)) == 4
        for left in (3, 2, 1):
            server.send_signal(signal.SIGTTOU)
            wait_until(lambda left=left: len(workers_of(server)) == left, 10, f"{left} are left")  # type: ignore[misc]
        server.send_signal(signal.SIGTTOU)
        server.wait_for_log("the last worker stays\n")
        assert answering(server, requests=5) == workers_of(server)
    # Those that the killed one had are lost, at most one of each client.
    assert len(load.lost) <= len(load.threads)
    assert not first & workers_of(server)
    assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("everybody", [False, True], ids=["supervisor", "group"])
def test_requests_in_flight_finish(start: Callable[..., Server], number: int, everybody: bool) -> None:
    """Also when all processes get the signal at once, as from a terminal or a service manager."""
    server = start(*WSGI, "--workers", "2", "--grace", "10")
    workers = workers_of(server)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(Connection(server)) for _ in range(8)]
        for connection in connections:
            connection.send_request("GET", "/slow")
        get(server, "/")  # by then the requests before are being served, or wait where a worker will take them
        wait_for_workers(server, workers)
        for pid in (server.pid, *(workers if everybody else ())):
            os.kill(pid, number)
        assert {connection.read_response().json()["pid"] for connection in connections} <= workers
    assert server.wait(10) == 0
    assert not any(alive(pid) for pid in workers)
    assert "error: " not in server.log()


def test_a_second_signal_ends_all_at_once(start: Callable[..., Server]) -> None:
    server = start(*WSGI, "--workers", "2", "--grace", "30")
    workers = workers_of(server)
    with Connection(server) as connection:
        connection.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
        get(server, "/")
        server.send_signal(signal.SIGTERM)
        # The other worker has nothing to do and ends; the supervisor has seen the first signal then.
        wait_until(lambda: sum(map(alive, workers)) == 1, 5, "one worker has ended")
        server.send_signal(signal.SIGTERM)
        assert server.wait(5) == 1
        wait_until(lambda: not any(map(alive, workers)), 5, "all have ended")


def test_a_signal_during_the_start_ends_all(tmp_path: Path) -> None:
    (tmp_path / "waiting.py").write_text("import os, time\nos.write(2, b'importing\\n')\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "rsgi", "serve", "--wsgi", "waiting:app", "--workers", "2", "--port", "0"]
    with subprocess.Popen([*command, "--app-dir", str(tmp_path)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == process.stderr.readline() == "importing\n"
        process.terminate()
        assert process.wait(10) == 0
        assert process.stderr.read() == ""  # its end: no worker holds it open


def test_workers_finish_when_their_supervisor_is_killed(start: Callable[..., Server]) -> None:
    server = start(*WSGI, "--workers", "2")
    workers = workers_of(server)
    with Connection(server) as connection:
        connection.send_request("GET", "/slow")
        wait_for_workers(server, workers)
        server.process.kill()
        assert connection.read_response().json()["pid"] in workers
    wait_until(lambda: not any(map(alive, workers)), 10, "the workers have ended")


def test_a_unix_socket(start: Callable[..., Server], tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = start(*WSGI, "--uds", str(path), "--workers", "2")
    before = workers_of(server)
    wait_for_workers(server, before)
    server.send_signal(signal.SIGHUP)
    server.wait_for_log("all workers were replaced\n", 20)
    assert path.exists()
    wait_for_workers(server, replaced(server, before, 2))
    assert server.stop() == 0
    assert not path.exists()


def test_several_addresses(start: Callable[..., Server], tmp_path: Path) -> None:
    path = tmp_path / "socket"
    addresses = ("--bind", "127.0.0.1:0", "--bind", "127.0.0.1:0", "--bind", f"unix:{path}")
    server = start(*WSGI, *addresses, "--workers", "2", listeners=3)
    assert len({str(address) for address in server.addresses}) == 3
    for address in list(server.addresses):
        server.addresses.insert(0, address)
        wait_for_workers(server, workers_of(server))


def test_tls(start: Callable[..., Server], tmp_path: Path) -> None:
    certificates = Certificates.make(tmp_path)
    server = start(*BOTH, *certificates.flags(), "--workers", "2")
    assert "listening on https://" in server.log()

    def ask() -> dict[str, object]:
        with TlsConnection(server, certificates.context()) as connection:
            connection.send_request("GET", "/new/x")
            found: dict[str, object] = connection.read_response().json()
            return found

    assert ask()["scheme"] == "https"
    wait_until(lambda: {ask()["pid"] for _ in range(20)} == workers_of(server), 10, "both answer")


def test_a_client_that_was_let_in_is_answered(start_kitchen: Callable[..., Server]) -> None:
    """The server is told to drain between a client's connection and its request."""
    server = start_kitchen()
    with Connection(server) as late:
        get(server, "/hello")  # on a later connection: the first has been accepted
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: refused(server), 5, "nobody else is let in")
        late.send_request("GET", "/hello")
        response = late.read_response()
        assert (response.status, response.header("connection")) == (200, "close")
    assert server.wait(5) == 0


def refused(server: Server) -> bool:
    assert isinstance(server.address, tuple)
    try:
        socket.create_connection(server.address, timeout=1).close()
    except OSError:
        return True
    return False


def test_log_lines_say_whose_they_are(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--workers", "2")
    assert get(server, "/raise-before").status == 500
    log = server.wait_for_log("Traceback")
    record = r"^\[(\d+)\] \S+Z error: app `wsgi_kitchen:app` failed"
    found = re.search(record, log, re.MULTILINE)
    assert found is not None
    assert int(found[1]) in workers_of(server)


@pytest.mark.parametrize(
    ("variables", "arguments", "count"),
    [
        ({"WEB_CONCURRENCY": "2"}, (), 2),
        ({"WEB_CONCURRENCY": "2", "RSGI_WORKERS": "3"}, (), 3),
        ({"WEB_CONCURRENCY": "2", "RSGI_WORKERS": "3"}, ("--workers", "4"), 4),
        ({"WEB_CONCURRENCY": ""}, (), 0),
    ],
)
def test_who_says_how_many(
    start: Callable[..., Server], variables: dict[str, str], arguments: tuple[str, ...], count: int
) -> None:
    server = start(*WSGI, *arguments, environment=variables)
    assert len(workers_of(server)) == count


def test_a_number_of_workers_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "many")
    ended = run_rsgi(*WSGI)
    assert ended.returncode == 1
    assert "error: the environment variable `WEB_CONCURRENCY` cannot be 'many'" in ended.stderr
    assert run_rsgi(*WSGI, "--workers", "0").returncode == 2


FROM_PYTHON = """
import rsgi, sys
if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    sys.exit(rsgi.serve(wsgi=WHAT, workers=2, port=0))
"""


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Callable[[str], list[str]]]:
    """A program that serves with two workers; gives its command line."""

    def make(what: str) -> list[str]:
        (tmp_path / "program.py").write_text(FROM_PYTHON.replace("WHAT", what))
        return [sys.executable, str(tmp_path / "program.py"), str(APPS)]

    yield make


def test_workers_from_python(script: Callable[[str], list[str]], tmp_path: Path) -> None:
    """A worker imports what the program could import."""
    server = Server(script('"workers_apps:pid"'), folder=tmp_path)
    try:
        wait_for_workers(server, workers_of(server))
        assert len(workers_of(server)) == 2
    finally:
        assert server.stop() == 0


def test_an_application_object_cannot_be_sent(script: Callable[[str], list[str]], tmp_path: Path) -> None:
    with pytest.raises(ServerExited) as ended:
        Server(script("lambda environ, start_response: []"), folder=tmp_path)
    assert "an application object cannot be served by several workers" in ended.value.log


def test_what_a_container_grants() -> None:
    from rsgi.settings.cpus import cpu_share, schedulable_cpus, usable_cpus

    assert cpu_share("150000 100000") == 1.5
    assert cpu_share("max 100000") is None
    assert cpu_share("-1 100000") is None
    assert cpu_share("") is None
    assert 1 <= usable_cpus() <= schedulable_cpus()


def test_auto_is_one_for_each_processor() -> None:
    from rsgi.settings.config import Config
    from rsgi.settings.cpus import usable_cpus

    assert Config(workers="auto").workers == usable_cpus()  # type: ignore[arg-type]
