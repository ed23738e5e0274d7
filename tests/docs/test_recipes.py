"""Every recipe works: its files are written, its commands run in order, and what stands below a command is what it prints.

Apart from `test_migration_guide.py`, whose commands work in the folders of the examples: a recipe brings its own files. curl
is the real one. `UPDATE_DOCS=1 python -m pytest tests/docs/test_recipes.py` writes the outputs anew.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from server import Server

RECIPES = Path(__file__).parents[2] / "docs/recipes"
PAGES = sorted(path for path in RECIPES.glob("*.md") if path.name != "index.md")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The languages of blocks that are files, with the comment that names them in their first line.
FILES = {"python": "# ", "toml": "# ", "html": "<!-- ", "css": "/* ", "js": "// "}


class Reader:
    """Somebody who does what a recipe says, in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: Server | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = str(free.getsockname()[1])

    def follow(self, block: re.Match[str]) -> str:
        """Do what one block says; returns what it should look like."""
        language, text = block[1], block[2]
        if language in FILES:
            self._write(language, text)
        elif language == "sh":
            for line in text.replace("\\\n", " ").splitlines():
                self._do(line)
        elif language == "console":
            commands = re.findall(r"^\$ ((?:.*\\\n)*.*)$", text, re.MULTILINE)
            shown = "".join(f"$ {each}\n{self._output(each)}" for each in commands)
            return f"```console\n{shown}```"
        elif language != "text":
            raise AssertionError(f"no test knows what to do with a block in {language}")
        return block[0]

    def _write(self, language: str, text: str) -> None:
        name = re.match(rf"{re.escape(FILES[language])}([\w./-]+)", text)
        assert name is not None, f"a block has no file name in its first line:\n{text}"
        path = self._folder / name[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("127.0.0.1:8000", f"127.0.0.1:{self._port}"))

    def _do(self, line: str) -> None:
        if line.startswith("rsgi serve"):
            self.stop()
            words = [sys.executable, "-m", *line.split(), "--port", self._port]
            words = [word.strip("'") for word in words]
            self._server = Server(words, folder=self._folder)
        elif line.startswith("python "):
            found = self._run(line)
            assert found.returncode == 0, found.stdout + found.stderr
        elif not line.startswith("pip install "):
            raise AssertionError(f"no test knows how to run `{line}`")

    def _output(self, line: str) -> str:
        found = self._run(line.replace("curl ", "curl --silent --show-error --max-time 30 ", 1))
        text = (found.stdout + found.stderr).replace("\r", "").replace(f"127.0.0.1:{self._port}", "127.0.0.1:8000")
        return "".join(f"{each.rstrip()}\n" for each in text.splitlines())

    def _run(self, line: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("RSGI_", "COLUMNS"))}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        command = ["sh", "-c", line.replace("127.0.0.1:8000", f"127.0.0.1:{self._port}")]
        return subprocess.run(
            command, cwd=self._folder, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def stop(self) -> None:
        if self._server is not None:
            log = self._server.log
            assert self._server.stop() == 0, log()
            assert "Traceback" not in log()
            self._server = None


def test_there_are_recipes() -> None:
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (RECIPES / "index.md").read_text())
    assert sorted(listed) == [page.name for page in PAGES]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_recipe_works(page: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    text = page.read_text()
    try:
        told = BLOCK.sub(reader.follow, text)
    finally:
        reader.stop()
    assert "\n$ " in text, "a recipe shows that it works"
    if os.environ.get("UPDATE_DOCS") == "1":
        page.write_text(told)
    assert page.read_text() == told, "UPDATE_DOCS=1 python -m pytest tests/docs/test_recipes.py rewrites it"
