"""A proxy and this server never disagree about where a request ends: the corpus of `faults/` behind nginx and HAProxy.

Apart from `tests/wire`, which asks the server alone, because here a second reader of the same bytes is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from server import Server, start_rsgi
from trials.desync.corpus import CORPUS
from trials.desync.pair import Seen, alone, through
from trials.desync.proxies import PROXIES, found, running
from trials.desync.recorder import RECORD

FAULTS = Path(__file__).parents[2] / "faults"
# Below `/w/` WSGI answers, below `/a/` ASGI.
PREFIXES = "wa"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "record"


@pytest.fixture
def server(record: Path) -> Iterator[Server]:
    apps = ("--wsgi", "/w=trials.desync.recorder:wsgi", "--asgi", "/a=trials.desync.recorder:asgi")
    server = start_rsgi("--app-dir", str(FAULTS), *apps, environment={RECORD: str(record)})
    yield server
    assert server.running(), server.log()
    server.stop()


def differences(cases: list[Seen]) -> list[str]:
    return [f"{seen.case.group}: {seen.case.name} ({seen.path}): {wrong}" for seen in cases for wrong in seen.wrong]


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxy_and_the_server_agree_about_each_request(
    server: Server, proxy: str, record: Path, tmp_path: Path
) -> None:
    if found(proxy) is None:
        pytest.skip(f"`{proxy}` is not installed (Debian: {proxy})")
    with running(proxy, tmp_path / proxy, server.port) as front:
        cases = through(front, CORPUS, record, PREFIXES)
    assert differences(cases) == []
    # The corpus must not be refused by the proxy alone: some of it reaches the application.
    assert sum(bool(seen.asked) for seen in cases) > 40


def test_the_server_alone_finds_no_request_that_is_not_there(server: Server, record: Path) -> None:
    cases = alone(server.port, CORPUS, record, PREFIXES)
    assert differences(cases) == []
    assert sum(bool(seen.asked) for seen in cases) > 40
