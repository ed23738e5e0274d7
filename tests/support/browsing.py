"""Headless Chromium for the tests of the page: Playwright's Python package with the browser of the system.

Playwright's own browsers are not needed. Without the package or the browser, the tests are skipped.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from server import wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

sync_api = pytest.importorskip("playwright.sync_api", reason="needs Playwright (pip install playwright)")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs a browser (Debian: apt-get install chromium)")


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser."""
    with sync_api.sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--disable-dev-shm-usage", *sandbox])
        try:
            yield browser
        finally:
            browser.close()


class Page:
    """A page, and all that it asked for and complained about.

    Attributes:
        page: Playwright's page.
        asked: The URLs of all requests.
        problems: Errors of scripts and of the console, such as what the content security policy refused.
    """

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.asked: list[str] = []
        self.problems: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        # A server without shadow traffic has no such document, and one with a token asks for it: the browser says both.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.problems.append(message.text)

    def open(self, authority: str) -> Any:
        """Open the dashboard and wait until it is live."""
        self.page.goto(f"http://{authority}/")
        return self.page

    def live(self) -> Any:
        """Wait for the first message of the stream."""
        self.wait_for("#live", lambda text: text == "live")
        return self.page

    def wait_for(self, selector: str, fits: Callable[[str], bool]) -> None:
        """Wait for the text of an element. Playwright's own way needs `eval`, which the page forbids."""
        wait_until(lambda: fits(self.page.locator(selector).inner_text()), 20, f"the text of {selector}")

    def row(self, path: str, method: str = "GET") -> Any:
        """The row of a route."""
        return self.page.locator("#tables tbody tr", has_text=path).filter(has_text=method).first

    def close(self) -> None:
        """Leave."""
        self.context.close()
