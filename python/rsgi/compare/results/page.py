"""The results as one HTML page without other files, scripts or network access.

It has both responses of some samples side by side, for which a terminal has no room.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rsgi.compare.results.report import RouteReport
from rsgi.compare.results.verdict import write_percent

_STYLE = """
:root { color-scheme: light dark; --text: #1c2127; --dim: #5b6673; --page: #fff; --line: #dfe3e8; --box: #f5f7f9;
  --green: #17713a; --red: #b42318 }
@media (prefers-color-scheme: dark) { :root { --text: #e4e8ed; --dim: #9aa5b1; --page: #14181d; --line: #2c333b;
  --box: #1c2228; --green: #5bd083; --red: #ff8a80 } }
* { box-sizing: border-box }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--text); background: var(--page); margin: 0 auto;
  padding: 2rem 1.25rem; max-width: 78rem }
h1 { font-size: 1.5rem; margin: 0 0 .75rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; overflow-wrap: anywhere }
h1 small { color: var(--dim); font-weight: normal; font-size: 1rem }
p, .dim { color: var(--dim) } .ok { color: var(--green) } .bad { color: var(--red) }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th { text-align: left; font-size: .85rem; color: var(--dim); font-weight: 600 }
th, td { padding: .32rem .75rem .32rem 0; border-top: 1px solid var(--line); vertical-align: top }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
th.number:first-child { width: 5.5rem }
code, pre, td.path { font-family: ui-monospace, monospace; font-size: .87rem; overflow-wrap: anywhere }
a { color: inherit }
details { border-top: 1px solid var(--line) } summary { cursor: pointer; padding: .4rem 0; overflow-wrap: anywhere }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem }
.pair > div { min-width: 0 } .pair h3 { font-size: .95rem; margin: .25rem 0 }
pre { background: var(--box); padding: .6rem; border-radius: .35rem; white-space: pre-wrap; max-height: 30rem;
  overflow: auto; margin: 0 0 1rem }
@media (max-width: 45rem) { .pair { grid-template-columns: 1fr } }
"""


def to_page(reports: Sequence[RouteReport]) -> str:
    """The whole page."""
    n, matched = sum(each.n for each in reports), sum(each.matched for each in reports)
    title = f"{write_percent(matched / n)} of {n} samples match" if n else "nothing was compared yet"
    apps = ", ".join(dict.fromkeys(f"{each.primary} → {each.shadow}" for each in reports))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(title)} <small>{escape(apps)}</small></h1>
{_overview(reports)}{"".join(_route(each, number) for number, each in enumerate(reports))}</main>
</body>
</html>
"""


def _overview(reports: Sequence[RouteReport]) -> str:
    if not reports:
        return ""
    rows = "".join(
        f'<tr><td class="path"><a href="#route-{number}">{escape(each.route)}</a></td><td>{escape(each.primary)} → '
        f'{escape(each.shadow)}</td><td class="number">{each.n}</td>{_part(each.match)}{_part(each.low, plain=True)}</tr>\n'
        for number, each in enumerate(reports)
    )
    numbers = "".join(f'<th scope="col" class="number">{name}</th>' for name in ("samples", "match", "at least"))
    head = f'<tr><th scope="col">route</th><th scope="col">applications</th>{numbers}</tr>'
    note = "<p>“At least” is the lower bound of the match, with 95 % confidence.</p>\n"
    return f'<div class="wide"><table>\n<thead>{head}</thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n{note}'


def _part(part: float | None, *, plain: bool = False) -> str:
    kind = "" if plain or part is None else " ok" if part == 1 else " bad"
    return f'<td class="number{kind}">{"-" if part is None else write_percent(part)}</td>'


def _route(report: RouteReport, number: int) -> str:
    parts = [f'<h2 id="route-{number}">{escape(report.route)}</h2>\n']
    if report.places:
        parts.append(_places(report))
    elif report.n:
        parts.append(f'<p class="ok">All {report.n} samples match.</p>\n')
    notes = [
        f"<li>{escape(key.partition(' ')[2])} is noise: it differs from itself in {count} of {report.repeats} repeats.</li>"
        for key, count in report.noise.items()
    ]
    notes += [f"<li>{count} in part: {escape(why)}</li>" for why, count in report.partial.items()]
    notes += [f"<li>{count} not compared: {escape(why)}</li>" for why, count in report.skipped.items()]
    if notes:
        parts.append(f'<ul class="dim">{"".join(notes)}</ul>\n')
    return "".join([*parts, *map(_pair, report.pairs)])


def _places(report: RouteReport) -> str:
    rows = []
    for each in report.places:
        primary, shadow = each.example or (None, None)
        rows.append(
            f'<tr><td class="number">{each.count}</td><td>{escape(each.kind)}</td><td class="path">{escape(each.path)}</td>'
            f'<td class="path">{escape(primary or "")}</td><td class="path">{escape(shadow or "")}</td></tr>\n'
        )
    names = ("difference", "where", escape(report.primary), escape(report.shadow))
    head = '<th scope="col" class="number">samples</th>' + "".join(f'<th scope="col">{name}</th>' for name in names)
    body = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>"
    return f'<div class="wide"><table>\n{body}\n</table></div>\n'


def _pair(pair: Mapping[str, Any]) -> str:
    request = pair["request"]
    sides = "".join(_side(pair[side]) for side in ("primary", "shadow"))
    return (
        f"<details><summary><code>{escape(request['method'])} {escape(request['target'])}</code></summary>\n"
        f'<div class="pair">{sides}</div></details>\n'
    )


def _side(response: Mapping[str, Any]) -> str:
    said = response["error"] or f"{response['status']}, {response['size']} bytes"
    headers = "\n".join(f"{name}: {value}" for name, value in response["headers"])
    cut = "\n…" if response["shortened"] else ""
    text = f"{headers}\n\n{_readable(response['body'])}{cut}"
    return f'<div><h3>{escape(response["app"])}: {escape(said)}</h3><pre tabindex="0">{escape(text)}</pre></div>'


def _readable(body: object) -> str:
    """JSON with indentation, other text as it is."""
    if not isinstance(body, str):
        return "(bytes)"
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False) if body[:1] in "{[" else body
    except (ValueError, RecursionError):
        return body
