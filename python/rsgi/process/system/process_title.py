"""The name of a process in `ps` and `top`.

Only the kernel sees it. Both names are files, so no package is needed: the short name of 15 bytes, and the command line,
which is memory of the process. If the system does not allow writing to it, the name does not change.

Spec: proc_pid_comm(5), proc_pid_stat(5) (`arg_start`, `arg_end`).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

# Where they stand among the fields of `/proc/self/stat`, behind the name.
_ARG_START, _ARG_END = 45, 46


def set_process_title(title: str) -> None:
    """Call this process `title`."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        Path("/proc/self/comm").write_bytes(title.encode()[:15])
        _write_over_arguments(title.encode())


def _write_over_arguments(title: bytes) -> None:
    # The name may have blanks and brackets; what follows its last bracket is numbers.
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
    room = end - start
    if start == 0 or room < 2:
        return
    memory = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
    try:
        # The last byte stays zero: another one would mean that the text goes on.
        os.pwrite(memory, title[: room - 1].ljust(room, b"\0"), start)
    finally:
        os.close(memory)
