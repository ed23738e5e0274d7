"""A few frameworks of the matrix, in the releases that the tests have: under rsgi they behave as under their usual server.

`make test-matrix` asks all frameworks in two releases. The last request of each stops the server while work still runs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from matrix.asking import Verdict, compare
from matrix.frameworks import FRAMEWORKS
from matrix.libraries import CASES as LIBRARY_CASES
from matrix.page import Line, kind_of, page
from matrix.web import CASES

ASKED = (("Flask", "wsgi"), ("Falcon", "wsgi"), ("Starlette", "asgi"), ("Litestar", "asgi"))
PYTHON = Path(sys.executable)


@pytest.mark.parametrize(("title", "interface"), ASKED)
def test_a_framework_behaves_as_under_its_usual_server(title: str, interface: str, tmp_path: Path) -> None:
    (framework,) = (each for each in FRAMEWORKS if (each.title, each.interface) == (title, interface))
    verdicts = compare(framework, CASES, PYTHON, tmp_path)
    assert len(verdicts) > 35
    # What gunicorn does not give, rsgi may; nothing is wrong, and nothing is another right response.
    assert [each for each in verdicts if kind_of(each) in ("wrong", "different")] == []


def test_every_framework_has_an_application_and_requests() -> None:
    apps = Path(__file__).parents[2] / "matrix/apps"
    for framework in FRAMEWORKS:
        assert (apps / f"{framework.target.partition(':')[0]}.py").is_file(), framework.title
        assert LIBRARY_CASES.get(framework.title, CASES)
        groups = {case.group for case in LIBRARY_CASES.get(framework.title, CASES)}
        assert {group for group, _ in framework.without if groups == {case.group for case in CASES}} <= groups
    assert set(LIBRARY_CASES) <= {framework.title for framework in FRAMEWORKS}
    assert len({(each.title, each.interface) for each in FRAMEWORKS}) == len(FRAMEWORKS)


def test_the_page_shows_every_kind_of_verdict() -> None:
    framework = FRAMEWORKS[0]
    verdicts = [
        Verdict("one", None, None, False),
        Verdict("two", None, json.dumps({"status": 500}), True),
        Verdict("three", "a", "b", True),
        Verdict("four", "broken", None, True),
    ]
    assert [kind_of(each) for each in verdicts] == ["same", "only rsgi", "different", "wrong"]
    text = page([Line(framework, "newest", "9.9", verdicts), Line(framework, "older", "", failed="no")], "a test")
    assert "| Flask | WSGI | 9.9 | gunicorn | 4 | 1 | 1 | 1 | 1 |" in text
    assert "- four (wrong). rsgi: `` broken ``" in text
    assert "- Flask older: no." in text
