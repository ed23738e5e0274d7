"""Counts results by route: how many samples, and which sets of differences, how often.

A sample is counted by the set of places where it differs. So noise that is learnt later also applies to samples from
before. The counts of several processes are added up. `report.py` says what the counts mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rsgi.compare.comparer import Result
from rsgi.compare.differences import Difference

# A route, and the applications that were compared.
RouteKey: TypeAlias = tuple[str, str, str]

# The places where one sample differs, sorted.
Signature: TypeAlias = tuple[str, ...]

# What stands for more routes, signatures or places than are counted one by one.
MORE = "(more)"

_MOST_ROUTES = 500
_MOST_SIGNATURES = 200
_MOST_PLACES = 50
_MOST_NOISE = 500


@dataclass
class RouteTally:
    """The counts of one route.

    Attributes:
        signatures: How many samples have which differences. Samples without a difference have the empty signature.
        noise: In how many repeats the primary differed from itself at which place.
        repeats: How often the primary was asked twice.
        partial: How many samples could only be compared in part, by the reason.
        skipped: How many exchanges could not be compared, by the reason.
    """

    signatures: Counter[Signature] = field(default_factory=Counter)
    noise: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    partial: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result) -> Signature | None:
        """Count a result. Return its signature, or `None` if nothing was compared."""
        if result.skipped is not None:
            self.skipped[result.skipped] += 1
            return None
        if result.partial is not None:
            self.partial[result.partial] += 1
        signature = self._counted(signature_of(result.differences))
        self.signatures[signature] += 1
        return signature

    def learn(self, differences: Iterable[Difference]) -> None:
        """Count what differs between two responses of the primary."""
        self.repeats += 1
        for key in {each.key for each in differences}:
            if key in self.noise or len(self.noise) < _MOST_NOISE:
                self.noise[key] += 1

    def merge(self, other: RouteTally) -> None:
        """Add the counts of another process."""
        for signature, count in other.signatures.items():
            self.signatures[self._counted(signature)] += count
        self.noise.update(other.noise)
        self.repeats += other.repeats
        self.partial.update(other.partial)
        self.skipped.update(other.skipped)

    def _counted(self, signature: Signature) -> Signature:
        known = not signature or signature in self.signatures or len(self.signatures) < _MOST_SIGNATURES
        return signature if known else (MORE,)

    def to_json(self) -> dict[str, Any]:
        """All counts as a JSON object."""
        return {
            "signatures": [[list(signature), count] for signature, count in self.signatures.items()],
            "noise": dict(self.noise),
            "repeats": self.repeats,
            "partial": dict(self.partial),
            "skipped": dict(self.skipped),
        }

    @classmethod
    def from_json(cls, counts: Mapping[str, Any]) -> RouteTally:
        """The inverse of `to_json`."""
        signatures: Counter[Signature] = Counter()
        for places, count in counts["signatures"]:
            signatures[tuple(places)] += count
        names = ("noise", "partial", "skipped")
        return cls(signatures, repeats=counts["repeats"], **{name: Counter(counts[name]) for name in names})


@dataclass
class Tally:
    """The counts of all routes."""

    routes: dict[RouteKey, RouteTally] = field(default_factory=dict)

    def route(self, key: RouteKey) -> RouteTally:
        """The counts of a route."""
        if key not in self.routes and len(self.routes) >= _MOST_ROUTES:
            key = (MORE, *key[1:])
        return self.routes.setdefault(key, RouteTally())

    def merge(self, other: Tally) -> None:
        """Add the counts of another process."""
        for key, counts in other.routes.items():
            self.route(key).merge(counts)

    def to_json(self) -> list[dict[str, Any]]:
        """All counts as JSON."""
        return [
            {"route": route, "primary": primary, "shadow": shadow, **counts.to_json()}
            for (route, primary, shadow), counts in self.routes.items()
        ]

    @classmethod
    def from_json(cls, routes: Iterable[Mapping[str, Any]]) -> Tally:
        """The inverse of `to_json`."""
        tally = cls()
        for counts in routes:
            key = (counts["route"], counts["primary"], counts["shadow"])
            tally.route(key).merge(RouteTally.from_json(counts))
        return tally


def signature_of(differences: Iterable[Difference]) -> Signature:
    """The places where a sample differs."""
    places = sorted({each.key for each in differences})
    return tuple(places) if len(places) <= _MOST_PLACES else (*places[:_MOST_PLACES], MORE)


def is_noise(key: str, noise: Mapping[str, int]) -> bool:
    """Whether the primary differs from itself at a place, in this way.

    A value that is sometimes of another type may also have other values. A list that has more or fewer elements each time
    may have both. Values that are noise may not hide another type or a missing field.
    """
    kind, _, place = key.partition(" ")
    also = {"value": ("type",), "missing": ("added",), "added": ("missing",)}.get(kind, ())
    return key in noise or any(f"{other} {place}" in noise for other in also)
