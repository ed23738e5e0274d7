"""Makes the pictures of the dashboard in the docs, from real traffic of the example.

Run it in the root of the project: `python docs/pictures/make_dashboard.py`. It needs Playwright and Chromium. It serves
`examples/flask_to_fastapi`, sends requests for some seconds, and takes a picture in each theme.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import Playwright, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs/pictures"
EXAMPLE = ROOT / "examples/flask_to_fastapi"
SECONDS = 75.0
SIZE = (1240, 900)
MOST_BYTES = 150_000

COMMAND = (
    *(sys.executable, "-m", "rsgi", "serve", "--wsgi", "old:app", "--asgi", "step2:app", "--prefer", "wsgi"),
    *("--route", "GET /books=asgi", "--route", "/authors/{name}=asgi:50%", "--route", "/books/{number}=asgi:25%"),
    *("--route", "/authors=asgi", "--port", "0", "--admin", "127.0.0.1:0", "--workers", "2"),
)
PATHS = {"/": 3, "/books": 8, "/books/1": 9, "/books/2": 5, "/authors": 3, "/authors/le-guin": 4, "/search?q=sea": 2}
PATHS |= {"/about": 1, "/books/1/reviews": 2, "/login": 1}


def main() -> int:
    """Serve, ask, and take the pictures; gives the exit code."""
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(
            COMMAND, cwd=EXAMPLE, stdout=log, stderr=log, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        try:
            served, admin = _addresses(log, server)
            _ask(served)
            with sync_playwright() as playwright:
                for scheme in ("light", "dark"):
                    _picture(playwright, admin, scheme)
        finally:
            server.terminate()
            server.wait(20)
    return 0


def _addresses(log: object, server: subprocess.Popen[bytes]) -> tuple[str, str]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.poll() is None:
        log.seek(0)  # type: ignore[attr-defined]
        text = log.read()  # type: ignore[attr-defined]
        served, admin = re.search(r"listening on (http\S+)", text), re.search(r"admin on (http\S+)", text)
        if served and admin:
            return served[1], admin[1]
        time.sleep(0.1)
    raise SystemExit("the server has not started")


def _ask(served: str) -> None:
    """Send requests of many clients, which have their own buckets."""
    until = time.monotonic() + SECONDS

    def client(number: int) -> None:
        chance = random.Random(number)
        while time.monotonic() < until:
            path = chance.choices(list(PATHS), list(PATHS.values()))[0]
            request = urllib.request.Request(
                served + path, headers={"Cookie": f"rsgi_bucket={chance.randrange(10_000)}"}
            )
            try:
                urllib.request.urlopen(request, timeout=5).read()
            except urllib.error.HTTPError as error:
                error.close()
            time.sleep(chance.expovariate(6))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _picture(playwright: Playwright, admin: str, scheme: str) -> None:
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=sandbox)
    width, height = SIZE
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(admin)
    page.locator("#live", has_text="live").wait_for()
    page.locator("#chart svg, #chart p").first.wait_for()
    path = FOLDER / f"dashboard-{scheme}.png"
    page.screenshot(path=path)
    browser.close()
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size:,} bytes")
    if size > MOST_BYTES:
        raise SystemExit("the picture is too large")


if __name__ == "__main__":
    sys.exit(main())
