"""One of several processes that serve: `rsgi serve --workers N` starts it N times.

It runs in another process than the supervisor: a new interpreter that gets its configuration through a socket, imports
the applications and serves. The supervisor keeps the socket open while it wants the worker. When the socket closes,
because the supervisor closed it or was killed, the worker drains.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import random
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

# Only the standard library above: `rsgi` can be imported once the path of the supervisor has come.
if TYPE_CHECKING:
    from rsgi.process.link import Orders
    from rsgi.routing.plan import Plan

Done = TypeVar("Done")


def main(descriptor: int) -> int:
    """Serve as the supervisor at the other end of the socket `descriptor` says; gives the exit code."""
    connection = socket.socket(fileno=descriptor)
    connection.set_inheritable(False)
    orders = receive_orders(connection)
    if orders.requests is not None:
        from rsgi.process.workers.preloading import preload

        return preload(connection, orders)
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
    from rsgi.process.link import Link
    from rsgi.process.serving import serve_worker
    from rsgi.process.system.process_title import set_process_title

    set_process_title(f"rsgi: worker {orders.number}")
    if orders.heartbeat is not None:
        os.set_inheritable(orders.heartbeat, False)
        if not faulthandler.is_enabled():
            faulthandler.enable()  # the supervisor asks for the stacks with SIGABRT
    config = orders.config
    if config.max_requests is not None:
        # Each worker has its own random part of the jitter, so that they are not all worn at the same time.
        extra = random.randint(0, config.max_requests_jitter)  # noqa: S311 - nothing to guess
        config = replace(config, max_requests=config.max_requests + extra)
    link = Link(connection, orders)
    code = tried(connection, partial(serve_worker, config, orders.reread, link, plan))
    return 1 if code is None else code


def tried(connection: socket.socket, act: Callable[[], Done]) -> Done | None:
    """What `act` gives; `None` when it fails, which the supervisor is told."""
    from rsgi.errors import StartupError
    from rsgi.process.link import tell

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


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
