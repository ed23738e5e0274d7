"""Behaviours 26 to 30: contexts, threads, processes, and scopes that are not HTTP.

Spec: PEP 3333, "Thread Support"; ASGI Lifespan 2.0; ASGI WebSocket 2.5, "Websocket Denial Response".
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import contextvars
import os
import subprocess
import sys
import threading
import time
from typing import Any
from urllib.request import urlopen

from behaviours.behaviour import BRIDGED, DRIVER, WIRE, behaviour, demand, expect
from behaviours.bridges import http_scope
from behaviours.exchange import Exchange, Host
from behaviours.hosts import PYTHONPATH, ProcessHost
from behaviours.site import Environ, StartResponse, application, as_json, note, query, text, wait_at_gate
from server import wait_until
from wire import Connection

THREADS = 2  # of the variant `narrow`
QUEUE = 2

_variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")
_local = threading.local()


@application
def context(environ: Environ, start_response: StartResponse) -> Any:
    """Set a context variable, which the next request must not see."""
    before = _variable.get()
    _variable.set("set by an earlier request")
    return as_json(start_response, before)


@application
def thread(environ: Environ, start_response: StartResponse) -> Any:
    _local.calls = getattr(_local, "calls", 0) + 1
    now = threading.current_thread()
    found = {"calls": _local.calls, "name": now.name, "ident": now.ident, "class": type(now).__name__}
    return as_json(start_response, found)


@application
def waits(environ: Environ, start_response: StartResponse) -> Any:
    label = query(environ)["label"]
    note(label, "began")
    wait_at_gate(label)
    return text(start_response, "done")


@application
def calls_back(environ: Environ, start_response: StartResponse) -> Any:
    """Ask the same server for another page while this request is being answered."""
    with urlopen(f"http://127.0.0.1:{environ['SERVER_PORT']}/hello", timeout=4) as response:
        return text(start_response, f"called back: {response.read().decode()}")


@application
def runs_a_coroutine(environ: Environ, start_response: StartResponse) -> Any:
    """`async_to_sync`, as Django applications use it."""
    from asgiref.sync import async_to_sync

    async def work() -> str:
        await asyncio.sleep(0)
        return "awaited"

    return text(start_response, async_to_sync(work)())


@behaviour(26)
def context_does_not_leak(host: Host) -> None:
    """A context variable that the application sets is not seen by a later request on the same thread."""
    expect("seen by later requests", [host.json("/context") for _ in range(20)], [""] * 20)


@behaviour(26, DRIVER)
def context_of_a_middleware_is_seen(host: Any) -> None:
    """A context variable set in an ASGI middleware is seen in the call, the iteration and `close()`."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("middleware", default="default")
    found: list[str] = []
    closed = threading.Event()

    class Iterable:
        def __iter__(self) -> Any:
            found.append(variable.get())
            yield b"x"

        def close(self) -> None:
            found.append(variable.get())
            closed.set()

    def app(environ: Environ, start_response: StartResponse) -> Iterable:
        found.append(variable.get())
        start_response("200 OK", [])
        return Iterable()

    inner = host.bridge(app)

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        variable.set("from the middleware")
        await inner(scope, receive, send)

    with host.call(middleware) as exchange:
        exchange.response()
        demand(closed.wait(3), f"close() was not called; seen until then: {found}")
    expect("seen", found, ["from the middleware"] * 3)


@behaviour(27, variant="narrow")
def thread_locals_survive(host: Host) -> None:
    """`threading.local` values stay between the requests of a thread, and there are no more threads than asked for."""
    found = [host.json("/thread") for _ in range(12)]
    by_thread: dict[int, list[int]] = {}
    for each in found:
        by_thread.setdefault(each["ident"], []).append(each["calls"])
    demand(len(by_thread) <= THREADS, f"{len(by_thread)} threads served 12 requests")
    for calls in by_thread.values():
        expect("calls of a thread", calls, list(range(calls[0], calls[0] + len(calls))))


@behaviour(27)
def threads_have_names(host: Host) -> None:
    """`threading.current_thread()` is a real thread with a name."""
    found = host.json("/thread")
    demand(found["class"] != "_DummyThread", f"it is the {found['class']} {found['name']!r}")


