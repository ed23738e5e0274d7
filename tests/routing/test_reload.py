"""Rules that change while the server runs: nobody notices but those who are asked next.

Apart from `test_rules.py`, which has what rules mean. A new set of rules is there when the server says so on stderr.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from server import Server, wait_until
from websocket_wire import WebSocketConnection
from wire import Connection, get

HEAD = """\
wsgi_threads = 4
[apps.old]
wsgi = "routing_apps:old_a"
[apps.new]
asgi = "routing_apps:new_a"
"""

# An ASGI application that is never asked unless a rule says so.
REST = '[[routes]]\npath = "/{rest:path}"\nwebsocket = false\napp = "old"\n'


def rule(path: str, app: str, more: str = "") -> str:
    return f'[[routes]]\npath = "{path}"\napp = "{app}"\n{more}'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rsgi.toml"
    path.write_text(HEAD + rule("/x", "old") + REST)
    return path


@pytest.fixture
def server(start: Callable[..., Server], file: Path) -> Server:
    return start("--config", str(file), "--fallback", "probe")


def reload(server: Server, text: str = "reloaded ") -> str:
    """Ask for it and wait until the server says `text`; gives what it said."""
    mark = server.log_mark()
    server.send_signal(signal.SIGHUP)
    server.wait_for_log(text, since=mark)
    return server.log(mark)


def test_ten_thousand_requests_during_a_hundred_reloads(server: Server, file: Path) -> None:
    """On keep-alive connections, without one error; each response is one that some set of rules gives."""
    versions = [HEAD + rule("/x", app) + rule("/y", app) + REST for app in ("old", "new")]
    done, swapped, each = threading.Event(), 0, 2500
    counts: list[dict[str, int]] = []
    failures: list[BaseException] = []

    def ask() -> None:
        seen = {"old_a": 0, "new_a": 0}
        counts.append(seen)
        deadline = time.monotonic() + 60
        try:
            with Connection(server) as connection:
                number = 0
                while (number < each or not done.is_set()) and time.monotonic() < deadline:
                    target = ("/x", "/y")[number % 2]
                    connection.send_request("POST", target, body=b"%d" % number)
                    response = connection.read_response()
                    found = response.json()
                    assert (response.status, found["path"], found["body"]) == (200, target, str(number))
                    seen[found["app"]] += 1
                    number += 1
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(100):
            file.write_text(versions[(number + 1) % 2])
            reload(server)
            swapped += 1
    finally:
        done.set()
        for thread in threads:
            thread.join(60)
    assert not failures
    assert swapped == 100
    assert sum(sum(seen.values()) for seen in counts) >= 10_000
    for app in ("old_a", "new_a"):
        assert sum(seen[app] for seen in counts) > 100, "the rules hardly changed while they were asked"
    assert "error" not in server.log()


def test_what_changed_is_said(server: Server, file: Path) -> None:
    file.write_text(HEAD + rule("/x", "new") + rule("/z", "old", 'methods = ["PUT"]\n') + REST)
    said = reload(server, "  - /x=old\n")
    assert said == f"reloaded {file}: 3 rules\n  + /x=new\n  + PUT /z=old\n  - /x=old\n"
    assert get(server, "/x").json()["app"] == "new_a"
    file.write_text(file.read_text())
    assert reload(server, "nothing has changed\n") == f"reloaded {file}: 3 rules\n  nothing has changed\n"
    file.write_text('prefer = "asgi"\n' + HEAD + rule("/z", "old", 'methods = ["PUT"]\n') + rule("/x", "new") + REST)
    assert "  the order of the rules has changed\n" in reload(server, "has changed\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (HEAD + "[[routes]", "line 6: "),
        (
            HEAD + rule("/x", "elsewhere"),
            "line 6: the route rule `/x=elsewhere` names `elsewhere`, which is not served",
        ),
        (HEAD + REST + rule("/x", "old"), "line 10: the route rule `/x=old` cannot be used: it can never match"),
        (HEAD + rule("/x", "new", "methods = 7\n"), "line 6: `methods` is a list"),
        ("prot = 8000\n" + HEAD, "line 1: there is no setting `prot`"),
        (None, "cannot read the configuration file"),
    ],
    ids=["syntax", "unknown app", "hidden rule", "wrong type", "unknown key", "no file"],
)
def test_a_bad_file_changes_nothing(server: Server, file: Path, text: str | None, why: str) -> None:
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    said = reload(server, "hint: ")
    assert said.startswith(f"error: {file} was not reloaded, and nothing has changed: ")
    assert why in said
    assert get(server, "/x").json()["app"] == "old_a"
    file.write_text(HEAD + rule("/x", "new"))
    reload(server)
    assert get(server, "/x").json()["app"] == "new_a"


def test_a_setting_that_needs_a_restart_is_named(server: Server, file: Path) -> None:
    changed = HEAD.replace("wsgi_threads = 4", "wsgi_threads = 5\nport = 9").replace("old_a", "old_b")
    file.write_text(changed + rule("/x", "new"))
    said = reload(server, "needs a restart\n")
    assert f"warning: `apps`, `wsgi_threads` changed in {file}: this needs a restart\n" in said
    assert "port" not in said, "a flag says it, so the file's is never used"
    assert get(server, "/x").json()["app"] == "new_a"


def test_what_has_begun_stays_where_it_is(server: Server, file: Path) -> None:
    """A request whose body is still coming, and a WebSocket, end with the application they began with."""
    with Connection(server) as connection, WebSocketConnection(server) as socket:
        assert socket.upgrade("/x").status == 101
        connection.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
        # Answered on another connection: by then the server has read the head before.
        assert get(server, "/x").json()["app"] == "old_a"
        file.write_text(HEAD + rule("/x", "new"))
        reload(server)
        assert get(server, "/x").json()["app"] == "new_a"
        connection.send(b"cd")
        found = connection.read_response().json()
        assert (found["app"], found["body"]) == ("old_a", "abcd")
        connection.send_request("GET", "/x")
        assert connection.read_response().json()["app"] == "new_a"
        assert socket.read_data_frame().payload == b'["new_a", "", "/x"]'


def test_a_file_that_is_watched(start: Callable[..., Server], file: Path) -> None:
    server = start("--config", str(file), "--fallback", "probe", "--reload-rules")
    new = file.with_suffix(".new")
    new.write_text(HEAD + rule("/x", "new"))
    os.replace(new, file)
    server.wait_for_log("reloaded ", timeout=10)
    wait_until(lambda: get(server, "/x").json()["app"] == "new_a", 5, "the new rule answers")
    assert server.stop() == 0


def test_the_fallback_can_change(start: Callable[..., Server], file: Path) -> None:
    pytest.importorskip("starlette")
    apps = '[apps.old]\nwsgi = "probe_apps:old"\n[apps.new]\nasgi = "probe_apps:starlette"\n'
    file.write_text('fallback = "probe"\n' + apps)
    server = start("--config", str(file))
    assert get(server, "/slash").header("x-app") == "old"
    assert get(server, "/static/x").header("x-app") is None
    file.write_text('fallback = "table"\n' + apps + rule("/static/{rest:path}", "old"))
    said = reload(server, "read from Starlette\n")
    assert "1 rule, fallback: probe → table\n" in said
    assert get(server, "/static/x").header("x-app") == "old"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop", None])
def test_the_signal_is_heard_whatever_the_main_thread_does(
    start: Callable[..., Server], file: Path, loop: str | None
) -> None:
    """It runs one loop or the other, or only waits when there is no ASGI application."""
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    if loop is None:
        file.write_text(HEAD.partition("[apps.new]")[0] + rule("/x", "old"))
    server = start("--config", str(file), "--fallback", "probe", *(["--loop", loop] if loop else []))
    assert "  + /n=old\n" not in server.log()
    file.write_text(file.read_text().replace("/x", "/n"))
    assert "  + /n=old\n" in reload(server, "  - /x=old\n")
    assert server.stop() == 0


REFUSED = """
import dataclasses, rsgi
from rsgi._rsgi import Listeners, Server
from rsgi.settings.config import AppTarget, Config
from rsgi.routing.planning import build_plan

def old(environ, start_response): ...

apps = (AppTarget("wsgi", old), AppTarget("asgi", rsgi.WsgiToAsgi(old)))
config = Config(apps=apps, port=0)
probing = build_plan(config)
server = Server(config, dataclasses.replace(probing, mode="table"), Listeners(), False)
for plan in (probing, dataclasses.replace(probing, apps=probing.apps[:1], mode="mounts")):
    try:
        server.reroute(plan)
    except (ValueError, rsgi.StartupError) as error:
        print(type(error).__name__, error)
import os; os._exit(0)
"""


def test_a_plan_that_the_running_server_cannot_follow_is_refused() -> None:
    """A bridged application that is called directly cannot be asked first; other applications are another server."""
    ended = subprocess.run([sys.executable, "-uc", REFUSED], capture_output=True, text=True, timeout=20, check=True)
    first, *_, last = ended.stdout.strip().splitlines()
    assert first.startswith("StartupError a bridged application is called directly, and this cannot change")
    assert last == "ValueError the plan has other applications"


def test_without_a_file_the_signal_keeps_its_meaning(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "routing_apps:old_a")
    server.send_signal(signal.SIGHUP)
    assert server.wait() == -signal.SIGHUP
