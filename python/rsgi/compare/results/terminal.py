"""The results as text for a terminal of 80 columns. It needs no colours.

`page.py` has the same for a browser.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rsgi.compare.results.report import Place, RouteReport
from rsgi.compare.results.tally import is_noise
from rsgi.compare.results.verdict import write_percent

# How many differences and noisy places of a route are listed.
_PLACES = 8
_NOISE = 5


def lines_of(reports: Sequence[RouteReport], *, pairs: int, width: int = 80) -> list[str]:
    """The whole report.

    Args:
        reports: The routes.
        pairs: How many samples of each route to show.
        width: The width of the terminal.
    """
    if not reports:
        return ["nothing was compared yet"]
    lines = [f"{'route':<{width - 26}} {'n':>8} {'match':>7} {'at least':>8}"]
    several = len({(each.primary, each.shadow) for each in reports}) > 1
    for each in reports:
        lines += _route(each, width, several=several)
    if not several:
        lines.insert(0, _cut(f"{reports[0].primary} → {reports[0].shadow}", width))
        lines.insert(1, "")
    shown = [line for each in reports for line in _pairs(each, pairs, width)]
    return [*lines, "", *_total(reports), *(["", *shown[:-1]] if shown else [])]


def _route(report: RouteReport, width: int, *, several: bool) -> Iterator[str]:
    sign = "?" if report.n == 0 else "✓" if report.matched == report.n else "≠"
    match, low = ("-" if part is None else write_percent(part) for part in (report.match, report.low))
    name = _cut(f"{sign} {report.route}", width - 26)
    yield f"{_padded(name, width - 26)} {report.n:>8} {match:>7} {low:>8}"
    if several:
        yield _cut(f"    {report.primary} → {report.shadow}", width)
    for place in report.places[:_PLACES]:
        yield _place(place, report.n, width)
    if len(report.places) > _PLACES:
        yield f"    … and {len(report.places) - _PLACES} more places"
    for text in _about(report):
        yield _cut(f"    {text}", width)


def _place(place: Place, n: int, width: int) -> str:
    left = f"    {place.kind:<7} {place.path}"
    values = "" if place.example is None else f"  {_values(place)}"
    count = f"{place.count} of {n}"
    room = width - len(count) - 2
    if _width(left) + _width(values) > room:
        half = max(room - _width(left), room // 2) if values else 0
        values = _cut(values, half)
        left = _cut(left, room - _width(values))
    return f"{_padded(left + values, room)}  {count}"


def _values(place: Place) -> str:
    primary, shadow = place.example or (None, None)
    if place.kind == "missing":
        return shadow or primary or ""
    if place.kind == "added":
        return shadow or ""
    return f"{primary} → {shadow}"


def _about(report: RouteReport) -> Iterator[str]:
    noisy = list(report.noise.items())
    for key, count in noisy[:_NOISE]:
        yield f"noise   {key.partition(' ')[2]}  differs from itself ({count} of {report.repeats} repeats)"
    if len(noisy) > _NOISE:
        yield f"noise   … and {len(noisy) - _NOISE} more places"
    for why, count in report.partial.items():
        yield f"{count} in part: {why}"
    for why, count in report.skipped.items():
        yield f"{count} not compared: {why}"


def _total(reports: Sequence[RouteReport]) -> list[str]:
    n, matched = sum(each.n for each in reports), sum(each.matched for each in reports)
    routes = "1 route" if len(reports) == 1 else f"{len(reports)} routes"
    samples = "1 sample" if n == 1 else f"{n} samples"
    return [f"{routes}, {samples}" + (f", {write_percent(matched / n)} match" if n else "")]


def _pairs(report: RouteReport, most: int, width: int) -> Iterator[str]:
    for pair in report.pairs[:most]:
        request = pair["request"]
        yield _cut(f"{request['method']} {request['target']}", width)
        for side in ("primary", "shadow"):
            yield _cut(f"  {_response(pair[side])}", width)
        found = [each for each in pair["differences"] if not is_noise(f"{each['kind']} {each['place']}", report.noise)]
        for each in found[:5]:
            values = f"{_said(each['primary'])} → {_said(each['shadow'])}"
            yield _cut(f"  {each['kind']:<7} {each['path']}  {values}", width)
        yield ""


def _response(response: Mapping[str, Any]) -> str:
    if response["error"] is not None:
        return f"{response['app']}: {response['error']}"
    body = response["body"] if isinstance(response["body"], str) else ""
    return f"{response['app']}: {response['status']}, {response['size']} bytes  {' '.join(body.split())}"


def _said(value: str | None) -> str:
    return "(nothing)" if value is None else value


def _cut(text: str, width: int) -> str:
    """The text in one line, without control characters: it comes from clients and applications."""
    text = "".join(each if each.isprintable() else "·" for each in text[: width * 4])
    if _width(text) <= width:
        return text
    while text and _width(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def _padded(text: str, width: int) -> str:
    return text + " " * max(width - _width(text), 0)


def _width(text: str) -> int:
    """How many columns a text takes."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )
