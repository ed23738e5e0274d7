"""A server in a process of its own: `rsgi serve`, as in production, with workers if the arguments say so.

Its output is kept, and the plugin shows it for a test that fails.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from os import environ
from pathlib import Path
from typing import IO

from rsgi.errors import StartupError

_READY = re.compile(r"^.*listening on (\S+)$", re.MULTILINE)
_ADMIN = re.compile(r"^.*admin on (\S+)", re.MULTILINE)

# How long the start may take, and what comes after the grace time at the end, in seconds.
_START = 60.0
_END = 90.0

# How late its output may be after a test that failed, and after how long without any it is complete, in seconds.
_LATE = 1.0
_SILENCE = 0.1


class ServerProcess:
    """A running `rsgi serve`.

    Attributes:
        url: Where it listens.
        process: The process.
    """

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        """Start it on a free port, and wait until it serves.

        Args:
            arguments: The arguments of `rsgi serve`.
            folder: The folder it runs in.

        Raises:
            StartupError: when it ends before, or takes too long.
        """
        command = [sys.executable, "-m", "rsgi", "serve", *arguments, "--bind", "127.0.0.1:0"]
        variables = {**environ, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(  # noqa: S603 - the command is ours
            command,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._lines: list[str] = []
        self._seen = 0
        self._changed = threading.Condition()
        streams = (self.process.stderr, self.process.stdout)
        self._readers = [threading.Thread(target=self._read, args=(each,), daemon=True) for each in streams]
        self._open = len(self._readers)
        for each in self._readers:
            each.start()
        self.url = self._wait_until_ready()

    @property
    def admin_url(self) -> str | None:
        """Where its admin listener is; `None` without one."""
        found = _ADMIN.search(self.log())
        return None if found is None else found[1]

    def log(self) -> str:
        """What it has written to stderr and stdout."""
        with self._changed:
            return "".join(self._lines)

    def begin(self) -> None:
        """Begin a test: `log_of_test` starts here."""
        with self._changed:
            self._seen = len(self._lines)

    def log_of_test(self) -> str:
        """What it has written since `begin`. A traceback may come after the response, so wait for it a little."""
        deadline = time.monotonic() + _LATE
        with self._changed:
            self._changed.wait_for(lambda: len(self._lines) > self._seen, _LATE)
            while (left := deadline - time.monotonic()) > 0 and self._changed.wait(min(left, _SILENCE)):
                pass  # until it is silent
            return "".join(self._lines[self._seen :])

    def stop(self) -> None:
        """End it with SIGTERM, and wait until it has ended.

        Raises:
            StartupError: when it does not end, or ends with an error.
        """
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(_END)
        except subprocess.TimeoutExpired:
            self._kill()
            raise StartupError("the server did not end after SIGTERM", f"its log:\n{self.log()}") from None
        self._join()
        if code != 0:
            raise StartupError(f"the server ended with exit code {code}", f"its log:\n{self.log()}")

    def _wait_until_ready(self) -> str:
        with self._changed:
            self._changed.wait_for(lambda: not self._open or _READY.search("".join(self._lines)), _START)
            found = _READY.search("".join(self._lines))
        if found is not None:
            return found[1]
        self._kill()
        raise StartupError("the server did not start", f"its log:\n{self.log()}")

    def _kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._join()

    def _join(self) -> None:
        for each in self._readers:
            each.join(_END)

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._open -= 1
            self._changed.notify_all()
        stream.close()
