"""One behaviour of one bridge, driven by hand in a process of its own: `python -m behaviours.drive BRIDGE BEHAVIOUR`.

Apart from the tests, which drive in their own process, because a foreign bridge may leave threads that never end. What was
seen goes to stdout as JSON.
"""

from __future__ import annotations

import json
import os
import sys

from behaviours.behaviour import verdict
from behaviours.driver import Driver
from behaviours.hosts import QUEUE, THREADS
from behaviours.themes import BEHAVIOURS


def main(bridge: str, name: str) -> None:
    """Print the verdict and end, whatever still runs."""
    asked = next(each for each in BEHAVIOURS if each.name == name)
    width = {"threads": THREADS, "queue": QUEUE} if asked.variant == "narrow" else {}
    print(json.dumps(verdict(asked, Driver(bridge, bridge, silent=False, **width))), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
