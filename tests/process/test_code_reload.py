"""`--reload`: a save restarts the applications, the port stays, and nothing that is open holds it up.

Apart from `test_reload.py`, which is about rules that change while the same applications run on.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from test_workers import alive, workers_of

from rsgi.cli import main
from rsgi.errors import StartupError
from rsgi.process.workers import file_watch
from rsgi.process.workers.file_watch import FileWatch
from rsgi.settings.config import Config
from server import APPS, RSGI_READY, Server, rsgi_command, wait_until
from websocket_wire import CLOSE, WebSocketConnection
from wire import Connection, ConnectionEnded, get, post

BOTH = ("--wsgi", "reload_app:old", "--asgi", "/new=reload_app:app")


class Project:
    """A folder with an application that can be changed, and the server that watches it."""

    def __init__(self, folder: Path, start: Callable[..., Server]) -> None:
        self.folder, self._start = folder, start
        shutil.copy(APPS / "reload_app.py", folder)

    def serve(self, *arguments: str, **options: object) -> Server:
        """Start it. Without anything said about time, so that the time for running requests would be half a minute."""
        words = ["--reload", "--app-dir", str(self.folder), "--grace", "30", "--stream-grace", "30", *arguments]
        return self._start(*words, folder=self.folder, **options)

    def save(self, version: str) -> None:
        """Change the application; the text of the same length, as a careless cache would not notice."""
        path = self.folder / "reload_app.py"
        lines = [
            f'VERSION = "{version}"' if line.startswith("VERSION") else line for line in path.read_text().splitlines()
        ]
        path.write_text("\n".join(lines) + "\n")

    def restart(self, server: Server, version: str) -> str:
        """Save, and wait until the new code serves; gives what the server says meanwhile."""
        mark = server.log_mark()
        self.save(version)
        return server.wait_for_log("restarted in", 10, since=mark)


@pytest.fixture
def project(tmp_path: Path, start: Callable[..., Server]) -> Project:
    return Project(tmp_path, start)


def test_a_save_brings_the_new_code_and_keeps_the_port(project: Project) -> None:
    server = project.serve(*BOTH)
    assert f"process {server.pid}, which restarts when files change" in server.log()
    assert get(server, "/").text == "one"
    for version in ("two", "six", "ten"):
        log = project.restart(server, version)
        assert "reload_app.py changed: restarting" in log
        assert "listening on" not in log
        assert (get(server, "/").text, get(server, "/new").text) == (version, version)
    wait_until(lambda: len(workers_of(server)) == 1, 10, "the old workers have ended")
    assert server.stop() == 0
    assert "Traceback" not in server.log()


def test_a_save_within_the_second_of_the_last_start_counts(project: Project) -> None:
    """Python takes a file of the same size and the same second for the one that it has compiled."""
    server = project.serve(*BOTH, environment={"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": ""})
    assert list(project.folder.glob("__pycache__/reload_app.*.pyc"))
    path = project.folder / "reload_app.py"
    before = path.stat()
    mark = server.log_mark()
    project.save("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    server.wait_for_log("restarted in", 10, since=mark)
    assert get(server, "/").text == "two"


def test_the_banner_comes_again_only_when_it_is_another(project: Project) -> None:
    server = project.serve(*BOTH)
    assert "process" not in project.restart(server, "two")
    (project.folder / "rsgi.toml").write_text("wsgi_threads = 3\n")
    server.stop()
    server = project.serve(*BOTH)
    mark = server.log_mark()
    (project.folder / "rsgi.toml").write_text("wsgi_threads = 2\n")
    assert "2 threads, queue 1024" in server.wait_for_log("restarted in", 10, since=mark)


def test_a_burst_of_saves_is_one_restart(project: Project) -> None:
    server = project.serve(*BOTH)
    mark = server.log_mark()
    for number in range(20):
        (project.folder / f"module_{number}.py").write_text("")
    project.save("two")
    log = server.wait_for_log("restarted in", 10, since=mark)
    assert " and 18 more changed: restarting" in log
    project.restart(server, "six")
    assert server.log(mark).count(": restarting") == 2


def test_saves_during_a_start_end_in_the_last_one(project: Project) -> None:
    server = project.serve(*BOTH)
    for version in ("two", "six"):
        mark = server.log_mark()
        project.save(version)
        server.wait_for_log("changed: restarting", 10, since=mark)
    wait_until(lambda: get(server, "/").text == "six", 10, "the last save counts")
    assert "error" not in server.log()
    wait_until(lambda: len(workers_of(server)) == 1, 10, "one worker is left")


@pytest.mark.parametrize("path", ["/stream", "/new/stream", "/new/stubborn"])
def test_a_stream_does_not_hold_up_a_restart(project: Project, path: str) -> None:
    server = project.serve(*BOTH)
    with Connection(server) as stream:
        stream.send_request("GET", path)
        stream.read_head()
        assert stream.read_chunk() == b"data: tick\n\n"
        project.restart(server, "two")
        assert get(server, "/new").text == "two"
        with pytest.raises(ConnectionEnded):
            while stream.read_chunk() != b"":
                pass
    wait_until(lambda: len(workers_of(server)) == 1, 15, "the old worker has ended")


def test_a_websocket_does_not_hold_up_a_restart_and_is_closed_with_1012(project: Project) -> None:
    server = project.serve(*BOTH)
    with WebSocketConnection(server) as client:
        assert client.upgrade("/new/ws").status == 101
        project.restart(server, "two")
        frame = client.read_frame()
        assert (frame.opcode, frame.close_code) == (CLOSE, 1012)
    assert get(server, "/new").text == "two"


def test_a_call_that_goes_on_does_not_hold_up_a_restart(project: Project) -> None:
    server = project.serve(*BOTH)
    (old,) = workers_of(server)
    with Connection(server) as connection:
        connection.send_request("GET", "/slow")
        server.wait_for_log("the slow call begins")
        project.restart(server, "two")
        assert get(server, "/").text == "two"
        assert alive(old), "it still has time to finish"
    wait_until(lambda: not alive(old), 8, "and not much of it")


def test_a_lifespan_that_ends_slowly_ends_in_order_beside_the_new_code(project: Project) -> None:
    server = project.serve(*BOTH, environment={"TEST_LIFESPAN_END": "1.5"})
    (old,) = workers_of(server)
    project.restart(server, "two")
    assert alive(old)
    wait_until(lambda: not alive(old), 10, "the old worker has ended")
    assert "killed" not in server.log()


def test_code_that_does_not_import_is_shown_and_requests_wait_for_the_next_save(project: Project) -> None:
    server = project.serve(*BOTH)
    mark = server.log_mark()
    with (project.folder / "reload_app.py").open("a") as file:
        file.write("\nraise LookupError('not today')\n")
    log = server.wait_for_log("waiting for a change", 10, since=mark)
    assert "error: could not import `reload_app:old`: `reload_app` raised LookupError" in log
    assert 'reload_app.py", line' in log
    assert "LookupError: not today" in log
    with Connection(server) as waiting:
        waiting.send_request("GET", "/")
        assert waiting.silent_for(0.3)
        shutil.copy(APPS / "reload_app.py", project.folder)
        assert waiting.read_response().text == "one"


def test_code_that_does_not_import_at_the_start_waits_too(project: Project) -> None:
    (project.folder / "reload_app.py").write_text("def app(:\n")
    command = rsgi_command("--reload", "--app-dir", str(project.folder), "--asgi", "reload_app:app")

    server = Server(
        command, ready=re.compile("(?P<host>)(?P<port>)(?P<path>waiting for a change)"), folder=project.folder
    )
    try:
        assert "SyntaxError" in server.log()
        shutil.copy(APPS / "reload_app.py", project.folder)
        log = server.wait_for_log("listening on", 10)
        found = RSGI_READY.search(log)
        assert found is not None
        server.addresses = [(found["host"], int(found["port"]))]
        assert get(server, "/").text == "one"
    finally:
        assert server.stop() == 0


def test_a_worker_that_dies_is_told_of_and_the_next_save_starts_another(project: Project) -> None:
    server = project.serve(*BOTH)
    (worker,) = workers_of(server)
    os.kill(worker, signal.SIGKILL)
    server.wait_for_log(f"error: worker {worker} was killed by SIGKILL")
    server.wait_for_log("waiting for a change")
    project.restart(server, "two")
    assert get(server, "/").text == "two"


def test_settings_are_read_again_and_a_mistake_in_them_changes_nothing(project: Project) -> None:
    settings = project.folder / "rsgi.toml"
    settings.write_text('max_body = "1KiB"\n')
    server = project.serve(*BOTH)
    (worker,) = workers_of(server)
    mark = server.log_mark()
    settings.write_text("max_body = 10\nmax_bodi = 10\n")
    log = server.wait_for_log("hint:", 10, since=mark)
    assert "rsgi.toml, line 2: there is no setting `max_bodi`" in log
    assert workers_of(server) == {worker}
    settings.write_text("max_body = 10\nport = 1\n")
    log = server.wait_for_log("restarted in", 10, since=mark)
    assert "warning" not in log  # the port is said by a flag, which wins
    assert post(server, "/", b"x" * 11).status == 413


def test_hup_restarts(project: Project) -> None:
    server = project.serve(*BOTH)
    mark = server.log_mark()
    server.send_signal(signal.SIGHUP)
    assert "SIGHUP: restarting" in server.wait_for_log("restarted in", 10, since=mark)


def test_it_ends_in_order_at_once_when_told_twice_and_never_by_signals_for_workers(project: Project) -> None:
    server = project.serve(*BOTH)
    server.send_signal(signal.SIGTTIN)
    server.wait_for_log("SIGTTIN has no effect here")
    with Connection(server) as connection:
        connection.send_request("GET", "/slow")
        server.wait_for_log("the slow call begins")
        server.send_signal(signal.SIGINT)
        server.wait_for_log("stopping: 1 call still runs", 5)
        server.send_signal(signal.SIGINT)
        assert server.wait(5) == 1


def test_the_application_has_the_terminal(project: Project) -> None:
    """`breakpoint()` needs it."""
    command = rsgi_command("--reload", "--app-dir", str(project.folder), *BOTH)
    process = subprocess.Popen(
        command, cwd=project.folder, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdin is not None
    assert process.stderr is not None
    try:
        port = next(int(found["port"]) for line in process.stderr if (found := RSGI_READY.search(line)))
        process.stdin.write("continue\n")
        process.stdin.flush()

        class There:
            address = ("127.0.0.1", port)
            authority = f"127.0.0.1:{port}"

        assert get(There(), "/line").text == "continue"  # type: ignore[arg-type]
    finally:
        process.terminate()
        process.communicate(timeout=15)


def test_several_workers_are_one_and_that_is_said(project: Project) -> None:
    server = project.serve(*BOTH, "--workers", "3")
    assert "warning: `--reload` serves with one worker, although `workers` is 3" in server.log()
    assert len(workers_of(server)) == 1


# What is watched


def changed(folder: Path, server: Server, name: str) -> str:
    mark = server.log_mark()
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{name}\n")
    return server.wait_for_log("restarted in", 10, since=mark)


def test_templates_count_and_what_the_application_writes_does_not(project: Project) -> None:
    server = project.serve(*BOTH, "--reload-include", "*.css", "--reload-exclude", "generated")
    mark = server.log_mark()
    for name in ("db.sqlite3", "app.log", ".venv/x.py", "node_modules/a/b.py", "generated/a.py", ".a.py.swp", "a.py~"):
        (project.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (project.folder / name).write_text("x")
    assert "templates/home.html changed" in changed(project.folder, server, "templates/home.html")
    assert "style.css changed" in changed(project.folder, server, "style.css")
    assert server.log(mark).count(": restarting") == 2


def test_other_folders_can_be_watched_instead(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    server = project.serve(*BOTH, "--reload-dir", str(one), "--reload-dir", str(two))
    assert f"watching {one}, {two}\n" in server.log()
    project.save("two")
    assert "a.py changed" in changed(one, server, "a.py")
    assert "b.html changed" in changed(two, server, "b.html")
    assert "reload_app.py" not in server.log()


def test_a_configuration_file_elsewhere_is_watched(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("settings")
    (folder / "server.conf").write_text("port = 0\n")
    server = project.serve(*BOTH, "--config", str(folder / "server.conf"))
    (folder / "other.toml").write_text("")
    mark = server.log_mark()
    (folder / "new").write_text("port = 0\n# more\n")
    (folder / "new").replace(folder / "server.conf")  # as editors save
    assert "server.conf changed: restarting" in server.wait_for_log("restarted in", 10, since=mark)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        *[("app.py", True), ("a/b/c.py", True), ("t/x.jinja2", True), ("settings.yaml", True), (".env", True)],
        *[(".env.local", True), ("a.pyc", False), ("__pycache__/a.cpython-311.pyc", False), ("a.css", False)],
        *[(".git/index", False), (".git/x.py", False), (".venv/lib/a.py", False), ("venv/lib/a.py", False)],
        *[("lib/site-packages/a.py", False), ("node_modules/x/a.py", False), (".a.py.swp", False), ("a.py~", False)],
        *[(".#a.py", False), ("a.py___jb_tmp___", False), ("flycheck_a.py", False), ("db.sqlite3", False)],
        *[("README", False), ("x.txt", True), ("docs/x.txt", True), ("build/a.py", False), ("a/build/a.py", False)],
        *[("shop/migrations/0001.py", False), ("migrations/0001.py", True)],
    ],
)
def test_which_files_count(tmp_path: Path, name: str, counts: bool) -> None:
    # The folder itself may be called as it likes.
    folder = tmp_path / ".tox"
    folder.mkdir()
    watch = FileWatch(
        Config(app_dir=str(folder), reload_include=("*.txt",), reload_exclude=("build", "shop/migrations"))
    )
    assert watch.concerns(f"{folder}/{name}") is counts
    assert not watch.concerns(f"{tmp_path}/{name}")


def test_the_page_names_every_pattern() -> None:
    page = (Path(__file__).parents[2] / "docs/development.md").read_text()
    assert not [pattern for pattern in file_watch._INCLUDED if f"`{pattern}`" not in page]


def test_folders_that_cannot_be_watched_end_the_server_with_a_reason(
    project: Project,
) -> None:
    (project.folder / "watchfiles.py").write_text(
        "async def awatch(*folders, **options):\n    raise OSError(28, 'OS file watch limit reached')\n    yield\n"
    )
    command = rsgi_command("--reload", "--app-dir", str(project.folder), *BOTH)
    environment = {**os.environ, "PYTHONPATH": str(project.folder)}
    ended = subprocess.run(
        command, cwd=project.folder, env=environment, capture_output=True, text=True, timeout=20, check=False
    )
    assert ended.returncode == 1
    assert "error: cannot watch files: [Errno 28] OS file watch limit reached" in ended.stderr
    assert "hint: `--reload-dir` names a smaller folder" in ended.stderr


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="there is no folder") as raised:
        FileWatch(Config(reload_dir=(str(tmp_path / "nowhere"),)))
    assert raised.value.hint is not None


def test_without_the_library_the_hint_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    assert main(["serve", "--asgi", "reload_app:app", "--reload"]) == 1
    assert capsys.readouterr().err == (
        "error: `--reload` needs the package `watchfiles`, which is not installed\n\nhint: pip install 'rsgi[reload]'\n"
    )


def test_an_application_that_is_an_object_cannot_be_reloaded() -> None:
    import rsgi

    with pytest.raises(StartupError, match="an application object cannot be served with `--reload`"):
        rsgi.serve(asgi=lambda scope: None, reload=True)  # type: ignore[arg-type]
