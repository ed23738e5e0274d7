"""Starts real server processes for the tests, watches their output, and stops them.

Apart from `wire.py` because this file knows about processes and nothing about HTTP. A server is a child process
bound to 127.0.0.1 on a free port; it is ready when it says so on stderr, which a reader thread waits for. Nothing here
sleeps to synchronise, and every wait has an end.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from os import environ
from pathlib import Path
from typing import IO, TypeVar

APPS = Path(__file__).parents[1] / "apps"
RSGI_READY = re.compile(r"listening on (?:https?://(?P<host>\[[^\]]+\]|[^:/]+):(?P<port>\d+)|unix:(?P<path>\S+))")
UVICORN_READY = re.compile(r"Uvicorn running on https?://(?P<host>\[[^\]]+\]|[^:/]+):(?P<port>\d+)")

Found = TypeVar("Found")


class ServerExited(Exception):
    """The server ended before it was ready; carries its exit code and what it wrote."""

    def __init__(self, exit_code: int | None, log: str) -> None:
        super().__init__(f"the server ended before it was ready (exit code {exit_code}); its stderr:\n{log}")
        self.exit_code = exit_code
        self.log = log


def wait_until(check: Callable[[], Found], timeout: float, what: str) -> Found:
    """Ask `check` again and again until its answer is true.

    Returns:
        The first true answer.

    Raises:
        AssertionError: when there was none within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what} (last answer: {found!r})")
        time.sleep(0.01)  # between two questions, not instead of one


class _Output:
    """What one stream of a process said so far, filled by a thread of its own."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._parts: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._stream:
            with self._changed:
                self._parts.append(line.decode("utf-8", "replace"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._stream.close()

    def text(self) -> str:
        with self._changed:
            return "".join(self._parts)

    def wait_for(self, check: Callable[[str], bool], timeout: float) -> bool:
        """Wait until `check(text)` holds, the stream ends, or the time is over; says whether it holds."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not check("".join(self._parts)):
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    return False
                self._changed.wait(left)
            return True

    def join(self) -> None:
        self._thread.join(5)


class Server:
    """A running server process.

    Attributes:
        addresses: What it listens on, in the order of its ready lines: `(host, port)`, or the path of a socket.
        process: The child process.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        ready: re.Pattern[str] = RSGI_READY,
        listeners: int = 1,
        environment: Mapping[str, str] | None = None,
        folder: Path = APPS,
        start_timeout: float = 20,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._stdout = _Output(self.process.stdout)
        self._stderr = _Output(self.process.stderr)

        def all_ready(text: str) -> bool:
            return len(ready.findall(text)) >= listeners

        if not self._stderr.wait_for(all_ready, start_timeout):
            self.kill()
            raise ServerExited(self.process.returncode, self.log())
        self.addresses = [_address(found) for found in ready.finditer(self.log())]

    @property
    def address(self) -> tuple[str, int] | str:
        return self.addresses[0]

    @property
    def port(self) -> int:
        address = self.address
        assert isinstance(address, tuple)
        return address[1]

    @property
    def authority(self) -> str:
        """What belongs into a `Host` field; a socket file has no name of its own."""
        if isinstance(self.address, str):
            return "localhost"
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def pid(self) -> int:
        return self.process.pid

    def log(self, since: int = 0) -> str:
        """What it wrote to stderr, from the character `since` on (see `log_mark`)."""
        return self._stderr.text()[since:]

    def log_mark(self) -> int:
        """A place in the log, for `log(since=…)` and `wait_for_log(…, since=…)`."""
        return len(self._stderr.text())

    def access_log(self) -> str:
        """What it wrote to stdout."""
        return self._stdout.text()

    def wait_for_log(self, text: str, timeout: float = 5, since: int = 0) -> str:
        """Wait for `text` on stderr; gives the log from `since` on."""
        found = self._stderr.wait_for(lambda log: text in log[since:], timeout)
        assert found, f"{text!r} is not in the log:\n{self.log(since)}"
        return self.log(since)

    def wait_for_access_log(self, text: str, timeout: float = 5) -> str:
        """Wait for `text` on stdout; gives all of it."""
        found = self._stdout.wait_for(lambda log: text in log, timeout)
        assert found, f"{text!r} is not in the access log:\n{self.access_log()}"
        return self.access_log()

    def memory(self) -> int:
        """The most memory it ever had resident, in bytes (`VmHWM`)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    def reset_memory(self) -> None:
        """Start `memory` anew from what is resident now."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def send_signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = 10) -> int:
        """Wait for its end; gives the exit code."""
        code = self.process.wait(timeout)
        self._stdout.join()
        self._stderr.join()
        return code

    def running(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        if self.running():
            self.process.kill()
        self.wait()

    def stop(self, timeout: float = 15) -> int:
        """End it with SIGTERM; one that does not end is killed and fails the test."""
        if self.running():
            self.send_signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"SIGTERM did not end the server within {timeout} s:\n{self.log()}") from None


def _address(found: re.Match[str]) -> tuple[str, int] | str:
    if found["host"]:
        return found["host"].strip("[]"), int(found["port"])
    return found["path"]


def rsgi_command(*arguments: str) -> list[str]:
    """The command line `rsgi serve ARGUMENTS`, on a free port and with a short grace time unless they say otherwise."""
    command = [sys.executable, "-m", "rsgi", "serve", "--app-dir", str(APPS)]
    if not {"--port", "--bind", "--uds"}.intersection(arguments):
        command += ["--port", "0"]
    if "--grace" not in arguments:
        command += ["--grace", "3"]
    return [*command, *arguments]


def start_rsgi(
    *arguments: str, listeners: int = 1, environment: Mapping[str, str] | None = None, folder: Path = APPS
) -> Server:
    """Start `rsgi serve ARGUMENTS` and wait until it listens."""
    return Server(rsgi_command(*arguments), listeners=listeners, environment=environment, folder=folder)


def run_rsgi(*arguments: str, timeout: float = 20) -> subprocess.CompletedProcess[str]:
    """Run `rsgi serve ARGUMENTS` where it is expected to end by itself: start-up errors."""
    return subprocess.run(
        rsgi_command(*arguments),
        cwd=APPS,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def start_uvicorn(target: str, *arguments: str) -> Server:
    """Start uvicorn with an ASGI app of `tests/apps`: a foreign host for the bridge."""
    command = [sys.executable, "-m", "uvicorn", "--port", "0", "--app-dir", str(APPS), *arguments, target]
    return Server(command, ready=UVICORN_READY)


def start_asgi_host(kind: str, target: str) -> Server:
    """Serve an ASGI app of `tests/apps`, one with a lifespan, for tests that ask several servers for the same.

    Args:
        kind: `asyncio` and `uvloop` are rsgi with that loop; `uvicorn` is the other server.
        target: The application.
    """
    if kind == "uvicorn":
        return start_uvicorn(target, "--lifespan", "on", "--loop", "asyncio")
    return start_rsgi("--asgi", target, "--lifespan", "on", "--loop", kind)
