"""`rsgi replay`: recorded requests against real Flask and FastAPI applications, through the command line."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from compare_records import request_record, response_record
from rsgi.apps.importer import load_target
from rsgi.compare.exchange import ResponseRecord
from rsgi.compare.storage.recording import Recorder
from server import APPS

TARGETS = ("/users/1", "/users/2", "/clock", "/page", "/image", "/whoami")
COOKIE = ("Cookie", "session=hunter2")
OLD, NEW, LOGGED_IN = (
    ("--wsgi", "compare_old:app"),
    ("--asgi", "compare_new:app"),
    ("--header", "Cookie: session=hunter2"),
)


def asked_old(target: str) -> ResponseRecord:
    """The response of the old application."""
    application: Any = load_target("compare_old:app", APPS)
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ |= {"PATH_INFO": target, "HTTP_HOST": "shop.example", "HTTP_COOKIE": "session=hunter2"}
    begun: list[Any] = []
    body = b"".join(application(environ, lambda status, headers, _=None: begun.append((status, headers))))
    status, headers = begun[0]
    return ResponseRecord(int(status[:3]), tuple(headers), body, len(body), True, None, 0.001)


def route_of(target: str) -> str:
    return "/users/{id}" if target.startswith("/users/") else target


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Requests to the old application."""
    path = tmp_path / "old.jsonl"
    recorder = Recorder(path)
    for target in TARGETS:
        recorder.record(route_of(target), "old", request_record(target, COOKIE), asked_old(target))
    recorder.close()
    return path


