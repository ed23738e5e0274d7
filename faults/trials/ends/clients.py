"""Clients that ask again and again while something happens to the server, and count what came of each request.

A client may send again what was never let in (a refused connection, a 503, a stream above the GOAWAY). A request that is
sent and gets no whole response is cut: a proxy answers 502 for it. A request on a connection that was idle for longer than
a server waits is late: any server may close such a connection, and a client on a busy machine can be that slow.
"""

from __future__ import annotations

import contextlib
import hashlib
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from certificates import NAME
from http2_wire import Http2Connection
from server import Server, wait_until
from trials.apps import DOWNLOAD, JOB
from websocket_wire import CLOSE, TEXT, WebSocketConnection
from wire import Connection, ConnectionEnded, MalformedResponse, Response

LARGE = b"u" * 262144
SMALL = b"p" * 1000
RETRY = 0.02  # seconds between two tries of a client that is not let in
TIMEOUT = 20.0

# Outcomes.
WHOLE, REFUSED, TOLD, LATE, CUT, WRONG = "whole", "refused", "told", "late", "cut", "wrong"

IDLE = 0.25  # seconds; the server waits 0.3

LOST = (OSError, ConnectionEnded, TimeoutError)

AnyConnection = TypeVar("AnyConnection", bound=Connection)


class Client(threading.Thread):
    """One client.

    Attributes:
        context: For TLS, if the server speaks it.
        counts: How often each outcome was seen.
        notes: What was not as it should be, for a message.
    """

    def __init__(
        self, server: Server, kind: str, path: str, stopped: threading.Event, context: ssl.SSLContext | None
    ) -> None:
        super().__init__(daemon=True, name=f"{kind} {path}")
        self.server, self.kind, self.path, self.stopped, self.context = server, kind, path, stopped, context
        self.counts: Counter[str] = Counter()
        self.notes: list[str] = []

    def run(self) -> None:
        """Open one connection after the other."""
        talk = _KINDS[self.kind]
        while not self.stopped.is_set():
            try:
                talk(self)
            except ConnectionRefusedError:
                self.counts[REFUSED] += 1
                self.stopped.wait(RETRY)
            except ssl.SSLError as error:
                self.note(CUT, error)  # in its handshake
            except (MalformedResponse, AssertionError) as error:
                self.note(WRONG, error)

    def opened(self, kind: type[AnyConnection]) -> AnyConnection:
        """A new connection, encrypted if the server speaks TLS."""
        connection = kind(self.server, timeout=TIMEOUT)
        if self.context:
            connection.socket = self.context.wrap_socket(connection.socket, server_hostname=NAME)
        return connection

    def note(self, outcome: str, error: object) -> None:
        """Count it, and keep why."""
        self.counts[outcome] += 1
        self.notes.append(f"{self.name}: {outcome}: {type(error).__name__} {error}")

    def take(self, response: Response, expected: bytes | None) -> bool:
        """Count a response; says whether the connection goes on."""
        if response.status == 503 and response.complete:
            self.counts[REFUSED] += 1
        elif not response.complete:
            self.note(CUT, f"{len(response.body)} bytes")
        elif response.status != 200 or (expected is not None and response.body != expected):
            self.note(WRONG, f"{response.status} {response.body[:40]!r}")
        else:
            self.counts[WHOLE] += 1
        closes = (response.header("connection") or "").lower() == "close"
        return response.complete and response.framing != "close" and not closes


def _requests(client: Client, ask: Callable[[Connection], None], expected: bytes | None) -> None:
    """Requests on one connection for as long as it lives."""
    with client.opened(Connection) as connection:
        goes_on, idle_since = True, time.monotonic()
        while goes_on and not client.stopped.is_set():
            began = time.monotonic()
            try:
                ask(connection)
                began = began if client.kind == "upload" else time.monotonic()
                goes_on = client.take(connection.read_response(), expected)
            except LOST as error:
                client.note(LATE if began - idle_since > IDLE else CUT, error)
                return
            idle_since = time.monotonic()


