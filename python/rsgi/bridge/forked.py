"""Makes sure that a child which an application forks is not a second server.

A child of `os.fork` has its parent's sockets, signal handlers and event loop. They are removed before `os.fork` returns.
A child that returns from the application's call is ended there (`bridge/src/process.rs` detects it). Children of
`subprocess` and `multiprocessing` never return, and continue to run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from ipaddress import ip_address
from typing import NoReturn
from urllib.parse import urlsplit

from rsgi.handled_signals import HANDLED
from rsgi.observe.log import reporting_logger

_acts: list[Callable[[], None]] = []
_mask = threading.local()

# What the loop of a parent had to do: kept, because a coroutine that is dropped runs its `finally` blocks.
_left: list[object] = []


@contextmanager
def in_children(act: Callable[[], None]) -> Iterator[None]:
    """Do `act` in every child that is forked meanwhile, before its code goes on."""
    _acts.append(act)
    try:
        yield
    finally:
        _acts.remove(act)


def _before_fork() -> None:
    # One that comes before the handlers are undone would be taken for the parent's, and lost.
    _mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED if _acts else ())


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _mask.before)


def _in_child() -> None:
    acts = _acts.copy()
    _acts.clear()  # the child serves nothing, and its own children have nothing to lose
    for act in acts:
        try:
            act()
        except Exception:
            reporting_logger().exception("a forked process keeps resources of the parent's server")
    _unblock()


os.register_at_fork(before=_before_fork, after_in_parent=_unblock, after_in_child=_in_child)


# What a child does not get


def leave_sockets(urls: list[str]) -> None:
    """Let go of the listening sockets at `urls` and of all connections that were accepted from them.

    Their numbers stay taken, by something that leads nowhere: objects that know these numbers are still there.
    """
    addresses = [_address(url) for url in urls]
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in map(int, os.listdir("/dev/fd")):
        if number != nowhere and _is_at(number, addresses):
            os.dup2(nowhere, number, inheritable=False)
    os.close(nowhere)


def _address(url: str) -> tuple[str, int] | str | bytes:
    if url.startswith("unix:@"):
        return b"\0" + url.removeprefix("unix:@").encode()  # as Python has abstract names
    if url.startswith("unix:"):
        return url.removeprefix("unix:")
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def _is_at(number: int, addresses: list[tuple[str, int] | str | bytes]) -> bool:
    """Whether a descriptor is a stream socket of this side of one of these addresses."""
    try:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            return False
        found = socket.socket(fileno=number)
    except OSError:  # it was the one of the listing itself
        return False
    try:
        return found.type == socket.SOCK_STREAM and any(_is_same(found.getsockname(), each) for each in addresses)
    except OSError:
        return False
    finally:
        found.detach()


def _is_same(name: object, address: tuple[str, int] | str | bytes) -> bool:
    if not isinstance(address, tuple) or not isinstance(name, tuple):
        return name == address
    host, port = address
    mine, bound = (ip_address(str(each).partition("%")[0]) for each in (name[0], host))
    return name[1] == port and (bound.is_unspecified or mine == bound)


def leave_loop(loop: asyncio.AbstractEventLoop, thread: int) -> None:
    """See that what `loop` has to do, in the thread with this identity, is done in the parent alone.

    A child that was forked by a callback of the loop ends when that is over. One that was forked in another thread ends
    when it has a result for the loop: a thread of an executor ran the function.
    """
    if threading.get_ident() != thread:
        loop.call_soon_threadsafe = _bring_to_loop  # type: ignore[method-assign, assignment]
        return
    ready = getattr(loop, "_ready", None)  # uvloop does not show it
    if ready is not None:
        _left.extend(ready)
        ready.clear()
    loop.call_soon(end_in_loop)


def _bring_to_loop(callback: object, *arguments: object, context: object = None) -> None:
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        return  # a child that goes on with a function of its own
    for argument in arguments:
        if isinstance(argument, BaseException):
            end_call(argument)
        if isinstance(argument, Future) and argument.done() and not argument.cancelled():
            end_call(argument.exception())
    end_in_loop()


# The end of a child


@contextmanager
def ending_children() -> Iterator[None]:
    """Run what a forked child must not get out of, with or without an error."""
    parent = os.getpid()
    try:
        yield
    except BaseException as error:
        if os.getpid() != parent:
            end_call(error)
        raise
    if os.getpid() != parent:
        end_call()


def end_call(error: BaseException | None = None) -> NoReturn:
    """End a child that has left the application's call: with `error`, or as if it had a response."""
    if error is None:
        reporting_logger().warning(
            "a forked process returned from the application, and was ended; only its parent can answer"
        )
        _end(0)
    if isinstance(error, SystemExit):
        _end(_exit_code(error))
    if isinstance(error, KeyboardInterrupt):
        _end(128 + signal.SIGINT)
    reporting_logger().error("the application failed in a forked process, which was ended", exc_info=error)
    _end(1)


def end_in_loop() -> NoReturn:
    """End a child that would wait for the event loop of its parent."""
    reporting_logger().error(
        "a forked process returned to its parent's event loop, and was ended; end it with os._exit()"
    )
    _end(1)


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def _end(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)
