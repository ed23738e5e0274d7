"""Sockets that are inherited, bound in several ways, or left behind; and what happens when there are no descriptors.

Apart from `test_http.py`, which is about what goes over a connection, because here the connections are the subject.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_workers import answering, replaced, wait_for_workers, workers_of

from server import APPS, Server, ServerExited, rsgi_command, run_rsgi, wait_until
from wire import Connection, get

PID = ("--wsgi", "workers_apps:pid")
HOW_MANY = [(), ("--workers", "2")]

# Starts a command as a service manager does, with these descriptors as 3, 4, …
PASSING = """
import os, sys
numbers, names, command = sys.argv[1], sys.argv[2], sys.argv[3:]
moved = [os.dup(int(number)) for number in numbers.split(",")]
kept = [os.dup2(each, 100 + place) for place, each in enumerate(moved)]
for place, each in enumerate(kept):
    os.dup2(each, 3 + place)
os.closerange(3 + len(kept), 200)
os.environ.update(LISTEN_FDS=str(len(kept)), LISTEN_PID=os.environ.get("WRONG_PID") or str(os.getpid()))
if names:
    os.environ["LISTEN_FDNAMES"] = names
os.execv(command[0], command)
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens, and that blocks, as a service manager makes it."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


class Passing(Server):
    """A server that gets sockets of this process."""

    def __init__(self, sockets: list[socket.socket], *arguments: str, names: str = "", **options: object) -> None:
        for each in sockets:
            each.set_inheritable(True)
        numbers = ",".join(str(each.fileno()) for each in sockets)
        command = [sys.executable, "-m", "rsgi", "serve", "--app-dir", str(APPS), "--grace", "3", *arguments]
        passing = [sys.executable, "-c", PASSING, numbers, names, *command]
        super().__init__(passing, pass_fds=[each.fileno() for each in sockets], **options)  # type: ignore[arg-type]


@pytest.fixture
def start_passing(request: pytest.FixtureRequest) -> Callable[..., Passing]:
    """Start a server with sockets passed as systemd does; stopped when the test is over."""

    def start_one(*arguments: object, **options: object) -> Passing:
        server = Passing(*arguments, **options)  # type: ignore[arg-type]
        request.addfinalizer(server.stop)
        return server

    return start_one


def inheriting(listener: socket.socket, *arguments: str) -> Server:
    """A server that is started with a descriptor and told its number."""
    listener.set_inheritable(True)
    number = listener.fileno()
    return Server(rsgi_command(*PID, "--bind", f"fd://{number}", *arguments), pass_fds=[number])


# Sockets that are inherited


@pytest.mark.parametrize("workers", HOW_MANY)
def test_an_inherited_socket(listener: socket.socket, workers: tuple[str, ...]) -> None:
    server = inheriting(listener, *workers)
    try:
        assert server.address == listener.getsockname()
        assert get(server, "/").status == 200
        if workers:
            before = workers_of(server)
            wait_for_workers(server, before)
            server.send_signal(signal.SIGHUP)
            server.wait_for_log("all workers were replaced\n", 20)
            replaced(server, before, 2)
        # Whoever passed it still has it, and connections wait there for the next server.
        assert server.stop() == 0
        with socket.create_connection(listener.getsockname(), timeout=1):
            pass
    finally:
        server.kill()


def test_an_inherited_socket_file_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        server = inheriting(listener)
        try:
            assert server.address == str(path)
            assert get(server, "/").status == 200
        finally:
            assert server.stop() == 0
    assert path.exists()


