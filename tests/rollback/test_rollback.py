"""Shares that are rolled back by themselves: a Flask and a FastAPI application, of which the second one fails.

Apart from `test_rollback_settings.py`, which starts no server, and from `test_advance.py`, where shares rise.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from admin import Admin
from server import Server, ServerExited, wait_until
from wire import get

FILE = """\
admin = "127.0.0.1:0"
prefer = "wsgi"
[apps.old]
wsgi = "rollback_apps:old"
[apps.new]
asgi = "rollback_apps:new"
[[routes]]
path = "/x"
app = "new"
share = "{share}"
rollback = {{ window = "1s", minimum = 20{more} }}
"""

RULE = "/x=new"
# As many clients on both sides of a share of 50 %.
CLIENTS = tuple(range(0, 10_000, 250))


def bucket(number: int) -> tuple[str, str]:
    return ("Cookie", f"rsgi_bucket={number}")


@pytest.fixture
def serve(start: Callable[..., Server], tmp_path: Path) -> Callable[..., Server]:
    """Starts a server with a rule that is watched."""

    def serve(*arguments: str, more: str = "", share: str = "50%") -> Server:
        file = tmp_path / "rsgi.toml"
        file.write_text(FILE.format(more=more, share=share))
        return start("--config", str(file), *arguments)

    return serve


def ask(server: Server, target: str) -> list[str]:
    """One request of each client; gives what they got."""
    return [get(server, target, bucket(number)).text.strip('"') for number in CLIENTS]


def status(admin: Admin) -> Any:
    (share,) = admin.get("/shares").json()["shares"]
    return share


def ask_until_rolled_back(server: Server, target: str = "/x?fail=new") -> Any:
    """Asks until the share is at 0 %; gives what the admin listener says."""
    admin = Admin(server)

    def rolled_back() -> Any:
        ask(server, target)
        found = status(admin)
        return found if found["rollback"]["state"] == "rolled back" else None

    return wait_until(rolled_back, 30, "the share is rolled back")


def ask_for_windows(server: Server, target: str, windows: int = 4, *, both: bool = True) -> None:
    """Asks for as long as several windows last; with a share above 0 % there are requests on `both` sides."""
    admin, before = Admin(server), 0.0

    def counted() -> float:
        return admin.number("rsgi_rule_requests_total", rule=RULE)

    for _ in range(windows):
        before = counted()
        # More than a window: it ends with the clock of the server, which nothing here can read.
        done = threading.Event()
        timer = threading.Timer(1.2, done.set)
        timer.start()
        while not done.is_set():
            ask(server, target)
        assert counted() >= before + len(CLIENTS)
    assert (admin.number("rsgi_rule_share_ratio", rule=RULE) > 0) == both


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_share_whose_application_fails_goes_to_0_percent(serve: Callable[..., Server], workers: str) -> None:
    server = serve("--workers", workers)
    assert set(ask(server, "/x")) == {"old", "new"}
    found = ask_until_rolled_back(server)
    assert (found["share"], found["configured"]) == ("0%", "50%")
    assert set(ask(server, "/x?fail=new")) == {"old"}, "nobody gets the new application"
    reason = found["rollback"]["reason"]
    assert reason.startswith("requests that failed: ")
    assert reason.endswith("(0.0%) of the others")
    log = server.log()
    assert log.count(f"warning: rolled back the share of `{RULE}` from 50% to 0%: {reason}\n") == 1
    assert "hint: set it again with `rsgi share '/x=new:50%'`\n" in log
    admin = Admin(server)
    document = admin.status()
    assert document["shares"] == [found]
    assert [worker["shares"] for worker in document["workers"]] == [[found]] * int(workers)
    for worker in range(1, int(workers) + 1):
        assert admin.number("rsgi_rule_rolled_back", rule=RULE, app="new", worker=str(worker)) == 1
    assert admin.number("rsgi_rule_requests_total", rule=RULE, side="inside", result="failed") >= 40
    assert admin.number("rsgi_rule_requests_total", rule=RULE, side="outside", result="failed") == 0


@pytest.mark.parametrize("target", ["/x?fail=both", "/x", "/x?missing=both"])
def test_what_both_do_alike_is_no_reason(serve: Callable[..., Server], target: str) -> None:
    server = serve()
    ask_for_windows(server, target)
    found = status(Admin(server))
    assert (found["share"], found["rollback"]["state"], found["rollback"]["reason"]) == ("50%", "watching", None)
    failed = Admin(server).number("rsgi_rule_requests_total", rule=RULE, result="failed")
    assert (failed > 0) == (target == "/x?fail=both")
    assert "rolled back" not in server.log()


def test_a_client_that_asks_wrongly_is_no_failure(serve: Callable[..., Server]) -> None:
    """404 only from the new application."""
    server = serve()
    ask_for_windows(server, "/x?missing=new", 3)
    assert status(Admin(server))["share"] == "50%"


def test_an_application_that_is_slower_is_rolled_back(serve: Callable[..., Server]) -> None:
    server = serve()
    found = ask_until_rolled_back(server, "/x?slow=new")
    assert found["rollback"]["reason"].startswith("99% of the requests took up to ")
    server = serve(more=", p99 = false")
    ask_for_windows(server, "/x?slow=new", 3)
    assert status(Admin(server))["rollback"]["state"] == "watching"


@pytest.mark.parametrize("target", ["/x?raise=new", "/x?cut=new"])
def test_exceptions_and_responses_that_break_off_are_failures(serve: Callable[..., Server], target: str) -> None:
    server = serve()

    def rolled_back() -> bool:
        for number in CLIENTS:
            try:
                get(server, target, bucket(number))
            except AssertionError:
                assert "cut" in target, "only this response is not whole"
        return status(Admin(server))["rollback"]["state"] == "rolled back"

    wait_until(rolled_back, 30, "the share is rolled back")


def test_timeouts_are_failures(serve: Callable[..., Server]) -> None:
    server = serve("--request-timeout", "0.02")
    assert get(server, "/x?slow=new", bucket(0)).status == 504
    assert ask_until_rolled_back(server, "/x?slow=new")["rollback"]["reason"].startswith("requests that failed")


def test_testers_and_clients_without_a_bucket_do_not_count(serve: Callable[..., Server]) -> None:
    server = serve("--share-testers", "s3cret", "--share-by", "header:X-User-Id")
    for _ in range(3):
        assert get(server, "/x", ("rsgi-app", "new.s3cret")).text == '"new"'
        assert get(server, "/x").text == "old"
    admin = Admin(server)
    get(server, "/x", ("X-User-Id", "user-2"))
    admin.wait_for(1, "rsgi_rule_requests_total", rule=RULE)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_rollback_outlives_reloads_until_the_share_is_set(
    serve: Callable[..., Server], tmp_path: Path, workers: str
) -> None:
    server = serve("--workers", workers)
    ask_until_rolled_back(server)
    done = "reloaded " if workers == "1" else "all workers were replaced"
    for share in ("50%", "80%"):
        (tmp_path / "rsgi.toml").write_text(FILE.format(share=share, more=""))
        mark = server.log_mark()
        server.send_signal(signal.SIGHUP)
        log = server.wait_for_log(done, 30, since=mark)
        assert "the share of `/x=new` stays at 0%: it was rolled back (" in log
        assert set(ask(server, "/x")) == {"old"}
    listed = share_at(server)
    assert listed.stdout.startswith("0%  /x=new (80% in the settings; rolled back ")
    made = share_at(server, "new=50%")
    assert (made.returncode, made.stdout) == (0, "50%  /x=new (80% in the settings)\n")
    assert set(ask(server, "/x")) == {"old", "new"}
    assert status(Admin(server))["rollback"]["state"] == "watching"
    assert Admin(server).number("rsgi_rule_rolled_back", rule=RULE) == 0
    assert ask_until_rolled_back(server)["share"] == "0%", "it is watched again"


def test_a_new_worker_begins_with_the_rollback(serve: Callable[..., Server]) -> None:
    server = serve("--workers", "2")
    ask_until_rolled_back(server)
    pids = [worker["pid"] for worker in Admin(server).status()["workers"]]
    mark = server.log_mark()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    server.wait_for_log("another worker replaces it", since=mark)

    def new() -> bool:
        assert set(ask(server, "/x")) == {"old"}
        return not {worker["pid"] for worker in Admin(server).status()["workers"]} & set(pids)

    wait_until(new, 30, "all workers are new")
    assert set(ask(server, "/x")) == {"old"}


def share_at(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`rsgi share` for this server."""
    host, port = Admin(server).address
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RSGI_")}
    command = [sys.executable, "-m", "rsgi", "share", *arguments, "--admin", f"{host}:{port}"]
    return subprocess.run(command, env=kept, capture_output=True, text=True, timeout=30, check=False)


