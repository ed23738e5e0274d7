"""One of several processes that serve: `rsgi serve --workers N` starts it N times.

It runs in another process than the supervisor: a new interpreter that gets its configuration through a socket, imports
the applications and serves. The supervisor keeps the socket open while it wants the worker. When the socket closes,
because the supervisor closed it or was killed, the worker drains.
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
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rsgi._rsgi import Listeners, Server
    from rsgi.config import Config
    from rsgi.plan import Plan

Done = TypeVar("Done")


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
        """Send one message."""
        tell(self._connection, **message)

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
    orders = receive_orders(connection)
    if orders.requests is not None:
        from rsgi.preloading import preload

        return preload(connection, orders)
    # This module by its own name, which is what the orders belong to.
    from rsgi.worker import serve_orders

    return serve_orders(connection, orders)


def receive_orders(connection: socket.socket, *, has_path: bool = False) -> Orders:
    """What the supervisor wants; before it comes the path that it imports from.

    Args:
        connection: Goes to the supervisor.
        has_path: Whether this process has a path already, with what applications have added.
    """
    with connection.makefile("rb", buffering=0) as stream:
        path = _receive(stream)
        if not has_path:
            sys.path[:] = path
        orders: Orders = _receive(stream)
        return orders


def serve_orders(connection: socket.socket, orders: Orders, plan: Plan | None = None) -> int:
    """Serve, and tell the supervisor of what stands in the way of it; gives the exit code.

    Args:
        connection: Goes to the supervisor.
        orders: What it wants.
        plan: Who serves what, when the applications are imported already.
    """
    from rsgi.process_title import set_process_title
    from rsgi.serving import serve_worker

    set_process_title(f"rsgi: worker {orders.number}")
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
    code = tried(connection, partial(serve_worker, config, orders.reread, link, plan))
    return 1 if code is None else code


def tell(connection: socket.socket, **message: object) -> None:
    """Send one message to the supervisor. That it has gone does not matter here."""
    try:
        connection.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        pass


def tried(connection: socket.socket, act: Callable[[], Done]) -> Done | None:
    """What `act` gives; `None` when it fails, which the supervisor is told."""
    from rsgi.errors import StartupError

    try:
        return act()
    except StartupError as error:
        trace = "".join(traceback.format_exception(error.__cause__ or error))
        tell(connection, error=error.message, hint=error.hint, traceback=trace)
    except Exception:
        tell(connection, error=f"a worker could not start\n\n{traceback.format_exc()}", hint=None, traceback="")
    return None


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
    """The sockets of the supervisor."""
    from rsgi._rsgi import Listeners
    from rsgi.inherited import add_each, lay_on_stdin

    listeners = Listeners()
    add_each(listeners, list(descriptors))
    if admin is not None:
        lay_on_stdin([admin], listeners.take_admin_line)
    return listeners


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
