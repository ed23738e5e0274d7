"""The report: the targets, one Markdown table for each case, what failed, and how each server was started.

Apart so that what is measured and how it is shown can change alone. Nothing is left out of it: a server that is
faster than rsgi, one that made errors and one that did not start all have their row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from cases import Case
from figures import REFERENCE, Measurement, Results, Runs, Verdict, judge, median_of, problems, ratios
from targets import EVERY, TARGETS, Target

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
_TITLES = {"rate": "requests/s", **{figure: heading for figure, heading, _ in _COLUMNS}}
_TARGET_HEADINGS = ("case", "figure", "beside", "measured", "target", "outcome")
# Whether a target is met: how the table says it, and how the summary counts it.
_OUTCOMES = {True: ("met", "met"), False: ("**missed**", "missed"), None: ("open", "not measured")}
_KNOWN = {"rate", *(figure for figure, _, _ in _COLUMNS)}


def render_report(
    title: Sequence[str],
    cases: Sequence[Case],
    results: Results,
    skipped: Mapping[str, str],
    started: Sequence[Sequence[str]],
    not_counted: Sequence[str] = (),
) -> str:
    """The whole report.

    Args:
        title: sentences about machine, date and method.
        cases: the cases in order.
        results: what was measured.
        skipped: cases that cannot run here, and why.
        started: for each server its name, versions, remark and command line.
        not_counted: the cases and servers whose instructions valgrind could not count, and why.
    """
    parts = ["# rsgi beside other servers", *title]
    if verdicts := [_verdict(case, judge(case.name, target, results)) for case, target in _targets(cases, results)]:
        parts += ["## Targets", _summary(verdicts), _table(_TARGET_HEADINGS, verdicts)]
    for case in cases:
        rows = {server: runs for (of_case, server), runs in results.items() if of_case == case.name}
        if case.name in skipped:
            parts += [f"## {case.heading}", f"Left out: {skipped[case.name]}."]
        elif rows:
            parts += [f"## {case.heading}", _table(_HEADINGS, [_row(server, rows[server], rows) for server in rows])]
            parts += [text for text in (_extra(rows),) if text]
    if found := problems(results):
        parts += ["## What went wrong", "\n".join(f"- {problem}" for problem in found)]
    if not_counted:
        parts += ["## Instructions that could not be counted", "\n".join(f"- {reason}" for reason in not_counted)]
    parts += ["## How each was started", _table(("server", "versions", "configuration", "command"), started)]
    return "\n\n".join(parts) + "\n"


def _targets(cases: Sequence[Case], results: Results) -> list[tuple[Case, Target]]:
    """Those of the cases that were run."""
    run = {case for case, _ in results}
    return [(case, target) for case in cases if case.name in run for target in TARGETS.get(case.name, ())]


def _summary(verdicts: Sequence[Sequence[str]]) -> str:
    counts = Counter(outcome for *_, outcome in verdicts)
    return ", ".join(f"{counts[outcome]} {word}" for outcome, word in _OUTCOMES.values() if counts[outcome]) + "."


def _verdict(case: Case, verdict: Verdict) -> list[str]:
    """One line of the table of targets."""
    target = verdict.target
    times = " times" if target.peer else ""
    beside = "" if verdict.peer is None else verdict.peer
    if target.peer == EVERY and verdict.value is not None:
        beside = f"{verdict.peer}, the closest of {EVERY}"
    if target.case:
        beside += f" in {target.case}"
    return [
        case.heading,
        _TITLES.get(target.figure, target.figure),
        beside,
        "not measured" if verdict.value is None else f"{_number(verdict.value)}{times}",
        f"at {'least' if target.at_least else 'most'} {_number(target.limit)}{times}",
        _OUTCOMES[verdict.met][0],
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.2f}"


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
