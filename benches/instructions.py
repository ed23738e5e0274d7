"""User instructions per request where the processor's counter cannot be read: valgrind counts them.

Apart from `counters`, since it needs runs of its own, fifty times slower than others: the server is started twice, gets N
requests and then 2 N on connections that stay open, and the difference of all it executed is divided by N. Threads
take turns under valgrind, so how many requests share a wake-up is not quite as without it.
"""

from __future__ import annotations

import re
import shutil
import socket
import tempfile
from pathlib import Path

from load import MeasurementError
from servers import Server, running

_CONNECTIONS = 64
_TURNS = 60
_WARM_UP = 5


def valgrind_is_there() -> bool:
    """Whether instructions can be counted this way."""
    return shutil.which("valgrind") is not None


def count_instructions(server: Server, app: str, fields: tuple[str, ...] = ()) -> float:
    """User instructions per request with those header `fields` beside `Host`, over 64 connections.

    Raises:
        MeasurementError: the server does not run under valgrind.
    """
    with running(server, app):
        pass  # whatever is compiled at the first start is compiled now
    request = "\r\n".join(("GET / HTTP/1.1", "Host: localhost", *fields, "", "")).encode()
    few, many = (_executed(server, app, request, _WARM_UP + turns) for turns in (_TURNS, 2 * _TURNS))
    if many <= few:
        raise MeasurementError("starting it differed by more than the requests took")
    return (many - few) / (_TURNS * _CONNECTIONS)


def _executed(server: Server, app: str, request: bytes, turns: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        wrapper = (
            "valgrind",
            "--tool=cachegrind",
            "--cache-sim=no",
            "--trace-children=yes",
            "--fair-sched=yes",
            "--cachegrind-out-file=/dev/null",
            f"--log-file={folder}/%p",
        )
        with running(server, app, wrapper) as (port, _):
            _ask(port, request, turns)
        logs = [path.read_text(errors="replace") for path in Path(folder).iterdir()]
    counts = [int(found[1].replace(",", "")) for log in logs for found in re.finditer(r"I\s+refs:\s+([\d,]+)", log)]
    if not counts:
        raise MeasurementError("valgrind counted nothing: the server did not end by itself")
    return sum(counts)


def _ask(port: int, request: bytes, turns: int) -> None:
    """The `request` so many `turns` on each connection, all connections at a time."""
    connections = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(_CONNECTIONS)]
    try:
        for _ in range(turns):
            for connection in connections:
                connection.sendall(request)
            for connection in connections:
                answer = b""
                while not answer.endswith(b"Hello, World!"):
                    piece = connection.recv(4096)
                    if not piece:
                        raise MeasurementError("a connection was closed")
                    answer += piece
    finally:
        for connection in connections:
            connection.close()
