"""What to compare, what to remove before storing, and how much to keep.

The settings of the server and the options of `rsgi replay` become these objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MIB = 1024 * 1024

# Header fields whose values are compared by default. Others, such as `date` and `server`, differ between frameworks.
DEFAULT_HEADERS = ("content-type", "location", "cache-control", "allow", "www-authenticate")


@dataclass(frozen=True)
class Comparison:
    """How the responses of one route are compared.

    Attributes:
        headers: The header fields to compare.
        ignore: JSON paths that are not compared, such as `$.time` or `$.items[*].updated`.
        unordered: JSON paths of lists whose order is not compared, such as `$.tags`.
        masks: Patterns that are not compared in text and in JSON strings: names of built-in masks, or `NAME=REGEX`. `None`
            means all built-in masks.
    """

    headers: tuple[str, ...] = DEFAULT_HEADERS
    ignore: tuple[str, ...] = ()
    unordered: tuple[str, ...] = ()
    masks: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ObserverOptions:
    """What an `Observer` does.

    Attributes:
        folder: Where samples are stored. With `None`, they stay in memory.
        default: How responses are compared.
        routes: How those of some routes are compared instead, by the `route` of the exchange.
        redact: Names of further header, query, form and JSON fields whose values are never stored.
        max_samples: The number of samples that are kept. The oldest go first.
        max_bytes: The size of the store.
    """

    folder: str | None = None
    default: Comparison = field(default_factory=Comparison)
    routes: Mapping[str, Comparison] = field(default_factory=dict)
    redact: tuple[str, ...] = ()
    max_samples: int = 10_000
    max_bytes: int = 256 * MIB