def _hash(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


def _get(client: Client) -> None:
    _requests(client, lambda connection: connection.send_request("GET", client.path), _hash(b""))


def _post(client: Client) -> None:
    _requests(client, lambda connection: connection.send_request("POST", client.path, body=SMALL), _hash(SMALL))


def _upload(client: Client) -> None:
    def ask(connection: Connection) -> None:
        connection.send_request("POST", client.path, [("Content-Length", str(len(LARGE)))])
        for at in range(0, len(LARGE), 32768):
            with contextlib.suppress(BrokenPipeError):  # there may be a response already
                connection.send(LARGE[at : at + 32768])
            client.stopped.wait(0.005)

    _requests(client, ask, _hash(LARGE))


def _download(client: Client) -> None:
    _requests(client, lambda connection: connection.send_request("GET", client.path), DOWNLOAD)


def _job(client: Client) -> None:
    def ask(connection: Connection) -> None:
        client.stopped.wait(JOB)  # or the jobs would become more and more
        connection.send_request("GET", client.path)

    _requests(client, ask, b"job")


def _events(client: Client) -> None:
    """A stream without an end: 20 events are whole, and one that the server ends is told so."""
    with client.opened(Connection) as connection:
        try:
            connection.send_request("GET", client.path)
            response = connection.read_head()
        except LOST as error:
            client.note(CUT, error)
            return
        if response.status != 200:
            connection.read_body(response)
            client.take(response, None)
            return
        try:
            seen = 0
            while seen < 20 and connection.read_chunk() is not None:
                seen += 1
            client.counts[WHOLE if seen == 20 else TOLD] += 1
        except LOST:
            client.counts[TOLD] += 1  # a stream without a length has no better end


def _websocket(client: Client) -> None:
    with client.opened(WebSocketConnection) as connection:
        try:
            response = connection.upgrade(client.path)
        except LOST as error:
            client.note(CUT, error)
            return
        if response.status != 101:
            client.take(response, None)
            return
        while not client.stopped.is_set():
            try:
                connection.send_frame(TEXT, b"hello")
                frame = connection.read_data_frame()
            except LOST as error:
                client.note(CUT, error)
                return
            if frame.opcode == CLOSE:
                if frame.close_code == 1012:
                    client.counts[TOLD] += 1
                else:
                    client.note(WRONG, f"closed with {frame.close_code}")
                return
            client.counts[WHOLE] += 1


def _http2(client: Client) -> None:
    try:
        connection = Http2Connection(client.server, client.context)
    except ConnectionRefusedError:
        raise
    except OSError as error:
        client.note(CUT, error)
        return
    with connection:
        while not client.stopped.is_set() and connection.goaway is None and not connection.ended:
            try:
                stream = connection.get(client.path)
            except OSError as error:
                client.note(CUT, error)
                return
            if stream.ended and stream.status == 200 and stream.body == _hash(b""):
                client.counts[WHOLE] += 1
            elif stream.ended and stream.status == 503:
                client.counts[REFUSED] += 1
            elif stream.number > connection.last_stream or stream.reset == 7:
                client.counts[REFUSED] += 1  # the client knows that it was not processed
            else:
                client.note(CUT, f"stream {stream.number}, reset {stream.reset}, goaway {connection.goaway}")


_KINDS: dict[str, Callable[[Client], None]] = {
    "get": _get,
    "post": _post,
    "upload": _upload,
    "download": _download,
    "job": _job,
    "events": _events,
    "websocket": _websocket,
    "http2": _http2,
}


class Load:
    """All clients of a run; a context manager that ends them."""

    def __init__(
        self, server: Server, kinds: list[tuple[str, str]], context: Callable[[str], ssl.SSLContext] | None = None
    ) -> None:
        self.stopped = threading.Event()
        self.clients = [
            Client(server, kind, path, self.stopped, context and context("h2" if kind == "http2" else "http/1.1"))
            for kind, path in kinds
        ]

    def __enter__(self) -> Load:
        for client in self.clients:
            client.start()
        self.served(1)
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for client in self.clients:
            client.join(TIMEOUT)

    def served(self, more: int) -> None:
        """Wait until each client has had so many more whole responses."""
        before = {client: client.counts[WHOLE] for client in self.clients}

        def enough() -> bool:
            return all(client.counts[WHOLE] >= count + more for client, count in before.items())

        wait_until(enough, 30, f"each client is served {more} times: {self.counts()}, {self.notes()[-5:]}")

    def counts(self) -> Counter[str]:
        """The outcomes of all clients."""
        return sum((client.counts for client in self.clients), Counter())

    def notes(self) -> list[str]:
        """What was not as it should be."""
        return [note for client in self.clients for note in client.notes]
