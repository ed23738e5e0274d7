"""An application that uses its event loop for things of its own: sockets, threads, timers, child processes."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def reader() -> str:
    """Bytes that are read one at a time, however many are there: the loop has to say each time that more wait."""
    loop = asyncio.get_running_loop()
    mine, other = socket.socketpair()
    mine.setblocking(False)
    seen = bytearray()
    done = loop.create_future()

    def read() -> None:
        seen.extend(mine.recv(1))
        if len(seen) == 5 and not done.done():
            done.set_result(None)

    loop.add_reader(mine, read)
    other.sendall(b"bytes")
    await done
    loop.remove_reader(mine)
    mine.close()
    other.close()
    return seen.decode()


async def writer() -> str:
    """A megabyte through a pair of sockets, with the loop's own methods."""
    loop = asyncio.get_running_loop()
    mine, other = socket.socketpair()
    mine.setblocking(False)
    other.setblocking(False)
    sending = asyncio.create_task(loop.sock_sendall(mine, bytes(1 << 20)))
    received = 0
    while received < 1 << 20:
        received += len(await loop.sock_recv(other, 65536))
    await sending
    mine.close()
    other.close()
    return str(received)


async def streams() -> str:
    """A server and a client of the application's own."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        writer.write(b"hello\n")
        response = await reader.readline()
        writer.close()
    return response.decode().strip()


async def threads() -> str:
    """Work in other threads, and their calls into the loop."""
    loop = asyncio.get_running_loop()
    called: asyncio.Queue[int] = asyncio.Queue()
    for number in range(20):
        await asyncio.to_thread(loop.call_soon_threadsafe, called.put_nowait, number)
    return str(sum([await called.get() for _ in range(20)]))


async def timers() -> str:
    """Timers in the order of their times, not of their start."""
    order: list[int] = []

    async def later(number: int) -> None:
        await asyncio.sleep(number / 100)
        order.append(number)

    await asyncio.gather(*(later(number) for number in (5, 1, 3, 0)))
    return str(order)


async def child() -> str:
    """A child process and its pipes."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "print(input()[::-1])", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(b"child\n")
    return f"{out.decode().strip()} {process.returncode}"


async def callbacks() -> str:
    """Many turns of the loop without a pause."""
    for _ in range(1000):
        await asyncio.sleep(0)
    return "1000"


async def briefly() -> str:
    """Computes for a moment."""
    end = time.perf_counter() + 0.0002
    while time.perf_counter() < end:
        pass
    return "computed"


async def block() -> str:
    """Blocks the loop for longer than anybody waits."""
    time.sleep(4)
    return "blocked"


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """What the path names."""
    named = (reader, writer, streams, threads, timers, child, callbacks, briefly, block)
    does = {each.__name__: each for each in named}
    response = await does[scope["path"].rpartition("/")[2]]()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": response.encode()})


made: list[str] = []


async def with_task_factory(scope: Message, receive: Receive, send: Send) -> None:
    """An application that gives its loop a task factory when it starts; it answers with what that has made."""
    loop = asyncio.get_running_loop()
    if scope["type"] == "lifespan":
        await receive()

        def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
            made.append(scope["type"])
            return asyncio.Task(coroutine, loop=loop, **options)

        loop.set_task_factory(factory)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(made)).encode()})


async def scheduled(scope: Message, receive: Receive, send: Send) -> None:
    """Callbacks and tasks that the first step of a request starts, in the order in which they run."""
    loop = asyncio.get_running_loop()
    order: list[str] = ["step"]

    async def child() -> None:
        order.append("child")

    loop.call_soon(order.append, "callback")
    task = asyncio.create_task(child())
    order.append("step ends")
    await task
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": ", ".join(order).encode()})
