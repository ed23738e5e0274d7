"""`rsgi status`: what it prints, how wide, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from board import ADMIN, APPS, INSIDE, OUTSIDE, TOKEN, Board, Start, address_of, everything, rolled_back, run_status
from server import wait_until


@pytest.fixture
def board(start: Start) -> Board:
    board = Board(start(*APPS, *ADMIN, "--workers", "2"))
    board.ask("/users/1", 3, INSIDE)
    board.ask("/users/1", 9, OUTSIDE)
    wait_until(lambda: everything(board.routes()) == 12, 10, "all are counted")
    return board


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_it_fits_and_needs_no_colour(board: Board, columns: int) -> None:
    ended = run_status("--admin", address_of(board), columns=columns)
    assert ended.returncode == 0, ended.stderr
    assert "\x1b" not in ended.stdout
    assert max(len(line.rstrip()) for line in ended.stdout.splitlines()) <= columns
    assert "0 of 6 migrated" in ended.stdout
    assert " 25 %  on new, of 12 requests" in ended.stdout
    assert "2 serving" in ended.stdout
    (line,) = (line for line in ended.stdout.splitlines() if "GET /users/{number:int}" in line)
    assert "25%" in line
    assert "ms" in line


def test_it_shows_the_busiest_and_all(board: Board, start: Start) -> None:
    many = Board(start("--wsgi", "dashboard_old:app", *ADMIN, environment={"DASHBOARD_ROUTES": "60"}))
    many.ask("/forgotten", 1)
    wait_until(lambda: everything(many.routes()) == 1, 10, "it is counted")
    shown = run_status("--admin", address_of(many)).stdout
    assert "20 of 66 routes, the busiest; --all shows all" in shown
    assert "GET /forgotten" in shown
    everyone = run_status("--admin", address_of(many), "--all").stdout
    assert everyone.count("/thing") == 60
    assert "the busiest" not in everyone


def test_a_share_that_was_stopped_by_its_rollback_is_in_trouble(start: Start, tmp_path: Path) -> None:
    stopped = rolled_back(start, tmp_path)
    ended = run_status("--admin", address_of(stopped), columns=120)
    assert ended.returncode == 0, ended.stderr
    assert "! GET /x: stopped by rollback" in ended.stdout
    (line,) = (line for line in ended.stdout.splitlines() if "GET /x " in line and "rollback" not in line)
    assert "stopped" in line


def test_json_is_the_document_of_the_listener(board: Board) -> None:
    document = json.loads(run_status("--admin", address_of(board), "--json").stdout)
    assert document.keys() == board.routes().keys()
    assert everything(document) == 12


def test_over_a_unix_socket_with_a_token(start: Start, tmp_path: Path) -> None:
    environment = {"RSGI_ADMIN_TOKEN": TOKEN, "RSGI_ADMIN": f"unix:{tmp_path}/admin.sock"}
    server = start(*APPS, environment=environment)
    Board(server, ("Authorization", f"Bearer {TOKEN}"))
    assert run_status(environment=environment).returncode == 0
    refused = run_status(environment={**environment, "RSGI_ADMIN_TOKEN": "wrong"})
    assert refused.returncode == 1
    assert "has another token" in " ".join(refused.stderr.split())
    assert TOKEN not in server.log()


def test_without_a_server_it_says_so() -> None:
    ended = run_status("--admin", "127.0.0.1:1")
    said = " ".join(ended.stderr.split())
    assert ended.returncode == 1
    assert "error: cannot reach the admin listener at 127.0.0.1:1" in said
    assert "hint:" in said
    assert "Traceback" not in said
    assert run_status().returncode == 1


def test_watch_draws_again_in_the_same_place_until_it_is_interrupted(board: Board) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "LINES": "40", "TERM": "xterm"}
    command = [sys.executable, "-m", "rsgi", "status", "--admin", address_of(board), "--watch", "--interval", "0.2"]
    # What runs the tests may ignore SIGINT, and programs that it starts would ignore it too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=environment)
    finally:
        signal.signal(signal.SIGINT, before)
    os.close(theirs)
    try:
        text = ""
        deadline = time.monotonic() + 20
        board.ask("/forgotten", 1)
        while "GET /forgotten" not in text or text.count("serving") < 3:
            assert time.monotonic() < deadline, text
            if select.select([ours], [], [], 1)[0]:
                text += os.read(ours, 65536).decode(errors="replace")
        assert "\x1b[1A" in text, "the cursor goes up again"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
        os.close(ours)
