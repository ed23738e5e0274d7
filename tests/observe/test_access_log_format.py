"""The formats of the access log, and the file that it goes to.

Apart from `test_access_log.py`, which is about what the default line says of a request.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from http2_wire import get2
from server import Server, run_rsgi, wait_until
from wire import Connection, exchange, get

APPS = {
    "wsgi": ("--wsgi", "identity_app:old"),
    "asgi": ("--asgi", "identity_app:new"),
    "bridge": ("--asgi", "identity_app:bridged"),
}
COMMON_TIME = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def last_line(server: Server, text: str) -> str:
    """The one line that has `text` in it."""
    lines = [line for line in server.wait_for_access_log(text).splitlines() if text in line]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize("interface", APPS)
def test_common_and_combined(start: Callable[..., Server], interface: str) -> None:
    server = start(*APPS[interface], "--access-log", "--access-log-format", "combined")
    user = base64.b64encode(b'us"er:secret').decode()
    fields = [("Authorization", f"Basic {user}"), ("Referer", "http://a/"), ("User-Agent", 'a "b" \\ c')]
    body = get(server, "/x?combined", *fields).body
    line = last_line(server, "combined")
    expected = rf'127\.0\.0\.1 - us\\x22er {COMMON_TIME} "GET /x\?combined HTTP/1\.1" 200 {len(body)} '
    assert re.fullmatch(expected + r'"http://a/" "a \\x22b\\x22 \\x5c c"', line), line
    get2(server, "/x?over-2")
    assert re.fullmatch(rf'\S+ - - {COMMON_TIME} "GET /x\?over-2 HTTP/2" 200 \d+ "-" "-"', last_line(server, "over-2"))


@pytest.mark.parametrize("interface", APPS)
@pytest.mark.parametrize("ask", [get, get2], ids=["http1", "http2"])
def test_every_atom(start: Callable[..., Server], interface: str, ask: Callable[..., object]) -> None:
    atoms = "h l u t r s m U q H b B f a T D M L p time client target duration app rule route request_id trace_id queue"
    names = [*atoms.split(), "{x-app}o", "{X-Mine}i", "{HTTP_X_MINE}e", "{REMOTE_PORT}e", "{x-none}o"]
    layout = "\t".join(f"%({name})s" for name in names) + "\t100%%"
    server = start(*APPS[interface], "--access-log", "--access-log-format", layout, "--request-id", "X-Request-ID")
    traceparent = f"00-{TRACE}-00f067aa0ba902b7-01"
    ask(server, "/p?q=atoms", *_fields(ask, ("x-mine", "m"), ("x-request-id", "id-1"), ("traceparent", traceparent)))
    values = dict(zip([*names, "percent"], last_line(server, "q=atoms").split("\t"), strict=True))
    protocol = "HTTP/2" if ask is get2 else "HTTP/1.1"
    assert values["percent"] == "100%"
    assert (values["h"], values["l"], values["u"], values["s"]) == ("127.0.0.1", "-", "-", "200")
    assert (values["r"], values["H"]) == (f"GET /p?q=atoms {protocol}", protocol)
    assert (values["m"], values["U"], values["q"], values["target"]) == ("GET", "/p", "q=atoms", "/p?q=atoms")
    assert values["b"] == values["B"] != "0"
    assert values["{x-app}o"] == r"a\x22b"
    assert (values["{X-Mine}i"], values["{HTTP_X_MINE}e"], values["{x-none}o"]) == ("m", "m", "-")
    assert values["client"] == f"127.0.0.1:{values['{REMOTE_PORT}e']}"
    assert (values["request_id"], values["trace_id"]) == ("id-1", TRACE)
    assert values["app"] == APPS[interface][1]
    assert values["p"] == f"<{server.pid}>"
    assert re.fullmatch(COMMON_TIME, values["t"])
    assert int(values["D"]) // 1000 == int(values["M"])
    assert values["L"] == f"{int(values['D']) // 10**6}.{int(values['D']) % 10**6:06}"
    assert 0 <= float(values["queue"]) <= float(values["duration"])


def _fields(ask: Callable[..., object], *fields: tuple[str, str]) -> tuple[object, ...]:
    """The fields as `get` or `get2` takes them."""
    return (fields,) if ask is get2 else fields


def test_what_decided_who_answers(start: Callable[..., Server]) -> None:
    apps = ("--wsgi", "identity_app:old", "--asgi", "/new=identity_app:new", "--route", "GET /by/{name}=wsgi")
    server = start(*apps, "--access-log", "--access-log-format", "%(U)s|%(app)s|%(rule)s|%(route)s")
    for path, decided in [
        ("/by/rule", "identity_app:old|GET /by/{name}=wsgi|-"),
        ("/new/a", "identity_app:new|-|/new"),
        ("/rest", "identity_app:old|-|-"),
    ]:
        get(server, path)
        assert last_line(server, f"{path}|") == f"{path}|{decided}"


@pytest.mark.parametrize("interface", APPS)
def test_json(start: Callable[..., Server], interface: str) -> None:
    server = start(*APPS[interface], "--access-log", "--access-log-format", "json")
    body = get(server, "/x?json-1", ("User-Agent", 'q"\\')).body
    line = json.loads(last_line(server, "json-1"))
    assert (line["method"], line["target"], line["protocol"]) == ("GET", "/x?json-1", "HTTP/1.1")
    assert (line["status"], line["bytes"], line["app"]) == (200, len(body), APPS[interface][1])
    assert (line["user_agent"], line["referer"], line["request_id"]) == ('q"\\', None, None)
    assert re.fullmatch(r"127\.0\.0\.1:\d+", line["client"])
    assert 0 <= line["queue_ms"] <= line["duration_ms"]
    get2(server, "/x?json-2")
    assert json.loads(last_line(server, "json-2"))["protocol"] == "HTTP/2"


def test_json_of_what_was_no_request(start: Callable[..., Server]) -> None:
    server = start(*APPS["wsgi"], "--access-log", "--access-log-format", "json")
    assert exchange(server, b'GET /"broken\x1b\xe9 HTTP/1.1\r\nHost: a\r\n\r\n').status == 400
    line = json.loads(last_line(server, "broken"))
    assert (line["target"], line["method"], line["app"]) == ('GET /"broken\x1b\xe9 HTTP/1.1', None, None)
    assert (line["status"], line["queue_ms"]) == (400, None)


@pytest.mark.parametrize("layout", ["%(x)s", "%h", "apache", "%({PATH}e)s", "%(h", "%(h)s\n%(s)s"])
def test_a_format_that_is_none_is_a_wrong_command_line(layout: str) -> None:
    ran = run_rsgi("--wsgi", "identity_app:old", "--access-log-format", layout)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: ")
    assert "hint: `--access-log-format` takes " in ran.stderr
    assert "listening" not in ran.stderr


def test_a_file_that_cannot_be_opened_is_a_start_up_error(tmp_path: Path) -> None:
    ran = run_rsgi("--wsgi", "identity_app:old", "--access-log-file", str(tmp_path / "none" / "access.log"))
    assert ran.returncode == 1
    assert "error: cannot open the access log `" in ran.stderr
    assert "hint: the folder must exist" in ran.stderr


def test_a_dash_is_stdout(start: Callable[..., Server]) -> None:
    server = start(*APPS["wsgi"], "--access-log-file", "-")
    get(server, "/x?dash")
    assert last_line(server, "dash").endswith("identity_app:old")


def wait_for_line(path: Path, text: str) -> None:
    wait_until(lambda: path.exists() and text in path.read_text(), 5, f"{text} is in {path.name}")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_logrotate_loses_no_line(start: Callable[..., Server], tmp_path: Path, workers: str) -> None:
    path, old = tmp_path / "access.log", tmp_path / "access.log.1"
    server = start(*APPS["asgi"], "--access-log-file", str(path), "--workers", workers)
    for number in range(20):
        get(server, f"/x?before={number}.")
    path.rename(old)
    get(server, "/x?between")
    wait_for_line(old, "between")
    server.send_signal(signal.SIGUSR1)
    wait_until(path.exists, 5, "the file is there again before the next request")
    wait_until(lambda: not _holders(server, old), 5, "nobody holds the old file")
    for number in range(20):
        get(server, f"/x?after={number}.")
    assert server.stop() == 0
    assert sorted(re.findall(r"before=(\d+)\.", old.read_text()), key=int) == [str(number) for number in range(20)]
    assert sorted(re.findall(r"after=(\d+)\.", path.read_text()), key=int) == [str(number) for number in range(20)]
    assert "after" not in old.read_text()
    assert server.access_log() == ""
    assert "SIGUSR1 has no meaning" not in server.log()


def _holders(server: Server, path: Path) -> list[str]:
    """The descriptors of the server and its workers that lead to `path`."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    descriptors = [each for pid in (str(server.pid), *children) for each in Path(f"/proc/{pid}/fd").iterdir()]
    return [each.as_posix() for each in descriptors if os.path.exists(each) and os.readlink(each) == str(path)]


def test_the_old_file_goes_on_when_the_new_one_cannot_be_opened(start: Callable[..., Server], tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    server = start(*APPS["wsgi"], "--access-log-file", str(folder / "access.log"))
    moved = folder.rename(tmp_path / "moved")
    server.send_signal(signal.SIGUSR1)
    server.wait_for_log("the old file stays in use")
    get(server, "/x?goes-on")
    wait_for_line(moved / "access.log", "goes-on")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_without_a_file_sigusr1_does_nothing(start: Callable[..., Server], workers: str) -> None:
    server = start(*APPS["wsgi"], "--access-log", "--workers", workers)
    server.send_signal(signal.SIGUSR1)
    server.wait_for_log("SIGUSR1 has no effect here and was ignored")
    assert get(server, "/x").status == 200


def test_a_file_that_takes_no_more_is_said_once(start: Callable[..., Server]) -> None:
    server = start(*APPS["wsgi"], "--access-log-file", "/dev/full")
    with Connection(server) as connection:
        for _ in range(5):
            connection.send_request("GET", "/x")
            assert connection.read_response().status == 200
    server.wait_for_log("error: cannot write the access log, lines are lost")
    server.stop()
    assert server.log().count("cannot write the access log") == 1
