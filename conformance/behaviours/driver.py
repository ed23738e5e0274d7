"""A bridge driven by hand: `receive` and `send` are ours, there is no server.

Apart from `hosts.py` because no process and no socket is involved: messages can be withheld, sends can fail or stay silent,
and every rule of ASGI about messages is checked on the way.

Spec: ASGI HTTP 2.5, sections on the connection scope and the messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

from behaviours import site
from behaviours.behaviour import TIMEOUT, Broken, NotSo
from behaviours.bridges import BRIDGES, http_scope
from behaviours.exchange import Exchange, Headers, Host, Mark
from wire import Response

Message = MutableMapping[str, Any]
AsgiApp = Callable[..., Awaitable[None]]


class _Ended:
    """The call has returned, or has raised."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Loop:
    """An event loop on a thread of its own; what waits for it is bounded in time."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True, name="driver")
        self._thread.start()

    def run(self, work: Awaitable[Any], timeout: float = TIMEOUT) -> Any:
        async def bounded() -> Any:
            return await asyncio.wait_for(work, timeout)

        return asyncio.run_coroutine_threadsafe(bounded(), self.loop).result(timeout + 2)

    def soon(self, act: Callable[..., object], *arguments: object) -> None:
        self.loop.call_soon_threadsafe(act, *arguments)

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()


class DrivenExchange(Exchange):
    """One call of the bridge, and the `receive` and `send` it was given."""

    def __init__(
        self,
        driver: Driver,
        scope: dict[str, Any],
        *,
        body: int | None = 0,
        stalled: bool = False,
        app: AsgiApp | None = None,
    ) -> None:
        self.driver = driver
        self.received = 0
        self.task: asyncio.Task[None] | None = None
        self.messages: list[Message] = []
        self._app = app or driver.app
        self._scope = scope
        self._method = scope.get("method", "GET")
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._out: queue.Queue[Message | _Ended] = queue.Queue()
        self._kept: Message | _Ended | None = None
        self._gone = False
        self._replied = asyncio.Event()
        self._started = False
        self._ended = False
        self._stalled = stalled
        self._room = asyncio.Semaphore(1)
        self._left = body  # how much of the body is still to come; `None`: until `end`
        if body == 0:
            self._incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        self._done = threading.Event()
        driver.events.soon(self._begin)

    # on the loop

    def _begin(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        error: BaseException | None = None
        try:
            await self._app(self._scope, self.receive, self.send)
        except BaseException as raised:
            error = raised
            if not isinstance(raised, asyncio.CancelledError):
                self.driver.said("".join(traceback.format_exception(raised)))
        self._out.put(_Ended(error))
        self._done.set()
        if error is not None and not isinstance(error, Exception):
            raise error

    async def receive(self) -> Message:
        self.received += 1
        message = asyncio.ensure_future(self._incoming.get())
        over = asyncio.ensure_future(self._replied.wait())
        try:
            await asyncio.wait({message, over}, return_when=asyncio.FIRST_COMPLETED)
            return message.result() if message.done() else {"type": "http.disconnect"}
        finally:
            message.cancel()
            over.cancel()

    async def send(self, message: Message) -> None:
        if self._gone:
            if self.driver.silent:
                return
            raise OSError("the client has gone")
        self._check(message)
        self.messages.append(message)
        if self._stalled and message["type"] == "http.response.body":
            await self._room.acquire()
        self._out.put(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._replied.set()

    def _check(self, message: Message) -> None:
        """What ASGI asks of the messages of a response."""
        kind = message["type"]
        wrong = ""
        if kind == "http.response.start":
            wrong = "a second http.response.start" if self._started else ""
            for name, value in message.get("headers", []):
                if not isinstance(name, bytes) or not isinstance(value, bytes):
                    wrong = f"a header that is not bytes: {name!r}: {value!r}"
                elif name != name.lower():
                    wrong = f"a header name that is not lower-case: {name!r}"
            self._started = True
        elif kind == "http.response.body":
            if not self._started:
                wrong = "http.response.body before http.response.start"
            elif self._ended:
                wrong = "http.response.body after the last one"
            elif not isinstance(message.get("body", b""), bytes):
                wrong = f"a body that is not bytes: {message['body']!r}"
            self._ended = not message.get("more_body", False)
        if wrong:
            self._out.put(_Ended(NotSo(wrong)))

    # for the check

    def give(self, data: bytes) -> None:
        if self._left is not None:
            self._left -= len(data)
        message = {"type": "http.request", "body": data, "more_body": self._left is None or self._left > 0}
        self.driver.events.soon(self._incoming.put_nowait, message)

    def end(self) -> None:
        self.driver.events.soon(self._incoming.put_nowait, {"type": "http.request", "body": b"", "more_body": False})

    def head(self) -> Response:
        message = self._next()
        if isinstance(message, _Ended):
            if isinstance(message.error, NotSo):
                raise message.error
            if message.error is None:
                raise NotSo("the call ended without a response")
            self._kept = message
            return Response(500, "", [])
        if message["type"] != "http.response.start":
            raise NotSo(f"the first message is {message['type']}")
        headers = [(bytes(n).decode("latin-1"), bytes(v).decode("latin-1")) for n, v in message.get("headers", [])]
        return Response(message["status"], "", headers, framing="messages")

    def piece(self) -> bytes:
        while True:
            message = self._next()
            if isinstance(message, _Ended):
                self._kept = message
                if isinstance(message.error, NotSo):
                    raise message.error
                if not self._started:
                    return b""
                raise Broken(repr(message.error))
            if message["type"] == "http.response.pathsend":
                with open(message["path"], "rb") as file:
                    data = file.read()
                self._kept = {"type": "http.response.body", "body": b"", "more_body": False}
            else:
                data = message.get("body", b"")
                if not message.get("more_body", False):
                    self._kept = _Finished()
            if data or isinstance(self._kept, _Finished):
                return data

    def _next(self) -> Message | _Ended:
        if isinstance(self._kept, _Finished):
            return {"type": "http.response.body", "body": b"", "more_body": False}
        if self._kept is not None:
            kept, self._kept = self._kept, None
            return kept
        if self._stalled:
            self.driver.events.soon(self._room.release)
        try:
            return self._out.get(timeout=self.driver.timeout)
        except queue.Empty:
            raise TimeoutError from None

    def silent_for(self, seconds: float) -> bool:
        if self._kept is None:
            with contextlib.suppress(queue.Empty):
                self._kept = self._out.get(timeout=seconds)
        return self._kept is None

    def leave(self) -> None:
        self._gone = True
        self.driver.events.soon(self._replied.set)
        self.driver.events.soon(self._room.release)

    def cancel(self) -> None:
        """Cancel the call."""
        assert self.task is not None
        self.driver.events.soon(self.task.cancel)

    def wait(self, timeout: float = TIMEOUT) -> bool:
        """Wait for the call to end."""
        return self._done.wait(timeout)


class _Finished(_Ended):
    """The last message has been read."""

    def __init__(self) -> None:
        super().__init__(None)


class _Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, driver: Driver) -> None:
        super().__init__()
        self._driver = driver

    def emit(self, record: logging.LogRecord) -> None:
        self._driver.said(logging.Formatter().format(record))


class Driver(Host):
    """A bridge, and an event loop to drive it on.

    Attributes:
        bridge_name: Which bridge it is.
        bridge: Makes an ASGI callable of a WSGI application; takes `threads` and `queue`.
        silent: Whether `send` says nothing after the client has left, as below ASGI 2.4, or raises.
    """

    place = "driver"

    def __init__(self, name: str, bridge_name: str, *, silent: bool, **options: int) -> None:
        self.name = name
        self.bridge_name = bridge_name
        self.bridge = bridge = BRIDGES[bridge_name]
        self.silent = silent
        self.app = bridge(site.app, **options)
        self.events = Loop()
        self._said: list[str] = []
        self._handler = _Records(self)
        logging.getLogger().addHandler(self._handler)

    def said(self, text: str) -> None:
        self._said.append(text)

    def log_mark(self) -> Mark:
        return len(self._said), 0

    def log(self, since: Mark) -> str:
        return "\n".join(self._said[since[0] :])

    def open(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        *,
        length: int | None = None,
        chunked: bool = False,
        stalled: bool = False,
    ) -> DrivenExchange:
        path, _, query = target.partition("?")
        fields = [(b"host", b"example.com")]
        fields += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        if length is not None:
            fields.append((b"content-length", str(length).encode()))
        if chunked:
            fields.append((b"transfer-encoding", b"chunked"))
        scope = self.scope(
            method=method,
            path=unquote(path, errors="replace"),
            raw_path=path.encode("latin-1"),
            query_string=query.encode("latin-1"),
            headers=fields,
        )
        return DrivenExchange(self, scope, body=None if chunked else length or 0, stalled=stalled)

    def scope(self, **changed: object) -> dict[str, Any]:
        version = {"version": "3.0", "spec_version": "2.3" if self.silent else "2.4"}
        return http_scope(asgi=version, **changed)

    def call(self, app: AsgiApp | None = None, *, body: int | None = 0, **scope: object) -> DrivenExchange:
        """Begin a call with a scope made by hand, of the bridge or of what stands around it."""
        return DrivenExchange(self, self.scope(**scope), body=body, app=app)

    def kill(self) -> None:
        """As `stop`: there is no process to kill."""
        self.stop()

    def stop(self) -> None:
        """End the event loop."""
        logging.getLogger().removeHandler(self._handler)
        self.events.stop()