def test_an_inherited_socket_and_reload(listener: socket.socket, tmp_path: Path) -> None:
    pytest.importorskip("watchfiles")
    (tmp_path / "reloaded.py").write_text("from workers_apps import pid\n")
    server = inheriting(listener, "--reload", "--reload-dir", str(tmp_path), "--reload-dir", str(APPS))
    try:
        before = get(server, "/").json()["pid"]
        server.send_signal(signal.SIGHUP)
        server.wait_for_log("restarted in", 20)
        assert get(server, "/").json()["pid"] != before
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize("kind", ["closed", "file", "datagram", "bound", "output"])
@pytest.mark.parametrize("workers", HOW_MANY)
def test_a_descriptor_that_is_no_listening_socket(kind: str, workers: tuple[str, ...], tmp_path: Path) -> None:
    messages = {
        "closed": "the descriptor 77 is not open",
        "file": "is not a socket",
        "datagram": "is not a TCP socket or a Unix stream socket",
        "bound": "does not listen",
        "output": "the server writes its output there",
    }
    with contextlib.ExitStack() as stack:
        number = {"closed": 77, "output": 2}.get(kind, 0)
        if kind == "file":
            number = stack.enter_context(open(tmp_path / "file", "w")).fileno()
        elif not number:
            made = stack.enter_context(
                socket.socket(type=socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM)
            )
            made.bind(("127.0.0.1", 0))
            number = made.fileno()
        passed = [] if kind in ("closed", "output") else [number]
        command = rsgi_command(*PID, "--bind", f"fd://{number}", *workers)
        ended = subprocess.run(
            command, pass_fds=passed, cwd=APPS, capture_output=True, text=True, timeout=20, check=False
        )
    assert ended.returncode == 1
    assert f"error: cannot listen on `fd://{number}`: " in ended.stderr
    assert messages[kind] in ended.stderr
    assert "hint: " in ended.stderr


@pytest.mark.parametrize("workers", HOW_MANY)
def test_sockets_that_a_service_manager_passes(
    start_passing: Callable[..., Passing], listener: socket.socket, workers: tuple[str, ...]
) -> None:
    server = start_passing([listener], "--wsgi", "workers_apps:environment", *workers)
    assert server.address == listener.getsockname()
    # Neither the application nor what it starts takes the sockets for its own.
    found = get(server, "/").json()
    assert [name for name in found if name.startswith("LISTEN_")] == []


