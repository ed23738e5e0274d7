"""The table of who disagrees with whom: rows are classes, columns are servers behind a proxy and alone."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from trials.desync.corpus import CORPUS, GROUPS
from trials.desync.pair import Seen, alone, through
from trials.desync.proxies import PROXIES, found, running
from trials.desync.recorder import RECORD
from trials.servers import PEERS, RSGI, Kind, start

Tell = Callable[[str], None]


def _asked(kind: Kind, proxy: str | None, tell: Tell) -> list[Seen]:
    """What a server shows behind a proxy, or alone."""
    interface = kind.interfaces[0]
    target = f"trials.desync.recorder:{interface}"
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        record = folder / "record"
        server = start(kind, interface, target, environment={RECORD: str(record)})
        try:
            if proxy is None:
                cases = alone(server.port, CORPUS, record, interface[0])
            else:
                with running(proxy, folder / proxy, server.port) as front:
                    cases = through(front, CORPUS, record, interface[0])
        finally:
            server.kill_tree()
    for seen in cases:
        for wrong in seen.wrong:
            tell(f"{kind.name}, {proxy or 'alone'}: {seen.case.group}: {seen.case.name}: {wrong}")
    return cases


def table(tell: Tell) -> Iterator[str]:
    """The lines of the table: a cell has the cases that went wrong behind each proxy and alone."""
    fronts = [*(proxy for proxy in PROXIES if found(proxy)), None]
    kinds = [kind for kind in (RSGI, *PEERS) if kind.installed()]
    wrong: dict[str, list[Counter[str]]] = {}
    for kind in kinds:
        for front in fronts:
            tell(f"{kind.name}, {front or 'alone'}")
            cases = _asked(kind, front, tell)
            wrong.setdefault(kind.name, []).append(Counter(seen.case.group for seen in cases if seen.wrong))
    counts = Counter(case.group for case in CORPUS)
    yield "| class | cases | " + " | ".join(wrong) + " |"
    yield "|---|--:|" + "---|" * len(wrong)
    for group in (*GROUPS, "requests of no case"):
        cells = [" · ".join(str(column[group]) for column in columns) for columns in wrong.values()]
        if counts[group] or any(column[group] for columns in wrong.values() for column in columns):
            yield f"| {group} | {counts[group] or ''} | " + " | ".join(cells) + " |"
    sums = [" · ".join(str(sum(column.values())) for column in columns) for columns in wrong.values()]
    yield f"| **all** | {len(CORPUS)} | " + " | ".join(sums) + " |"
