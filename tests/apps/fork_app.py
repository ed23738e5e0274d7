"""Applications that fork while they are called. The parent waits for its child, and answers with the child's end.

The query says how the child leaves the call; the path says where the fork is.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from rsgi import WsgiToAsgi

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def leave(how: str) -> None:
    """What the child does where its parent goes on."""
    if how == "raise":
        raise RuntimeError("raised in the child")
    if how == "exit":
        sys.exit(3)
    if how == "words":
        sys.exit("last words")
    if how == "os":
        os._exit(4)
    if how == "wait":
        time.sleep(60)


def end_of(child: int) -> str:
    """How a child ended; one that hangs is killed."""
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return f"{os.waitstatus_to_exitcode(status)} of {os.getpid()}"
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hung"


def double(number: int) -> int:
    return 2 * number


def sleep_long() -> None:
    os.closerange(0, 3)  # who reads what the server writes must not wait for this
    time.sleep(60)


sleeping: list[Any] = []


def processes(method: str) -> str:
    """Children that come back to nobody: of `multiprocessing`, a pool of it, and of `subprocess`."""
    context = multiprocessing.get_context(method)
    results = context.SimpleQueue()
    process = context.Process(target=results.put, args=("from a process",))
    process.start()
    words = [str(results.get())]
    process.join(10)
    words.append(str(process.exitcode))
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        words.append(str(list(pool.map(double, range(3)))))
    command = [sys.executable, "-c", "print('from a program')"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=os.getpid, timeout=10)
    return ", ".join([*words, done.stdout.strip()])


def terminated() -> str:
    """A child that sleeps, and is told to end as `multiprocessing` tells it."""
    process = multiprocessing.get_context("fork").Process(target=sleep_long)
    process.start()
    process.terminate()
    process.join(8)
    code = process.exitcode
    process.kill()
    return str(code)


def start_sleeper(kind: str) -> str:
    """A child that outlives its parent; the response is its process id."""
    if kind == "os":
        child = os.fork()
        if child == 0:
            sleep_long()
            os._exit(0)
        return str(child)
    process = multiprocessing.get_context("fork").Process(target=sleep_long, daemon=True)
    process.start()
    sleeping.append(process)
    return str(process.pid)


def plainly(path: str, query: str) -> str | None:
    """What sync code answers by itself, if it is asked for that."""
    does: dict[str, Callable[[], str]] = {
        "/pid": lambda: str(os.getpid()),
        "/processes": lambda: processes(query),
        "/terminated": terminated,
        "/sleeper": lambda: start_sleeper(query),
        "/at-import": lambda: str(at_import[0]),
    }
    return does[path]() if path in does else None


def fork(how: str) -> str:
    """Fork; the child leaves as it is told, and if that is by returning, with a response."""
    child = os.fork()
    if child == 0:
        leave(how)
        return "from the child"
    return end_of(child)


def iterated(how: str) -> Iterator[bytes]:
    """The fork is in the iteration, and the child goes on with it for ever."""
    yield b"begun, "
    child = os.fork()
    if child == 0:
        leave(how)
        while True:
            yield b"from the child"
    yield end_of(child).encode()


class Closing:
    """A body whose `close()` forks."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"whole"])

    def close(self) -> None:
        end = fork(self.how)
        print(f"close: {end}", file=sys.stderr, flush=True)


def wsgi(environ: dict[str, Any], start_response: Callable[..., Callable[[bytes], None]]) -> Any:
    """The WSGI application."""
    path, how = environ["PATH_INFO"], environ["QUERY_STRING"]
    plain = plainly(path, how)
    if plain is not None:
        start_response("200 OK", [("content-type", "text/plain")])
        return [plain.encode()]
    if path == "/iterated":
        start_response("200 OK", [("content-type", "text/plain")])
        return iterated(how)
    if path == "/closing":
        start_response("200 OK", [("content-type", "text/plain")])
        return Closing(how)
    if path == "/written":
        write = start_response("200 OK", [("content-type", "text/plain")])
        write(b"begun, ")
        child = os.fork()
        if child == 0:
            for _ in range(1000):
                write(b"from the child" * 1000)
        return [end_of(child).encode()]
    body = fork(how)
    start_response("200 OK", [("content-type", "text/plain")])
    return [body.encode()]


async def in_a_task(how: str) -> str:
    """The fork is in a task of the application's own."""

    async def forks() -> str:
        return fork(how)

    return await asyncio.create_task(forks())


async def websocket(how: str, receive: Receive, send: Send) -> None:
    """The fork is in the middle of a WebSocket."""
    await receive()
    await send({"type": "websocket.accept"})
    child = os.fork()
    if child == 0:
        leave(how)
        if how == "return":
            return
    await send({"type": "websocket.send", "text": end_of(child) if child else "from the child"})


async def asgi(scope: Message, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    if scope["type"] == "lifespan":
        raise RuntimeError("no lifespan")
    path, how = scope["path"].removeprefix(scope.get("root_path", "")), scope["query_string"].decode()
    if scope["type"] == "websocket":
        return await websocket(how, receive, send)
    body = plainly(path, how)
    if body is None and path == "/task":
        body = await in_a_task(how)
    elif body is None and path == "/executor":
        body = await asyncio.to_thread(fork, how)
    elif body is None:
        child = os.fork()
        if child == 0:
            leave(how)
            if how == "await":
                await asyncio.sleep(0.01)
            if how == "receive":
                await receive()
                await receive()
            if how == "return":
                return
        else:
            body = end_of(child)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": (body or "from the child").encode()})


bridged = WsgiToAsgi(wsgi)

at_import: list[int] = []

if os.environ.get("FORK_AT_IMPORT"):
    at_import.append(os.fork())
    if at_import == [0]:
        sleep_long()
        os._exit(0)