def test_a_name_chooses_among_those_that_are_passed(
    start_passing: Callable[..., Passing], listener: socket.socket
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        server = start_passing([other, listener], *PID, "--bind", "fd://web", names="else:web")
        assert server.addresses == [listener.getsockname()]
        assert get(server, "/").status == 200
        assert "warning: not used, because other addresses are set: `fd://3` (else)" in server.log()


def test_all_that_are_passed_are_used(start_passing: Callable[..., Passing], listener: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        server = start_passing([listener, other], *PID, listeners=2)
        assert server.addresses == [listener.getsockname(), other.getsockname()]


def test_a_name_that_nobody_passed(listener: socket.socket) -> None:
    with pytest.raises(ServerExited) as ended:
        Passing([listener], *PID, "--bind", "fd://api", names="web")
    assert "error: cannot listen on `fd://api`: no socket of that name was passed" in ended.value.log
    assert "hint: inherited names: `web`" in ended.value.log


def test_sockets_of_another_process_are_not_taken(listener: socket.socket) -> None:
    """A shell between the service manager and the server has another process id."""
    server = Passing([listener], *PID, "--port", "0", environment={"WRONG_PID": "1"})
    try:
        assert server.address != listener.getsockname()
        assert "warning: sockets were passed to process 1 and not to this one" in server.log()
    finally:
        assert server.stop() == 0


@pytest.mark.skipif(
    not shutil.which("systemd-socket-activate"), reason="needs systemd-socket-activate (package systemd)"
)
@pytest.mark.parametrize("workers", HOW_MANY)
def test_socket_activation_by_systemd(tmp_path: Path, workers: tuple[str, ...]) -> None:
    """The server starts at the first connection, which it answers."""
    path = tmp_path / "socket"
    serve = [sys.executable, "-m", "rsgi", "serve", "--app-dir", str(APPS), *PID, "--grace", "3", *workers]
    command = ["systemd-socket-activate", "-l", str(path), *(f"-E{name}" for name in os.environ), *serve]
    server = Server(command, ready=re.compile(r"Listening on (?P<path>\S+) as 3(?P<host>)(?P<port>)"), listeners=1)
    try:
        assert server.address == str(path)
        assert get(server, "/").json()["many"] is bool(workers)
        server.wait_for_log(f"listening on unix:{path}\n")
    finally:
        assert server.stop() == 0


# Socket files


@pytest.mark.parametrize("workers", HOW_MANY)
@pytest.mark.parametrize("mode", ["660", "0600", "777"])
def test_the_mode_of_a_socket_file(
    start: Callable[..., Server], tmp_path: Path, mode: str, workers: tuple[str, ...]
) -> None:
    path = tmp_path / "socket"
    server = start(*PID, "--uds", str(path), "--uds-mode", mode, *workers)
    assert stat.S_IMODE(path.stat().st_mode) == int(mode, 8)
    assert get(server, "/").status == 200


def test_the_mode_is_set_before_anybody_can_connect(tmp_path: Path) -> None:
    """Whoever connects as soon as there is a socket file finds the mode that was asked for."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace (package strace)")
    path = tmp_path / "socket"
    trace = tmp_path / "trace"
    command = [strace, "-o", str(trace), "-f", "-e", "trace=bind,listen,/chmod", *rsgi_command(*PID)]
    server = Server([*command, "--uds", str(path), "--uds-mode", "600"])
    (traced,) = workers_of(server)
    os.kill(traced, signal.SIGTERM)
    assert server.wait() == 0
    calls = re.findall(r"\b(bind|listen|f?chmod(?:at2?)?)\(", trace.read_text())
    assert [re.sub("f?chmod.*", "chmod", call) for call in calls][:3] == ["bind", "chmod", "listen"]


@pytest.mark.parametrize("mode", ["rw", "888", "66", "06600"])
def test_modes_that_are_none(tmp_path: Path, mode: str) -> None:
    ended = run_rsgi(*PID, "--uds", str(tmp_path / "socket"), "--uds-mode", mode)
    assert ended.returncode == 2
    assert f"{mode!r} is not a mode; write three octal digits, for example 660" in ended.stderr


def test_a_mode_for_nothing(start: Callable[..., Server]) -> None:
    server = start(*PID, "--uds-mode", "660")
    assert "warning: `--uds-mode` has no effect here: there is no Unix socket with a file\n" in server.log()


def test_a_socket_file_that_somebody_listens_on_is_an_error(start: Callable[..., Server], tmp_path: Path) -> None:
    path = tmp_path / "socket"
    first = start(*PID, "--uds", str(path))
    ended = run_rsgi(*PID, "--uds", str(path))
    assert ended.returncode == 1
    assert f"error: cannot listen on `unix:{path}`: another server listens there\n" in ended.stderr
    assert "hint: stop the other server, or choose another path\n" in ended.stderr
    assert get(first, "/").status == 200


def test_a_server_whose_queue_is_full_is_not_taken_for_dead(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with contextlib.ExitStack() as stack:
        busy = stack.enter_context(socket.socket(socket.AF_UNIX))
        busy.bind(str(path))
        busy.listen(0)
        for _ in range(5):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(str(path))
        ended = run_rsgi(*PID, "--uds", str(path))
    assert ended.returncode == 1
    assert "another server listens there" in ended.stderr


def test_a_file_that_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("mine")
    ended = run_rsgi(*PID, "--uds", str(path))
    assert ended.returncode == 1
    assert "this file is not a socket" in ended.stderr
    assert path.read_text() == "mine"


@pytest.mark.parametrize("workers", HOW_MANY)
def test_a_socket_file_of_another_server_is_left_to_it(
    start: Callable[..., Server], tmp_path: Path, workers: tuple[str, ...]
) -> None:
    path = tmp_path / "socket"
    old = start(*PID, "--uds", str(path), *workers)
    path.unlink()
    new = start(*PID, "--uds", str(path))
    assert old.stop() == 0
    assert get(new, "/").status == 200
    assert new.stop() == 0
    assert not path.exists()


def test_a_start_that_fails_leaves_no_socket_file(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    for workers in HOW_MANY:
        assert run_rsgi("--wsgi", "missing_module:app", "--uds", str(path), *workers).returncode == 1
        assert not path.exists()


@pytest.mark.parametrize("workers", HOW_MANY)
def test_an_abstract_socket(start: Callable[..., Server], workers: tuple[str, ...]) -> None:
    name = f"rsgi-test-{os.getpid()}"
    server = start("--asgi", "asgi_kitchen:app", "--bind", f"unix:@{name}", *workers)
    assert server.address == f"@{name}"
    server.addresses = [f"\0{name}"]
    assert get(server, "/scope").json()["server"] == [f"@{name}", None]
    ended = run_rsgi(*PID, "--bind", f"unix:@{name}")
    assert (ended.returncode, "another server listens there" in ended.stderr) == (1, True)
    server.addresses = [f"@{name}"]


# Sockets of TCP


def has_dual_stack() -> bool:
    try:
        return socket.has_dualstack_ipv6()
    except OSError:
        return False


needs_dual_stack = pytest.mark.skipif(not has_dual_stack(), reason="this machine has no sockets for IPv6 and IPv4")


@needs_dual_stack
@pytest.mark.parametrize("host", [("--host", "::"), ("--bind", "[::]:0")])
def test_an_ipv6_address_answers_ipv4(start: Callable[..., Server], host: tuple[str, ...]) -> None:
    server = start("--asgi", "asgi_kitchen:app", *host)
    for address in ("127.0.0.1", "::1"):
        server.addresses = [(address, server.port)]
        scope = get(server, "/scope").json()
        # A client of IPv4 is one, not one of IPv6 in disguise.
        assert (scope["client"][0], scope["server"]) == (address, [address, server.port])


@needs_dual_stack
def test_both_addresses_of_one_port(start: Callable[..., Server]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    for order in (("0.0.0.0", "[::]"), ("[::]", "0.0.0.0")):
        binds = [part for host in order for part in ("--bind", f"{host}:{port}")]
        server = start(*PID, *binds, listeners=2)
        for address in ("127.0.0.1", "::1"):
            server.addresses = [(address, port)]
            assert get(server, "/").status == 200
        assert server.stop() == 0


def test_two_servers_share_a_port(start: Callable[..., Server]) -> None:
    first = start(*PID, "--reuse-port")
    port = str(first.port)
    second = start(*PID, "--reuse-port", "--port", port)
    wait_until(lambda: answering(first) == {first.pid, second.pid}, 10, "both answer")
    ended = run_rsgi(*PID, "--port", port)
    assert (ended.returncode, "the address is in use" in ended.stderr) == (1, True)
    assert first.stop() == 0
    assert answering(second) == {second.pid}


def test_how_many_connections_wait(start: Callable[..., Server]) -> None:
    ss = shutil.which("ss")
    if ss is None:
        pytest.skip("needs ss (package iproute2)")
    for flags, expected in (((), 2048), (("--backlog", "17"), 17)):
        server = start(*PID, *flags)
        listed = subprocess.run(
            [ss, "-ltnH", f"sport = :{server.port}"], capture_output=True, text=True, check=True
        ).stdout.split()
        most = int(Path("/proc/sys/net/core/somaxconn").read_text())
        assert int(listed[2]) == min(expected, most)


def test_more_waiting_connections_than_the_system_lets_wait(start: Callable[..., Server]) -> None:
    most = int(Path("/proc/sys/net/core/somaxconn").read_text())
    server = start(*PID, "--backlog", str(most + 1))
    assert f"warning: the system lets {most} connections wait, not {most + 1}" in server.log()


# No descriptors


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("apps", [PID, ("--asgi", "workers_apps:pid_asgi")], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_accepting_goes_on_when_there_are_descriptors_again(apps: tuple[str, ...], kind: str, tmp_path: Path) -> None:
    where = ("--uds", str(tmp_path / "socket")) if kind == "unix" else ()
    command = ["sh", "-c", 'ulimit -n 60; exec "$@"', "sh", *rsgi_command(*apps, "--wsgi-threads", "2", *where)]
    server = Server(command)
    try:
        first = get(server, "/")
        assert first.status == 200
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Connection(server)) for _ in range(80)]
            server.wait_for_log("error: cannot accept connections on ")
            # One line for however many tries: they are counted by the clock of the process.
            before, began = processor_seconds(server.pid), time.monotonic()
            wait_until(lambda: time.monotonic() - began > 1.5, 5, "it was tried for a while")
            used = processor_seconds(server.pid) - before
            assert used < 0.3, f"{used} s of processor time in 1.5 s"
            assert server.log().count("cannot accept connections") == 1
            assert "accepted again" not in server.log()
            # Those that were let in are served meanwhile.
            clients[0].send_request("GET", "/")
            assert clients[0].read_response().status == 200
        assert get(server, "/").status == 200
        server.wait_for_log(" are accepted again, after ")
        assert get(server, "/").status == 200
        log = server.log()
        assert (log.count("cannot accept connections"), log.count("accepted again")) == (1, 1)
        assert "Too many open files" in log
    finally:
        assert server.stop() == 0
