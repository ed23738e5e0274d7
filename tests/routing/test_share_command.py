"""Shares that change while the server runs: `rsgi share`, `/shares` of the admin listener, reloads, and new workers.

Apart from `test_shares.py`, where they stay as they were.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from admin import Admin
from server import Server, wait_until
from wire import Connection, Response, get, request

OLD, NEW = ("--wsgi", "share_apps:old"), ("--asgi", "/new=share_apps:new")
ADMIN = ("--admin", "127.0.0.1:0")
RULES = ("--route", "GET /x=asgi:5%", "--route", "/y=asgi:50%")
SERVED = (*OLD, *NEW, *RULES, *ADMIN)
TOKEN = "sesame-0123456789"

FILE = """\
admin = "127.0.0.1:0"
[apps.old]
wsgi = "share_apps:old"
[apps.new]
asgi = "share_apps:new"
prefix = "/new"
[[routes]]
path = "/x"
app = "new"
share = "{}"
"""


def bucket(number: int) -> tuple[str, str]:
    return ("Cookie", f"rsgi_bucket={number}")


def put(admin: Admin, body: object, *headers: tuple[str, str]) -> Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request(admin.server, "PUT", "/shares", headers, data)


def run_share(
    *arguments: str, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RSGI_")}
    command = [sys.executable, "-m", "rsgi", "share", *arguments]
    return subprocess.run(
        command,
        env={**kept, **(environment or {})},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def share_at(server: Server, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    address = Admin(server).address
    at = f"unix:{address}" if isinstance(address, str) else f"{address[0]}:{address[1]}"
    return run_share(*arguments, "--admin", at, **options)  # type: ignore[arg-type]


def responses(server: Server, number: int, target: str = "/x", times: int = 12) -> set[str]:
    """What a client in a bucket gets, over as many connections: any worker may have them."""
    return {get(server, target, bucket(number)).text for _ in range(times)}


@pytest.mark.parametrize("workers", ["1", "2"])
def test_shares_are_listed_and_set(start: Callable[..., Server], workers: str) -> None:
    server = start(*SERVED, "--workers", workers)
    listed = share_at(server)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout == " 5%  GET /x=asgi\n50%  /y=asgi\n"
    assert (responses(server, 499), responses(server, 500)) == ({"new"}, {"old"})
    made = share_at(server, "/x=25%")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout == "25%  GET /x=asgi (5% in the settings)\n50%  /y=asgi\n"
    assert (responses(server, 2499), responses(server, 2500)) == ({"new"}, {"old"})
    assert responses(server, 4999, "/y") == {"new"}
    assert "set the share of `GET /x=asgi` to 25% (admin listener)\n" in server.log()
    status = Admin(server).status()
    of_x = {"rule": "GET /x=asgi", "app": "share_apps:new", "share": "25%", "configured": "5%"}
    assert status["shares"][0] == of_x
    assert [worker["shares"][0] for worker in status["workers"]] == [of_x] * int(workers)
    for worker in range(1, int(workers) + 1):
        labels = {"app": "share_apps:new", "rule": "GET /x=asgi", "worker": str(worker)}
        assert Admin(server).number("rsgi_rule_share_ratio", **labels) == 0.25


@pytest.mark.parametrize(
    ("which", "x", "y"),
    [
        ("GET /x=asgi:7%", "7%", "50%"),
        ("GET /x=asgi=7%", "7%", "50%"),
        ("GET /x=7.00%", "7%", "50%"),
        ("/y=7%", "5%", "7%"),
        ("asgi=7%", "7%", "7%"),
        ("share_apps:new=0.25%", "0.25%", "0.25%"),
        ("share_apps:new:100%", "100%", "100%"),
    ],
)
def test_rules_may_be_named_in_several_ways(start: Callable[..., Server], which: str, x: str, y: str) -> None:
    server = start(*SERVED)
    said = share_at(server, which, "--json")
    assert said.returncode == 0, said.stderr
    assert [each["share"] for each in json.loads(said.stdout)["shares"]] == [x, y]


def test_several_are_set_at_once_or_none(start: Callable[..., Server]) -> None:
    server = start(*SERVED)
    assert share_at(server, "/x=1%", "/z=2%").returncode == 1
    assert "5%  GET /x=asgi\n" in share_at(server).stdout
    assert share_at(server, "/x=1%", "/y=2%").stdout.startswith("1%  GET /x=asgi (5% in the settings)\n2%  /y=asgi (50")


def test_requests_go_on_while_shares_change(start: Callable[..., Server]) -> None:
    """On kept connections, without an error; raising a share never moves anybody back."""
    server = start(*SERVED, "--workers", "2")
    admin, done, failures = Admin(server), threading.Event(), []

    def ask(number: int) -> None:
        deadline, before = time.monotonic() + 60, "old"
        try:
            with Connection(server) as connection:
                while not done.is_set() and time.monotonic() < deadline:
                    connection.send_request("POST", "/y", [bucket(number)], body=b"body")
                    response = connection.read_response()
                    assert response.status == 200
                    assert (before, response.text) != ("new", "old"), number
                    before = response.text
                assert before == "new"
        except BaseException as error:
            failures.append(error)
            raise

    assert put(admin, {"/y=asgi": "0%"}).status == 200
    threads = [threading.Thread(target=ask, args=(number,)) for number in (0, 1234, 5000, 9999)]
    for thread in threads:
        thread.start()
    try:
        for percent in range(0, 101, 4):
            response = put(admin, {"/y=asgi": f"{percent}%"})
            assert (response.status, response.json()["workers"]) == (200, {"took": 2, "of": 2})
            assert responses(server, 9999, "/y", 4) == ({"new"} if percent == 100 else {"old"})
    finally:
        done.set()
        for thread in threads:
            thread.join(60)
    assert not failures


@pytest.mark.parametrize("more", [(), ("--preload",)])
def test_a_new_worker_uses_live_shares_from_its_first_request_on(
    start: Callable[..., Server], more: tuple[str, ...]
) -> None:
    server = start("--wsgi", "workers_apps:pid", *NEW, "--route", "/x=asgi:100%", *ADMIN, "--workers", "2", *more)
    assert share_at(server, "/x=0%").returncode == 0
    seen = {get(server, "/").json()["pid"] for _ in range(20)}
    mark = server.log_mark()
    for pid in seen:
        os.kill(pid, signal.SIGKILL)
    server.wait_for_log("another worker replaces it", since=mark)
    deadline, new = time.monotonic() + 30, set()
    while not new - seen and time.monotonic() < deadline:
        response = get(server, "/x", bucket(0))
        assert response.text != "new", "the share of the settings is not in force for a moment"
        new.add(response.json()["pid"])
    assert new - seen


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_was_set_outlives_a_reload_unless_the_file_says_another_share(
    start: Callable[..., Server], tmp_path: Path, workers: str
) -> None:
    file = tmp_path / "rsgi.toml"
    file.write_text(FILE.format("5%"))
    server = start("--config", str(file), "--workers", workers)
    done = "reloaded " if workers == "1" else "all workers were replaced"

    def reload() -> str:
        mark = server.log_mark()
        server.send_signal(signal.SIGHUP)
        return server.wait_for_log(done, 30, since=mark)

    assert share_at(server, "new=0%").returncode == 0
    file.write_text(FILE.format("5%") + '[[routes]]\npath = "/z"\napp = "old"\n')
    reload()
    assert responses(server, 0) == {"old"}
    assert share_at(server).stdout == "0%  /x=new (5% in the settings)\n"
    file.write_text(FILE.format("10%"))
    said = reload()
    wait_until(lambda: share_at(server).stdout == "10%  /x=new\n", 10, "the file is heard")
    assert (responses(server, 999), responses(server, 1000)) == ({"new"}, {"old"})
    if workers == "1":
        assert "  + /x=new:10%\n  - /x=new:5%\n" in said
    file.write_text(FILE.format("5%"))
    reload()
    wait_until(lambda: share_at(server).stdout == "5%  /x=new\n", 10, "what was set for 5% is forgotten")
    assert responses(server, 499) == {"new"}


def test_what_tells_clients_apart_changes_with_a_reload(start: Callable[..., Server], tmp_path: Path) -> None:
    file = tmp_path / "rsgi.toml"
    file.write_text(FILE.format("50%"))
    server = start("--config", str(file))
    user = ("X-User-Id", "user-2")  # bucket 2635
    assert get(server, "/x", user, bucket(9999)).text == "old"
    file.write_text(FILE.format("50%") + '[share]\nby = "header:X-User-Id"\ntesters = "s3cret"\n')
    server.send_signal(signal.SIGHUP)
    log = server.wait_for_log("share_by: cookie → header:X-User-Id, share_testers has changed")
    assert "s3cret" not in log
    assert get(server, "/x", user, bucket(9999)).text == "new"
    assert get(server, "/x", user, ("rsgi-app", "old.s3cret")).text == "old"


# The admin listener


def test_shares_of_the_admin_listener(start: Callable[..., Server]) -> None:
    admin = Admin(start(*SERVED))
    response = admin.get("/shares")
    assert (response.status, response.header("content-type"), response.header("cache-control")) == (
        200,
        "application/json",
        "no-store",
    )
    assert [each["rule"] for each in response.json()["shares"]] == ["GET /x=asgi", "/y=asgi"]
    post = request(admin.server, "POST", "/shares", body=b"{}")
    assert (post.status, post.header("allow")) == (405, "GET, HEAD, PUT")
    for body, status, why in [
        (b"", 422, "the body must be an object"),
        (b"[]", 422, "the body must be an object"),
        ({"/y=asgi": 5}, 422, "the body must be an object"),
        ({"/y=asgi": "5"}, 422, "`5` is not a share"),
        ({"/y=asgi": "101%"}, 422, "`101%` is not a share"),
        ({"/nothing": "5%"}, 422, "`/nothing` is not a rule with a share; the rules are `GET /x=asgi`, `/y=asgi`"),
        (b" " * 70_000, 413, "the body is larger than 65536 bytes"),
    ]:
        response = put(admin, body)
        assert (response.status, response.text.startswith(why)) == (status, True), response.text
    response = put(admin, {"/y=asgi": "0%"}, ("Origin", admin.authority))
    assert (response.status, response.text) == (403, "another web page cannot change shares\n")
    assert [each["share"] for each in admin.get("/shares").json()["shares"]] == ["5%", "50%"], "nothing has changed"


def test_a_server_without_shares_says_so(start: Callable[..., Server]) -> None:
    server = start(*OLD, *ADMIN)
    assert share_at(server).stdout == "no rule has a share\n"
    assert Admin(server).status()["shares"] == []
    ended = share_at(server, "new=5%")
    assert (ended.returncode, "hint: add a share to a rule first" in ended.stderr) == (1, True)
    assert put(Admin(server), {"/x=new": "5%"}).text == "no rule has a share\n"


def test_only_who_knows_the_token_may_change_shares(start: Callable[..., Server]) -> None:
    server = start(*SERVED, environment={"RSGI_ADMIN_TOKEN": TOKEN})
    missing, wrong = share_at(server, "/x=9%"), share_at(server, "/x=9%", "--admin-token", "wrong")
    for ended, why in [(missing, "needs a token"), (wrong, "has another token")]:
        assert ended.returncode == 1
        assert re.search(rf"^error: the admin listener at \S+ {why}$", ended.stderr, re.MULTILINE)
        assert "hint: set `RSGI_ADMIN_TOKEN` to the token of the server" in ended.stderr
    assert put(Admin(server), {"/y=asgi": "0%"}).status == 401
    made = share_at(server, "/x=9%", environment={"RSGI_ADMIN_TOKEN": TOKEN})
    assert (made.returncode, made.stdout.splitlines()[0]) == (0, " 9%  GET /x=asgi (5% in the settings)")


def test_a_unix_socket_and_a_file_say_where_the_server_is(start: Callable[..., Server], tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    server = start(*OLD, *NEW, *RULES, "--admin", f"unix:{path}")
    assert share_at(server, "/x=9%").returncode == 0
    (tmp_path / "rsgi.toml").write_text(f'admin = "unix:{path}"\n')
    assert run_share(folder=tmp_path).stdout.startswith(" 9%  GET /x=asgi")
    environment = {"RSGI_ADMIN": f"unix:{path}"}
    assert run_share(environment=environment).stdout.startswith(" 9%  GET /x=asgi")


@pytest.mark.parametrize(
    ("arguments", "code", "error", "hint"),
    [
        ((), 1, "this command needs the address of the admin listener", "RSGI_ADMIN"),
        (("--admin", "127.0.0.1:0"), 1, "means any free port, so the real port is unknown", "admin on http://"),
        (
            ("--admin", "127.0.0.1:1"),
            1,
            "cannot reach the admin listener at 127.0.0.1:1: Connection refused",
            "running",
        ),
        (("--admin", "unix:/nowhere/x"), 1, "at unix:/nowhere/x: No such file", "running"),
        (("--admin", "127.0.0.1:1", "new"), 2, "`new` has no share", "`rsgi share new=25%`"),
        (("--admin", "127.0.0.1:1", "new=120%"), 2, "`120%` is more than 100%", "from 0% to 100%"),
        (("--admin", "127.0.0.1:1", "new=5"), 2, "`5` is not a share: write `5%`", "from 0% to 100%"),
    ],
)
def test_what_cannot_be_asked_has_a_hint(
    tmp_path: Path, arguments: tuple[str, ...], code: int, error: str, hint: str
) -> None:
    ended = run_share(*arguments, folder=tmp_path)
    said = " ".join(ended.stderr.split())
    assert (ended.returncode, ended.stdout) == (code, ""), said
    assert error in said.partition("hint:")[0]
    assert hint in said.partition("hint:")[2]
    assert "Traceback" not in said


def test_a_name_that_is_none_lists_the_rules(start: Callable[..., Server]) -> None:
    server = start(*SERVED)
    ended = share_at(server, "/z=5%")
    assert ended.returncode == 1
    assert "error: `/z` names no rule with a share" in ended.stderr
    assert "hint: the rules with a share are `GET /x=asgi`, `/y=asgi`" in ended.stderr
    applications = run_share("--admin", f"127.0.0.1:{server.port}")
    assert "is not an admin listener" in applications.stderr
