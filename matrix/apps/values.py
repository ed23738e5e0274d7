"""What the applications of the matrix give back, and the work that one of their requests leaves behind."""

import asyncio
import hashlib
import os
import time
from pathlib import Path

LARGE = b"0123456789abcdef" * 65536
FILES = Path(__file__).with_name("files")
LINES = [f"line {number}\n" for number in range(5)]
EVENTS = [f"data: event {number}\n\n" for number in range(3)]
_TIMEOUT = 10.0


def facts(content):
    """What a body was, short enough to compare."""
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _folder():
    return Path(os.environ["MATRIX_FOLDER"])


def work():
    """Work that waits for `release` and then says that it is done; it begins when the response has been sent."""
    (_folder() / "begun").touch()
    deadline = time.monotonic() + _TIMEOUT
    while not (_folder() / "release").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    (_folder() / "done").touch()


async def work_async():
    """The same in an event loop."""
    (_folder() / "begun").touch()
    deadline = time.monotonic() + _TIMEOUT
    while not (_folder() / "release").exists() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    (_folder() / "done").touch()
