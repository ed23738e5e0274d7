"""A WebSocket over one HTTP/2 stream: extended CONNECT with the `h2` package, frames with `wsproto`'s.

Apart from `websocket_wire.py`, whose frames go by hand over a connection of their own, and from `http2_wire.py`, which
knows no frames inside of a stream. Covers RFC 8441, sections 4 and 5, as a client.
"""

from __future__ import annotations

from collections.abc import Iterable

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate

from http2_wire import Header, Http2Connection, Stream


class WebSocketStream:
    """One WebSocket on a connection that may have others.

    Attributes:
        stream: What came for the handshake, and the bytes that followed.
        compression: What was agreed on.
    """

    def __init__(
        self,
        connection: Http2Connection,
        path: str,
        headers: Iterable[Header] = (),
        *,
        compressed: bool = False,
        version: str = "13",
        protocol: str = "websocket",
        scheme: str = "http",
    ) -> None:
        self.connection = connection
        self.compression: PerMessageDeflate | None = PerMessageDeflate() if compressed else None
        fields = [(":method", "CONNECT"), (":protocol", protocol), (":scheme", scheme), (":path", path)]
        fields += [(":authority", connection.authority), ("sec-websocket-version", version)]
        if self.compression:
            fields.append(("sec-websocket-extensions", f"permessage-deflate; {self.compression.offer()}"))
        self.stream: Stream = connection.request_fields([*fields, *headers], end=False)
        self.frames: Connection | None = None
        self._taken = 0

    def responded(self) -> Stream:
        """Wait for the response to the handshake; after a 200 there are frames."""
        assert self.connection.wait_for(lambda: self.stream.headers or self.stream.over)
        if self.stream.status == 200:
            agreed = self.stream.header("sec-websocket-extensions")
            assert (agreed is None) == (self.compression is None)
            if self.compression and agreed:
                self.compression.finalize(agreed)
            extensions = [self.compression] if self.compression else []
            self.frames = Connection(ConnectionType.CLIENT, extensions)
        return self.stream

    def opened(self) -> WebSocketStream:
        """Wait until the WebSocket is accepted."""
        assert self.responded().status == 200, self.stream
        return self

    def refused(self) -> Stream:
        """Wait for the whole of a response that is no acceptance."""
        self.connection.read(self.stream)
        assert self.stream.status != 200, self.stream
        return self.stream

    def send(self, event: Event) -> None:
        assert self.frames is not None
        self.send_raw(self.frames.send(event))

    def send_raw(self, data: bytes, *, end: bool = False) -> None:
        """Send bytes as the windows allow."""
        self.connection.send_body(self.stream, data, end=end)

    def next(self, timeout: float = 10) -> Event:
        """The next event; pings are answered."""
        while isinstance(event := self.next_unanswered(timeout), Ping):
            self.send(event.response())
        return event

    def next_unanswered(self, timeout: float = 10) -> Event:
        assert self.frames is not None
        while (event := next(self.frames.events(), None)) is None:
            fresh = self._fresh(timeout)
            assert fresh, f"nothing came; the stream is {self.stream}"
            self.frames.receive_data(fresh)
        return event

    def text(self) -> str:
        """The next message, which is text."""
        whole = ""
        while isinstance(event := self.next(), TextMessage):
            whole += event.data
            if event.message_finished:
                return whole
        raise AssertionError(event)

    def bytes(self) -> bytes:
        """The next message, which is binary."""
        whole = b""
        while isinstance(event := self.next(), BytesMessage):
            whole += event.data
            if event.message_finished:
                return whole
        raise AssertionError(event)

    def close(self) -> tuple[int, str]:
        """The close that comes next, answered; its code and reason."""
        event = self.next()
        assert isinstance(event, CloseConnection), event
        assert self.frames is not None
        if self.frames.state is ConnectionState.REMOTE_CLOSING:
            self.send(event.response())
        return int(event.code), event.reason or ""

    def pong(self) -> bytes:
        event = self.next()
        assert isinstance(event, Pong), event
        return bytes(event.payload)

    def reset(self, code: int = 8) -> None:
        self.connection.h2.reset_stream(self.stream.number, error_code=code)
        self.connection.flush()

    def _fresh(self, timeout: float) -> bytes:
        self.connection.wait_for(lambda: len(self.stream.body) > self._taken or self.stream.over, timeout)
        fresh = self.stream.body[self._taken :]
        self._taken += len(fresh)
        return fresh