@behaviour(27, variant="narrow")
def no_more_calls_than_threads(host: Host) -> None:
    """With two threads two calls run at once, never a third; what waits for a thread is answered in the end."""
    label = host.label()
    with contextlib.ExitStack() as opened:
        try:
            exchanges = _waiting(host, label, opened)
            for _ in range(QUEUE):
                exchanges.append(opened.enter_context(host.open("GET", f"/waits?label={label}")))
            demand(exchanges[-1].silent_for(0.1), "a waiting request was answered at once")
            expect("calls that began", host.notes(label).count("began"), THREADS)
        finally:
            host.open_gate(label)
        expect("statuses", [exchange.response().status for exchange in exchanges], [200] * (THREADS + QUEUE))


@behaviour(27, variant="narrow")
def burst_is_not_refused(host: Host) -> None:
    """Four requests at once on two idle threads and two places to wait: all are answered, every time."""
    label = host.label()
    host.open_gate(label)
    for _ in range(10):
        with contextlib.ExitStack() as opened:
            many = [opened.enter_context(host.open("GET", f"/waits?label={label}")) for _ in range(THREADS + QUEUE)]
            expect("statuses", [exchange.response().status for exchange in many], [200] * (THREADS + QUEUE))


def _waiting(host: Host, label: str, opened: contextlib.ExitStack) -> list[Exchange]:
    """Take every thread of the variant `narrow` until the gate of this label opens."""
    exchanges: list[Exchange] = []
    for _ in range(THREADS):
        exchanges.append(opened.enter_context(host.open("GET", f"/waits?label={label}")))
        number = len(exchanges)
        wait_until(lambda: host.notes(label).count("began") == number, 3, f"{number} calls run")  # noqa: B023
    return exchanges


@behaviour(27, variant="narrow")
def full_queue_is_a_503(host: Host) -> None:
    """With two calls running and two waiting, further requests get 503 with Retry-After; the four are answered."""
    label = host.label()
    with contextlib.ExitStack() as opened:
        try:
            exchanges = _waiting(host, label, opened)
            for _ in range(QUEUE + 4):
                exchanges.append(opened.enter_context(host.open("GET", f"/waits?label={label}")))
            refused = []
            began = time.monotonic()
            while len(refused) < 4 and time.monotonic() - began < 3:
                refused = [exchange for exchange in exchanges if not exchange.silent_for(0.01)]
            expect("requests refused at once", len(refused), 4)
            for exchange in refused:
                response = exchange.response()
                expect("status", response.status, 503)
                demand(response.header("retry-after"), "no Retry-After")
        finally:
            host.open_gate(label)
        rest = [exchange.response().status for exchange in exchanges if exchange not in refused]
        expect("the other statuses", rest, [200] * (THREADS + QUEUE))


@behaviour(27, BRIDGED, variant="narrow")
def event_loop_stays_free(host: ProcessHost) -> None:
    """While every WSGI thread is taken, ASGI requests are answered, and so is work on the loop's own threads."""
    label = host.label()
    with contextlib.ExitStack() as opened:
        try:
            _waiting(host, label, opened)
            for target in ("/loop", "/loop/thread"):
                began = time.monotonic()
                expect(target, host.get(target).body, b"from the event loop")
                demand(time.monotonic() - began < 1, f"{target} after {time.monotonic() - began:.1f} s")
        finally:
            host.open_gate(label)


@behaviour(28, WIRE)
def application_may_call_its_server(host: ProcessHost) -> None:
    """An application that asks its own server for another page while it answers is answered."""
    expect("the body", host.get("/calls_back").body, b"called back: hello")


@behaviour(28)
def async_to_sync_works(host: Host) -> None:
    """`async_to_sync` inside the application does not deadlock."""
    expect("the body", host.get("/runs_a_coroutine").body, b"awaited")


