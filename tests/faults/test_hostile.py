"""Honest clients are answered beside 50 hostile ones of each kind, and nothing of these is left when they have gone.

Apart from `tests/limits`, which asks for each limit alone. How long honest clients wait is measured by `make faults`;
here it only counts that all of them are answered.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping

import pytest

from certificates import Certificates
from server import wait_until
from trials.hostile.clients import HTTP2, PLAIN, TLS, WEBSOCKET, Hostile
from trials.hostile.trial import beside, descriptors, serving
from trials.servers import RSGI

pytestmark = pytest.mark.skipif("RSGI_TEST_FAULTS" not in os.environ, reason="a load of its own: `make test-faults`")

COUNT = 50
KINDS: dict[str, Mapping[str, Hostile]] = {"plain": PLAIN, "websocket": WEBSOCKET, "http2": HTTP2, "tls": TLS}
MEMORY = 250 << 20
COMPLAINTS = re.compile(r"^.*(?:error|panic|Traceback).*$", re.MULTILINE)


@pytest.mark.parametrize("name", KINDS)
def test_honest_clients_are_answered_beside_hostile_ones(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    certificates = Certificates.make(tmp_path_factory.mktemp("certificates"))
    context = certificates.context() if name == "tls" else None
    if context:
        context.check_hostname = False
    with serving(RSGI, *(certificates.flags() if context else ())) as server:
        letters = "a" if name == "websocket" else "wa"
        quiet = asyncio.run(beside(server, None, letters, count=0, seconds=0.5, context=context))
        assert not quiet.failed
        before = descriptors(server)
        for kind in KINDS[name]:
            fared = asyncio.run(beside(server, kind, letters, count=COUNT, seconds=0.5, context=context))
            assert not fared.failed, f"{kind}: {fared.failed}\n{server.log()}"
            assert sum(map(len, fared.times.values())) >= 8, kind
            assert fared.opened >= COUNT, kind
            assert fared.memory[1] - fared.memory[0] < MEMORY, kind
        wait_until(lambda: descriptors(server) <= before + 5, 30, "connections of those who have left are closed")
        assert COMPLAINTS.findall(server.log()) == []
        assert not asyncio.run(beside(server, None, letters, count=0, seconds=0.5, context=context)).failed
