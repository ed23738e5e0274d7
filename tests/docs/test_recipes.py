"""Every recipe works: its files are written, its commands run in order, and what stands below a command is what it prints.

Apart from `test_migration_guide.py`, whose commands work in the folders of the examples: a recipe brings its own files.
`UPDATE_DOCS=1 python -m pytest tests/docs/test_recipes.py` writes the outputs anew.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from page_reader import Reader

RECIPES = Path(__file__).parents[2] / "docs/recipes"
PAGES = sorted(path for path in RECIPES.glob("*.md") if path.name != "index.md")


def test_there_are_recipes() -> None:
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (RECIPES / "index.md").read_text())
    assert sorted(listed) == [page.name for page in PAGES]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_recipe_works(page: Path, tmp_path: Path) -> None:
    Reader(tmp_path).compare(page)
