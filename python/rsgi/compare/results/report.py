"""What the counts mean: how much of each route matches, how sure that is, and where it differs.

Spec: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (1927), for the lower bound.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsgi.compare.results.tally import MORE, RouteKey, RouteTally, Tally, is_noise

# Two-sided 95 %.
_Z = 1.959964

_MOST_DIFFERENCES = 20
_MOST_PAIRS = 5


@dataclass(frozen=True)
class Place:
    """A place where responses differ.

    Attributes:
        kind: `value`, `type`, `missing` or `added`.
        path: Where.
        count: In how many samples.
        example: The values of both in one sample, if it is stored.
    """

    kind: str
    path: str
    count: int
    example: tuple[str | None, str | None] | None = None


@dataclass(frozen=True)
class RouteReport:
    """The results of one route.

    Attributes:
        route: The route.
        primary: The application that answered the clients.
        shadow: The other application.
        n: How many samples were compared.
        matched: How many of them have no difference, apart from noise.
        places: The most frequent differences.
        noise: Places where the primary differs from itself, and in how many of the repeats.
        repeats: How often the primary was asked twice.
        partial: How many samples were compared in part only, by the reason.
        skipped: How many exchanges could not be compared, by the reason.
        pairs: Some samples that differ.
    """

    route: str
    primary: str
    shadow: str
    n: int
    matched: int
    places: tuple[Place, ...]
    noise: Mapping[str, int]
    repeats: int
    partial: Mapping[str, int]
    skipped: Mapping[str, int]
    pairs: tuple[Mapping[str, Any], ...]

    @property
    def match(self) -> float | None:
        """The part of the samples that matches, from 0 to 1. `None` without a sample."""
        return self.matched / self.n if self.n else None

    @property
    def low(self) -> float | None:
        """The lower bound of the match in the long run. `None` without a sample."""
        return wilson_low(self.matched, self.n) if self.n else None

    def to_json(self) -> dict[str, Any]:
        """The results as a JSON object."""
        differences = []
        for each in self.places:
            said: dict[str, Any] = {"path": each.path, "kind": each.kind, "count": each.count}
            if each.example is not None:
                said["example"] = {"primary": each.example[0], "shadow": each.example[1]}
            differences.append(said)
        return {
            "route": self.route,
            "primary": self.primary,
            "shadow": self.shadow,
            "n": self.n,
            "match": self.match,
            "low": self.low,
            "differences": differences,
            "noise": dict(self.noise),
            "repeats": self.repeats,
            "partial": dict(self.partial),
            "skipped": dict(self.skipped),
            "pairs": list(self.pairs),
        }


def wilson_low(matched: int, n: int) -> float:
    """The lower end of the Wilson interval (95 %) for `matched` of `n`."""
    part, square = matched / n, _Z * _Z
    middle = part + square / (2 * n)
    spread = _Z * math.sqrt(part * (1 - part) / n + square / (4 * n * n))
    return max(0.0, (middle - spread) / (1 + square / n))


def samples_needed(wanted: float) -> int | None:
    """How many samples without a difference it takes until the lower bound is `wanted`. `None`: never."""
    if wanted >= 1:
        return None
    return max(1, math.ceil(wanted * _Z * _Z / (1 - wanted) - 1e-9))


def reports_of(tally: Tally, pairs: Iterable[Mapping[str, Any]] = ()) -> list[RouteReport]:
    """The results of all routes: those that match least come first.

    Args:
        tally: The counts.
        pairs: Stored samples, the newest first.
    """
    stored: dict[RouteKey, list[Mapping[str, Any]]] = {}
    for pair in pairs:
        stored.setdefault((pair["route"], pair["primary"]["app"], pair["shadow"]["app"]), []).append(pair)
    made = [_report(key, counts, stored.get(key, [])) for key, counts in tally.routes.items()]
    return sorted(made, key=lambda each: (each.match is None, each.match, -each.n, each.route, each.shadow))


def _report(key: RouteKey, counts: RouteTally, stored: Sequence[Mapping[str, Any]]) -> RouteReport:
    n = matched = 0
    places: Counter[str] = Counter()
    for signature, count in counts.signatures.items():
        left = [place for place in signature if not is_noise(place, counts.noise)]
        n += count
        matched += 0 if left else count
        places.update(dict.fromkeys(left, count))
    pairs = [pair for pair in stored if not all(is_noise(_key(each), counts.noise) for each in pair["differences"])]
    return RouteReport(
        *key,
        n=n,
        matched=matched,
        places=tuple(_place(place, count, pairs) for place, count in _sorted(places)[:_MOST_DIFFERENCES]),
        noise=dict(_sorted(counts.noise)),
        repeats=counts.repeats,
        partial=dict(_sorted(counts.partial)),
        skipped=dict(_sorted(counts.skipped)),
        pairs=_varied(pairs),
    )


def _sorted(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


def _place(key: str, count: int, pairs: Sequence[Mapping[str, Any]]) -> Place:
    if key == MORE:
        return Place("value", MORE, count)
    kind, _, path = key.partition(" ")
    for pair in pairs:
        for each in pair["differences"]:
            if _key(each) == key:
                return Place(kind, path, count, (each["primary"], each["shadow"]))
    return Place(kind, path, count)


def _key(difference: Mapping[str, Any]) -> str:
    return f"{difference['kind']} {difference['place']}"


def _varied(pairs: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """A few samples, first those with different differences."""
    seen: set[tuple[str, ...]] = set()
    first: list[Mapping[str, Any]] = []
    rest: list[Mapping[str, Any]] = []
    for pair in pairs:
        signature = tuple(sorted({_key(each) for each in pair["differences"]}))
        (rest if signature in seen else first).append(pair)
        seen.add(signature)
    return tuple((first + rest)[:_MOST_PAIRS])
