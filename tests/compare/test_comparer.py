"""What the comparer finds: exactly the differences that are there, for status, header fields and each kind of body.

Pure: no server, no file. `test_json_bodies.py` has the properties of the JSON comparison.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib

import pytest

from compare_records import HTML, JSON, TEXT, compared, found, request_record, response_record
from rsgi.compare.comparer import Comparer
from rsgi.compare.exchange import ResponseRecord
from rsgi.compare.options import Comparison

OLD = {
    "id": 7,
    "name": "Ada",
    "price": 19.9,
    "at": "2026-01-02T03:04:05Z",
    "tags": ["a", "b"],
    "rows": [{"n": 1}, {"n": 2}],
}


# JSON


def test_seeded_differences_are_found_and_no_others() -> None:
    new = {
        "tags": ["a", "b"],
        "price": "19.90",  # another format
        "at": "2026-01-02T03:04:06Z",
        "id": 7.0,
        "rows": [{"n": 1}, {"n": 3}],
        "links": [],
    }
    assert found(response_record(OLD), response_record(new)) == {
        "type $.id",
        "missing $.name",
        "type $.price",
        "value $.at",
        "value $.rows[1].n",
        "added $.links",
    }


def test_order_of_members_and_white_space_are_no_difference() -> None:
    assert not found(response_record('{"a": 1, "b": [1, 2]}'), response_record('{\n  "b": [1,2],\n  "a": 1}'))


def test_ignored_paths_are_not_compared() -> None:
    new = {**OLD, "at": 5, "rows": [{"n": 8}, {"n": 9, "m": 1}]}
    assert found(response_record(OLD), response_record(new), ignore=("$.at", "$.rows[*].n")) == {"added $.rows[1].m"}
    assert not found(response_record(OLD), response_record(new), ignore=("at", "$..rows"))


def test_unordered_lists() -> None:
    mine, other = {"tags": [3, 1, 1, 2], "rows": [[1, 2], [3]]}, {"tags": [1, 2, 3, 1], "rows": [[2, 1], [3]]}
    assert found(response_record(mine), response_record(other), unordered=("$.tags",)) == {
        "value $.rows[0][0]",
        "value $.rows[0][1]",
    }
    assert not found(response_record(mine), response_record(other), unordered=("$.tags", "$.rows[*]"))
    other["tags"].append(9)
    assert found(response_record(mine), response_record(other), unordered=("$.tags", "$.rows[*]")) == {
        "added $.tags[4]"
    }


def test_an_element_that_is_missing_in_the_middle_is_one_difference() -> None:
    rows = [{"n": n} for n in range(20)]
    assert found(response_record(rows), response_record(rows[:5] + rows[6:])) == {"missing $[5]"}
    assert found(response_record(rows[:5] + rows[6:]), response_record(rows)) == {"added $[5]"}


def test_true_is_not_one_and_null_is_not_missing() -> None:
    assert found(response_record({"a": True, "b": None}), response_record({"a": 1})) == {"type $.a", "missing $.b"}


def test_nan_is_the_same_as_nan() -> None:
    assert not found(response_record('{"a": NaN, "b": 1}'), response_record('{"b": 1, "a": NaN}'))


def test_places_do_not_depend_on_data() -> None:
    mine = {"users": {"ada@example.org": {"n": 1}, "17": 2}, "rows": [{"n": 1}]}
    other = {"users": {"ada@example.org": {"n": 2}, "17": 3}, "rows": [{"n": 2}]}
    result = compared(response_record(mine), response_record(other))
    assert {each.place for each in result.differences} == {"$.users.*.n", "$.users.*", "$.rows[*].n"}
    assert {each.path for each in result.differences} == {
        "$.users['ada@example.org'].n",
        "$.users['17']",
        "$.rows[0].n",
    }


@pytest.mark.parametrize("text", ["{", "[1, 2", "1" * 5000, "[" * 100_000, '{"a": 1} x'])
def test_what_is_no_json_is_compared_as_text(text: str) -> None:
    assert found(response_record(text), response_record("{}"))
    assert not found(response_record(text), response_record(f"{text}\n"))


def test_half_a_surrogate_pair_can_be_stored() -> None:
    result = compared(response_record('{"a": "\\ud800", "\\udfff": 1}'), response_record("{}"))
    for each in result.differences:
        (each.path + each.place + (each.primary or "")).encode()


# HTML and text

PAGE = """<!doctype html><html><head><title>Shop</title><meta name="csrf-token" content="abcdef"></head>
<body class="a b"><ul><li>1<li>2</ul><p>Total: <b>5</b> €</p><br/><a href="/x?a=1&amp;b=2" id=l>go</a></body></html>"""


def test_html_is_compared_by_its_structure() -> None:
    same = """<!DOCTYPE html>
    <html> <head> <title>Shop</title> <meta content='123' name='csrf-token'/></head>
    <body class="b  a"> <ul> <li>1</li> <li>2</li> </ul> <p>Total:
      <b>5</b> &euro;</p> <br> <a id="l" href='/x?a=1&b=2'>go</a> </body></html>"""
    assert not found(response_record(PAGE, HTML), response_record(same, HTML))


def test_differences_of_html_have_the_path_of_the_element() -> None:
    new = PAGE.replace("<b>5", "<b>6").replace("?a=1", "?a=2").replace("<li>2", "<li>2<li>3").replace("<br/>", "")
    assert found(response_record(PAGE, HTML), response_record(new, HTML)) == {
        "value html > body > p > b",
        "value html > body > a @href",
        "added html > body > ul > li[3]",
        "missing html > body > br",
    }


def test_masks() -> None:
    text = (
        "<p>{date} | {time} | {uuid} | {hex} | {rfc}</p>"
        '<input type=hidden value="{token}" name="csrfmiddlewaretoken"><script nonce="{hex}">x("{csrf}")</script>'
        "<meta http-equiv=csp content=\"script-src 'nonce-{hex}'\">"
    )
    one = text.format(
        date="2026-01-02",
        time="10:11:12",
        uuid="0b3c6a52-7a3e-4a8e-9d57-2f7a3f4c9f10",
        hex="00ff00ff00ff00ff1",
        rfc="Fri, 02 Jan 2026 10:11:12 GMT",
        token="abc",
        csrf='csrf_token="12345678abc',
    )
    two = text.format(
        date="2027-11-12 08:00",
        time="23:59:59.999",
        uuid="11111111-7a3e-4a8e-9d57-2f7a3f4c9f10",
        hex="abcdef0123456789",
        rfc="Sat, 12 Dec 2027 00:00:00 GMT",
        token="other-token",
        csrf='csrf_token="something-else',
    )
    assert not found(response_record(one, HTML), response_record(two, HTML))
    assert found(response_record(one, HTML), response_record(two, HTML), masks=("none",))
    assert found(response_record("a 2026-01-02", TEXT), response_record("a 2027-01-02", TEXT), masks=("uuid",)) == {
        "value line 1"
    }
    assert not found(
        response_record("build v1.2", TEXT), response_record("build v1.3", TEXT), masks=(r"build=v[\d.]+",)
    )


def test_masks_do_not_hide_values_of_json() -> None:
    assert found(response_record({"at": "2026-01-02"}), response_record({"at": "2026-01-03"})) == {"value $.at"}


@pytest.mark.parametrize(
    "part", ["<input", '<input name="csrf', "nonce='", "csrf-", "a.", "<p <", "2026-01-0", "0f" * 9]
)
def test_masks_take_no_quadratic_time(part: str) -> None:
    text = part * (200_000 // len(part))
    found(response_record(text, HTML), response_record(f"{text} ", HTML))


def test_text_is_compared_by_lines() -> None:
    assert found(response_record("a\nb\nc\n", TEXT), response_record("a\r\nc\r\nd", TEXT)) == {
        "missing line 2",
        "added line 3",
    }


def test_charsets() -> None:
    latin = response_record("café\n".encode("latin-1"), "text/plain; charset=latin-1")
    assert found(latin, response_record("café\n", "text/plain; charset=utf-8")) == {"value header content-type"}
    assert not found(
        response_record(b"\xff\xfe", "text/plain; charset=nonsense"),
        response_record(b"\xff\xfe ", "text/plain; charset=nonsense"),
    )


# Header fields and status


def test_another_status_hides_the_rest_only_if_it_is_of_another_class() -> None:
    assert found(response_record({"a": 1}), response_record("oops", TEXT, status=500)) == {"value status"}
    assert found(response_record({"a": 1}), response_record({"a": 2}, status=201)) == {"value status", "value $.a"}


def test_header_fields_are_compared_by_their_meaning() -> None:
    mine = response_record(
        {}, JSON, ("Location", "http://shop.example/a?b=1"), ("Cache-Control", "private, max-age=0"), ("Server", "x")
    )
    other = response_record(
        {},
        "Application/JSON; charset=UTF-8",
        ("location", "/a?b=1"),
        ("cache-control", "max-age=0"),
        ("cache-control", "private"),
    )
    assert not found(mine, other)
    assert found(mine, other, headers=("Server", "Location")) == {"missing header server"}
    assert found(mine, response_record({}, JSON, ("location", "http://else.example/a?b=1"))) == {
        "value header location",
        "missing header cache-control",
    }


def test_cookies_are_compared_by_name_and_attributes() -> None:
    mine = response_record({}, JSON, ("Set-Cookie", "id=1; Path=/; HttpOnly; Expires=x"), ("Set-Cookie", "a=1"))
    other = response_record({}, JSON, ("Set-Cookie", "id=2; httponly; path=/"), ("Set-Cookie", "b=1"))
    assert found(mine, other, headers=("set-cookie",)) == {"missing header set-cookie a", "added header set-cookie b"}


# Bodies that are cut, coded, or no text


@pytest.mark.parametrize("coding", ["gzip", "deflate", "identity"])
def test_content_codings_are_removed(coding: str) -> None:
    raw = b'{"a": 1}'
    packed = {"gzip": gzip.compress(raw), "deflate": zlib.compress(raw), "identity": raw}[coding]
    assert not found(response_record(packed, JSON, ("Content-Encoding", coding)), response_record({"a": 1}))
    assert found(response_record(packed, JSON, ("Content-Encoding", coding)), response_record({"a": 2})) == {
        "value $.a"
    }


def test_a_coding_that_rsgi_cannot_remove_is_said() -> None:
    for other in (response_record({"a": 1}), response_record(b"zzz", JSON, ("Content-Encoding", "br"))):
        result = compared(response_record(b"xyz", JSON, ("Content-Encoding", "br")), other)
        assert not result.differences
        assert "`br`" in (result.partial or "")


def test_a_bomb_is_unpacked_in_part_only() -> None:
    bomb = response_record(gzip.compress(b" " * 100_000_000), JSON, ("Content-Encoding", "gzip"))
    assert "cut" in (compared(bomb, response_record({})).partial or "")


def test_bytes_are_compared_by_length_and_hash() -> None:
    assert not found(response_record(b"\x89PNG", "image/png"), response_record(b"\x89PNG", "image/png"))
    (one,) = compared(response_record(b"\x89PNG", "image/png"), response_record(b"\x89PNg!", "image/png")).differences
    assert (one.path, (one.primary or "")[:15], (one.shadow or "")[:15]) == (
        "body",
        "4 bytes, sha256",
        "5 bytes, sha256",
    )


def test_cut_bytes() -> None:
    digest = hashlib.sha256(b"whole").hexdigest()
    mine = response_record(b"who", "image/png", complete=False, size=5, sha256=digest)
    assert not compared(mine, response_record(b"who", "image/png", complete=False, size=5, sha256=digest)).partial
    assert found(mine, response_record(b"who", "image/png", complete=False, size=5, sha256="0" * 64)) == {"value body"}
    unknown = response_record(b"whole", "image/png", complete=False, size=9)
    assert "cut" in (compared(mine, unknown).partial or "")
    assert found(mine, response_record(b"xho", "image/png", complete=False, size=9)) == {"value body"}


def test_cut_json_is_not_compared_and_that_is_said() -> None:
    result = compared(response_record('{"a": [1', complete=False, size=100), response_record({"a": [2]}))
    assert not result.differences
    assert "JSON" in (result.partial or "")


def test_cut_text_is_compared_as_far_as_both_are_known() -> None:
    whole = "".join(f"line {n}\n" for n in range(50))
    cut = response_record(whole[:201], TEXT, complete=False, size=len(whole))
    for other in (response_record(whole, TEXT), response_record(whole[:120], TEXT, complete=False, size=len(whole))):
        result = compared(cut, other)
        assert not result.differences, result.differences
        assert "first part" in (result.partial or "")
    assert found(cut, response_record(f"first\n{whole}", TEXT)) == {"added line 1"}
    assert found(cut, response_record(whole.replace("line 3\n", "line x\n"), TEXT)) == {"value line 4"}
    # A whole text that is shorter than what is known of the other lacks lines.
    assert found(cut, response_record(whole[:42], TEXT)) >= {"missing line 7", "missing line 20"}


def test_cut_html() -> None:
    page = "<html><body>" + "".join(f"<p>{n}</p>" for n in range(99)) + "</body></html>"
    for length in range(20, 60):
        cut = response_record(page[:length], HTML, complete=False, size=len(page))
        assert not found(cut, response_record(page, HTML))
        assert not found(response_record(page, HTML), cut)


def test_cut_utf8() -> None:
    raw = "é€𝄞".encode()
    for length in range(len(raw)):
        mine = response_record(b"a\n" + raw[:length], TEXT, complete=False, size=50)
        assert not found(mine, response_record(b"a\n" + raw, TEXT))


def test_head_has_no_body() -> None:
    assert not found(response_record(b"", JSON), response_record({"a": 1}), request_record(method="HEAD"))


def test_other_content_is_one_difference() -> None:
    assert found(response_record({"a": 1}), response_record("<p>", HTML)) == {"value header content-type", "type body"}
    assert found(response_record({"a": 1}), response_record(b"", JSON)) == {"missing body"}
    assert found(response_record(b"", JSON), response_record({"a": 1})) == {"added body"}


# No response


def test_errors() -> None:
    fine = response_record({})
    assert found(fine, response_record(error="timeout", status=0)) == {"missing response"}
    assert found(fine, response_record(error="exception ValueError", status=0)) == {"value status"}
    assert not found(response_record(error="exception ValueError", status=0), response_record("oops", TEXT, status=500))
    for primary, shadow in [(response_record(error="timeout"), fine), (fine, response_record(error="refused"))]:
        assert compared(primary, shadow).skipped


def test_conditional_requests_do_not_count() -> None:
    not_modified = response_record(b"", JSON, status=304)
    assert compared(response_record({}), not_modified, request_record("/x", ("If-None-Match", '"1"'))).skipped
    assert found(response_record({}), not_modified, request_record()) == {"value status"}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"ignore": ("$.a[",)}, "`$.a[` is not a JSON path at `[`; write for example `$.items[*].price`"),
        ({"unordered": ("",)}, "`` is not a JSON path; write for example `$.items[*].price`"),
        (
            {"masks": ("dates",)},
            "there is no mask `dates`; the masks are csrf, nonce, uuid, date, time, hex, or write NAME=REGEX",
        ),
    ],
)
def test_what_cannot_be_read_is_said(how: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=r"^") as error:
        Comparer(Comparison(**how))
    assert str(error.value) == message


def test_a_wrong_regular_expression_is_said() -> None:
    with pytest.raises(ValueError, match="the mask `x` is not a regular expression: "):
        Comparer(Comparison(masks=("x=[",)))


def test_an_empty_record_is_no_error() -> None:
    empty = ResponseRecord(200, (), b"", 0, True, None, 0.0)
    assert not found(empty, empty)
