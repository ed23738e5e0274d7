"""Lines for the operator on standard error.

Apart because several processes may write to the same terminal: then each line says whose it is.
"""

from __future__ import annotations

import sys

_name = ""


def name_process(name: str) -> None:
    """Put `name` before every line of this process from now on, those of the compiled part too."""
    global _name
    from rsgi import _rsgi

    _name = name
    _rsgi.name_process(name)


def process_name() -> str:
    """What stands before every line: empty for a process that is alone."""
    return _name


def say(text: str) -> None:
    """Write `text`, of one line or several."""
    print(f"{_name}{text}", file=sys.stderr, flush=True)
