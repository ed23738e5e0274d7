"""The guides that move published applications: every command runs, and prints what stands below it.

`make guides` runs this file in an environment with these applications (`docs/tools/guides.txt`). Elsewhere the tests are
skipped. `UPDATE_DOCS=1 make guides` writes the outputs anew.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from page_reader import Reader

GUIDES = Path(__file__).parents[2] / "docs/guides"
NAMES = ["bottle", "django", "flask", "pyramid"]


def test_every_guide_is_listed() -> None:
    assert {page.stem for page in GUIDES.glob("*.md")} == set(NAMES)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.skipif(find_spec("httpbin") is None, reason="needs the published applications: `make guides`")
@pytest.mark.parametrize("name", NAMES)
def test_the_guide_works(name: str, tmp_path: Path) -> None:
    Reader(tmp_path).compare(GUIDES / f"{name}.md")
