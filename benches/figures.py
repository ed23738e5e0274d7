"""What one run gave, and the statistics over rounds: medians, ratios within a round, and whether a target is met.

Apart so that it can be tried without a server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from targets import EVERY, Target

REFERENCE = "rsgi"


@dataclass(frozen=True)
class Measurement:
    """One server under one load for a few seconds.

    Attributes:
        figures: `rate` (requests/s), `p50` and `p99` (µs), `cpu` (µs a request), `switches` (a request), `resident` (MiB),
            and what only some cases have, such as `instructions` (a request).
        errors: what went wrong and how often.
    """

    figures: Mapping[str, float]
    errors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """A run that gave no figures, and why."""

    reason: str


Runs = Sequence[Measurement | Failure]
# By case and server: one entry for each round, in order.
Results = dict[tuple[str, str], list[Measurement | Failure]]


@dataclass(frozen=True)
class Verdict:
    """A target, what was measured (None: nothing), and whether that meets it.

    Attributes:
        target: the target.
        value: the figure, or the ratio to that of `peer`.
        peer: the server that it was divided by; of all servers, the one that gives the worst ratio.
    """

    target: Target
    value: float | None
    peer: str | None = None

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.target.limit if self.target.at_least else self.value <= self.target.limit


def median_of(runs: Runs, figure: str) -> float | None:
    """The median of a figure over the rounds that gave it."""
    values = [run.figures[figure] for run in runs if isinstance(run, Measurement) and figure in run.figures]
    return median(values) if values else None


def ratios(ours: Runs, theirs: Runs, figure: str = "rate") -> list[float]:
    """Figures of the same round divided, as the machine may be slower in one round than in another."""
    return [
        a.figures[figure] / b.figures[figure]
        for a, b in zip(ours, theirs, strict=False)  # shorter when the comparison was interrupted
        if isinstance(a, Measurement) and isinstance(b, Measurement) and figure in a.figures and b.figures.get(figure)
    ]


def judge(case: str, target: Target, results: Results) -> Verdict:
    """What rsgi reached of a target."""
    ours = results.get((case, REFERENCE), [])
    if target.peer is None:
        return Verdict(target, median_of(ours, target.figure))
    of_case = target.case or case
    everyone = [server for name, server in results if name == of_case and not server.startswith(REFERENCE)]
    found = {
        peer: median(shares)
        for peer in (everyone if target.peer == EVERY else [target.peer])
        if (shares := ratios(ours, results.get((of_case, peer), []), target.figure))
    }
    if not found:
        return Verdict(target, None, target.peer)
    worst = (min if target.at_least else max)(found, key=lambda peer: found[peer])
    return Verdict(target, found[worst], worst)


def problems(results: Results) -> list[str]:
    """All runs that failed or had errors, in words."""
    found = []
    for (case, server), runs in results.items():
        for number, run in enumerate(runs, start=1):
            if isinstance(run, Failure):
                found.append(f"{case}, {server}, round {number}: {run.reason}")
            elif run.errors:
                errors = ", ".join(f"{count:,} {meaning}" for meaning, count in run.errors.items())
                found.append(f"{case}, {server}, round {number}: {errors}")
    return found
