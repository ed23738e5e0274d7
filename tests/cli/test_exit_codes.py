"""The exit codes that docs/command-line.md lists, each seen from a process."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from server import APPS, Server, start_rsgi
from wire import Connection

PAGE = Path(__file__).parents[2] / "docs/command-line.md"
LEAVING = """
import signal, sys

signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))


def app(environ, start_response):
    start_response("200 OK", [])
    return [b"here"]
"""
STUCK = """
import time


def app(environ, start_response):
    print("begun", flush=True)
    time.sleep(60)
"""


def code_of(*arguments: str, folder: Path = APPS) -> int:
    command = [sys.executable, "-m", "rsgi", *arguments]
    return subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    ).returncode


def test_the_page_lists_these_codes() -> None:
    codes = re.findall(
        r"^\| (\w+) \|", PAGE.read_text().partition("## Exit codes")[2].partition("## ")[0], re.MULTILINE
    )
    assert codes == ["code", "0", "1", "1", "1", "1", "2", "other"]


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_orderly_stop_is_0(workers: str, number: signal.Signals) -> None:
    server = start_rsgi("--wsgi", "flask_app:app", "--workers", workers)
    server.send_signal(number)
    assert server.wait(20) == 0


@pytest.mark.parametrize(
    "arguments", [("check", "flask_app:app"), ("routes", "flask_app:app"), ("config",), ("--version",), ("--help",)]
)
def test_a_command_that_has_done_its_work_is_0(arguments: tuple[str, ...]) -> None:
    assert code_of(*arguments) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("serve", "missing:app"),
        ("serve", "flask_app:app", "--config", "missing.toml"),
        ("check", "missing:app"),
        ("doctor", "--strict", "--grace", "1s", "--request-timeout", "2s"),
        ("status", "--admin", "127.0.0.1:1"),
    ],
)
def test_what_cannot_be_done_is_1(arguments: tuple[str, ...]) -> None:
    assert code_of(*arguments) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("--nothing",),
        ("serve",),
        ("serve", "--nothing"),
        ("serve", "flask_app:app", "--port", "x"),
        ("serve", "flask_app"),
        ("completion",),
    ],
)
def test_a_wrong_command_line_is_2(arguments: tuple[str, ...]) -> None:
    assert code_of(*arguments) == 2


def test_a_second_signal_is_1(tmp_path: Path) -> None:
    (tmp_path / "stuck.py").write_text(STUCK)
    command = [sys.executable, "-m", "rsgi", "serve", "stuck:app", "--port", "0"]
    server = Server(command, folder=tmp_path)
    with Connection(server) as client:
        client.send_request("GET", "/")
        server.wait_for_access_log("begun")
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("stopping: 1 call still runs")
        server.send_signal(signal.SIGTERM)
        assert server.wait(10) == 1


def test_the_code_that_an_application_leaves_with_stays(tmp_path: Path) -> None:
    (tmp_path / "leaving.py").write_text(LEAVING)
    server = Server([sys.executable, "-m", "rsgi", "serve", "leaving:app", "--port", "0"], folder=tmp_path)
    server.send_signal(signal.SIGTERM)
    assert server.wait(20) == 7
