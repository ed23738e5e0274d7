"""How many processors this process may use. Affinity or a container may allow fewer than the machine has.

It reads files of the system. `os.cpu_count()` counts the processors of the machine, which is too many in a container.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP2 = "/sys/fs/cgroup/cpu.max"
_CGROUP1 = ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def schedulable_cpus() -> int:
    """Processors that the scheduler may put this process on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable_cpus() -> int:
    """As many as the time that the container grants is worth, at least one."""
    share = cpu_share(_read(_CGROUP2) or " ".join(_read(path) for path in _CGROUP1))
    return schedulable_cpus() if share is None else max(1, min(schedulable_cpus(), math.ceil(share)))


def cpu_share(quota_and_period: str) -> float | None:
    """Processors that a limit of the kernel comes to: `150000 100000` is 1.5; `None` when it is no limit."""
    try:
        quota, period = map(int, quota_and_period.split())
    except ValueError:  # `max 100000`, or no such file
        return None
    return quota / period if quota > 0 and period > 0 else None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
