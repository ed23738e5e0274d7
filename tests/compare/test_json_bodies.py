"""Properties of the JSON comparison and of JSON paths, for any document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compare_records import compared, found, response_record
from rsgi.compare.content.json_body import json_differences
from rsgi.compare.content.json_path import Step, parse_pattern, write_path
from rsgi.compare.storage.redaction import Redaction

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


def shuffled(value: Any) -> Any:
    """The same document with its members in another order."""
    if isinstance(value, dict):
        return {name: shuffled(each) for name, each in reversed(value.items())}
    return [shuffled(each) for each in value] if isinstance(value, list) else value


def paths_of(value: Any, steps: tuple[Step, ...] = ()) -> list[tuple[Step, ...]]:
    """The paths of all values in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [steps, *(path for step, each in inner for path in paths_of(each, (*steps, step)))]


def replaced(value: Any, steps: tuple[Step, ...], new: Any) -> Any:
    if not steps:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[steps[0]] = replaced(copy[steps[0]], steps[1:], new)
    return copy


@settings(deadline=None)
@given(documents)
def test_a_document_is_like_itself_in_any_order(document: Any) -> None:
    assert not json_differences(document, shuffled(document), (), ())
    assert not found(response_record(json.dumps(document)), response_record(json.dumps(shuffled(document), indent=1)))


@settings(deadline=None)
@given(documents, documents)
def test_both_directions_find_the_same_paths(one: Any, two: Any) -> None:
    there = {each.place for each in json_differences(one, two, (), ())}
    back = {each.place for each in json_differences(two, one, (), ())}
    assert (
        bool(there) == bool(back) == (json.dumps(one, sort_keys=True) != json.dumps(two, sort_keys=True) or one != two)
    )


@settings(deadline=None)
@given(documents, st.data())
def test_a_changed_value_is_found_at_its_path(document: Any, data: st.DataObject) -> None:
    steps = data.draw(st.sampled_from(paths_of(document)))
    changed = replaced(document, steps, "longer than any text in a document")
    (one,) = json_differences(document, changed, (), ())
    assert one.path == write_path(steps)
    ignore = (parse_pattern(write_path(steps)),)
    assert not json_differences(document, changed, ignore, ())


@settings(deadline=None)
@given(st.lists(scalars, max_size=8), st.randoms(use_true_random=False))
def test_an_unordered_list_is_like_itself_in_any_order(values: list[Any], random: Any) -> None:
    other = list(values)
    random.shuffle(other)
    assert not json_differences(values, other, (), (parse_pattern("$"),))


@settings(deadline=None)
@given(st.lists(st.text(max_size=8) | st.integers(0, 99), max_size=4))
def test_every_path_can_be_read_again(steps: list[Step]) -> None:
    assert parse_pattern(write_path(steps)).matches(steps)


@pytest.mark.parametrize(
    ("pattern", "steps", "matches"),
    [
        ("$", (), True),
        ("$.a", ("a",), True),
        ("a.b", ("a", "b"), True),
        ("$.a", ("a", "b"), False),
        ("$.a[*].b", ("a", 3, "b"), True),
        ("$.a[2]", ("a", 2), True),
        ("$.a[2]", ("a", "2"), False),
        ("$['a b'][\"c\"]", ("a b", "c"), True),
        ("$..b", ("a", 1, "b"), True),
        ("$..b", ("b",), True),
        ("$..b[*]", ("x", "b", 1), True),
        ("$..*", ("x", "y"), True),
        ("$.*.b", ("a", "b"), True),
        ("$.*", ("a", "b"), False),
        ("[0].x", (0, "x"), True),
    ],
)
def test_patterns(pattern: str, steps: tuple[Step, ...], matches: bool) -> None:
    assert parse_pattern(pattern).matches(steps) is matches


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_a_pattern_or_an_error(text: str) -> None:
    try:
        parse_pattern(text).matches(("a", 0))
    except ValueError as error:
        assert str(error)


@settings(deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=60), st.booleans(), st.booleans())
def test_any_bytes_can_be_compared_and_redacted(one: bytes, two: bytes, cut_one: bool, cut_two: bool) -> None:
    for media in (
        "application/json",
        "text/html",
        "text/plain; charset=utf-16",
        "image/png",
        "",
        "application/x-www-form-urlencoded",
    ):
        mine = response_record(
            one, media, ("Content-Encoding", "gzip" if b"g" in two else "identity"), complete=not cut_one
        )
        other = response_record(two, media, complete=not cut_two)
        result = compared(mine, other)
        assert result.skipped is None
        kept = Redaction().response(mine)
        assert not compared(kept, kept).differences
