"""WebSocket frames by hand, over `wire.Connection`.

Apart from the `websockets` package, which the tests use wherever the client behaves: it cannot send the frames that a
server must refuse, nor show a close code that came without a reason. Covers RFC 6455, sections 4.1 and 5.2.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass

from server import Server
from wire import Connection, Response

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass
class Frame:
    """One frame from the server."""

    opcode: int
    payload: bytes
    final: bool
    compressed: bool = False

    @property
    def close_code(self) -> int | None:
        return int.from_bytes(self.payload[:2], "big") if self.payload else None

    @property
    def close_reason(self) -> str:
        return self.payload[2:].decode("utf-8")


class WebSocketConnection(Connection):
    """A connection that can ask for an upgrade, and then speaks frames."""

    def __init__(self, server: Server, *, timeout: float = 10) -> None:
        super().__init__(server, timeout=timeout)
        self.compression: str | None = None
        self.key = base64.b64encode(os.urandom(16))

    def __enter__(self) -> WebSocketConnection:
        return self

    def handshake(self) -> list[tuple[str, str]]:
        """The headers of a handshake."""
        return [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", self.key.decode()),
        ]

    def upgrade(self, target: str, headers: Iterable[tuple[str, str]] = ()) -> Response:
        """Ask for the upgrade; an accepting answer is checked, a refusal comes back with its body."""
        self.send_request("GET", target, [*self.handshake(), *headers])
        response = self.read_response()
        if response.status == 101:
            expected = base64.b64encode(hashlib.sha1(self.key + _GUID).digest()).decode()
            assert response.header("sec-websocket-accept") == expected
            assert (response.header("upgrade") or "").lower() == "websocket"
            assert (response.header("connection") or "").lower() == "upgrade"
            self.compression = response.header("sec-websocket-extensions")
        return response

    def send_frame(
        self, opcode: int, payload: bytes = b"", *, final: bool = True, masked: bool = True, reserved: int = 0
    ) -> None:
        self.send(frame_bytes(opcode, payload, final=final, masked=masked, reserved=reserved))

    def send_close(self, code: int, reason: str = "") -> None:
        self.send_frame(CLOSE, code.to_bytes(2, "big") + reason.encode())

    def read_frame(self) -> Frame:
        first, second = self.read_exactly(2)
        assert not second & 0x80, "a server must not mask"
        reserved = first & 0x70
        assert not reserved or (reserved == 0x40 and self.compression), "reserved bits are set"
        size = second & 0x7F
        if size == 126:
            size = int.from_bytes(self.read_exactly(2), "big")
        elif size == 127:
            size = int.from_bytes(self.read_exactly(8), "big")
        return Frame(first & 0x0F, self.read_exactly(size), bool(first & 0x80), bool(reserved))

    def read_data_frame(self) -> Frame:
        """The next frame that is no ping; pings are answered."""
        while (frame := self.read_frame()).opcode == PING:
            self.send_frame(PONG, frame.payload)
        return frame

    def read_data_frame_unanswered(self) -> Frame:
        """The next frame that is no ping; pings are left unanswered."""
        while (frame := self.read_frame()).opcode == PING:
            pass
        return frame


def frame_bytes(opcode: int, payload: bytes, *, final: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """A client frame as it goes over the wire."""
    first = (0x80 if final else 0) | (reserved << 4) | opcode
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        head = bytes([first, mask_bit | len(payload)])
    elif len(payload) < 65536:
        head = bytes([first, mask_bit | 126]) + len(payload).to_bytes(2, "big")
    else:
        head = bytes([first, mask_bit | 127]) + len(payload).to_bytes(8, "big")
    if not masked:
        return head + payload
    mask = os.urandom(4)
    repeated = mask * (len(payload) // 4 + 1)
    covered = int.from_bytes(payload, "big") ^ int.from_bytes(repeated[: len(payload)], "big")
    return head + mask + covered.to_bytes(len(payload), "big")