# Hooks


def document_is_right(document: Any, reason: str) -> None:
    assert (document["event"], document["rule"], document["app"]) == ("rolled back", RULE, "new")
    assert (document["from"], document["to"], document["reason"]) == ("50%", "0%", reason)
    window = document["window"]
    assert window["seconds"] >= 1
    assert window["inside"]["failures"] == window["inside"]["requests"] >= 20
    assert window["outside"]["failures"] == 0
    assert window["outside"]["p99_seconds"] > 0
    assert document["at"].endswith("Z")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_command_gets_json(serve: Callable[..., Server], tmp_path: Path, workers: str) -> None:
    script, to = tmp_path / "page.py", tmp_path / "said.json"
    script.write_text(
        "import os, sys\n"
        f"open({str(to) + '.part'!r}, 'w').write(sys.argv[1] + sys.stdin.read())\n"
        f"os.rename({str(to) + '.part'!r}, {str(to)!r})\n"
        "print('paged')\n"
    )
    command = json.dumps([sys.executable, str(script), "$HOME; *"])
    server = serve("--workers", workers, more=f", command = {command}")
    reason = ask_until_rolled_back(server)["rollback"]["reason"]
    text = wait_until(lambda: to.exists() and to.read_text(), 10, "the command was called")
    assert text.startswith("$HOME; *{"), "no shell reads the arguments"
    document_is_right(json.loads(text.removeprefix("$HOME; *")), reason)
    server.wait_for_log("paged\n")
    assert "paged" not in server.access_log()


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (["/nowhere/page"], "the hook of a rollback failed: `/nowhere/page`: No such file or directory"),
        (["false"], "the hook of a rollback failed: `false` ended with an error"),
    ],
)
def test_a_command_that_fails_is_told_of(serve: Callable[..., Server], command: Sequence[str], error: str) -> None:
    server = serve(more=f", command = {json.dumps(command)}")
    ask_until_rolled_back(server)
    server.wait_for_log(f"error: {error}")


