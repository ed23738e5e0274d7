"""The pages about comparing are true: their commands run, and what they show is what rsgi prints.

Apart from `tests/docs/test_docs.py`, because these commands need samples and a recording.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compare_records import exchanged, request_record, response_record
from rsgi.compare.content.masks import BUILT_IN
from rsgi.compare.observer import Observer
from rsgi.compare.options import DEFAULT_HEADERS, ObserverOptions
from rsgi.compare.storage.recording import read_recording
from server import Server
from wire import get

PROJECT = Path(__file__).parent.parent.parent
COMPARING, REPLAY = PROJECT / "docs/comparing.md", PROJECT / "docs/record-and-replay.md"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(page: Path, name: str) -> list[str]:
    """The command lines in the `sh` blocks of a page."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith(f"rsgi {name} ")]


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RSGI_")}
    command = [sys.executable, "-m", *shlex.split(line)]
    environment["COLUMNS"] = "80"
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, with the samples and the recording of the pages."""
    made = tmp_path_factory.mktemp("example")
    for path in (PROJECT / "examples/flask_to_fastapi").glob("*.py"):
        shutil.copy(path, made)
    _store(made / "shadow")
    _record(made)
    return made


def _store(folder: Path) -> None:
    observer = Observer(ObserverOptions(folder=str(folder)))
    for number in reversed(range(40)):
        new = {"id": number, "price": 5 if number > 2 or number == 0 else "5"}
        request = request_record(f"/users/{number}")
        observer.observe(
            exchanged(response_record({"id": number, "price": 5}), response_record(new), "/users/{id}", request=request)
        )
    for number in range(10):
        repeat = response_record({"at": -1}) if number == 5 else None
        observer.observe(
            exchanged(response_record({"at": number}), response_record({"at": 99}), "/clock", repeat=repeat)
        )
    observer.close()


def _record(folder: Path) -> None:
    """Run the command of the page, and send it requests."""
    (line,) = commands(REPLAY, "serve")
    server = Server([sys.executable, "-m", *shlex.split(line), "--port", "0"], folder=folder)
    for target in ("/books", "/books/1", "/books/2", "/books/99"):
        get(server, target)
    assert server.stop() == 0


@pytest.mark.parametrize("line", [line for line in commands(COMPARING, "diff") if "--admin" not in line])
def test_commands_of_diff(folder: Path, line: str) -> None:
    ran = run(line, folder)
    failing = "--fail-under" in line
    assert ran.returncode == failing, ran.stderr
    assert ran.stdout or "--html" in line
    if "--html" in line:
        assert (folder / "diff.html").exists()


def test_commands_are_found() -> None:
    assert len(commands(COMPARING, "diff")) == 6
    assert len(commands(REPLAY, "replay")) == 2


def test_the_report_on_its_page(folder: Path) -> None:
    report, note = blocks(COMPARING, "text")
    assert run("rsgi diff shadow/", folder).stdout == report
    assert run("rsgi diff shadow/ --route /clock --fail-under 99%", folder).stderr == note


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 3) if isinstance(value, float) else value


def test_the_json_on_its_page(folder: Path) -> None:
    (shown,) = blocks(COMPARING, "json")
    (route,) = json.loads(run("rsgi diff shadow/ --route '/users/{id}' --json", folder).stdout)["routes"]
    assert rounded({**route, "pairs": []}) == json.loads(shown)["routes"][0]


def test_lists_on_the_page() -> None:
    text = COMPARING.read_text()
    for name in (*DEFAULT_HEADERS, *BUILT_IN):
        assert f"`{name}`" in text, name


def test_replays_on_their_page(folder: Path) -> None:
    reports = blocks(REPLAY, "text")
    lines = commands(REPLAY, "replay")
    for line, report, code in zip(lines, reports, (1, 0), strict=True):
        ran = run(line, folder)
        assert (ran.stdout, ran.returncode) == (report, code), ran.stderr


def test_the_file_on_its_page(folder: Path, tmp_path: Path) -> None:
    header, entry = blocks(REPLAY, "json")
    path = tmp_path / "shown.jsonl"
    path.write_text(header + json.dumps(json.loads(entry)) + "\n")
    (shown,) = read_recording(path).requests
    actual = next(each for each in read_recording(folder / "old.jsonl").requests if each.request.target == "/books/1")
    assert json.loads(shown.response.body) == json.loads(actual.response.body)
    assert (shown.route, shown.app, shown.response.size) == (actual.route, actual.app, actual.response.size)


def test_responses_on_the_page(folder: Path) -> None:
    ((asked_for, response),) = re.findall(
        r"^\$ curl -s http://127.0.0.1:8000(\S+)\n(.*)$", REPLAY.read_text(), re.MULTILINE
    )
    actual = next(each for each in read_recording(folder / "old.jsonl").requests if each.request.target == asked_for)
    assert json.loads(actual.response.body) == json.loads(response)
