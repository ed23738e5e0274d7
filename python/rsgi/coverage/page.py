"""The map as one HTML page that needs nothing else: no other file, no network.

Apart from the terminal's table because a page is sent around, filtered and printed.
"""

from __future__ import annotations

from html import escape

from rsgi.coverage.map import MEANINGS, CoverageMap, Row
from rsgi.coverage.survey import Survey
from rsgi.coverage.terminal import SIGNS, served

_STYLE = """
:root { color-scheme: light dark; --text: #1c2127; --dim: #5b6673; --page: #fff; --line: #dfe3e8; --bar: #e8ebef;
  --green: #17713a; --yellow: #8a5a00; --blue: #1d5fb8; --cyan: #0b6b78; --red: #b42318; --magenta: #8b3a9b; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e8ed; --dim: #9aa5b1; --page: #14181d; --line: #2c333b;
  --bar: #262d35; --green: #5bd083; --yellow: #e5b454; --blue: #7db4ff; --cyan: #5fd0dd; --red: #ff8a80;
  --magenta: #d79be5; } }
* { box-sizing: border-box }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--text); background: var(--page); margin: 0 auto;
  padding: 2rem 1.25rem; max-width: 78rem }
h1 { font-size: 1.5rem; margin: 0 0 .75rem } h1 small { color: var(--dim); font-weight: normal; font-size: 1rem }
.bar { height: .6rem; border-radius: .3rem; background: var(--bar); overflow: hidden }
.bar i { display: block; height: 100%; background: var(--green) }
p, li { color: var(--dim) } ul { padding-left: 1.1rem }
form { display: flex; flex-wrap: wrap; gap: .5rem .75rem; margin: 1.25rem 0 .75rem; position: sticky; top: 0;
  background: var(--page); padding: .5rem 0 }
input[type=search] { font: inherit; flex: 1 1 16rem; padding: .35rem .6rem; color: inherit; background: var(--page);
  border: 1px solid var(--line); border-radius: .35rem }
label { white-space: nowrap; padding: .35rem 0; cursor: pointer } label[title] { color: var(--dim) }
table { border-collapse: collapse; width: 100% }
th { text-align: left; font-size: .85rem; color: var(--dim); font-weight: 600 }
th, td { padding: .32rem .75rem .32rem 0; border-top: 1px solid var(--line); vertical-align: top }
tr.same td { border-top-color: transparent } tr.same td:first-child { color: transparent; user-select: none }
td:first-child, code, .where { font-family: ui-monospace, monospace; font-size: .87rem; overflow-wrap: anywhere }
.where, .note { color: var(--dim); font-size: .82rem } .status { white-space: nowrap; font-weight: 600 }
""" + "".join(f".{colour} {{ color: var(--{colour}) }} " for colour in sorted({colour for _, colour in SIGNS.values()}))

_SCRIPT = """
const form = document.querySelector('form'), rows = [...document.querySelectorAll('tbody tr')];
function filter() {
  const words = form.text.value.toLowerCase().split(/\\s+/).filter(Boolean);
  const wanted = new Set([...form.querySelectorAll('[name=status]:checked')].map(box => box.value));
  let path = null, count = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !wanted.has(row.dataset.status) || !words.every(word => text.includes(word));
    if (row.hidden) continue;
    count += 1;
    row.classList.toggle('same', row.dataset.path === path);
    path = row.dataset.path;
  }
  document.querySelector('output').value = count === rows.length ? '' : count + ' of ' + rows.length + ' shown';
}
form.addEventListener('input', filter);
form.addEventListener('submit', event => event.preventDefault());
filter();
"""


def to_page(survey: Survey, drawn: CoverageMap) -> str:
    """The whole page."""
    moved, total = drawn.progress()
    percent = 100 * moved // total if total else 0
    title = escape(" → ".join(app.name for app in survey.plan.apps))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(drawn.summary())}: {title}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(drawn.summary())} <small>{title}</small></h1>
<div class="bar" role="img" aria-label="{percent} %"><i style="width: {percent}%"></i></div>
<ul>{"".join(f"<li>{escape(line)}</li>" for line in _about(survey))}</ul>
<form role="search">
<input type="search" name="text" placeholder="path, method, application, function …" aria-label="Filter" autofocus>
{"".join(_boxes(drawn))}
<label><output></output></label>
</form>
<table>
<thead><tr><th>path</th><th>method</th><th>status</th><th>served by</th><th>old, new</th></tr></thead>
<tbody>
{"".join(_row(row) for row in drawn.rows)}</tbody>
</table>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _about(survey: Survey) -> list[str]:
    lines = [f"{survey.plan.mode}: {survey.plan.reason}", *(f"rule {rule.text}" for rule in survey.plan.rules)]
    for app, table in zip(survey.plan.apps, survey.tables, strict=True):
        what = "routes unknown" if table is None else table.framework
        gaps = "" if table is None or table.complete else f"; not all of its routes are here: {table.why}"
        lines.append(f"{app.interface} {app.name} at {app.prefix or '/'}: {what}{gaps}")
    return lines


def _boxes(drawn: CoverageMap) -> list[str]:
    return [
        f'<label class="{SIGNS[status][1]}" title="{escape(MEANINGS[status])}">'
        f'<input type="checkbox" name="status" value="{status}" checked> {SIGNS[status][0]} {status} {count}</label>\n'
        for status, count in drawn.counts().items()
        if count
    ]


def _row(row: Row) -> str:
    sign, colour = SIGNS[row.status]
    path = escape(f"{row.host or ''}{row.path}")
    note = f'<div class="note">{escape(row.note)}</div>' if row.note else ""
    return (
        f'<tr data-status="{row.status}" data-path="{path}"><td>{path}</td><td>{escape(row.method)}</td>'
        f'<td class="status {colour}">{sign} {row.status}</td><td>{escape(served(row))}{note}</td>'
        f'<td class="where">{_where(row)}</td></tr>\n'
    )


def _where(row: Row) -> str:
    defined = [side.route.defined for side in (row.old, row.new) if side is not None and side.route.defined]
    return "<br>".join(escape(text) for text in defined)
