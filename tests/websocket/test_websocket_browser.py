"""A real browser against the server: Chromium, without a window.

Apart from the other WebSocket tests because it needs a program that is no Python package. The page reports what its
script saw to the application that served it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from certificates import Certificates
from http2_wire import Http2Connection
from server import Server, wait_until
from wire import get

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a browser (Debian: apt-get install chromium)")


@pytest.fixture(params=["1.1", "2"])
def version(request: pytest.FixtureRequest) -> str:
    """Over HTTP/2 where the page came over it, for then there is a connection that offers WebSockets."""
    return str(request.param)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates.make(tmp_path)


@pytest.fixture
def start_page(start: Callable[..., Server], certificates: Certificates, version: str) -> Callable[[], Server]:
    """Start a server of the page that speaks this version with a browser."""
    return lambda: start("--asgi", "browser_app:app", *(certificates.flags() if version == "2" else ()))


@contextlib.contextmanager
def browser(url: str, folder: Path) -> Iterator[Callable[[Callable[[], object]], Any]]:
    """Chromium with a page; gives what waits for a response as long as the browser lives."""
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
    command += ["--no-sandbox"] if os.geteuid() == 0 else []
    command += [f"--user-data-dir={folder}", "--remote-debugging-port=0", "--ignore-certificate-errors", url]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_for(response: Callable[[], object]) -> Any:
        def alive() -> object:
            assert process.poll() is None, (folder / "log").read_text(errors="replace")
            return response()

        return wait_until(alive, 40, "the page has run")

    try:
        yield wait_for
    finally:
        process.terminate()
        process.wait(10)


def origin(server: Server, version: str) -> str:
    return f"{'https' if version == '2' else 'http'}://{server.authority}"


def result(server: Server, certificates: Certificates, version: str) -> Any:
    """What the page has posted last."""
    if version == "1.1":
        return get(server, "/result").json()
    with Http2Connection(server, certificates.context("h2")) as connection:
        return connection.get("/result").json()


def test_chromium(start_page: Callable[[], Server], certificates: Certificates, version: str, tmp_path: Path) -> None:
    server = start_page()
    with browser(f"{origin(server, version)}/", tmp_path) as wait_for:
        found = wait_for(lambda: result(server, certificates, version))
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
        "version": version,
        "failed": [1011, "the application failed", True],
        "refused": ["error", 1006],
        "denied": ["error", 1006],
    }


def test_the_end_of_the_server(
    start_page: Callable[[], Server], certificates: Certificates, version: str, tmp_path: Path
) -> None:
    """The page sees 1012 and a clean close, not a connection that broke."""
    server, reported = start_page(), start_page()
    url = f"{origin(server, version)}/?report={origin(reported, version)}"
    with browser(url, tmp_path) as wait_for:
        wait_for(lambda: result(reported, certificates, version) == "open")
        server.send_signal(signal.SIGTERM)
        found = wait_for(lambda: [seen for seen in [result(reported, certificates, version)] if seen != "open"])
    assert found == [[1012, "the server is restarting", True]]
    assert server.wait(5) == 0
