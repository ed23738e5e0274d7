"""Reads a page of the documentation as somebody who follows it: runs its commands in order, and says what they print.

Each page has its own kinds of commands. What they have in common is here.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path

from server import Server

BLOCK = re.compile(r"^```(sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


# Variables of the test run, which a reader does not have. pytest prints whole messages where `CI` or `BUILD_NUMBER` is set.
_NOT_THEIRS = re.compile(r"RSGI_|COLUMNS|PYTEST_|(CI|BUILD_NUMBER)$")


def clean_environment() -> dict[str, str]:
    """The environment without settings of rsgi, in which the scripts of this interpreter come first."""
    environment = {name: value for name, value in os.environ.items() if not _NOT_THEIRS.match(name)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    return environment


def copy_examples(project: Path, to: Path) -> Path:
    """Copy the examples to a folder where their databases may be made; returns it."""
    ignored = shutil.ignore_patterns("__pycache__", "*.sqlite3", "routes.json")
    shutil.copytree(project / "examples", to / "examples", ignore=ignored)
    return to


def compare_page(page: Path, told: str) -> None:
    """Compare a page with what its commands print. With `UPDATE_DOCS=1`, the page is written anew."""
    if os.environ.get("UPDATE_DOCS") == "1":
        page.write_text(told)
    text = page.read_text()
    changes = "\n".join(
        difflib.unified_diff(text.splitlines(), told.splitlines(), page.name, "what it prints", lineterm="")
    )
    assert text == told, f"UPDATE_DOCS=1 python -m pytest tests/docs rewrites it:\n{changes}"


class PageReader(ABC):
    """Does what a page says.

    Attributes:
        folder: Where commands run.
        server: The server that the page has started.
    """

    def __init__(self, project: Path) -> None:
        self.project = self.folder = project
        self.server: Server | None = None

    def run_block(self, block: re.Match[str]) -> str:
        """Run one block; returns what it should look like."""
        if block[1] == "sh":
            for line in block[2].splitlines():
                self.do(line)
            return block[0]
        commands = [line for line in block[2].splitlines() if line.startswith("$ ")]
        shown = "".join(f"{line}\n{self.say(line.removeprefix('$ '))}" for line in commands)
        return f"```console\n{shown}```"

    @abstractmethod
    def do(self, line: str) -> None:
        """Run a line of which nothing is shown."""

    @abstractmethod
    def say(self, line: str) -> str:
        """Run a line; returns what it prints."""

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line in a shell, with no settings from outside."""
        command, environment = ["sh", "-c", line], clean_environment()
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def printed(self, line: str) -> str:
        """Run a line in a shell; returns its output without spaces at the ends of lines."""
        found = self.run(line)
        return "".join(f"{each.rstrip()}\n" for each in (found.stdout + found.stderr).splitlines())

    def stop(self) -> None:
        """End the server, if there is one."""
        if self.server is not None:
            assert self.server.stop() == 0
            assert "Traceback" not in self.server.log()
            self.server = None
