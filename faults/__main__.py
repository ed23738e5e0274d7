"""`python faults TRIAL…`: puts servers through faults, and writes what it counted into `docs/reliability.md`.

Apart from the tests, which take a short form of each trial and this server alone. A trial prints what it sees on standard
error; its table replaces the one between its markers on the page.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from trials import exhaustion, soak
from trials.desync import table as desync
from trials.ends import trial as ends
from trials.hostile import trial as hostile
from trials.servers import PEERS, RSGI

Tell = Callable[[str], None]


TRIALS: dict[str, Callable[[Tell], Iterator[str]]] = {
    "desync": desync.table,
    "ends": ends.table,
    "hostile": hostile.table,
    "exhaustion": exhaustion.table,
    "soak": lambda tell: soak.table(tell, float(os.environ.get("SOAK_MINUTES", "30"))),
}
# The soak takes as long as it is told to: it is run alone.
USUAL = [name for name in TRIALS if name != "soak"]


def _versions() -> str:
    found = []
    for kind in (RSGI, *PEERS):
        try:
            found.append(f"{kind.name} {version(kind.module)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _replaced(page: str, name: str, lines: list[str]) -> str:
    """The page with another table between the markers of a trial."""
    pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)
    assert pattern.search(page), f"the page has no markers for {name}"
    text = "\n".join(lines)
    return pattern.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page)


def main() -> None:
    """Run the trials that are named."""
    parser = argparse.ArgumentParser(prog="python faults", description=__doc__)
    parser.add_argument("trials", nargs="*", choices=[*TRIALS, []], help="which ones; all but the soak by default")
    parser.add_argument("--page", type=Path, help="the Markdown file that gets the tables")
    arguments = parser.parse_args()
    for name in arguments.trials or USUAL:
        began = time.monotonic()
        lines = list(TRIALS[name](lambda text: print(text, file=sys.stderr, flush=True)))
        took = time.monotonic() - began
        about = f"{_versions()}; CPython {platform.python_version()}; {took:.0f} s."
        lines += ["", about]
        print(*lines, sep="\n")
        if arguments.page:
            arguments.page.write_text(_replaced(arguments.page.read_text(), name, lines))


if __name__ == "__main__":
    main()