class _Receiver(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, dict(self.headers), body))  # type: ignore[attr-defined]
        self.send_response(500 if "fails" in self.path else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _Receiver)
    server.posted = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.mark.parametrize("path", ["/hook?team=web", "/fails"])
def test_a_url_gets_json(serve: Callable[..., Server], receiver: HTTPServer, path: str) -> None:
    authority = f"127.0.0.1:{receiver.server_port}"
    server = serve(more=f', url = "http://{authority}{path}"')
    reason = ask_until_rolled_back(server)["rollback"]["reason"]
    posted: list[Any] = receiver.posted  # type: ignore[attr-defined]
    wait_until(lambda: posted, 10, "the URL was called")
    ((asked, headers, body),) = posted
    assert (asked, headers["Host"], headers["Content-Type"]) == (path, authority, "application/json")
    document_is_right(json.loads(body), reason)
    if path == "/fails":
        server.wait_for_log(f"error: the hook of a rollback failed: http://{authority}/fails answered ")
        assert "500" in server.log()
    else:
        assert "the hook of a rollback failed" not in server.log()


# Without an admin listener


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_rollback_needs_an_admin_listener(start: Callable[..., Server], tmp_path: Path, workers: str) -> None:
    file = tmp_path / "rsgi.toml"
    file.write_text(FILE.format(share="5%", more="").replace('admin = "127.0.0.1:0"\n', ""))
    with pytest.raises(ServerExited) as ended:
        start("--config", str(file), "--workers", workers)
    assert "error: the rollback of `/x=new` needs an admin listener\n" in ended.value.log
    assert "hint: set its address, for example `--admin unix:admin.sock`" in ended.value.log


def test_only_the_first_64_rules_can_be_watched(start: Callable[..., Server], tmp_path: Path) -> None:
    file = tmp_path / "rsgi.toml"
    others = "".join(f'[[routes]]\npath = "/other/{number}"\napp = "old"\n' for number in range(64))
    text = FILE.format(share="5%", more="")
    file.write_text(text.replace("[[routes]]", f"{others}[[routes]]"))
    with pytest.raises(ServerExited) as ended:
        start("--config", str(file))
    assert "only the first 64 rules can have a `rollback`, and `/x=new` comes later" in ended.value.log


def test_each_rule_counts_its_own_requests(serve: Callable[..., Server]) -> None:
    """A client inside the share of the first rule is none of the second one."""
    second = '[[routes]]\npath = "/{page}"\napp = "new"\nshare = "80%"\nrollback = true\n'
    server = serve(more=f" }}\n{second}# {{")
    assert set(ask(server, "/x")) == {"old", "new"}
    admin = Admin(server)
    for rule, inside, outside in [(RULE, 20, 20), ("/{page}=new", 12, 8)]:
        admin.wait_for(inside, "rsgi_rule_requests_total", rule=rule, side="inside")
        admin.wait_for(outside, "rsgi_rule_requests_total", rule=rule, side="outside")
