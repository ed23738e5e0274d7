"""What a server is to the system: its user, its file with the process id, its name in `ps`.

Apart from `test_workers.py`, which is about what several processes do together.
"""

from __future__ import annotations

import grp
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_workers import replaced, wait_for_workers, workers_of

from other_user import USER, lowered, needs_root, opened
from server import APPS, Server, rsgi_command, run_rsgi, wait_until
from wire import get

PID = ("--wsgi", "workers_apps:pid")
WHO = ("--wsgi", "workers_apps:environment")
HOW_MANY = [(), ("--workers", "2")]

# The user


@pytest.fixture
def start_open(request: pytest.FixtureRequest) -> Callable[..., Server]:
    """Start a server of the test's own whose files other users may read; stopped when the test is over."""

    def start_one(*arguments: str) -> Server:
        server = Server(opened(rsgi_command(*arguments)))
        request.addfinalizer(server.stop)
        return server

    return start_one


@pytest.fixture
def open_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that the user may look into, and change, as everybody may."""
    changed = [
        each for each in (tmp_path, *tmp_path.parents) if each.stat().st_uid == os.getuid() and each != Path("/")
    ]
    before = {each: stat.S_IMODE(each.stat().st_mode) for each in changed}
    for each, mode in before.items():
        each.chmod(mode | 0o055)
    tmp_path.chmod(0o777)
    yield tmp_path
    for each, mode in before.items():
        each.chmod(mode)


def who(server: Server) -> dict[str, object]:
    found: dict[str, object] = get(server, "/").json()
    return found


@needs_root
@pytest.mark.parametrize("named", ["name", "number"])
@pytest.mark.parametrize("workers", HOW_MANY)
def test_the_server_becomes_the_user(start_open: Callable[..., Server], named: str, workers: tuple[str, ...]) -> None:
    user = USER.pw_name if named == "name" else str(USER.pw_uid)
    server = start_open(*WHO, "--user", user, *workers)
    found = who(server)
    assert (found["user"], found["group"], found["import"]) == (USER.pw_uid, USER.pw_gid, USER.pw_uid)
    assert found["groups"] == os.getgrouplist(USER.pw_name, USER.pw_gid)
    assert (found["USER"], found["LOGNAME"], found["HOME"]) == (USER.pw_name, USER.pw_name, USER.pw_dir)
    # No process of the server is root's any more.
    for pid in (server.pid, *workers_of(server)):
        status = Path(f"/proc/{pid}/status").read_text()
        assert f"Uid:\t{USER.pw_uid}\t{USER.pw_uid}\t{USER.pw_uid}\t" in status
        assert f"Gid:\t{USER.pw_gid}\t{USER.pw_gid}\t{USER.pw_gid}\t" in status


@needs_root
def test_workers_that_come_later_have_the_user(start_open: Callable[..., Server]) -> None:
    server = start_open(*WHO, "--user", USER.pw_name, "--workers", "2")
    before = workers_of(server)
    server.send_signal(signal.SIGHUP)
    server.wait_for_log("all workers were replaced\n", 20)
    first, _ = replaced(server, before, 2)
    os.kill(first, signal.SIGKILL)
    server.wait_for_log("replaces it\n")
    replaced(server, {first}, 2)
    server.send_signal(signal.SIGTTIN)
    wait_until(lambda: len(workers_of(server)) == 3, 10, "there are three")
    wait_for_workers(server, workers_of(server))
    for pid in workers_of(server):
        assert f"Uid:\t{USER.pw_uid}\t" in Path(f"/proc/{pid}/status").read_text()


@needs_root
def test_a_group_and_groups(start_open: Callable[..., Server]) -> None:
    other = grp.getgrnam("daemon")
    server = start_open(*WHO, "--user", USER.pw_name, "--group", "daemon")
    assert (who(server)["group"], who(server)["groups"]) == (other.gr_gid, [other.gr_gid])
    by_number = start_open(*WHO, "--user", "54321", "--group", str(other.gr_gid))
    found = who(by_number)
    assert (found["user"], found["group"], found["groups"]) == (54321, other.gr_gid, [other.gr_gid])
    alone = start_open(*WHO, "--group", "daemon")
    found = who(alone)
    assert (found["user"], found["group"], found["groups"]) == (0, other.gr_gid, [other.gr_gid])


@needs_root
@pytest.mark.parametrize("workers", HOW_MANY)
def test_files_are_the_users(start_open: Callable[..., Server], open_folder: Path, workers: tuple[str, ...]) -> None:
    """A folder of the user's: what is written there can be written, opened again and removed."""
    names = ("socket", "pid", "access")
    os.chown(open_folder, USER.pw_uid, USER.pw_gid)
    open_folder.chmod(0o755)
    socket, pid, access = (open_folder / name for name in names)
    flags = ("--uds", str(socket), "--uds-mode", "660", "--pid-file", str(pid), "--access-log-file", str(access))
    server = start_open(*WHO, "--user", USER.pw_name, *flags, *workers)
    for path in (socket, pid, access):
        assert (path.stat().st_uid, path.stat().st_gid) == (USER.pw_uid, USER.pw_gid), path
    assert get(server, "/first").status == 200
    wait_until(lambda: "/first" in access.read_text(), 5, "there is a line")
    access.rename(open_folder / "access.1")
    server.send_signal(signal.SIGUSR1)
    wait_until(access.exists, 5, "it was opened again")
    assert access.stat().st_uid == USER.pw_uid
    assert server.stop() == 0
    assert not socket.exists()
    assert not pid.exists()
    assert "warning" not in server.log()


