"""One thing that `rsgi doctor` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["ok", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One fact, or one thing that is probably not meant.

    Attributes:
        about: One or two words: what was looked at.
        level: `error` if the server cannot run like this.
        message: What was found.
        hint: What to do about it; not for a fact.
    """

    about: str
    level: Level
    message: str
    hint: str | None = None
