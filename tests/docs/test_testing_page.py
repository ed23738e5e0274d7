"""The page about the pytest plugin is true: its files are written, and its commands are run in their order.

Apart from `test_docs.py` because pytest is run here, and its output holds a time.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/testing.md"
FILE = re.compile(r"^```(?:python|ini)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n\$ pytest (.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_is_true(tmp_path: Path) -> None:
    text = PAGE.read_text()
    consoles = list(CONSOLE.finditer(text))
    assert len(consoles) == 2
    end = 0
    for console in consoles:
        for name, content in FILE.findall(text[end : console.start()]):
            (tmp_path / name).write_text(content)
        end = console.end()
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *console[1].split()]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("RSGI_", "PYTEST_"))}
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert ended.returncode == 0, ended.stdout
        passed = int(re.findall(r"(\d+) passed", console[2])[0])
        trio = 1 if find_spec("trio") is None and "anyio" in text[: console.start()] and passed == 6 else 0
        assert f"{passed - trio} passed" in ended.stdout
