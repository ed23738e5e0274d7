"""What a test sees of the threads of a server, in `/proc`.

Apart from `server` because only Linux shows it.
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from server import Server, wait_until

NEEDS_TWO_PROCESSORS = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="needs /proc (Linux) and two processors"
)


def waits_of_the_io_thread(server: Server) -> int:
    """How many times the thread `rsgi-io` went to sleep so far. It does nothing while others handle the sockets."""
    # A thread gives itself its name when it begins.
    thread = wait_until(lambda: _io_thread(server), 10, "the thread rsgi-io")
    found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (thread / "status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def _io_thread(server: Server) -> Path | None:
    for thread in Path(f"/proc/{server.process.pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            if (thread / "comm").read_text().strip() == "rsgi-io":
                return thread
    return None
