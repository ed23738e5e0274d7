"""The signals that a server handles, by their numbers on this system.

`process/signals.py` has the handlers. Code that only has to know the numbers needs none of them.
"""

from __future__ import annotations

import signal


def numbers(*names: str) -> tuple[signal.Signals, ...]:
    """The signals of these names that this system has."""
    return tuple(getattr(signal, name) for name in names if hasattr(signal, name))


ENDING = numbers("SIGTERM", "SIGINT", "SIGQUIT")

# Without a handler of the application's own they would end the process, with all that it is doing.
HARMLESS = numbers("SIGUSR1", "SIGUSR2")

# All that a server may have a handler for.
HANDLED = (*ENDING, *numbers("SIGHUP"), *HARMLESS)
