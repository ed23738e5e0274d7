"""An HTTP/2 client that shows the frames: the `h2` package over a socket, with its checks off.

Apart from `wire.py` because nothing of HTTP/1 is left on this wire, and from HTTP libraries because they neither send what
a server must refuse nor show how a stream ended. Windows are opened as data is read, unless a test holds them shut.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from certificates import NAME
from server import Server

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

GOAWAY = 7

Header = tuple[str, str]


@dataclass
class Stream:
    """One response as its frames brought it.

    Attributes:
        ended: Whether the server ended it in order.
        reset: The error code of its RST_STREAM, if there was one.
    """

    number: int
    headers: list[Header] = field(default_factory=list)
    trailers: list[Header] = field(default_factory=list)
    body: bytes = b""
    ended: bool = False
    reset: int | None = None
    data_frames: int = 0

    @property
    def status(self) -> int:
        return int(self.header(":status") or 0)

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, self.headers
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body)


class Http2Connection:
    """One HTTP/2 connection, in the clear or over TLS; a context manager that closes it.

    Attributes:
        goaway: The error code of the server's GOAWAY, if it came.
        last_stream: The last stream that this GOAWAY says is served.
        ended: Whether the connection has ended.
        settings: What the server has set.
    """

    def __init__(
        self,
        server: Server,
        context: ssl.SSLContext | None = None,
        *,
        window: int | None = None,
        reading: bool = True,
        timeout: float = 10,
    ) -> None:
        assert isinstance(server.address, tuple)
        self.authority = server.authority
        self.socket: socket.socket = socket.create_connection(server.address, timeout=timeout)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname=NAME)
        config = h2.config.H2Configuration(
            client_side=True,
            header_encoding="latin-1",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=True,
        )
        self.h2 = h2.connection.H2Connection(config)
        self.streams: dict[int, Stream] = {}
        self.goaway: int | None = None
        self.last_stream = 2**31 - 1
        self.ended = False
        self.settings: dict[int, int] = {}
        self._reading = reading
        self._unread = b""
        self.h2.initiate_connection()
        if window is not None:
            self.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.flush()
        if window is not None:
            assert self.wait_for(lambda: self.h2.local_settings.initial_window_size == window)

    def __enter__(self) -> Http2Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def flush(self) -> None:
        """Send what is ready to be sent; a server that has closed is noticed by the next read."""
        try:
            self.socket.sendall(self.h2.data_to_send())
        except (BrokenPipeError, ConnectionResetError):
            self.ended = True

    def send_raw(self, data: bytes) -> None:
        self.flush()
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.ended = True

    def request(
        self,
        method: str,
        path: str,
        headers: Iterable[Header] = (),
        body: bytes | None = None,
        *,
        end: bool = True,
    ) -> Stream:
        """Send a well-formed request, its body as far as the windows allow; without `end` it stays open."""
        head = [(":method", method), (":scheme", "http"), (":authority", self.authority), (":path", path), *headers]
        stream = self.request_fields(head, end=end and not body)
        if body:
            self.send_body(stream, body, end=end)
        return stream

    def request_fields(self, fields: list[Header], *, end: bool = True) -> Stream:
        """Send a head exactly as it is given."""
        number = self.h2.get_next_available_stream_id()
        self.h2.send_headers(number, fields, end_stream=end)
        self.flush()
        stream = self.streams[number] = Stream(number)
        return stream

    def send_body(self, stream: Stream, body: bytes, *, end: bool = True) -> None:
        """Send a body as its windows allow; stops early when the server has ended the stream."""
        rest = body
        while rest and not stream.over and not self.ended:
            room = min(self.h2.local_flow_control_window(stream.number), self.h2.max_outbound_frame_size, len(rest))
            if room == 0:
                self.receive()
                continue
            self.h2.send_data(stream.number, rest[:room], end_stream=end and room == len(rest))
            rest = rest[room:]
            self.flush()

    def read(self, stream: Stream) -> Stream:
        """Read until the stream is over, or the connection is."""
        self.wait_for(lambda: stream.over)
        return stream

    def get(self, path: str, headers: Iterable[Header] = ()) -> Stream:
        return self.read(self.request("GET", path, headers))

    def wait_for(self, check: Callable[[], object], timeout: float = 10) -> bool:
        """Read until `check()` holds, the connection ends, or the time is over; says whether it holds."""
        deadline = time.monotonic() + timeout
        while not check() and not self.ended:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self.socket.settimeout(left)
            try:
                self.receive()
            except TimeoutError:
                break
            finally:
                self.socket.settimeout(10)
        return bool(check())

    def receive(self) -> None:
        """Read once from the socket, and answer what the protocol wants answered."""
        try:
            data = self.socket.recv(262144)
        except (ConnectionResetError, ssl.SSLEOFError):
            data = b""
        if not data:
            self.ended = True
            return
        self._unread += data
        while len(self._unread) >= 9:
            size = 9 + int.from_bytes(self._unread[:3], "big")
            if len(self._unread) < size:
                break
            frame, self._unread = self._unread[:size], self._unread[size:]
            self._take_frame(frame)
        self.flush()

    def _take_frame(self, frame: bytes) -> None:
        if frame[3] == GOAWAY:
            # Kept from the package, which takes it for the end: the streams that are open go on.
            self.goaway = int.from_bytes(frame[13:17], "big")
            self.last_stream = min(self.last_stream, int.from_bytes(frame[9:13], "big") & 0x7FFFFFFF)
            return
        try:
            for event in self.h2.receive_data(frame):
                self._take(event)
        except h2.exceptions.StreamClosedError:
            pass

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self.settings |= {int(code): change.new_value for code, change in event.changed_settings.items()}
        stream = self.streams.get(getattr(event, "stream_id", 0) or 0)
        if stream is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            stream.headers = [(str(name), str(value)) for name, value in event.headers or ()]
        elif isinstance(event, h2.events.TrailersReceived):
            stream.trailers = [(str(name), str(value)) for name, value in event.headers or ()]
        elif isinstance(event, h2.events.DataReceived):
            stream.body += event.data or b""
            stream.data_frames += 1
            if self._reading and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, stream.number)
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.reset = int(event.error_code or 0)

    def ends_within(self, seconds: float) -> bool:
        """Whether the server ends the connection in this time."""
        return self.wait_for(lambda: self.ended, seconds)


def get2(server: Server, path: str, headers: Iterable[Header] = ()) -> Stream:
    """One GET on an HTTP/2 connection of its own."""
    with Http2Connection(server) as connection:
        return connection.get(path, headers)


def post2(server: Server, path: str, body: bytes) -> Stream:
    """One POST on an HTTP/2 connection of its own."""
    with Http2Connection(server) as connection:
        return connection.read(connection.request("POST", path, body=body))
