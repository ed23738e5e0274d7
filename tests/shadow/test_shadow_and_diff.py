"""From requests to `rsgi diff`: a server with two workers, its store, its admin listener, and the report of both.

Apart from `tests/compare/test_diff_command.py`, whose samples come from no server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shadowing import ALL, compared

from admin import Admin
from server import APPS, Server
from wire import get


def diff(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RSGI_")}
    command = [sys.executable, "-m", "rsgi", "diff", *arguments]
    return subprocess.run(command, cwd=APPS, env=environment, capture_output=True, text=True, timeout=60, check=False)


def counts(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert ran.returncode == 0, ran.stderr
    listed = json.loads(ran.stdout)["routes"]
    return {
        each["route"]: (each["n"], each["match"], {path["path"] for path in each["differences"]}) for each in listed
    }


def test_the_folder_and_the_listener_have_the_same_results(start: Callable[..., Server], tmp_path: Path) -> None:
    folder = tmp_path / "shadow"
    server = start(*ALL, "--shadow-store-folder", str(folder), "--workers", "2")
    for number in range(20):
        get(server, f"/price/{number}", ("Cookie", "session=hunter2"))
    compared(server, 20)
    address = Admin(server).address
    assert isinstance(address, tuple)
    there = diff("--admin", f"{address[0]}:{address[1]}", "--json")
    assert server.stop() == 0
    stored = diff(str(folder), "--json")
    ((n, match, paths),) = counts(stored).values()
    assert (n, match) == (20, 0.0)
    assert paths
    assert counts(there) == counts(stored)
    assert "hunter2" not in there.stdout + stored.stdout
    assert all(b"hunter2" not in path.read_bytes() for path in folder.iterdir())


def test_a_restart_adds_to_the_folder(start: Callable[..., Server], tmp_path: Path) -> None:
    for _ in range(2):
        server = start(*ALL, "--shadow-store-folder", str(tmp_path))
        get(server, "/same/1")
        compared(server, 1)
        assert server.stop() == 0
    ((n, match, _),) = counts(diff(str(tmp_path), "--json")).values()
    assert (n, match) == (2, 1.0)
    assert diff(str(tmp_path), "--fail-under", "100%").returncode == 0
