"""The process that imports the applications and forks the workers: `--preload` from inside.

A forked worker continues with `worker.py`. It has the memory of this process and one thread. So nothing may run here
except what imports start: no loop, no thread of rsgi, no runtime of the compiled part. All workers share what imports
leave open, which is rarely intended. So rsgi warns about it by name.

Spec: fork(2), "NOTES".
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import NoReturn

from rsgi.bridge.forked import in_children
from rsgi.process.link import Orders, tell
from rsgi.process.serving import load_plan
from rsgi.process.system.process_title import set_process_title
from rsgi.process.workers.worker import receive_orders, serve_orders, tried

# What a terminal and a service manager send to all processes; the supervisor says when this one ends.
_SUPERVISORS = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

# A worker's socket, its heartbeat, and its line to the admin listener.
_MOST_DESCRIPTORS = 3


def preload(connection: socket.socket, orders: Orders) -> int:
    """Import the applications, and fork a worker whenever the supervisor asks; gives the exit code of a worker.

    Args:
        connection: Goes to the supervisor.
        orders: What it wants.
    """
    set_process_title("rsgi: preload")
    for number in _SUPERVISORS:
        signal.signal(number, signal.SIG_IGN)
    requests = socket.socket(fileno=orders.requests)
    ours = (*orders.descriptors, connection.fileno(), requests.fileno())
    for descriptor in ours:
        os.set_inheritable(descriptor, False)
    with _leftovers_told(connection), in_children(partial(_close, ours)):  # a child that an import forks is no worker
        plan = tried(connection, partial(load_plan, orders.config))
    if plan is None:
        return 1
    # What is there now is never collected, which would write to memory that is shared until then.
    gc.collect()
    gc.freeze()
    tell(connection, ready=True)
    theirs, others = _worker_connection(connection, requests)
    for number in _SUPERVISORS:
        if signal.getsignal(number) is signal.SIG_IGN:  # else it is the application's
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    return serve_orders(theirs, _renumbered(receive_orders(theirs, has_path=True), others), plan)


def _renumbered(orders: Orders, descriptors: list[int]) -> Orders:
    """The orders with the numbers that descriptors have here; in the supervisor they have others."""
    left = iter(descriptors)
    heartbeat, admin = (None if number is None else next(left) for number in (orders.heartbeat, orders.admin))
    return replace(orders, heartbeat=heartbeat, admin=admin)


def _close(descriptors: tuple[int, ...]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _worker_connection(connection: socket.socket, requests: socket.socket) -> tuple[socket.socket, list[int]]:
    """Fork workers until the supervisor wants no more, which ends this process.

    Returns:
        In a worker, its socket, and the other descriptors that were sent with it.
    """
    while True:
        readable, _, _ = select.select([connection, requests], [], [])
        if connection in readable:
            _leave()
        message, descriptors, _, _ = socket.recv_fds(requests, 16, _MOST_DESCRIPTORS)
        if not message:
            _leave()
        theirs = socket.socket(fileno=descriptors[0])
        process = _fork_away()
        if process is None:
            connection.close()
            requests.close()
            return theirs, descriptors[1:]
        for descriptor in descriptors[1:]:
            os.close(descriptor)
        theirs.close()
        requests.send(process)


def _leave() -> NoReturn:
    # What the applications have registered for the end is the workers', and their threads would keep this process.
    os._exit(0)


def _fork_away() -> bytes | None:
    """Fork a process that is nobody's child here; gives its number, `b"0"` if there is none, and `None` in it."""
    reading, writing = os.pipe()
    between = _fork()
    if between == 0:
        process = _fork()
        if process == 0:
            os.close(reading)
            os.close(writing)
            return None
        os.write(writing, str(process).encode())
        os._exit(0)
    os.close(writing)
    if between > 0:
        os.waitpid(between, 0)
    try:
        return os.read(reading, 32) if between > 0 else b"0"
    finally:
        os.close(reading)


def _fork() -> int:
    """The number of the child; 0 in it, and -1 when there can be none."""
    try:
        # What there is to say of threads has been said.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return os.fork()
    except OSError:
        return -1


# What workers do not have, or have in common


@contextmanager
def _leftovers_told(connection: socket.socket) -> Iterator[None]:
    """Tell the supervisor of threads that imports start, and of what they leave open."""
    before = _descriptors()
    yield
    threads = _threads()
    if threads:
        text = f"imports have started threads that do not exist in the workers: {', '.join(threads)}"
        tell(connection, banner=f"warning: {text}; start them in each worker, or do not use `--preload`")
    shared = [what for number, what in _descriptors().items() if before.get(number) != what]
    if shared:
        text = f"imports have opened resources that all workers share: {', '.join(shared)}"
        tell(connection, banner=f"warning: {text}; open them in each worker, or do not use `--preload`")


def _threads() -> list[str]:
    """The threads but for this one: of Python by their names, others by their number."""
    found = [f"`{thread.name}`" for thread in threading.enumerate() if thread is not threading.current_thread()]
    others = len(os.listdir("/proc/self/task")) - 1 - len(found)
    return found + ([f"{others} outside Python"] if others > 0 else [])


def _descriptors() -> dict[int, str]:
    """Sockets and event loops that are open, as people call them."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{name}")
            if target.startswith("socket:"):
                found[int(name)] = _socket_name(int(name))
            elif target == "anon_inode:[eventpoll]":
                found[int(name)] = "an event loop"
    return found


def _socket_name(number: int) -> str:
    with socket.socket(fileno=os.dup(number)) as opened:
        try:
            peer = opened.getpeername()
        except OSError:
            return f"a socket at {_address(opened.getsockname())}"
        return f"a connection to {_address(peer)}"


def _address(address: object) -> str:
    if isinstance(address, tuple):
        return f"{address[0]}:{address[1]}"
    return str(address) if address else "an unnamed peer"