@needs_root
def test_what_the_user_may_not_remove_is_said_and_replaced(
    start_open: Callable[..., Server], open_folder: Path
) -> None:
    """A folder of root's: the files are there, and stay."""
    open_folder.chmod(0o755)
    socket, pid, access = (open_folder / name for name in ("socket", "pid", "access"))
    flags = ("--uds", str(socket), "--pid-file", str(pid), "--access-log-file", str(access))
    for _ in range(2):
        server = start_open(*WHO, "--user", USER.pw_name, *flags)
        assert pid.read_text() == f"{server.pid}\n"
        assert get(server, "/").status == 200
        assert server.stop() == 0
        assert f"warning: could not remove the pid file `{pid}`: Permission denied" in server.log()
        assert f"warning: could not remove the socket `{socket}`: Permission denied" in server.log()
    assert len(access.read_text().splitlines()) == 2


@needs_root
@pytest.mark.parametrize("workers", HOW_MANY)
def test_who_is_the_user_already_has_nothing_to_become(workers: tuple[str, ...]) -> None:
    """As from a unit with `User=` and a configuration file that names it, too."""
    server = Server(lowered(rsgi_command(*WHO, "--user", USER.pw_name, *workers), USER.pw_uid, USER.pw_gid))
    try:
        assert who(server)["user"] == USER.pw_uid
    finally:
        assert server.stop() == 0


