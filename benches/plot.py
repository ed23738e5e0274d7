"""The picture of the report: one group of bars for each case, requests/s as a share of rsgi's, as SVG.

Apart from the report because it is a file of its own. It is readable on light and on dark pages: it has no background, and
its colours follow the reader's scheme.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from xml.sax.saxutils import escape

from cases import Case
from figures import REFERENCE, Results, ratios

_STYLE = (
    "text{font:12px sans-serif;fill:#333}.case{font-weight:bold}.peer{fill:#8a94a6}.rsgi{fill:#c2410c}"
    "@media (prefers-color-scheme:dark){text{fill:#ddd}.rsgi{fill:#fb923c}}"
)
_LEFT, _WIDTH, _ROW = 130, 460, 18


def render_plot(cases: Sequence[Case], results: Results) -> str:
    """The SVG; cases without a peer are left out, peers without figures too."""
    lines: list[str] = []
    y = 0
    for case in cases:
        rates = _relative(case.name, results)
        if len(rates) < 2:
            continue
        y += 24
        lines.append(f'<text class="case" x="0" y="{y}">{escape(case.heading)}</text>')
        widest = max(rates.values())
        for server, rate in rates.items():
            y += _ROW
            kind = "rsgi" if server.startswith(REFERENCE) else "peer"
            width = _WIDTH * rate / widest
            lines.append(f'<text x="{_LEFT - 6}" y="{y}" text-anchor="end">{escape(server)}</text>')
            lines.append(f'<rect class="{kind}" x="{_LEFT}" y="{y - 11}" width="{width:.0f}" height="13"/>')
            lines.append(f'<text x="{_LEFT + width + 5:.0f}" y="{y}">{rate:.2f}</text>')
    size = f'width="{_LEFT + _WIDTH + 50}" height="{y + 10}"'
    body = "\n".join(lines)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<style>{_STYLE}</style>\n{body}\n</svg>\n'


def _relative(case: str, results: Results) -> dict[str, float]:
    """The rate of each server as a share of rsgi's, fastest first."""
    ours = results.get((case, REFERENCE), [])
    found = {
        server: median(shares)
        for (of_case, server), runs in results.items()
        if of_case == case and (shares := ratios(runs, ours))
    }
    return dict(sorted(found.items(), key=lambda row: -row[1]))