@behaviour(29, DRIVER)
def bridge_works_from_several_loops(host: Any) -> None:
    """One bridge serves several event loops, one after the other and side by side."""
    bridge = host.bridge(lambda environ, start_response: text(start_response, "from any loop"))
    bodies: list[bytes] = []

    async def call() -> None:
        incoming = [{"type": "http.request", "body": b"", "more_body": False}]
        waiting = asyncio.Event()

        async def receive() -> Any:
            if not incoming:
                await waiting.wait()
            return incoming.pop()

        async def send(message: Any) -> None:
            bodies.append(message.get("body", b""))

        await asyncio.wait_for(bridge(http_scope(), receive, send), 4)

    def serve() -> None:
        with contextlib.suppress(Exception):
            asyncio.run(call())

    for _ in range(2):
        serve()
    threads = [threading.Thread(target=serve, daemon=True) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(5)
    expect("responses", b"".join(bodies), b"from any loop" * 6)


_AFTER_FORK = """
import asyncio, os, sys
from behaviours.bridges import http_scope
from behaviours.bridges import BRIDGES
from behaviours.site import app

made = BRIDGES[sys.argv[1]](app)

def serve():
    sent = []
    async def call():
        incoming = [{"type": "http.request", "body": b"", "more_body": False}]
        async def receive():
            if not incoming:
                await asyncio.sleep(60)
            return incoming.pop()
        async def send(message):
            sent.append(message.get("body", b""))
        await asyncio.wait_for(made(http_scope(), receive, send), 4)
    asyncio.run(call())
    return b"".join(sent) == b"hello"

before = serve()
child = os.fork()
if child == 0:
    served = False
    try:
        served = serve()
    finally:
        os._exit(0 if served else 1)
_, status = os.waitpid(child, 0)
print("ok" if before and status == 0 and serve() else f"parent {before}, child {status}")
os._exit(0)
"""


@behaviour(29, DRIVER)
def bridge_works_after_a_fork(host: Any) -> None:
    """A bridge that has served goes on to serve in a forked child, and in the parent."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _AFTER_FORK, host.bridge_name],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        text=True,
        start_new_session=True,
    )
    try:
        output = process.communicate(timeout=12)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        output = "no response within 12 s"
    expect("parent and child", output.strip(), "ok")


@behaviour(30, DRIVER)
def lifespan_is_answered(host: Any) -> None:
    """Both events of the lifespan scope are answered; the application is not called."""
    sent: list[str] = []
    bridge = host.bridge(lambda environ, start_response: note(host.label(), "called"))

    async def live() -> None:
        incoming = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]

        async def receive() -> Any:
            return incoming.pop()

        async def send(message: Any) -> None:
            sent.append(message["type"])

        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        try:
            await bridge(scope, receive, send)
        except Exception as error:
            demand(False, f"{type(error).__name__}: {error}")

    host.events.run(live())
    expect("answers", sent, ["lifespan.startup.complete", "lifespan.shutdown.complete"])


def _websocket(host: Any, extensions: dict[str, Any]) -> list[Any]:
    sent: list[Any] = []
    bridge = host.bridge(lambda environ, start_response: text(start_response, "never"))

    async def refuse() -> None:
        incoming = [{"type": "websocket.disconnect", "code": 1006}, {"type": "websocket.connect"}]

        async def receive() -> Any:
            return incoming.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        scope = http_scope(type="websocket", scheme="ws", subprotocols=[], extensions=extensions)
        del scope["method"]
        try:
            await bridge(scope, receive, send)
        except Exception as error:
            demand(False, f"{type(error).__name__}: {error}")

    host.events.run(refuse())
    return sent


@behaviour(30, DRIVER)
def websocket_is_closed(host: Any) -> None:
    """A WebSocket is closed before it is accepted, which is a 403."""
    expect("messages", [message["type"] for message in _websocket(host, {})], ["websocket.close"])


@behaviour(30, DRIVER)
def websocket_is_denied_with_a_response(host: Any) -> None:
    """Where the host offers `websocket.http.response`, a WebSocket is answered with a 4xx that says why."""
    sent = _websocket(host, {"websocket.http.response": {}})
    expect("messages", [message["type"].rpartition(".")[2] for message in sent], ["start", "body"])
    demand(400 <= sent[0]["status"] < 500, f"status {sent[0]['status']}")


@behaviour(30, BRIDGED)
def websocket_handshake_is_refused(host: ProcessHost) -> None:
    """A WebSocket handshake is refused with a 4xx, and the next request is served."""
    key = base64.b64encode(b"0123456789abcdef").decode()
    with Connection(host.server, timeout=5) as connection:
        handshake = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", key)]
        connection.send_request("GET", "/hello", [*handshake, ("Sec-WebSocket-Version", "13")])
        status = connection.read_head().status
    demand(400 <= status < 500, f"status {status}")
    expect("the next response", host.get("/hello").body, b"hello")
