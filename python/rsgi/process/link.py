"""The messages between a supervisor and a worker: what a worker is told at its start, and what it tells.

Both sides and the process that serves use it. `workers/` has the two processes.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from rsgi._rsgi import Listeners, Server
from rsgi.process.heartbeat import interval_of
from rsgi.process.system.inherited import add_each, lay_on_stdin
from rsgi.settings.config import Config


@dataclass(frozen=True)
class Orders:
    """What a worker is told at its start.

    Attributes:
        config: All settings.
        reread: Gives the settings as their file has them later, when there is a file.
        descriptors: The numbers of the listening sockets.
        supervisor: The process id of the supervisor.
        introduces: Whether it sends the banner.
        number: Which of the workers it is, for people.
        admin: The number of the socket to the admin listener, if there is one.
        heartbeat: The number of the pipe in which it says that its sockets are driven.
        requests: Of the process that forks workers, the number of the socket that they are asked for through.
    """

    config: Config
    reread: Callable[[], Config] | None
    descriptors: tuple[int, ...]
    supervisor: int
    introduces: bool
    number: int
    admin: int | None = None
    heartbeat: int | None = None
    requests: int | None = None


class Link:
    """A worker's side of the socket to its supervisor."""

    def __init__(self, connection: socket.socket, orders: Orders) -> None:
        self.orders = orders
        self.listeners = _take_over(orders.descriptors, orders.admin)
        self._connection = connection
        self._server: Server | None = None
        self._stop: Callable[[], None] | None = None
        threading.Thread(target=self._wait_for_drain, name="rsgi-supervisor", daemon=True).start()

    def introduce(self, banner: str) -> None:
        """Send the banner, if it is this worker's to send."""
        if self.orders.introduces:
            self.tell(banner=banner)

    def follow(self, server: Server, stop: Callable[[], None]) -> None:
        """Let the supervisor know when `server` accepts connections, and `stop` it when the supervisor does not want it."""
        self._server, self._stop = server, stop
        if self.orders.heartbeat is not None:
            server.beat(self.orders.heartbeat, interval_of(self.orders.config))
            os.close(self.orders.heartbeat)
        threading.Thread(target=self._tell_when_worn, name="rsgi-worn", daemon=True).start()
        threading.Thread(target=self._tell_when_ready, name="rsgi-ready", daemon=True).start()

    def tell(self, **message: object) -> None:
        """Send one message."""
        tell(self._connection, **message)

    def _tell_when_ready(self) -> None:
        if self._server is not None and self._server.wait_until_ready():
            self.tell(ready=True)

    def _tell_when_worn(self) -> None:
        why = None if self._server is None else self._server.wait_until_worn()
        if why is not None:
            self.tell(worn=why)

    def _wait_for_drain(self) -> None:
        try:
            self._connection.recv(1)
        except OSError:
            pass
        if self._stop is None:
            os._exit(0)  # nothing has been accepted, and an import cannot be interrupted
        self._stop()


def tell(connection: socket.socket, **message: object) -> None:
    """Send one message to the supervisor. That it has gone does not matter here."""
    try:
        connection.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        pass


def _take_over(descriptors: tuple[int, ...], admin: int | None) -> Listeners:
    """The sockets of the supervisor."""
    listeners = Listeners()
    add_each(listeners, list(descriptors))
    if admin is not None:
        lay_on_stdin([admin], listeners.take_admin_line)
    return listeners
