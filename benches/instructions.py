"""User instructions per request where the processor's counter cannot be read: callgrind counts them.

Apart from `counters`, since it needs a run of its own, fifty times slower than others. The server starts without being
counted, answers some requests, and then what all its threads execute is counted for a fixed number of requests. The load
of the machine does not change a count. Threads take turns under valgrind, so all servers are counted on one processor,
and how many requests share a wake-up is not quite as without it.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from cases import Case
from cases import Load as Kind
from catalogue import Server
from counters import process_tree
from http2_load import STREAMS, ask_over_http2
from load import MeasurementError
from servers import running, url_of

# A turn is one request on each connection, or on each stream of one connection.
_CONNECTIONS = STREAMS
_TURNS = 40
_WARM_UP = 8


def valgrind_is_there() -> bool:
    """Whether instructions can be counted this way."""
    return shutil.which("valgrind") is not None and shutil.which("callgrind_control") is not None


def count_instructions(server: Server, case: Case) -> float:
    """User instructions per request of the case.

    Raises:
        MeasurementError: the server does not run under valgrind.
    """
    with running(server, case.app):
        pass  # whatever is compiled at the first start is compiled now
    with tempfile.TemporaryDirectory() as folder:
        wrapper = (
            "taskset",
            "--cpu-list",
            str(min(os.sched_getaffinity(0))),
            "valgrind",
            "--tool=callgrind",
            "--instr-atstart=no",
            "--trace-children=yes",
            "--fair-sched=yes",
            f"--callgrind-out-file={folder}/counts.%p",
            f"--log-file={folder}/log.%p",
        )
        with running(server, case.app, wrapper) as (port, process):
            processes = process_tree(process)
            ask = _asking(server, case, port)
            _control(processes, "--instr=on")
            ask(_WARM_UP)
            _control(processes, "--zero")
            ask(_TURNS)
            _control(processes, "--dump")
            executed = sum(_total(path) for path in Path(folder).glob("counts.*.1"))
    if not executed:
        raise MeasurementError("callgrind counted nothing")
    return executed / (_TURNS * _CONNECTIONS)


def _control(processes: list[int], order: str) -> None:
    """Tells callgrind in each of the processes."""
    for process in processes:
        command = ["callgrind_control", order, str(process)]
        subprocess.run(command, capture_output=True, check=False, timeout=60)


def _total(path: Path) -> int:
    """What a dump sums up to; a process that is not counted, such as a shell, leaves none."""
    found = re.findall(r"^(?:summary|totals): (\d+)", path.read_text(errors="replace"), re.MULTILINE)
    return int(found[-1]) if found else 0


def _asking(server: Server, case: Case, port: int) -> Callable[[int], None]:
    """What sends the requests of so many turns."""
    if case.load is Kind.HTTP2:
        return lambda turns: ask_over_http2(url_of(server, port), case.connections, turns * STREAMS)
    request = "\r\n".join(("GET / HTTP/1.1", "Host: localhost", *case.fields, "", "")).encode()
    return lambda turns: _ask(port, request, turns)


def _ask(port: int, request: bytes, turns: int) -> None:
    """The `request` so many `turns` on each connection, all connections at a time."""
    connections = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(_CONNECTIONS)]
    try:
        for _ in range(turns):
            for connection in connections:
                connection.sendall(request)
            for connection in connections:
                response = b""
                while not response.endswith(b"Hello, World!"):
                    piece = connection.recv(4096)
                    if not piece:
                        raise MeasurementError("a connection was closed")
                    response += piece
    finally:
        for connection in connections:
            connection.close()
