"""A real browser against the server: Chromium, without a window.

Apart from the other WebSocket tests because it needs a program that is no Python package. The page reports what its
script saw to the application that served it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server import Server, wait_until
from wire import get

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser (Debian: apt-get install chromium)")
def test_chromium(start: Callable[..., Server], tmp_path: Path) -> None:
    server = start("--asgi", "browser_app:app")
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
    command += ["--no-sandbox"] if os.geteuid() == 0 else []
    command += [f"--user-data-dir={tmp_path}", "--remote-debugging-port=0", f"http://{server.authority}/"]
    with (tmp_path / "log").open("wb") as log:
        browser = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def seen() -> Any:
        assert browser.poll() is None, (tmp_path / "log").read_text(errors="replace")
        return get(server, "/result").json()

    try:
        found = wait_until(seen, 40, "the page has run")
    finally:
        browser.terminate()
        browser.wait(10)
    assert found == {
        "extensions": "permessage-deflate; client_max_window_bits=12",
        "empty": True,
        "emoji": True,
        "large": True,
        "binary": True,
        "burst": 200,
        "closedByClient": [3001, "enough", True],
        "protocol": "chat.v2",
        "closedByServer": [4001, "the kitchen closes", True],
        "failed": [1011, "the application failed", True],
        "refused": ["error", 1006],
        "denied": ["error", 1006],
    }
