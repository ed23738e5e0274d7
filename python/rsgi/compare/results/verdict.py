"""The verdict of `--fail-under`: whether enough of each route matches, and whether there are enough samples to know.

CI uses it. A route with few samples can match by chance, so the verdict also says how many samples would be needed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rsgi.compare.results.report import RouteReport, samples_needed


@dataclass(frozen=True)
class Verdict:
    """Whether the routes match well enough.

    Attributes:
        failures: One sentence for each reason to fail.
        notes: What else to know, such as too few samples.
    """

    failures: tuple[str, ...]
    notes: tuple[str, ...]


def parse_percent(text: str) -> float:
    """Read `99%` or `99.5%` as a number from 0 to 1.

    Raises:
        ValueError: when it is none. The message follows the text in a sentence.
    """
    found = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)\s*%", text.strip(), re.ASCII)
    if found is None:
        raise ValueError("is not a percentage: write for example `99%`")
    if float(found[1]) > 100:
        raise ValueError("is more than 100%")
    return float(found[1]) / 100


def write_percent(part: float) -> str:
    """Format a part as a percentage. Only all samples are `100%`, and only none are `0%`."""
    if part in (0, 1):
        return f"{part:.0%}"
    return f"{min(max(part * 100, 0.1), 99.9):.1f}%" if not 0.001 <= part <= 0.999 else f"{part:.1%}"


def judge(reports: Sequence[RouteReport], wanted: float, min_samples: int = 1) -> Verdict:
    """Judge each route by its match and the number of its samples.

    Args:
        reports: The routes.
        wanted: The match that each route needs, from 0 to 1.
        min_samples: How many samples each route needs.
    """
    failures, unsure = [], 0
    for each in reports:
        if each.n < max(min_samples, 1):
            failures.append(f"{each.route}: {_samples(each.n)}, fewer than {_samples(max(min_samples, 1))}")
        elif each.matched < wanted * each.n - 1e-9:
            match = write_percent(each.matched / each.n)
            failures.append(f"{each.route}: {match} of {_samples(each.n)} match, less than {_written(wanted)}")
        elif each.low is not None and each.low < wanted:
            unsure += 1
    if not reports:
        failures.append("no sample was compared")
    return Verdict(tuple(failures), _notes(unsure, wanted))


def _notes(unsure: int, wanted: float) -> tuple[str, ...]:
    needed = samples_needed(wanted)
    if not unsure or needed is None:
        return ()
    routes = "1 route has" if unsure == 1 else f"{unsure} routes have"
    more = f"{_written(wanted)} is only sure (95% confidence) from {_samples(needed)} without a difference on"
    return (f"{routes} too few samples: {more}",)


def _written(part: float) -> str:
    return f"{part * 100:.6g}%"


def _samples(count: int) -> str:
    return "1 sample" if count == 1 else f"{count} samples"
