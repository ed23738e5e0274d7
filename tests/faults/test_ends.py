"""Ends and restarts under load lose nothing but what ran in a killed process: the trials of `faults/`, each once.

Apart from `tests/process`, which looks at one kind of request at a time.
"""

from __future__ import annotations

import os

import pytest

from trials.ends.clients import CUT, REFUSED, WHOLE, WRONG
from trials.ends.trial import HAPPENINGS, try_one
from trials.servers import RSGI

pytestmark = pytest.mark.skipif("RSGI_TEST_FAULTS" not in os.environ, reason="a load of its own: `make test-faults`")


@pytest.mark.parametrize("name", HAPPENINGS)
def test_nothing_is_lost_but_what_ran_in_a_killed_process(name: str) -> None:
    happening = HAPPENINGS[name]
    result = try_one(RSGI, happening, restarts=1)
    assert result.failed is None, result.story() + result.log
    assert result.left == 0, result.log
    assert result.counts[WRONG] == 0, result.story()
    assert result.counts[WHOLE] > 50, result.story()
    assert result.begun > 2, result.story()
    assert result.lost == 0, result.story() + result.log
    # A client has one request at a time, so that no more than this was running in a process that is killed.
    assert result.counts[CUT] <= (result.clients if happening.kills else 0), result.story() + result.log
    if not happening.ends:
        assert result.counts[REFUSED] == 0, result.story()