def replay(*arguments: object, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RSGI_", "COLUMNS"))}
    command = [sys.executable, "-m", "rsgi", "replay", *map(str, arguments)]
    return subprocess.run(
        command, env={**kept, **(environment or {})}, cwd=APPS, capture_output=True, text=True, timeout=60, check=False
    )


def routes_in(text: str) -> dict[str, Any]:
    return {each["route"]: each for each in json.loads(text)["routes"]}


def places(route: Mapping[str, Any]) -> set[str]:
    return {f"{each['kind']} {each['path']}" for each in route["differences"]}


def test_the_old_application_matches_its_own_recording(recording: Path) -> None:
    ran = replay(recording, *OLD, "--json", *LOGGED_IN)
    routes = routes_in(ran.stdout)
    assert (ran.returncode, {each["match"] for each in routes.values()}) == (0, {1.0}), ran.stderr
    assert routes["/users/{id}"]["n"] == 2
    assert routes["/clock"]["noise"] == {"value $.at": 1}


def test_the_new_application_has_exactly_the_seeded_differences(recording: Path) -> None:
    ran = replay(recording, *NEW, "--json", *LOGGED_IN)
    assert ran.returncode == 1
    routes = routes_in(ran.stdout)
    differing = {name: places(each) for name, each in routes.items() if each["match"] < 1}
    assert differing == {"/users/{id}": {"type $.price", "value $.tags[*]"}}
    assert ran.stderr.splitlines()[-1] == "below: /users/{id}: 0% of 2 samples match, less than 100%"
    assert ran.stderr.count("below: ") == 1


def test_options_of_the_comparison(recording: Path) -> None:
    options = ("--ignore", "$.price", "--unordered", "$.tags", *LOGGED_IN)
    ran = replay(recording, *NEW, *options)
    assert ran.returncode == 0, ran.stdout
    assert "5 routes, 6 samples, 100% match" in ran.stdout
    ran = replay(recording, *NEW, *options, "--compare-header", "X-Version", "--json")
    assert places(routes_in(ran.stdout)["/page"]) == {"added header x-version"}


def test_startup_shutdown_and_background_tasks_run(recording: Path) -> None:
    said = replay(recording, *NEW).stderr
    assert said.index("started") < said.index("background") < said.index("stopped")
    ran = replay(recording, *NEW, "--lifespan", "off")
    assert "started" not in ran.stderr
    assert "AttributeError" in ran.stderr  # its state is missing
    ran = replay(recording, "--asgi", "compare_new:silent", "--lifespan", "on")
    assert (ran.returncode, "no lifespan" in ran.stderr) == (1, True)


def test_missing_cookies_are_said(recording: Path) -> None:
    ran = replay(recording, *OLD, "--json")
    assert places(routes_in(ran.stdout)["/whoami"]) == {"value $.session"}
    assert "note: 6 requests have no cookies or tokens" in ran.stderr


def test_scheme_and_mount(recording: Path) -> None:
    ran = replay(recording, *OLD, *LOGGED_IN, "--scheme", "https", "--json")
    assert places(routes_in(ran.stdout)["/whoami"]) == {"value $.scheme"}
    ran = replay(recording, "--wsgi", "/users=compare_old:app", "--json")
    assert places(routes_in(ran.stdout)["/users/{id}"]) == {"value status"}


def recorded(path: Path, target: str, response: ResponseRecord) -> Path:
    recorder = Recorder(path / "one.jsonl")
    recorder.record(target, "old", request_record(target), response)
    recorder.close()
    return path / "one.jsonl"


def test_an_exception_is_a_500_with_a_traceback(tmp_path: Path) -> None:
    ran = replay(recorded(tmp_path, "/broken", response_record("fine", "text/plain")), *NEW)
    assert ran.returncode == 1
    assert "value   status  200 → 500" in ran.stdout
    assert "ValueError: this is broken" in ran.stderr
    assert 'raise ValueError("this is broken")' in ran.stderr


@pytest.mark.parametrize(
    ("target", "difference"),
    [("slow", "missing response  200 → timeout"), ("silent", "value   status  200 → 500 (exception: it returned")],
)
def test_no_response(tmp_path: Path, target: str, difference: str) -> None:
    path = recorded(tmp_path, "/x", response_record({}))
    ran = replay(path, "--asgi", f"compare_new:{target}", "--timeout", "0.2", "--lifespan", "off", "--pairs", "1")
    assert ran.returncode == 1
    assert difference in " ".join(ran.stdout.split("\n")), ran.stdout


def test_noise_of_the_recording(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "old.jsonl")
    for number in range(2):
        recorder.record(
            "/x",
            "old",
            request_record("/users/1"),
            response_record({"id": 1, "name": "Ada", "price": number, "tags": []}),
        )
    recorder.close()
    ran = replay(tmp_path / "old.jsonl", *OLD, "--json")
    (route,) = json.loads(ran.stdout)["routes"]
    assert places(route) == {"type $.price", "added $.tags[*]"}
    assert "value $.price" in route["noise"]


def test_fail_under(recording: Path) -> None:
    for percent, code in (("100%", 1), ("0%", 0)):
        assert replay(recording, *NEW, "--fail-under", percent).returncode == code
    ran = replay(recording, *OLD, *LOGGED_IN, "--fail-under", "99%")
    assert ran.returncode == 0
    assert "note: 5 routes have too few samples: 99% is only sure (95% confidence) from 381 samples" in ran.stderr
    ran = replay(recording, *OLD, "--min-samples", "2")
    assert ran.returncode == 1
    assert "below: /page: 1 sample, fewer than 2 samples" in ran.stderr


def test_the_report_fits_into_a_terminal(recording: Path) -> None:
    ran = replay(recording, *NEW, environment={"COLUMNS": "80"})
    lines = ran.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "old (recorded) → compare_new:app"
    assert lines[2].split() == ["route", "n", "match", "at", "least"]
    assert lines[3].split() == ["≠", "/users/{id}", "2", "0%", "0%"]
    assert '    type    $.price  19.9 → "19.90"' in "\n".join(lines)


def test_html(recording: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    ran = replay(recording, *NEW, "--html", page)
    assert (ran.returncode, f"wrote {page}" in ran.stderr) == (1, True)
    text = page.read_text()
    assert '<td class="path">$.price</td>' in text
    assert "prefers-color-scheme: dark" in text
    assert "http" not in text.replace("http://shop.example", "").split("<body>")[0]
    assert "<script" not in text


def test_a_progress_bar_on_a_terminal(recording: Path) -> None:
    terminal, process_side = pty.openpty()
    command = [sys.executable, "-m", "rsgi", "replay", str(recording), *OLD, *LOGGED_IN, "--json"]
    with subprocess.Popen(command, cwd=APPS, stdout=subprocess.PIPE, stderr=process_side) as process:
        os.close(process_side)
        said = b""
        while True:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # the process has closed it
                break
            if not part:
                break
            said += part
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["routes"]
        assert process.wait(60) == 0
    os.close(terminal)
    assert b"replaying" in said
    assert b"/6" in said


@pytest.mark.parametrize(
    ("arguments", "error", "code"),
    [
        (
            ["missing.jsonl", *NEW],
            "error: cannot read the recording `missing.jsonl`: No such file",
            1,
        ),
        (["OLD"], "error: no application is given", 2),
        (
            ["OLD", *NEW, *OLD],
            "error: more than one application is given",
            2,
        ),
        (["OLD", "--asgi", "compare_new:nothing"], "the module `compare_new` has no `nothing`", 1),
        (["OLD", "--asgi", "compare_old:app"], "error: `compare_old:app` is made with Flask, a WSGI application", 1),
        (["OLD", *NEW, "--ignore", "$.a["], "error: `$.a[` is not a JSON path", 2),
        (["OLD", *NEW, "--mask", "x=["], "error: the mask `x` is not a regular expression", 2),
        (["OLD", *NEW, "--header", "x"], "error: `x` is not a header", 2),
        (
            ["OLD", *NEW, "--fail-under", "99"],
            "error: --fail-under: `99` is not a percentage",
            2,
        ),
        (
            ["OLD", *NEW, "--html", "missing/x.html"],
            "error: `missing/x.html` cannot be written",
            1,
        ),
    ],
)
def test_errors(recording: Path, arguments: list[str], error: str, code: int) -> None:
    ran = replay(*(str(recording) if each == "OLD" else each for each in arguments))
    assert ran.returncode == code, ran.stderr
    assert error in ran.stderr
    assert "hint: " in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_empty_recording_is_an_error(tmp_path: Path) -> None:
    Recorder(tmp_path / "old.jsonl").close()
    ran = replay(tmp_path / "old.jsonl", *OLD)
    assert (ran.returncode, "has no requests" in ran.stderr) == (1, True)


def test_a_damaged_line_is_named(recording: Path) -> None:
    text = recording.read_text()
    recording.write_text(text[: len(text) - 20])
    ran = replay(recording, *OLD)
    assert ran.returncode == 1
    assert f"error: line 7 of `{recording}` is not a recorded request: it is not a JSON object" in ran.stderr
