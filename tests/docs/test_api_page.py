"""docs/api.md is what the docstrings say, and has everything that the package exports.

`UPDATE_DOCS=1 python -m pytest tests/docs/test_api_page.py` rewrites it; `api_page.py` writes the text.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from api_page import PLACES, page

import rsgi
import rsgi.migrate.sessions

FILE = Path(__file__).parents[2] / "docs/api.md"


def test_the_page_is_up_to_date() -> None:
    if os.environ.get("UPDATE_DOCS") == "1":
        FILE.write_text(page())
    assert FILE.read_text() == page(), "UPDATE_DOCS=1 python -m pytest tests/docs/test_api_page.py rewrites it"


@pytest.mark.parametrize("module", [rsgi, rsgi.migrate.sessions], ids=lambda module: module.__name__)
def test_the_page_has_every_exported_name(module: object) -> None:
    shown = {name for _, place, _, names in PLACES for name in names if place == module.__name__}  # type: ignore[attr-defined]
    assert shown == set(module.__all__)  # type: ignore[attr-defined]
