"""One difference between two responses, and where it is.

All parts of the comparer make these objects. The tally counts them by place, so a place must not depend on the data: the
index of a list is `[*]` there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

# `missing`: the shadow does not have it. `added`: only the shadow has it.
Kind: TypeAlias = Literal["value", "type", "missing", "added"]

# More differences in one response are not listed.
MOST = 200

# How much of a value is shown.
SHOWN = 120


@dataclass(frozen=True)
class Difference:
    """One difference.

    Attributes:
        path: Where it is: `status`, `header location`, `$.items[0].price`, `html > body > p` or `line 3`.
        place: The same for all responses of a route: without the indices of lists.
        kind: What differs.
        primary: The value in the response of the primary, shortened; `None` if there is none.
        shadow: The value in the response of the shadow.
    """

    path: str
    place: str
    kind: Kind
    primary: str | None
    shadow: str | None

    @property
    def key(self) -> str:
        """What it is counted by."""
        return f"{self.kind} {self.place}"


def difference(path: str, kind: Kind, primary: str | None, shadow: str | None, place: str | None = None) -> Difference:
    """Make a difference with shortened values. All its texts can be stored."""
    path, place = _storable(path), _storable(path if place is None else place)
    return Difference(path, place, kind, _shortened(primary), _shortened(shadow))


def _shortened(text: str | None) -> str | None:
    if text is None:
        return None
    return _storable(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")


def _storable(text: str) -> str:
    """The text without the halves of surrogate pairs, which JSON can have and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def split_key(key: str) -> tuple[str, str]:
    """The kind and the place of a key."""
    kind, _, place = key.partition(" ")
    return kind, place
