"""What is said of a key that a table of the configuration file does not have.

Each kind of table has its own file. The words are the same for all.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence


def unknown_key(table: Mapping[str, object], known: Sequence[str], what: str) -> tuple[str, str] | None:
    """Problem and hint for the first key that is unknown; `None` if there is none.

    Args:
        table: The table.
        known: The keys that it can have.
        what: What the table is, such as `a shadow rule`.
    """
    key = next((each for each in table if each not in known), None)
    if key is None:
        return None
    close = difflib.get_close_matches(str(key), known, 1)
    return f"{what} has no key `{key}`", f"did you mean `{close[0]}`?" if close else f"it has {', '.join(known)}"
