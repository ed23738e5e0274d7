"""`make test-matrix`: asks every framework, and writes `docs/frameworks.md`.

Apart from the tests because it installs half of the Python web. The exit code is 1 if something is wrong under rsgi.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from matrix.asking import compare, does_not_start
from matrix.environments import environment_of, version_in
from matrix.frameworks import FRAMEWORKS, Framework
from matrix.libraries import CASES as LIBRARY_CASES
from matrix.page import Line, kind_of, page
from matrix.web import CASES as WEB_CASES
from server import ServerExited

_AT_ONCE = 2


def _line(framework: Framework, release: str, folder: Path, scratch: Path) -> Line:
    python = environment_of(framework, release == "older", folder)
    if python is None:
        return Line(framework, release, "", failed="it cannot be installed here")
    version = version_in(python, framework.package)
    cases = LIBRARY_CASES.get(framework.title, WEB_CASES)
    try:
        verdicts = compare(framework, cases, python, scratch / f"{framework.key}-{release}")
    except ServerExited as error:
        return Line(framework, release, version, failed=f"it does not start: `{does_not_start(error)}`")
    counts = [kind_of(each) for each in verdicts]
    told = ", ".join(f"{kind} {counts.count(kind)}" for kind in dict.fromkeys(counts))
    print(f"{framework.title} {version} ({framework.interface}): {told}", file=sys.stderr, flush=True)
    return Line(framework, release, version, verdicts)


def main() -> int:
    """Ask everybody, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m matrix", description=__doc__)
    parser.add_argument("page", type=Path, help="the Markdown file to write")
    parser.add_argument("--environments", type=Path, default=Path(".venv-matrix"), help="where to install")
    parser.add_argument("--only", action="append", help="only the framework with this title; again for more")
    parser.add_argument("--keep", type=Path, help="write what the servers said into this folder")
    arguments = parser.parse_args()
    titles = [each.title for each in FRAMEWORKS]
    if unknown := [title for title in arguments.only or () if title not in titles]:
        parser.error(f"no framework is called {', '.join(unknown)}; there are {', '.join(titles)}")
    chosen = [each for each in FRAMEWORKS if not arguments.only or each.title in arguments.only]
    asked = [(each, release) for each in chosen for release in ("newest", "older") if release == "newest" or each.older]
    with tempfile.TemporaryDirectory() as made, ThreadPoolExecutor(_AT_ONCE) as pool:
        scratch = arguments.keep or Path(made)
        waiting = [
            pool.submit(_line, each, release, arguments.environments.absolute(), scratch) for each, release in asked
        ]
        lines = [each.result() for each in waiting]
    today = datetime.datetime.now(datetime.timezone.utc).date()
    about = f"{today}, CPython {platform.python_version()}, {platform.system()} {platform.machine()}"
    arguments.page.write_text(page(lines, about))
    return int(any(kind_of(verdict) == "wrong" for line in lines for verdict in line.verdicts))


if __name__ == "__main__":
    sys.exit(main())
