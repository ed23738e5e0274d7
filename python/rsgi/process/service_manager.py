"""Reports the state of the service to systemd, or to anybody with the same protocol.

Without `NOTIFY_SOCKET` in the environment, it does nothing. The protocol is datagrams of `NAME=value` lines, so no
systemd library is needed.

Spec: sd_notify(3), systemd.service(5) (`Type=notify`, `Type=notify-reload`, `WatchdogSec=`).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rsgi.process.signals import CHECK_INTERVAL


class ServiceManager:
    """The service manager that started this process, if it wants to hear of it.

    Attributes:
        interval: How often `feed_watchdog` is to be called, in seconds.
    """

    def __init__(self) -> None:
        """Take what the environment says out of it: children are not to speak for the service."""
        address = os.environ.pop("NOTIFY_SOCKET", "")
        microseconds, process = os.environ.pop("WATCHDOG_USEC", ""), os.environ.pop("WATCHDOG_PID", "")
        mine = not process or process == str(os.getpid())
        # Half of the time, as sd_watchdog_enabled(3) advises.
        self._watchdog = int(microseconds) / 2e6 if mine and microseconds.isdigit() else None
        self.interval = CHECK_INTERVAL if self._watchdog is None else min(CHECK_INTERVAL, self._watchdog)
        self._status = ""
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def ready(self, status: str) -> None:
        """Requests are served."""
        self._status = status
        self._tell("READY=1", f"STATUS={status}")

    @contextmanager
    def reload(self) -> Iterator[None]:
        """What is done meanwhile is a reload."""
        self.reloading()
        try:
            yield
        finally:
            self.ready(self._status)

    def reloading(self) -> None:
        """The settings are read again; `ready` is to follow."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={microseconds}")

    def stopping(self) -> None:
        """The server was told to end."""
        self._tell("STOPPING=1", "STATUS=stopping: running requests finish")

    def feed_watchdog(self) -> None:
        """The main thread works."""
        if self._watchdog is not None:
            self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
                connection.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            pass  # who does not listen any more has nothing to decide either
