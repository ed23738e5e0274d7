"""The guided tours of CONTRIBUTING.md lead through files that have what the tour is about.

A tour follows something that exists, so that a file which moves or loses its part fails here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
TEXT = (PROJECT / "CONTRIBUTING.md").read_text()
TOURS = re.findall(r"^### (.*)\n\nFollow `(\w+)`.*\n\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
STOPS = [
    (title, word, path) for title, word, table in TOURS for path in re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
]


def test_there_are_tours() -> None:
    assert [title for title, *_ in TOURS] == ["Add a setting", "Add an ASGI message", "Support a framework"]
    assert len(STOPS) > 15


@pytest.mark.parametrize(("title", "word", "path"), STOPS, ids=lambda value: value.replace("/", "."))
def test_each_file_has_its_part(title: str, word: str, path: str) -> None:
    text = (PROJECT / path).read_text()
    assert re.search(rf"\b{word}|{word.replace('_', '-')}", text, re.IGNORECASE), f"{path} does not name {word}"


def test_no_file_of_a_tour_is_left_out() -> None:
    """Where the setting of the tour is named, apart from tests and pages, the tour stops."""
    (_, word, _), *_ = TOURS
    files = [*PROJECT.glob("src/**/*.rs"), *PROJECT.glob("bridge/**/*.rs"), *PROJECT.glob("python/**/*.py")]
    named = {path.relative_to(PROJECT).as_posix() for path in files if word in path.read_text()}
    assert named == {path for title, _, path in STOPS if title == TOURS[0][0] and not path.startswith("docs/")}


@pytest.mark.parametrize("form", sorted(PROJECT.glob(".github/ISSUE_TEMPLATE/*.yml")), ids=lambda path: path.stem)
def test_forms_for_issues_can_be_shown(form: Path) -> None:
    """What GitHub needs: a name, a description, fields with an id and a label of which at least one is required."""
    found = yaml.safe_load(form.read_text())
    assert found["name"] and found["description"]
    fields = [each for each in found["body"] if each["type"] != "markdown"]
    assert len({each["id"] for each in fields}) == len(fields)
    assert all(each["type"] in ("input", "textarea") and each["attributes"]["label"] for each in fields)
    assert any(each.get("validations", {}).get("required") for each in fields)
