"""Mistyped commands, options, values, settings and applications: the hint names the nearest word.

Apart from `test_usage.py`, which is about everything else that can be wrong with a command line.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `good.py`."""
    made = tmp_path / "applications"
    made.mkdir()
    (made / "good.py").write_text("def app(environ, start_response): ...\n")
    return made


def said(folder: Path, *arguments: str) -> tuple[int, str]:
    """The exit code and the hint of a command."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RSGI_")}
    command = [sys.executable, "-m", "rsgi", *arguments]
    ran = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, timeout=60, check=False)
    (hint,) = (line for line in ran.stderr.splitlines() if line.startswith("hint: "))
    return ran.returncode, hint.removeprefix("hint: ")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("serv", "good:app"), "did you mean `rsgi serve`?"),
        (("--verison",), "did you mean `--version`?"),
        (("serve", "good:app", "--wsgi-thread", "2"), "did you mean `--wsgi-threads`?"),
        (("serve", "good:app", "--loop", "uvlop"), "did you mean `uvloop`?"),
        (("serve", "good:app", "--log-level", "WARN"), "did you mean `warning`?"),
        (("serve", "good:app", "--loop", "trio"), "`rsgi serve --help` lists all options"),
        (("version",), "did you mean `rsgi --version`?"),
        (("help", "routes"), "did you mean `rsgi routes --help`?"),
        (("completion", "zhs"), "did you mean `zsh`?"),
        (("translate", "gunicron", "good:app"), "did you mean `gunicorn`?"),
    ],
)
def test_the_nearest_word_is_in_the_hint(folder: Path, arguments: tuple[str, ...], hint: str) -> None:
    assert said(folder, *arguments) == (2, hint)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ('lop = "uvloop"', "did you mean `loop`?"),
        ('loop = "uvlop"', "did you mean `uvloop`?"),
        ('loop = "trio"', "see docs/settings.md for its values"),
    ],
)
def test_the_nearest_word_in_a_file(folder: Path, tmp_path: Path, line: str, hint: str) -> None:
    (tmp_path / "rsgi.toml").write_text(f"{line}\n")
    assert said(tmp_path, "check", "--app-dir", str(folder), "good:app") == (1, hint)


def test_the_nearest_name_of_an_application(folder: Path) -> None:
    assert said(folder, "check", "--wsgi", "god:app")[1].startswith("did you mean `good`?")
    assert said(folder, "check", "--wsgi", "good:ap")[1] == "did you mean `good:app`?"
