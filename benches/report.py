"""The report: one Markdown table for each case, then how each server was started and what failed.

Apart so that what is measured and how it is shown can change alone. Nothing is left out of it: a server that is
faster than rsgi, one that made errors and one that did not start all have their row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

_REFERENCE = "rsgi"
_HEADINGS = (
    "server",
    "requests/s",
    "rsgi is … times as fast (lowest to highest)",
    "p50 µs",
    "p99 µs",
    "CPU µs/request",
    "user instructions/request",
    "context switches/request",
    "resident MiB",
    "errors",
)


@dataclass(frozen=True)
class Measurement:
    """One server under one load for a few seconds; see `_HEADINGS` for the units."""

    rate: float
    p50: float
    p99: float
    cpu: float
    instructions: float | None
    switches: float
    resident: float
    errors: dict[str, int]


@dataclass(frozen=True)
class Failure:
    """A run that gave no figures, and why."""

    reason: str


# By case and server: one entry for each round, in order.
Results = dict[tuple[str, str], list[Measurement | Failure]]


def render_report(
    title: Sequence[str], cases: dict[str, str], results: Results, started: Sequence[Sequence[str]]
) -> str:
    """The whole report.

    Args:
        title: sentences about machine, date and method.
        cases: the cases in order, and the heading of each.
        results: what was measured.
        started: for each server its name, versions, remark and command line.
    """
    parts = ["# rsgi beside other servers", *title]
    for case, heading in cases.items():
        rows = {server: runs for (of_case, server), runs in results.items() if of_case == case}
        if rows:
            parts += [f"## {heading}", _table(_HEADINGS, [_row(server, runs, rows) for server, runs in rows.items()])]
    if problems := _problems(results):
        parts += ["## What went wrong", "\n".join(f"- {problem}" for problem in problems)]
    parts += ["## How each was started", _table(("server", "versions", "configuration", "command"), started)]
    return "\n\n".join(parts) + "\n"


def has_failures(results: Results) -> bool:
    """Whether any run gave no figures or had errors."""
    return bool(_problems(results))


def _row(server: str, runs: list[Measurement | Failure], rows: dict[str, list[Measurement | Failure]]) -> list[str]:
    measured = [run for run in runs if isinstance(run, Measurement)]
    failures = len(runs) - len(measured)
    errors = sum(sum(run.errors.values()) for run in measured)
    problems = [f"{errors:,}"] + ([f"{failures} of {len(runs)} runs failed"] if failures else [])
    if not measured:
        return [server, *["-"] * (len(_HEADINGS) - 2), ", ".join(problems[1:])]
    return [
        server,
        _median(measured, lambda run: run.rate, ",.0f"),
        "1" if server == _REFERENCE else _ratio(rows.get(_REFERENCE, []), runs),
        _median(measured, lambda run: run.p50, ",.0f"),
        _median(measured, lambda run: run.p99, ",.0f"),
        _median(measured, lambda run: run.cpu, ".1f"),
        _median(measured, lambda run: run.instructions, ",.0f"),
        _median(measured, lambda run: run.switches, ".3f"),
        _median(measured, lambda run: run.resident, ".0f"),
        ", ".join(problems),
    ]


def _ratio(reference: list[Measurement | Failure], peer: list[Measurement | Failure]) -> str:
    """Rates of the same round are divided, as the machine may be slower in one round than in another."""
    ratios = [
        ours.rate / theirs.rate
        for ours, theirs in zip(reference, peer, strict=False)  # shorter when the comparison was interrupted
        if isinstance(ours, Measurement) and isinstance(theirs, Measurement)
    ]
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})" if ratios else "-"


def _median(runs: list[Measurement], value: Callable[[Measurement], float | None], form: str) -> str:
    values = [number for run in runs if (number := value(run)) is not None]
    return format(median(values), form) if values else "-"


def _problems(results: Results) -> list[str]:
    problems = []
    for (case, server), runs in results.items():
        for number, run in enumerate(runs, start=1):
            if isinstance(run, Failure):
                problems.append(f"{case}, {server}, round {number}: {run.reason}")
            elif run.errors:
                errors = ", ".join(f"{count:,} {meaning}" for meaning, count in run.errors.items())
                problems.append(f"{case}, {server}, round {number}: {errors}")
    return problems


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)
