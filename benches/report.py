"""The report: for each case the targets and one Markdown table, then what failed and how each server was started.

Apart so that what is measured and how it is shown can change alone. Nothing is left out of it: a server that is
faster than rsgi, one that made errors and one that did not start all have their row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from cases import Case
from figures import REFERENCE, Measurement, Results, Runs, Verdict, judge, median_of, problems, ratios

# Figure, heading, format.
_COLUMNS = (
    ("p50", "p50 µs", ",.0f"),
    ("p99", "p99 µs", ",.0f"),
    ("cpu", "CPU µs/request", ".1f"),
    ("instructions", "user instructions/request", ",.0f"),
    ("switches", "context switches/request", ".3f"),
    ("resident", "resident MiB", ".0f"),
)
_HEADINGS = (
    "server",
    "requests/s",
    "rsgi is … times as fast (lowest to highest)",
    *(heading for _, heading, _ in _COLUMNS),
    "errors",
)
_KNOWN = {"rate", *(figure for figure, _, _ in _COLUMNS)}


def render_report(
    title: Sequence[str],
    cases: Sequence[Case],
    results: Results,
    skipped: Mapping[str, str],
    started: Sequence[Sequence[str]],
) -> str:
    """The whole report.

    Args:
        title: sentences about machine, date and method.
        cases: the cases in order.
        results: what was measured.
        skipped: cases that cannot run here, and why.
        started: for each server its name, versions, remark and command line.
    """
    parts = ["# rsgi beside other servers", *title]
    for case in cases:
        rows = {server: runs for (of_case, server), runs in results.items() if of_case == case.name}
        if case.name in skipped:
            parts += [f"## {case.heading}", f"Left out: {skipped[case.name]}."]
        elif rows:
            parts += [f"## {case.heading}", _table(_HEADINGS, [_row(server, rows[server], rows) for server in rows])]
            parts += [text for text in (_verdicts(case, results), _extra(rows)) if text]
    if found := problems(results):
        parts += ["## What went wrong", "\n".join(f"- {problem}" for problem in found)]
    parts += ["## How each was started", _table(("server", "versions", "configuration", "command"), started)]
    return "\n\n".join(parts) + "\n"


def _verdicts(case: Case, results: Results) -> str:
    return "\n".join(f"- {_verdict(judge(case.name, target, results))}" for target in case.targets)


def _verdict(verdict: Verdict) -> str:
    target = verdict.target
    beside = f" beside {target.peer}{f' in {target.case}' if target.case else ''}" if target.peer else ""
    bound = "at least" if target.at_least else "at most"
    times = " times" if target.peer else ""
    measured = "not measured" if verdict.value is None else f"{verdict.value:,.2f}"
    outcome = {True: "met", False: "**missed**", None: "open"}[verdict.met]
    return f"{target.figure}{beside}: {measured}{times}; target {bound} {target.limit:,g}: {outcome}"


def _extra(rows: Mapping[str, Runs]) -> str:
    """Figures that have no column, as sentences."""
    lines = []
    for server, runs in rows.items():
        names = dict.fromkeys(name for run in runs if isinstance(run, Measurement) for name in run.figures)
        told = [f"{name} {median_of(runs, name):,.2f}" for name in names if name not in _KNOWN]
        lines += [f"- {server}: {', '.join(told)}"] if told else []
    return "\n".join(lines)


def _row(server: str, runs: Runs, rows: Mapping[str, Runs]) -> list[str]:
    measured = [run for run in runs if isinstance(run, Measurement)]
    failures = len(runs) - len(measured)
    errors = f"{sum(sum(run.errors.values()) for run in measured):,}"
    if failures:
        errors = f"{errors}, {failures} of {len(runs)} runs failed"
    against = "1" if server == REFERENCE else _ratio(ratios(rows.get(REFERENCE, []), runs))
    columns = [_cell(runs, figure, form) for figure, _, form in _COLUMNS]
    return [server, _cell(runs, "rate", ",.0f"), against, *columns, errors]


def _ratio(found: list[float]) -> str:
    return f"{median(found):.2f} ({min(found):.2f} to {max(found):.2f})" if found else "-"


def _cell(runs: Runs, figure: str, form: str) -> str:
    value = median_of(runs, figure)
    return "-" if value is None else format(value, form)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)
