"""The map as one HTML page without other files or network access.

Users send, filter and print a page. The terminal has its own table.
"""

from __future__ import annotations

from collections import Counter
from html import escape

from rsgi.routing.coverage.lines import Line, lines_of
from rsgi.routing.coverage.map import MEANINGS, CoverageMap, Row
from rsgi.routing.coverage.survey import Survey
from rsgi.routing.coverage.terminal import SIGNS, served

# From so many lines on each prefix is folded.
_FOLDED_FROM = 200

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
table { border-collapse: collapse; width: 100%; table-layout: fixed }
details > table { margin-bottom: .75rem }
summary { cursor: pointer; padding: .4rem 0; border-top: 1px solid var(--line) }
summary b { font-family: ui-monospace, monospace; font-size: .95rem } summary span { font-size: .85rem; margin-left: .6rem }
th:nth-child(1) { width: 34% } th:nth-child(2) { width: 9% } th:nth-child(3) { width: 15% } th:nth-child(4) { width: 19% }
th { text-align: left; font-size: .85rem; color: var(--dim); font-weight: 600 }
th, td { padding: .32rem .75rem .32rem 0; border-top: 1px solid var(--line); vertical-align: top }
tr.same td { border-top-color: transparent } tr.same td:first-child { color: transparent; user-select: none }
td:first-child, code, .where { font-family: ui-monospace, monospace; font-size: .87rem; overflow-wrap: anywhere }
.where, .note { color: var(--dim); font-size: .82rem } .status { white-space: nowrap; font-weight: 600 }
@media (max-width: 40rem) { td:last-child, th:last-child { display: none } }
""" + "".join(f".{colour} {{ color: var(--{colour}) }} " for colour in sorted({colour for _, colour in SIGNS.values()}))

_SCRIPT = """
const form = document.querySelector('form'), rows = [...document.querySelectorAll('tbody tr')];
const boxes = form.querySelectorAll('[name=status]').length;
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
  for (const part of document.querySelectorAll('details')) {
    part.hidden = !part.querySelector('tbody tr:not([hidden])');
    if (words.length || wanted.size < boxes) part.open = !part.hidden;
  }
  document.querySelector('output').value = count === rows.length ? '' : count + ' of ' + rows.length + ' shown';
}
form.addEventListener('input', filter);
form.addEventListener('submit', event => event.preventDefault());
filter();
"""


def to_page(survey: Survey, drawn: CoverageMap) -> str:
    """The whole page."""
    shown = lines_of(drawn.rows)
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
{_bar(drawn)}<ul>{"".join(f"<li>{escape(line)}</li>" for line in _about(survey))}</ul>
<form role="search">
<input type="search" name="text" placeholder="path, method, application, function …" aria-label="Filter" autofocus>
{"".join(_boxes(drawn))}
<label><output></output></label>
</form>
{_tables(shown.lines)}{"".join(_footnote(*note) for note in shown.notes)}<script>{_SCRIPT}</script>
</body>
</html>
"""


def _bar(drawn: CoverageMap) -> str:
    moved, total = drawn.progress()
    if drawn.by_protocol or not total:
        return ""
    percent = 100 * moved // total
    return f'<div class="bar" role="img" aria-label="{percent} %"><i style="width: {percent}%"></i></div>\n'


def _tables(lines: tuple[Line, ...]) -> str:
    """One table, or from many lines on one for each prefix, folded."""
    if len(lines) < _FOLDED_FROM:
        return _table(lines)
    return "".join(
        f"<details><summary><b>{escape(prefix)}</b><span>{_counts(members)}</span></summary>\n{_table(members)}</details>\n"
        for prefix, members in by_prefix(lines).items()
    )


def by_prefix(lines: tuple[Line, ...], depth: int = 1) -> dict[str, tuple[Line, ...]]:
    """The lines by the first segments of their paths; a prefix with many lines is divided, where that gives few parts."""
    parts: dict[str, list[Line]] = {}
    for line in lines:
        parts.setdefault("/".join(line.row.path.split("/")[: depth + 1]), []).append(line)
    found: dict[str, tuple[Line, ...]] = {}
    for prefix, members in parts.items():
        whole = {prefix: tuple(members)}
        deeper = len(members) >= _FOLDED_FROM // 2 and any(line.row.path.count("/") > depth for line in members)
        inner = by_prefix(tuple(members), depth + 1) if deeper else whole
        for name, some in (inner if len(inner) <= len(members) // 10 else whole).items():
            found[name] = (*found.get(name, ()), *some)
    return found


def _counts(lines: tuple[Line, ...]) -> str:
    counted = Counter(line.row.status for line in lines)
    return ", ".join(
        f'<i class="{SIGNS[status][1]}">{SIGNS[status][0]}</i> {counted[status]} {status}'
        for status in MEANINGS
        if counted[status]
    )


def _table(lines: tuple[Line, ...]) -> str:
    rows = "".join(map(_row, lines))
    head = "<th>path</th><th>method</th><th>status</th><th>served by</th><th>old, new</th>"
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"


def _footnote(number: str, note: str, times: int) -> str:
    return f'<p class="note">{escape(f"{number} {note} ({times} lines)")}</p>\n'


def _about(survey: Survey) -> list[str]:
    lines = [f"{survey.plan.mode}: {survey.plan.reason}", *(f"rule {rule.shown}" for rule in survey.plan.rules)]
    for app, table in zip(survey.plan.apps, survey.tables, strict=True):
        what = "routes unknown" if table is None else f"{table.framework}, {table.size()}"
        gaps = "" if table is None or table.complete else f"; some of its routes are missing: {table.why}"
        lines.append(f"{app.interface} {app.name} at {app.prefix or '/'}: {what}{gaps}")
    return lines


def _boxes(drawn: CoverageMap) -> list[str]:
    return [
        f'<label class="{SIGNS[status][1]}" title="{escape(MEANINGS[status])}">'
        f'<input type="checkbox" name="status" value="{status}" checked> {SIGNS[status][0]} {status} {count}</label>\n'
        for status, count in drawn.counts().items()
        if count
    ]


def _row(line: Line) -> str:
    row = line.row
    sign, colour = SIGNS[row.status]
    path = escape(f"{row.host or ''}{row.path}")
    note = f'<div class="note">{escape(line.note)}</div>' if line.note else ""
    return (
        f'<tr data-status="{row.status}" data-path="{path}"><td>{path}</td><td>{escape(line.methods)}</td>'
        f'<td class="status {colour}">{sign} {row.status}</td><td>{escape(served(row))}{note}</td>'
        f'<td class="where">{_where(row)}</td></tr>\n'
    )


def _where(row: Row) -> str:
    defined = [side.route.defined for side in (row.old, row.new) if side is not None and side.route.defined]
    return "<br>".join(escape(text) for text in defined)
