"""Listening sockets that this process inherited: by number, or from systemd.

`listening.py` binds new addresses. An inherited descriptor must be checked first: it may be closed, or not a listening
socket.

Spec: sd_listen_fds(3) (`LISTEN_FDS`, `LISTEN_PID`, `LISTEN_FDNAMES`).
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Callable, Iterator, Mapping

from rsgi._rsgi import Listeners
from rsgi.errors import StartupError
from rsgi.observe.console import say

SCHEME = "fd://"

# The first that systemd passes; those below are the standard streams.
_FIRST = 3

_VARIABLES = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
_PASSING = "the process that starts the server must open it, listen on it, and pass it on"


def passed_sockets() -> dict[int, str]:
    """The descriptors that a service manager has passed, each with its name; children of this process do not get them.

    The variables that say so are taken out of the environment: they are nobody else's.
    """
    count, process, names, _ = (os.environ.pop(name, "") for name in _VARIABLES)
    if not count.isdigit() or not process.isdigit():
        return {}
    if int(process) != os.getpid():
        say(
            f"warning: sockets were passed to process {process} and not to this one, {os.getpid()}: start it with `exec`"
        )
        return {}
    numbers = range(_FIRST, _FIRST + int(count))
    named = names.split(":") if names else []
    for number in numbers:
        with contextlib.suppress(OSError):
            os.set_inheritable(number, False)
    return {number: named[number - _FIRST] if number - _FIRST < len(named) else "" for number in numbers}


def numbers_of(address: str, passed: Mapping[int, str]) -> list[int]:
    """The descriptors that `fd://NUMBER` or `fd://NAME` means.

    Raises:
        StartupError: when no socket has that name.
    """
    wanted = address.removeprefix(SCHEME)
    if wanted.isdigit():
        return [int(wanted)]
    found = [number for number, name in passed.items() if name == wanted]
    if not found:
        names = ", ".join(f"`{name}`" for name in sorted(set(passed.values())) if name) or "none"
        raise StartupError(
            f"cannot listen on `{address}`: no socket of that name was passed",
            f"inherited names: {names}; set them in systemd with `FileDescriptorName=`",
        )
    return found


def adopt(listeners: Listeners, number: int) -> None:
    """Take a socket over; its old number is closed.

    Raises:
        StartupError: when it is none that can be accepted from.
    """
    wrong = _what_is_wrong(number)
    if wrong is not None:
        raise StartupError(f"cannot listen on `{SCHEME}{number}`: {wrong[0]}", wrong[1])
    add_each(listeners, [number])


def add_each(listeners: Listeners, numbers: list[int]) -> None:
    """Add sockets that are known to listen; their old numbers are closed."""
    lay_on_stdin(numbers, listeners.add_stdin)


def lay_on_stdin(numbers: list[int], take: Callable[[], None]) -> None:
    """Call `take` with each of these descriptors on standard input; their old numbers are closed."""
    with _standard_input_kept():
        for number in numbers:
            if number != 0:
                os.dup2(number, 0)
                os.close(number)
            take()


@contextlib.contextmanager
def _standard_input_kept() -> Iterator[None]:
    before = _duplicate(0)
    try:
        yield
    finally:
        if before is None:
            os.close(0)
        else:
            os.dup2(before, 0)
            os.close(before)


def _duplicate(number: int) -> int | None:
    """A second descriptor for the same; the null device for a socket, which nobody is to read from any more."""
    try:
        if stat.S_ISSOCK(os.fstat(number).st_mode):
            return os.open(os.devnull, os.O_RDONLY)
        return os.dup(number)
    except OSError:  # it is closed
        return None


def _what_is_wrong(number: int) -> tuple[str, str] | None:
    """Why a descriptor cannot be accepted from, and what to do; `None` if it can."""
    if number in (1, 2):
        return "the server writes its output there", "pass the socket as another descriptor, 3 for example"
    try:
        mode = os.fstat(number).st_mode
    except OSError:
        return f"the descriptor {number} is not open", _PASSING
    if not stat.S_ISSOCK(mode):
        return f"the descriptor {number} is not a socket", _PASSING
    with socket.socket(fileno=os.dup(number)) as found:
        if found.type != socket.SOCK_STREAM or found.family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
            return f"the descriptor {number} is not a TCP socket or a Unix stream socket", "in systemd: `ListenStream=`"
        if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return f"the socket {number} does not listen", f"{_PASSING}; in systemd: `Accept=no`"
    return None
