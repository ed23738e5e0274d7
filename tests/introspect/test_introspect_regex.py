"""Regular expressions as templates: they take all that the expression takes, and mostly no more."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("starlette")

from starlette.routing import compile_path

from rsgi.routing.introspect.regex import parameter, readings
from rsgi.routing.introspect.template import Place


def templates(expression: str, flags: int = 0, **options: bool) -> list[str]:
    found = readings(expression, flags, **options)
    return [template for tokens in found for template in Place(("/",)).route("http", None, tokens).matched]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("^$", ["/"]),
        ("^about/$", ["/about/"]),
        ("^items/?$", ["/items/", "/items"]),
        (r"^articles/(?P<year>\d{4})/(?P<slug>[\w-]+)/$", ["/articles/{year:int}/{slug}/"]),
        (r"^x\.(?P<format>json|xml)$", ["/x.json", "/x.xml"]),
        (r"^(?:a|b)/(\d+)$", ["/a/{p:int}", "/b/{p:int}"]),
        (r"^page(?:-(?P<number>[0-9]+))?/$", ["/page-{number:int}/", "/page/"]),
        (r"^files/(?P<path>.*)$", ["/files/{path:path}"]),
        (r"^files/(?P<path>.+)$", ["/files/{path}", "/files/{path}/{path_2:path}", "/files//{path:path}"]),
        (r"^sitemap.xml$", ["/sitemap{p}xml", "/sitemap/xml"]),
        (r"^a(?=b)(?!c)$", ["/a"]),
        (r"^(?i:ABC)/1$", ["/{p}/1"]),
        (r"^(?P<a>x)/(?P=a)$", ["/x/{p:path}"]),
        (r"^(?P<n>-?\d+)$", ["/-{n:int}", "/{n:int}"]),
        (r"^[ab]c$", ["/ac", "/bc"]),
        (r"^(unclosed", ["/{p:path}"]),
    ],
)
def test_expressions_as_people_write_them(expression: str, expected: list[str]) -> None:
    assert templates(expression) == expected


def test_what_may_stand_before_and_after() -> None:
    assert templates("^api/", prefix=True) == ["/api/{p:path}"]
    assert templates("^api/$", prefix=True, search=True) == ["/api/"]
    assert templates("x$", search=True) == ["/{p:path}x"]
    assert templates("", search=True, prefix=True) == ["/{p:path}"]
    assert templates("abc", re.IGNORECASE) == ["/{p}"]


def test_the_kind_of_a_parameter_for_people() -> None:
    for expression, kind in [
        ("[0-9]{1,3}", "int"),
        (r"-?\d+(\.\d+)?", "float"),
        ("[a-z]+", ""),
        ("[a-z]+(/[a-z]+)*", "path"),
        ("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "uuid"),
        (r"\d{4}-\d\d", ""),
        ("[^x]+", "path"),
        (r"[^\W_]+", ""),
    ]:
        assert (expression, parameter("x", expression).kind) == (expression, kind)


def test_an_expression_with_too_many_readings_is_read_roughly() -> None:
    found = templates("^" + "(?:a|b/)?" * 40 + "$")
    assert 0 < len(found) < 50
    assert all(template.endswith(":path}") for template in found)


_PIECES = st.sampled_from(
    [
        "a",
        "b/",
        r"\d+",
        "[ab]+",
        ".",
        ".*",
        ".+",
        "(?:a|/b)",
        "(?P<x>[^/]+)",
        "(?:a/)*",
        "x?",
        r"\w{2}",
        "[^a]",
        "(?i:q)",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_PIECES, min_size=1, max_size=4), st.data())
def test_a_template_takes_what_the_expression_takes(pieces: list[str], data: st.DataObject) -> None:
    if pieces.count("(?P<x>[^/]+)") > 1:
        return
    expression = "".join(pieces)
    text = data.draw(st.from_regex(re.compile(expression, re.ASCII), fullmatch=True))
    if "\n" in text:
        return  # a line feed in a path; the router takes it, the comparison below does not
    patterns = [compile_path(template)[0] for template in templates(expression)]
    assert any(pattern.match("/" + text) for pattern in patterns), (expression, text)