@needs_root
@pytest.mark.parametrize("workers", HOW_MANY)
def test_only_root_may_change_who_it_is(workers: tuple[str, ...]) -> None:
    command = lowered(rsgi_command(*WHO, "--user", USER.pw_name, *workers), 54321, 54321)
    ended = subprocess.run(command, cwd=APPS, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert f"error: the server cannot become `{USER.pw_name}`: only root can change the user\n" in ended.stderr
    assert "hint: start it as root, or start it as that user without `--user` and `--group`\n" in ended.stderr


@pytest.mark.parametrize(
    ("flags", "message", "hint"),
    [
        (("--user", "no-such-user"), "there is no user `no-such-user`", "see `getent passwd`, or use a number"),
        (("--group", "no-such-group"), "there is no group `no-such-group`", "see `getent group`, or use a number"),
        (("--user", "54321"), "the user 54321 has no known group", "also set `--group`"),
    ],
)
def test_a_user_that_there_is_not(flags: tuple[str, ...], message: str, hint: str) -> None:
    ended = run_rsgi(*PID, *flags)
    assert ended.returncode == 1
    assert f"error: {message}\n" in ended.stderr
    assert f"hint: {hint}\n" in ended.stderr


# The file with the process id


@pytest.mark.parametrize("workers", [*HOW_MANY, ("--reload",)])
def test_the_pid_file_names_who_takes_signals(
    start: Callable[..., Server], tmp_path: Path, workers: tuple[str, ...]
) -> None:
    if workers == ("--reload",):
        pytest.importorskip("watchfiles")
    path = tmp_path / "pid"
    server = start(*PID, "--pid-file", str(path), *workers)
    assert path.read_text() == f"{server.pid}\n"
    assert stat.S_IMODE(path.stat().st_mode) & 0o133 == 0
    os.kill(int(path.read_text()), signal.SIGTERM)
    assert server.wait(10) == 0
    assert not path.exists()


def test_the_pid_file_of_a_living_process_is_an_error(start: Callable[..., Server], tmp_path: Path) -> None:
    path = tmp_path / "pid"
    server = start(*PID, "--pid-file", str(path))
    for workers in HOW_MANY:
        ended = run_rsgi(*PID, "--pid-file", str(path), *workers)
        assert ended.returncode == 1
        assert f"error: the pid file `{path}` belongs to process {server.pid}, which is running\n" in ended.stderr
        assert "hint: stop that server; if the process is another program, remove the file\n" in ended.stderr
    assert path.read_text() == f"{server.pid}\n"
    assert get(server, "/").status == 200


@pytest.mark.parametrize("text", ["GONE\n", "", "0\n"])
def test_the_pid_file_of_a_dead_process_is_replaced(start: Callable[..., Server], tmp_path: Path, text: str) -> None:
    path = tmp_path / "pid"
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    path.write_text(text.replace("GONE", str(gone.pid)))
    server = start(*PID, "--pid-file", str(path))
    assert path.read_text() == f"{server.pid}\n"


def test_a_file_that_holds_something_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("mine\n")
    ended = run_rsgi(*PID, "--pid-file", str(path))
    assert ended.returncode == 1
    assert f"error: `{path}` is not a pid file, so it is not overwritten\n" in ended.stderr
    assert path.read_text() == "mine\n"


def test_a_pid_file_that_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "pid"
    ended = run_rsgi(*PID, "--pid-file", str(path))
    assert ended.returncode == 1
    assert f"error: cannot write the pid file `{path}`: No such file or directory\n" in ended.stderr


@pytest.mark.parametrize("workers", HOW_MANY)
def test_a_pid_file_of_another_server_is_left_to_it(
    start: Callable[..., Server], tmp_path: Path, workers: tuple[str, ...]
) -> None:
    path = tmp_path / "pid"
    old = start(*PID, "--pid-file", str(path), *workers)
    path.unlink()
    new = start(*PID, "--pid-file", str(path))
    assert old.stop() == 0
    assert path.read_text() == f"{new.pid}\n"


def test_a_start_that_fails_leaves_no_pid_file(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    for workers in HOW_MANY:
        assert run_rsgi("--wsgi", "missing_module:app", "--pid-file", str(path), *workers).returncode == 1
        assert not path.exists()


# The name in lists of processes


def title_of(pid: int) -> tuple[str, str]:
    """The command line and the short name, as `ps` has them."""
    if shutil.which("ps") is None:
        pytest.skip("needs ps (package procps)")
    listed = subprocess.run(
        ["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=True
    ).stdout.rstrip("\n")
    return listed, Path(f"/proc/{pid}/comm").read_text().rstrip("\n")


def test_processes_say_what_they_are(start: Callable[..., Server]) -> None:
    server = start(*PID, "--workers", "2")
    assert title_of(server.pid) == ("rsgi: supervisor", "rsgi: superviso")
    assert {title_of(pid) for pid in workers_of(server)} == {(f"rsgi: worker {number}",) * 2 for number in (1, 2)}
    victim = next(pid for pid in workers_of(server) if title_of(pid)[0] == "rsgi: worker 1")
    os.kill(victim, signal.SIGKILL)
    replaced(server, {victim}, 2)
    assert {title_of(pid)[0] for pid in workers_of(server)} == {"rsgi: worker 1", "rsgi: worker 2"}


def test_one_process_keeps_its_command_line(start: Callable[..., Server]) -> None:
    server = start(*PID)
    assert "-m rsgi serve" in title_of(server.pid)[0]
