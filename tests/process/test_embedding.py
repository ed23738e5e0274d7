"""`rsgi.Server`: a server inside a running asyncio loop.

These tests run it in their own process, because that is its use. Requests are plain bytes on a socket.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

import rsgi

TIMEOUT = 30


def address_of(server: rsgi.Server) -> tuple[str, int]:
    url = urlsplit(server.addresses[0])
    assert url.hostname is not None and url.port is not None
    return url.hostname, url.port


async def ask(server: rsgi.Server, path: str) -> bytes:
    """Everything that the server sends for one request."""
    reader, writer = await asyncio.open_connection(*address_of(server))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    response = await asyncio.wait_for(reader.read(), TIMEOUT)
    writer.close()
    await writer.wait_closed()
    return response


def run(test: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(test(), TIMEOUT * 2))


def old(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"old {environ['PATH_INFO']} {threading.current_thread().name}".encode()]


class New:
    """An ASGI application that says what it sees."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.loops: set[asyncio.AbstractEventLoop] = set()
        self.go_on = asyncio.Event()
        self.fail = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.loops.add(asyncio.get_running_loop())
        if scope["type"] == "lifespan":
            await receive()
            if self.fail:
                await send({"type": "lifespan.startup.failed", "message": "no database"})
                return
            self.events.append("startup")
            await send({"type": "lifespan.startup.complete"})
            await receive()
            self.events.append("shutdown")
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["path"] == "/slow":
            self.events.append("asked")
            await self.go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"new " + scope["path"].encode()})
        self.events.append(f"answered {scope['path']}")


def test_both_applications_in_a_loop_that_runs_already() -> None:
    async def test() -> None:
        new = New()
        handler = signal.getsignal(signal.SIGTERM)
        async with rsgi.Server(wsgi=old, apps=[rsgi.AppTarget("asgi", new, "/api")], port=0) as server:
            assert signal.getsignal(signal.SIGTERM) is handler
            assert b"\r\n\r\nold /x rsgi-wsgi-" in await ask(server, "/x")
            assert (await ask(server, "/api/y")).endswith(b"\r\n\r\nnew /api/y")
            assert new.loops == {asyncio.get_running_loop()}
        assert new.events == ["startup", "answered /api/y", "shutdown"]
        with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
            probe.connect(address_of(server))

    run(test)


@pytest.mark.parametrize("given", [{"wsgi": old}, {"asgi": New}], ids=["wsgi", "asgi"])
def test_one_application(given: dict[str, Any]) -> None:
    async def test() -> None:
        apps = {name: app() if app is New else app for name, app in given.items()}
        async with rsgi.Server(port=0, **apps) as server:
            responses = await asyncio.gather(*(ask(server, f"/{number}") for number in range(20)))
        assert all(response.startswith(b"HTTP/1.1 200 OK\r\n") for response in responses)

    run(test)


def test_the_end_of_the_block_lets_running_requests_finish() -> None:
    async def test() -> None:
        new = New()
        async with rsgi.Server(asgi=new, port=0) as server:
            asked = asyncio.create_task(ask(server, "/slow"))
            while "asked" not in new.events:  # bounded by the timeout of `run`
                await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.05, new.go_on.set)
        assert new.events == ["startup", "asked", "answered /slow", "shutdown"]
        assert (await asked).endswith(b"new /slow")

    run(test)


def test_stop_from_a_thread_ends_the_wait() -> None:
    async def test() -> None:
        async with rsgi.Server(wsgi=old, port=0) as server:
            threading.Thread(target=server.stop).start()
            await asyncio.wait_for(server.wait(), TIMEOUT)

    run(test)


def test_an_error_in_the_block_ends_the_server() -> None:
    async def test() -> None:
        new = New()
        with pytest.raises(LookupError, match="mine"):
            async with rsgi.Server(asgi=new, port=0):
                raise LookupError("mine")
        assert new.events == ["startup", "shutdown"]

    run(test)


def test_two_servers_in_one_loop() -> None:
    async def test() -> None:
        async with rsgi.Server(asgi=New(), port=0) as one, rsgi.Server(asgi=New(), port=0) as two:
            assert address_of(one) != address_of(two)
            responses = await asyncio.gather(*(ask(each, "/") for each in (one, two) * 10))
        assert {response.rpartition(b"\r\n")[2] for response in responses} == {b"new /"}

    run(test)


def test_an_application_that_cannot_start() -> None:
    async def test() -> None:
        new = New()
        new.fail = True
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.raises(rsgi.StartupError, match="no database"):
            async with rsgi.Server(asgi=new, port=port):
                raise AssertionError("it has not started")
        with socket.create_server(("127.0.0.1", port)):  # the address is free again
            pass

    run(test)


def test_a_cancelled_start_leaves_nothing() -> None:
    @asynccontextmanager
    async def entered(new: Any) -> AsyncIterator[None]:
        async with rsgi.Server(asgi=new, port=0):
            yield

    async def test() -> None:
        asked = asyncio.Event()

        async def waits(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            asked.set()
            await asyncio.Event().wait()

        task = asyncio.ensure_future(entered(waits).__aenter__())
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not [thread for thread in threading.enumerate() if thread.name == "rsgi-io"]

    run(test)


def test_a_server_starts_once() -> None:
    async def test() -> None:
        server = rsgi.Server(wsgi=old, port=0)
        assert server.addresses == []
        async with server:
            pass
        with pytest.raises(RuntimeError, match="make another one"):
            await server.__aenter__()

    run(test)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ({"workers": 2}, "`workers`"),
        ({"reload": True}, "`reload`"),
        ({"io": "loop"}, "`io`"),
        ({"max_requests": 5}, "`the limits of workers`"),
    ],
    ids=str,
)
def test_settings_that_need_a_process_of_their_own(setting: dict[str, Any], named: str) -> None:
    with pytest.raises(rsgi.StartupError, match=named):
        rsgi.Server(asgi=New, port=0, **setting)
