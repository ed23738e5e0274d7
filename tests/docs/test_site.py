"""The site that `make docs` builds: every page is in its navigation, and it needs no other host.

The build itself needs MkDocs, which has an environment of its own. `.ci/run` runs `make docs` before the tests; without it
the last test is skipped.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
MKDOCS = Path(os.environ.get("DOCS_VENV", PROJECT / ".venv-docs")) / "bin/mkdocs"
# What the hook makes pages of, outside docs/.
OUTSIDE = {"index.md": "README.md", "examples/index.md": "examples/README.md"}


def pages_in(nav: list[Any]) -> list[str]:
    """The pages of the navigation, in order."""
    found = []
    for entry in nav:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        found += pages_in(value) if isinstance(value, list) else [value]
    return found


def navigation() -> list[str]:
    return pages_in(yaml.safe_load((PROJECT / "mkdocs.yml").read_text())["nav"])


def test_every_page_is_in_the_navigation_once() -> None:
    named = Counter(navigation())
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert not pages - named.keys(), "add these pages to `nav` in mkdocs.yml"
    assert not [page for page, times in named.items() if times > 1]
    outside = named.keys() - pages
    assert not [page for page in outside if not (PROJECT / OUTSIDE.get(page, page)).exists()]


def test_navigation_leads_a_newcomer() -> None:
    """The first pages are those that one reads first."""
    assert navigation()[:3] == ["index.md", "getting-started.md", "routing.md"]


@pytest.mark.skipif(not MKDOCS.exists(), reason="`make docs` has not been run")
def test_the_site_builds_without_warnings_and_needs_no_other_host(tmp_path: Path) -> None:
    site = tmp_path / "site"
    built = subprocess.run(
        [MKDOCS, "build", "--strict", "--quiet", "--site-dir", site],
        cwd=PROJECT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (built.returncode, built.stderr.strip()) == (0, "")
    for page in site.rglob("*.html"):
        text = page.read_text()
        loaded = re.findall(r"""<(?:script|img|iframe|source)[^>]*\ssrc=["']?(?:https?:)?//[^"'\s>]+""", text)
        loaded += re.findall(
            r"""<link[^>]*rel=["']?(?:stylesheet|preconnect|icon)[^>]*href=["']?(?:https?:)?//""", text
        )
        assert not loaded, f"{page.relative_to(site)} loads from another host: {loaded[:2]}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//", sheet.read_text()), sheet.name
    found = json.loads((site / "search/search_index.json").read_text())["docs"]
    places = {entry["location"].partition("#")[0] for entry in found}
    assert {page.replace(".md", ".html") for page in navigation()} <= places
    assert any("WEB_CONCURRENCY" in entry["text"] and "troubleshooting" in entry["location"] for entry in found)
