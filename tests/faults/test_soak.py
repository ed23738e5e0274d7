"""A mixed load with shares, shadow traffic and restarts leaves nothing behind: the short form of `make soak`.

Apart from the other trials because it asks what is there when it is over.
"""

from __future__ import annotations

import os
import sys

import pytest

from trials.ends.clients import CUT, WHOLE, WRONG
from trials.soak import Sample, Soaked, soak, wrong_with


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.skipif("RSGI_TEST_FAULTS" not in os.environ, reason="a load of its own: `make test-faults`")
def test_nothing_is_left_after_a_mixed_load_with_restarts() -> None:
    told: list[str] = []
    soaked = soak(0.1, told.append, every=2)
    assert soaked.restarts >= 1
    assert soaked.counts[WHOLE] > 50
    # Memory needs longer than this to become flat.
    assert [wrong for wrong in wrong_with(soaked) if not wrong.startswith("memory")] == []


def test_memory_that_grows_is_seen() -> None:
    counts = {WHOLE: 1, CUT: 0, WRONG: 0}
    flat = Soaked([Sample(at, (100 << 20) + at % 3, 9, 9) for at in range(120)], counts)
    grows = Soaked([Sample(at, (100 << 20) + at * 100_000, 9, 9) for at in range(120)], counts)
    assert wrong_with(flat) == []
    assert wrong_with(grows)[0].startswith("memory grows by 5.7")
