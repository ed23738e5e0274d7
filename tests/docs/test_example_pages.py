"""The pages of the examples are true: their commands run in a copy of the folder, and print what stands below them.

`UPDATE_DOCS=1 python -m pytest tests/docs/test_example_pages.py` writes the outputs anew. `ELSEWHERE` says where the
examples are tested that other pages explain.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_reader import Reader

from browsing import chromium, needs_browser
from server import Server, start_rsgi

EXAMPLES = Path(__file__).parents[2] / "examples"
ELSEWHERE = {
    "deploy": "tests/proxies/test_deploy.py",
    "django_channels": "tests/docs/test_migration_guide.py",
    "flask_and_fastapi": "tests/docs/test_docs.py",
    "flask_to_fastapi": "tests/docs/test_migration_guide.py",
    "shared_login": "tests/docs/test_migration_guide.py",
}
FOLDERS = sorted(path for path in EXAMPLES.iterdir() if path.is_dir() and path.name not in {*ELSEWHERE, "__pycache__"})


def copy_of(folder: Path, to: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "*.sqlite3", "*.sock")
    return Path(shutil.copytree(folder, to / folder.name, ignore=ignored))


def test_every_example_is_listed_and_tested() -> None:
    listed = re.findall(r"^\| \[(\w+)\]", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted({*ELSEWHERE, *(folder.name for folder in FOLDERS)})
    for name, test in ELSEWHERE.items():
        assert name in (EXAMPLES.parent / test).read_text()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_example_works(folder: Path, tmp_path: Path) -> None:
    Reader(copy_of(folder, tmp_path)).compare(folder / "README.md")


# The chat in a browser


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Server]:
    server = start_rsgi(
        "--wsgi", "old:app", "--asgi", "new:app", folder=copy_of(EXAMPLES / "flask_and_fastapi", tmp_path)
    )
    yield server
    assert server.stop() == 0
    assert "Traceback" not in server.log()


@needs_browser
def test_two_windows_talk_in_the_chat(chat: Server) -> None:
    """The page is a template of Flask; what is said in it goes through FastAPI."""
    with chromium() as browser:
        windows: list[Any] = []
        problems: list[str] = []
        for number in (1, 2):
            window = browser.new_context().new_page()
            window.set_default_timeout(20_000)
            window.on("pageerror", lambda error: problems.append(str(error)))
            window.goto(f"http://127.0.0.1:{chat.port}/")
            window.get_by_text(f"guest {number} is here").wait_for()
            windows.append(window)
        first, second = windows
        first.fill("#say", "<b>hello</b>")
        first.click("#talk button")
        for window in windows:
            window.locator("#chat").get_by_text("guest 1: <b>hello</b>", exact=True).wait_for()
            assert window.locator("#chat b").count() == 0
        first.close()
        second.get_by_text("guest 1 left").wait_for()
        assert not problems
