"""The loads that wrk has no word for: WebSockets, both kinds of application at once, thousands of idle connections.

Apart from `load.py`, which is wrk alone. The WebSocket client is a process of its own (`websocket_client.py`).
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cases import Case
from cases import Load as Kind
from counters import process_tree, read_usage
from environment import peers_folder
from http2_load import run_http2_load
from load import Load, MeasurementError, run_load

_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
_CLIENT = Path(__file__).with_name("websocket_client.py")


def run_case(case: Case, url: str, port: int, process: int, seconds: int) -> tuple[Load, dict[str, float]]:
    """Loads a server as the case says.

    Returns:
        What the client saw, and figures that only this kind of case has.

    Raises:
        MeasurementError: the client failed.
    """
    if case.load is Kind.HTTP:
        return run_load(url, case.connections, seconds, case.upload, case.fields), {}
    if case.load is Kind.HTTP2:
        return run_http2_load(url, case.connections, seconds), {}
    if case.load is Kind.MIXED:
        return _mixed(url, case.connections, seconds)
    if case.load is Kind.IDLE:
        return _idle(port, process, case.connections)
    return _websockets(port, case, seconds)


def _websockets(port: int, case: Case, seconds: int) -> tuple[Load, dict[str, float]]:
    beside = peers_folder() / "python"  # where uvloop is
    python = beside if beside.exists() else Path(sys.executable)
    mode = "broadcast" if case.load is Kind.WEBSOCKET_BROADCAST else "echo"
    command = [str(python), str(_CLIENT), mode, str(port), str(case.connections), str(seconds)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 30)
    if finished.returncode:
        raise MeasurementError(f"the WebSocket client failed: {finished.stderr.strip()[-200:]}")
    told = json.loads(finished.stdout)
    load = Load(told["messages"], told["seconds"], told["p50"], told["p99"], {})
    return load, {"client CPU": told["cpu"]}


def _mixed(url: str, connections: int, seconds: int) -> tuple[Load, dict[str, float]]:
    wsgi = run_load(url, connections, seconds)
    asgi = run_load(f"{url}asgi/", connections, seconds)
    with ThreadPoolExecutor(3) as both:
        first = both.submit(run_load, url, connections, seconds)
        second = both.submit(run_load, f"{url}asgi/", connections, seconds)
        beside_wsgi, beside_asgi = first.result(), second.result()
        port = int(url.rsplit(":", 1)[1].rstrip("/"))
        blocking = both.submit(_slowest, port, b"/asgi/block", 1)
        time.sleep(0.1)  # the loop is held by then
        delay = both.submit(_slowest, port, b"/", 500).result()
        blocking.result()
    rate = beside_wsgi.requests / beside_wsgi.seconds + beside_asgi.requests / beside_asgi.seconds
    alone = (wsgi.requests / wsgi.seconds + asgi.requests / asgi.seconds) / 2
    figures = {
        "sum of both": rate / alone,
        "p99 of WSGI": beside_wsgi.p99 / wsgi.p99,
        "p99 of ASGI": beside_asgi.p99 / asgi.p99,
        "delay beside a blocked loop": delay * 1000,
    }
    total = Load(round(rate * seconds), seconds, beside_wsgi.p50, beside_wsgi.p99, beside_wsgi.errors)
    return total, figures


def _slowest(port: int, path: bytes, count: int) -> float:
    """The slowest of `count` requests, one after the other, in seconds."""
    slowest = 0.0
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for _ in range(count):
            begun = time.monotonic()
            connection.sendall(_REQUEST.replace(b"GET /", b"GET " + path))
            if not connection.recv(4096):
                raise MeasurementError("the connection was closed")
            slowest = max(slowest, time.monotonic() - begun)
    return slowest


# A server that lets go of something does so by then.
_IDLE_SECONDS = 3


def _idle(port: int, process: int, count: int) -> tuple[Load, dict[str, float]]:
    processes = process_tree(process)
    before = read_usage(processes).resident
    begun = time.monotonic()
    connections: list[socket.socket] = []
    try:
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=10)
            connections.append(connection)
            connection.sendall(_REQUEST)
            if not connection.recv(4096):
                raise MeasurementError(f"connection {len(connections)} was closed")
        took = time.monotonic() - begun
        # Of interest is what they cost while they lie idle.
        time.sleep(_IDLE_SECONDS)
        connections[0].sendall(_REQUEST)
        connections[0].recv(4096)
        grown = read_usage(processes).resident - before
    except OSError as error:
        raise MeasurementError(f"connection {len(connections) + 1}: {error}; see `ulimit -n`") from error
    finally:
        for connection in connections:
            connection.close()
    return Load(count, took, 0, 0, {}), {"KiB a connection": grown / 1024 / count, "resident": before / 2**20}
