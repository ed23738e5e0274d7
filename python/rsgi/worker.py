"""One of several processes that serve: what `rsgi serve --workers N` starts N times.

Apart from the supervisor because it runs in another process, which is started with this very file: a fresh interpreter
that gets its orders through a socket, imports the applications and serves. The socket stays open while the supervisor
wants the worker; when it closes, by intent or because the supervisor was killed, the worker drains.
"""

from __future__ import annotations

import faulthandler
import json
import os
import pickle
import random
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rsgi._rsgi import Listeners, Server
    from rsgi.config import Config


@dataclass(frozen=True)
class Orders:
    """What a worker is told at its start.

    Attributes:
        config: All settings.
        reread: Gives the settings as their file has them later, when there is a file.
        descriptors: The numbers of the listening sockets.
        supervisor: The process id of the supervisor.
        introduces: Whether it sends the banner.
        admin: The number of the socket to the admin listener, if there is one.
        heartbeat: The number of the pipe in which it says that its sockets are driven.
    """

    config: Config
    reread: Callable[[], Config] | None
    descriptors: tuple[int, ...]
    supervisor: int
    introduces: bool
    admin: int | None = None
    heartbeat: int | None = None


class Link:
    """A worker's side of the socket to its supervisor."""

    def __init__(self, connection: socket.socket, orders: Orders) -> None:
        self.orders = orders
        self.listeners = _take_over(orders.descriptors, orders.admin)
        self._connection = connection
        self._server: Server | None = None
        self._stop: Callable[[], None] | None = None
        threading.Thread(target=self._wait_for_dismissal, name="rsgi-supervisor", daemon=True).start()

    def introduce(self, banner: str) -> None:
        """Send the banner, if it is this worker's to send."""
        if self.orders.introduces:
            self.tell(banner=banner)

    def follow(self, server: Server, stop: Callable[[], None]) -> None:
        """Let the supervisor know when `server` accepts connections, and `stop` it when the supervisor does not want it."""
        self._server, self._stop = server, stop
        if self.orders.heartbeat is not None:
            from rsgi.heartbeat import interval_of

            server.beat(self.orders.heartbeat, interval_of(self.orders.config))
            os.close(self.orders.heartbeat)
        threading.Thread(target=self._tell_when_worn, name="rsgi-worn", daemon=True).start()
        threading.Thread(target=self._tell_when_ready, name="rsgi-ready", daemon=True).start()

    def tell(self, **message: object) -> None:
        """Send one message. A supervisor that has gone does not matter here."""
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            pass

    def _tell_when_ready(self) -> None:
        if self._server is not None and self._server.wait_until_ready():
            self.tell(ready=True)

    def _tell_when_worn(self) -> None:
        why = None if self._server is None else self._server.wait_until_worn()
        if why is not None:
            self.tell(worn=why)

    def _wait_for_dismissal(self) -> None:
        try:
            self._connection.recv(1)
        except OSError:
            pass
        if self._stop is None:
            os._exit(0)  # nothing has been accepted, and an import cannot be interrupted
        self._stop()


def main(descriptor: int) -> int:
    """Serve as the supervisor at the other end of the socket `descriptor` says; gives the exit code."""
    connection = socket.socket(fileno=descriptor)
    connection.set_inheritable(False)
    with connection.makefile("rb", buffering=0) as stream:
        sys.path[:] = _receive(stream)
        orders = _receive(stream)
    # This module by its own name, which is what the orders belong to.
    from rsgi.worker import serve_orders

    return serve_orders(connection, orders)


def serve_orders(connection: socket.socket, orders: Orders) -> int:
    """Serve, and tell the supervisor of what stands in the way of it; gives the exit code."""
    from rsgi.errors import StartupError
    from rsgi.forked import in_children, leave_sockets
    from rsgi.serving import serve_here

    if orders.heartbeat is not None:
        os.set_inheritable(orders.heartbeat, False)
        if not faulthandler.is_enabled():
            faulthandler.enable()  # the supervisor asks for the stacks with SIGABRT
    config = orders.config
    if config.max_requests is not None:
        # Each worker has its own share of the jitter, so that they are not all worn at the same time.
        extra = random.randint(0, config.max_requests_jitter)  # noqa: S311 - nothing to guess
        config = replace(config, max_requests=config.max_requests + extra)
    link = Link(connection, orders)
    try:
        # Here the sockets are there before the applications are imported.
        with in_children(partial(leave_sockets, link.listeners.urls(False))):
            return serve_here(config, orders.reread, link, owns_process=True)
    except StartupError as error:
        trace = "".join(traceback.format_exception(error.__cause__ or error))
        link.tell(error=error.message, hint=error.hint, traceback=trace)
    except Exception:
        link.tell(error=f"a worker could not start\n\n{traceback.format_exc()}", hint=None, traceback="")
    return 1


def _receive(stream: socket.SocketIO) -> Any:  # noqa: ANN401 - what the supervisor sends
    """One pickled object, which its length precedes in 8 bytes."""
    length = int.from_bytes(_read(stream, 8), "big")
    return pickle.loads(_read(stream, length))  # noqa: S301 - from the process that started this one


def _read(stream: socket.SocketIO, length: int) -> bytes:
    """That many bytes and none behind them: what follows is not for here."""
    parts = b""
    while len(parts) < length:
        part = stream.read(length - len(parts))
        if not part:
            os._exit(0)  # the supervisor has gone before it said what to do
        parts += part
    return parts


def _take_over(descriptors: tuple[int, ...], admin: int | None) -> Listeners:
    """The sockets, each laid on standard input for a moment."""
    from rsgi._rsgi import Listeners

    listeners = Listeners()
    before = os.dup(0)
    for descriptor in descriptors:
        _lay_on_stdin(descriptor)
        listeners.add_stdin()
    if admin is not None:
        _lay_on_stdin(admin)
        listeners.take_admin_line()
    os.dup2(before, 0)
    os.close(before)
    return listeners


def _lay_on_stdin(descriptor: int) -> None:
    os.dup2(descriptor, 0)
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
