"""The server comes through when something runs out: the scenes of `faults/`, each once.

Apart from `tests/limits`, which is about limits that are set: these are the system's.
"""

from __future__ import annotations

import os
import sys

import pytest

from trials.exhaustion import SCENES, missing
from trials.servers import RSGI

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and prlimit")


@pytest.mark.parametrize("name", SCENES)
def test_the_server_comes_through(name: str) -> None:
    scene, _ = SCENES[name]
    if name == "stopped and continued" and "RSGI_TEST_FAULTS" not in os.environ:
        pytest.skip("needs a machine without other load: `make test-faults` runs it")
    if (what := missing(scene)) is not None:
        pytest.skip(f"needs {what}")
    assert scene(RSGI) is None
