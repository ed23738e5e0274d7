"""Where a thread or a task is, for the log: the lines of the application that hold it.

The compiled part calls this for requests that took longer than `--request-timeout`.
"""

from __future__ import annotations

import sys
import traceback
from asyncio import Task
from types import FrameType
from typing import Any

# The outermost frames of a thread of ours, which say nothing.
_OWN = ("threading.py",)

# So many awaits are followed, at most.
_DEEPEST = 100


def of_thread(ident: int) -> str | None:
    """The stack of a thread, the newest call last; `None` when it runs no Python."""
    frame = sys._current_frames().get(ident)
    if frame is None:
        return None
    stack = traceback.extract_stack(frame)
    while stack and stack[0].filename.endswith(_OWN):
        del stack[0]
    return "".join(traceback.format_list(stack)).rstrip("\n")


def of_task(task: Task[Any]) -> str:
    """What a task waits for, from its coroutine to the innermost await; the newest call last."""
    frames: list[tuple[FrameType, int]] = []
    waits: Any = task.get_coro()
    for _ in range(_DEEPEST):
        frame = next((found for name in _FRAMES if (found := getattr(waits, name, None)) is not None), None)
        if frame is not None and all(frame is not each for each, _ in frames):
            frames.append((frame, frame.f_lineno))
        waits = next((found for name in _AWAITS if (found := getattr(waits, name, None)) is not None), None)
        if waits is None:
            break
    stack = traceback.StackSummary.extract(iter(frames))
    return "".join(traceback.format_list(stack)).rstrip("\n") or "  (it has not started)"


# Coroutines, generators and asynchronous generators call the same things by other names.
_FRAMES = ("cr_frame", "gi_frame", "ag_frame")
_AWAITS = ("cr_await", "gi_yieldfrom", "ag_await")
