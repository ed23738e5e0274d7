"""Limits that protect the server: body size, concurrency, the WSGI queue, and clients that are too slow.

Apart from `test_wire.py`, whose limits are about the head of a request. A limit answers with a status that says what to
do (413, 408, 503 with Retry-After), and hurts nobody else.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

from kitchens import KITCHENS
from server import Server, start_rsgi, wait_until
from wire import Connection, chunk_bytes, get, many_connections, post, request

# The size of a body


@pytest.fixture(scope="module")
def narrow_servers() -> Iterator[dict[str, Server]]:
    """The three kitchens with a small --max-body."""
    servers = {name: start_rsgi(*kitchen, "--max-body", "10KiB") for name, kitchen in KITCHENS.items()}
    yield servers
    for server in servers.values():
        server.stop()


@pytest.fixture
def narrow(narrow_servers: dict[str, Server], interface: str) -> Server:
    return narrow_servers[interface]


def test_body_at_the_limit(narrow: Server) -> None:
    body = b"x" * 10 * 1024
    assert post(narrow, "/echo", body).body == body
    assert request(narrow, "POST", "/echo", chunks=[body[:5000], body[5000:]]).body == body


def test_declared_body_over_the_limit(narrow: Server) -> None:
    """Refused by its length: nothing is read, and the app is not called."""
    with Connection(narrow) as connection:
        connection.send(b"POST /upload-hash?label=declared HTTP/1.1\r\nHost: a\r\nContent-Length: 10241\r\n\r\n")
        response = connection.read_response()
        assert response.status == 413
        assert response.text.startswith("413 Content Too Large: ") or response.text.startswith(
            "413 Payload Too Large: "
        )
        assert response.header("connection") == "close"
        assert connection.closed_within(5)
    assert get(narrow, "/record?label=declared").json() == []


def test_declared_body_over_the_limit_gets_no_continue(narrow: Server) -> None:
    with Connection(narrow) as connection:
        connection.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10241\r\n\r\n")
        response = connection.read_response()
    assert response.status == 413
    assert response.interim == []


def test_chunked_body_over_the_limit(narrow: Server) -> None:
    with Connection(narrow) as connection:
        connection.send(b"POST /upload-hash?label=chunked HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(20):
                connection.send(chunk_bytes(b"x" * 1024))
        response = connection.read_response()
        assert response.status == 413
        assert response.header("connection") == "close"
    events = get(narrow, "/record?label=chunked").json()
    assert not [event for event in events if event.startswith("complete")]
    assert get(narrow, "/hello").status == 200


# How many at once


def test_concurrency_limit(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--limit-concurrency", "2")
    with many_connections(server, 2) as slow, Connection(server) as refused:
        for connection in slow:
            connection.send_request("GET", "/stream-gated?label=busy")
            assert connection.read_head().status == 200
        began = time.monotonic()
        refused.send_request("GET", "/hello")
        response = refused.read_response()
        assert time.monotonic() - began < 1
        assert response.status == 503
        assert response.header("retry-after") == "1"
        assert response.text.startswith("503 Service Unavailable: ")
    wait_until(lambda: get(server, "/hello").status == 200, 5, "the places are free again")


def test_idle_connections_do_not_count(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--limit-concurrency", "2")
    with many_connections(server, 20) as idle:
        for connection in idle:
            connection.send_request("GET", "/hello")
            assert connection.read_response().status == 200
        assert get(server, "/hello").status == 200


def test_full_wsgi_queue(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-threads", "1", "--wsgi-queue", "2", "--grace", "0.2")
    with many_connections(server, 8) as connections:
        for connection in connections:
            connection.send_request("GET", "/slow?ms=500")
        responses = [connection.read_response() for connection in connections]
    refused = [response for response in responses if response.status == 503]
    served = [response for response in responses if response.status == 200]
    assert 2 <= len(served) <= 3
    assert len(served) + len(refused) == 8
    for response in refused:
        assert response.header("retry-after") == "1"
        assert response.text.startswith("503 Service Unavailable: ")
    assert get(server, "/hello").status == 200


def test_request_that_waits_too_long_in_the_queue(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-threads", "1", "--queue-timeout", "0.4")
    with Connection(server) as slow, Connection(server) as waiting:
        slow.send_request("GET", "/slow?ms=2500")
        assert slow.silent_for(0.2)  # the only thread is taken
        began = time.monotonic()
        waiting.send_request("GET", "/count?label=waited-too-long")
        response = waiting.read_response()
        assert response.status == 503
        assert response.header("retry-after") == "1"
        assert 0.3 < time.monotonic() - began < 2
        assert slow.read_response().body == b"slow\n"
    assert get(server, "/record?label=waited-too-long").json() == []


def test_asgi_is_not_behind_the_wsgi_queue(start: Callable[..., Server]) -> None:
    threads = ("--wsgi-threads", "1", "--wsgi-queue", "1")
    server = start("--wsgi", "/old=wsgi_kitchen:app", "--asgi", "asgi_kitchen:app", *threads)
    with many_connections(server, 6) as connections:
        for connection in connections:
            connection.send_request("GET", "/old/slow?ms=1000")
        assert [get(server, "/hello").status for _ in range(5)] == [200] * 5


# Clients that are too slow


@pytest.fixture(scope="module")
def pressing_servers() -> Iterator[dict[str, Server]]:
    """The three kitchens with a minimum data rate that bites soon."""
    rate = ("--min-data-rate", "5000", "--min-data-rate-grace", "0.5")
    servers = {name: start_rsgi(*kitchen, *rate) for name, kitchen in KITCHENS.items()}
    yield servers
    for server in servers.values():
        server.stop()


@pytest.fixture
def pressing(pressing_servers: dict[str, Server], interface: str) -> Server:
    return pressing_servers[interface]


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_slow_body_times_out(pressing: Server, framing: str) -> None:
    field = b"Content-Length: 100000" if framing == "length" else b"Transfer-Encoding: chunked"
    label = f"slow-{framing}"
    with Connection(pressing) as connection:
        connection.send(b"POST /upload-hash?label=%b HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % (label.encode(), field))
        deadline = time.monotonic() + 6
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while time.monotonic() < deadline and connection.silent_for(0.1):
                connection.send(b"x" if framing == "length" else chunk_bytes(b"x"))
        assert time.monotonic() < deadline
        with contextlib.suppress(ConnectionResetError):  # a late byte may have met the closed connection
            response = connection.read_response()
            assert response.status == 408
            assert response.header("connection") == "close"
    events = get(pressing, f"/record?label={label}").json()
    assert not [event for event in events if event.startswith("complete")]


def test_silent_body_times_out(pressing: Server) -> None:
    with Connection(pressing) as connection:
        connection.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        began = time.monotonic()
        response = connection.read_response()
        assert response.status == 408
        assert time.monotonic() - began < 5
        assert connection.closed_within(5)


def test_slow_reader_is_cut(pressing: Server) -> None:
    with Connection(pressing, receive_buffer=4096) as connection:
        connection.send_request("GET", "/endless")
        assert connection.read_head().status == 200
        wait_until(lambda: get(pressing, "/endless-open").body == b"0", 8, "the stream was cut")
        connection.read_to_end()
    assert get(pressing, "/hello").status == 200


def test_slow_application_is_not_the_client_s_fault(pressing: Server) -> None:
    """The rate counts what waits for the client, never the time the app takes."""
    assert get(pressing, "/slow?ms=1500").body == b"slow\n"


def test_steady_client_above_the_rate_is_served(pressing: Server) -> None:
    with Connection(pressing) as connection:
        connection.send(b"POST /upload-hash HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n")
        for _ in range(20):
            assert connection.silent_for(0.06)
            connection.send(b"x" * 1000)
        assert connection.read_response().json()["bytes"] == 20000
