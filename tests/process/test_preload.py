"""Applications that are imported once and whose workers are forked: `--preload`.

Apart from `test_workers.py`, whose workers are fresh interpreters, because a fork has less and shares more. What is asked
there of several workers is asked again here where a fork could make it different.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from test_workers import Load, alive, answering, wait_for_workers, workers_of

from other_user import USER, needs_root, opened
from server import APPS, Server, rsgi_command, run_rsgi, wait_until
from wire import Connection, ConnectionEnded, get

PRELOAD = ("--workers", "2", "--preload")
WSGI = ("--wsgi", "workers_apps:pid")
ASGI = ("--asgi", "workers_apps:pid_asgi")
BOTH = (*WSGI, "--asgi", "/new=workers_apps:pid_asgi")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")


def title_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0].decode()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return ""


def importing(server: Server) -> int:
    """The process that has imported the applications; there is one."""
    (found,) = [pid for pid in workers_of(server) if title_of(pid) == "rsgi: preload"]
    return found


def forked(server: Server) -> set[int]:
    """The workers."""
    return {pid for pid in workers_of(server) if title_of(pid).startswith("rsgi: worker ")}


def replaced_by(server: Server, gone: set[int], count: int) -> set[int]:
    """Wait until `count` workers answer, none of them of `gone`."""
    wait_until(lambda: not gone & forked(server) and len(forked(server)) == count, 20, "there are new workers")
    now = forked(server)
    wait_for_workers(server, now)
    return now


@pytest.mark.parametrize("apps", [WSGI, ASGI, BOTH], ids=["wsgi", "asgi", "both"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_all_workers_answer(start: Callable[..., Server], apps: tuple[str, ...], loop: str) -> None:
    server = start(*apps, *PRELOAD, "--loop", loop)
    workers = forked(server)
    assert len(workers) == 2
    assert workers == workers_of(server) - {importing(server)}
    wait_for_workers(server, workers)
    if apps is BOTH:
        assert answering(server, "/new/x") <= workers
    log = server.log()
    assert log.count("listening on ") == 1
    assert f"process {server.pid} with 2 workers\n" in log
    assert "warning" not in log
    assert server.stop() == 0
    ended = [] if apps is WSGI else [f"lifespan of {pid} ended" for pid in workers]
    assert sorted(server.access_log().splitlines()) == sorted(ended)


def test_applications_are_imported_once(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "workers_apps:environment", *PRELOAD)
    found = {}
    while len(found) < 2:
        response = get(server, "/").json()
        found[response["pid"]] = response["importer"]
    assert set(found.values()) == {importing(server)}
    # A fork has one thread of those before it, so there was but one.
    assert len(os.listdir(f"/proc/{importing(server)}/task")) == 1


def test_memory_is_shared(start: Callable[..., Server], tmp_path: Path) -> None:
    mib = 1024 * 1024
    (tmp_path / "large.py").write_text(f"DATA = b'x' * {64 * mib}\nfrom workers_apps import pid\n")

    def proportional(server: Server) -> int:
        text = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in workers_of(server)]
        return (
            sum(int(found[1]) for each in text if (found := re.search(r"^Pss:\s+(\d+) kB", each, re.MULTILINE))) // 1024
        )

    flags = ("--wsgi", "large:pid", "--app-dir", str(tmp_path))
    environment = {"PYTHONPATH": str(APPS)}
    each_its_own = proportional(start(*flags, "--workers", "3", environment=environment))
    shared = proportional(start(*flags, "--workers", "3", "--preload", environment=environment))
    assert each_its_own > 3 * 64
    assert shared < each_its_own - 2 * 64 + 32


def test_hangup_imports_again_and_loses_no_request(start: Callable[..., Server], tmp_path: Path) -> None:
    version = tmp_path / "version"
    version.write_text("1")
    server = start(*WSGI, *PRELOAD, environment={"RSGI_TEST_VERSION_FILE": str(version)})
    before, importer = forked(server), importing(server)
    with Load(server) as load:
        for number in ("2", "3"):
            version.write_text(number)
            mark = server.log_mark()
            server.send_signal(signal.SIGHUP)
            server.wait_for_log("all workers were replaced\n", 20, since=mark)
            assert get(server, "/").json()["version"] == number
    assert load.lost == []
    assert not before & forked(server)
    wait_until(lambda: not alive(importer), 5, "the first imports are given up")
    assert len(forked(server)) == 2
    assert server.stop() == 0


def test_a_version_that_cannot_be_imported_leaves_the_old_one(start: Callable[..., Server], tmp_path: Path) -> None:
    version = tmp_path / "version"
    version.write_text("1")
    server = start(*WSGI, *PRELOAD, environment={"RSGI_TEST_VERSION_FILE": str(version)})
    before, importer = forked(server), importing(server)
    version.write_text("broken")
    server.send_signal(signal.SIGHUP)
    assert "this version is broken" in server.wait_for_log("the remaining old workers continue\n", 20)
    wait_until(lambda: workers_of(server) == before | {importer}, 5, "the old ones are left")
    # What dies now comes from the old imports, too.
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    replaced_by(server, {victim}, 2)
    assert get(server, "/").json()["version"] == "1"
    assert importing(server) == importer


@pytest.mark.parametrize(
    ("path", "end"),
    [("/exit", "ended with exit code 3"), ("/segfault", "was killed by SIGSEGV"), (None, "was killed by SIGKILL")],
)
def test_a_worker_that_dies_is_replaced(start: Callable[..., Server], path: str | None, end: str) -> None:
    server = start(*WSGI, *PRELOAD)
    before = forked(server)
    if path is None:
        os.kill(min(before), signal.SIGKILL)
    else:
        with Connection(server) as connection:
            connection.send_request("GET", path)
            with pytest.raises(ConnectionEnded):
                connection.read_response()
    for _ in range(20):
        assert get(server, "/").status == 200
    assert end in server.wait_for_log("replaces it\n")
    wait_until(lambda: len(forked(server)) == 2, 10, "there are two again")
    (victim,) = before - forked(server)
    assert f"error: worker {victim} {end}" in server.log()
    assert server.stop() == 0


def test_signals_change_the_number_of_workers(start: Callable[..., Server]) -> None:
    server = start(*WSGI, *PRELOAD)
    server.send_signal(signal.SIGTTIN)
    wait_until(lambda: len(forked(server)) == 3, 10, "there are three")
    wait_for_workers(server, forked(server))
    server.send_signal(signal.SIGTTOU)
    wait_until(lambda: len(forked(server)) == 2, 10, "there are two")
    assert server.stop() == 0


def test_workers_serve_on_without_their_importer(start: Callable[..., Server]) -> None:
    server = start(*WSGI, *PRELOAD)
    before, importer = forked(server), importing(server)
    os.kill(importer, signal.SIGKILL)
    wait_until(lambda: not alive(importer), 5, "it is gone")
    assert answering(server) == before
    os.kill(min(before), signal.SIGKILL)
    server.wait_for_log("the process that imported the applications has ended; they are imported again\n")
    replaced_by(server, {min(before)}, 2)
    assert importing(server) != importer
    assert server.stop() == 0


def test_all_end_when_the_supervisor_is_killed(start: Callable[..., Server]) -> None:
    server = start(*WSGI, *PRELOAD)
    processes = workers_of(server)
    with Connection(server) as connection:
        connection.send_request("GET", "/slow")
        wait_for_workers(server, forked(server))
        server.process.kill()
        assert connection.read_response().json()["pid"] in processes
    wait_until(lambda: not any(map(alive, processes)), 10, "all have ended")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_processes_lets_requests_finish(start: Callable[..., Server], number: int) -> None:
    """As from a terminal or a service manager."""
    server = start(*WSGI, *PRELOAD, "--grace", "10")
    processes = workers_of(server)
    with Connection(server) as connection:
        connection.send_request("GET", "/slow")
        wait_for_workers(server, forked(server))
        for pid in (server.pid, *processes):
            with contextlib.suppress(ProcessLookupError):  # the one that imports has nothing to finish
                os.kill(pid, number)
        assert connection.read_response().status == 200
    assert server.wait(10) == 0
    assert not any(map(alive, processes))
    assert "error: " not in server.log()
    assert "Traceback" not in server.log()


@pytest.mark.parametrize(
    ("apps", "message"),
    [
        (("--wsgi", "missing_module:app"), "could not import `missing_module:app`"),
        (("--asgi", "lifespan_apps:failing"), "the kitchen has no gas"),
    ],
)
def test_what_cannot_start_is_told_once(apps: tuple[str, ...], message: str) -> None:
    ended = run_rsgi(*apps, *PRELOAD)
    assert ended.returncode == 1
    assert ended.stderr.count("error: ") == ended.stderr.count(message) == 1
    assert "Traceback" not in ended.stderr


def test_an_import_that_ends_the_process(tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text("import os\nos._exit(7)\n")
    ended = run_rsgi("--wsgi", "dying:app", *PRELOAD, "--app-dir", str(tmp_path))
    assert ended.returncode == 1
    assert "error: a worker ended with exit code 7 while it started\n" in ended.stderr


def test_a_signal_during_the_import_ends_all(tmp_path: Path) -> None:
    (tmp_path / "waiting.py").write_text("import os, time\nos.write(2, b'importing\\n')\ntime.sleep(60)\n")
    command = [*rsgi_command("--wsgi", "waiting:app", *PRELOAD), "--app-dir", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "importing\n"
        process.terminate()
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


LEAVING = """
import asyncio, socket, threading, time
threading.Thread(target=time.sleep, args=(3600,), daemon=True, name="heartbeat").start()
threading.Thread(target=time.sleep, args=(3600,), daemon=True, name="flusher").start()
listener = socket.create_server(("127.0.0.1", 0))
database = socket.create_connection(listener.getsockname())
loop = asyncio.new_event_loop()
from workers_apps import pid
"""


def test_what_imports_leave_behind_is_told_by_name(start: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "leaving.py").write_text(LEAVING)
    server = start("--wsgi", "leaving:pid", "--app-dir", str(tmp_path), *PRELOAD, environment={"PYTHONPATH": str(APPS)})
    log = server.log()
    assert (
        "warning: imports have started threads that do not exist in the workers: `heartbeat`, `flusher`; start them in each"
        in log
    )
    assert re.search(
        r"warning: imports have opened resources that all workers share: .*a connection to 127\.0\.0\.1:\d+", log
    )
    assert ", an event loop" in log
    assert log.count("warning: imports") == 2
    wait_for_workers(server, forked(server))


def test_orphans_of_workers_are_buried(start: Callable[..., Server], tmp_path: Path) -> None:
    """The supervisor is given what a worker's own children leave behind."""
    (tmp_path / "leaving.py").write_text(
        "import subprocess\nfrom workers_apps import pid as answer\n"
        "def app(environ, start_response):\n"
        "    subprocess.run(['sh', '-c', '(sleep 0.2) & exit 0'])\n"
        "    return answer(environ, start_response)\n"
    )
    server = start("--wsgi", "leaving:app", "--app-dir", str(tmp_path), *PRELOAD, environment={"PYTHONPATH": str(APPS)})
    usual = workers_of(server)
    assert get(server, "/").status == 200
    wait_until(lambda: workers_of(server) > usual, 5, "there is an orphan")
    wait_until(lambda: workers_of(server) == usual, 10, "it was buried")
    assert server.stop() == 0


def test_an_inherited_socket(start: Callable[..., Server]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        number = listener.fileno()
        server = Server(rsgi_command(*WSGI, *PRELOAD, "--bind", f"fd://{number}"), pass_fds=[number])
        try:
            wait_for_workers(server, forked(server))
            before = forked(server)
            server.send_signal(signal.SIGHUP)
            server.wait_for_log("all workers were replaced\n", 20)
            replaced_by(server, before, 2)
        finally:
            assert server.stop() == 0


@needs_root
def test_applications_are_imported_as_the_user() -> None:
    command = rsgi_command("--wsgi", "workers_apps:environment", *PRELOAD, "--user", USER.pw_name)
    server = Server(opened(command))
    try:
        found = get(server, "/").json()
        assert (found["user"], found["import"]) == (USER.pw_uid, USER.pw_uid)
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize("flags", [("--workers", "1"), ("--reload",)])
def test_where_there_is_nothing_to_share(start: Callable[..., Server], flags: tuple[str, ...]) -> None:
    if flags == ("--reload",):
        pytest.importorskip("watchfiles")
    server = start(*WSGI, "--preload", *flags)
    assert "warning: `--preload` has no effect here: it needs several workers\n" in server.log()
    assert get(server, "/").status == 200
