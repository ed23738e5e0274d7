"""Hostile, slow and broken clients, each an endless loop on connections of its own.

Apart from the honest ones, whose figures count. All of them run in one event loop, hundreds at a time; each ends when it is
cancelled, and counts the connections that the server ended.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from trials.hostile import http2
from websocket_wire import BINARY, frame_bytes

DRIP = 0.2  # seconds between two bytes of who is slow
INTERVAL = 0.02  # between two connections of who is fast
PIPELINED = 10_000

Where = tuple[str, int]


@dataclass
class Target:
    """What is attacked.

    Attributes:
        letter: The path prefix of the application, `w` or `a`.
        connections: How many connections were opened.
    """

    address: Where
    letter: str
    connections: int = 0

    @property
    def get(self) -> bytes:
        return self._request("GET", "get")

    def _request(self, method: str, path: str, fields: str = "") -> bytes:
        return f"{method} /{self.letter}/{path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode()

    def post(self, length: int) -> bytes:
        return self._request("POST", "discard", f"Content-Length: {length}\r\n")

    def large(self) -> bytes:
        return self._request("GET", "large")

    def upgrade(self, path: str) -> bytes:
        key = base64.b64encode(os.urandom(16)).decode()
        fields = (
            f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        )
        return self._request("GET", path, fields)


class Line:
    """A raw connection in the event loop."""

    def __init__(self, target: Target, *, small: bool = False) -> None:
        self.loop = asyncio.get_running_loop()
        self.target, self.socket = target, socket.socket()
        self.socket.setblocking(False)
        if small:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    async def __aenter__(self) -> Line:
        try:
            await self.loop.sock_connect(self.socket, self.target.address)
        except BaseException:
            self.socket.close()
            raise
        self.target.connections += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.socket.close()

    async def send(self, data: bytes) -> None:
        await self.loop.sock_sendall(self.socket, data)

    async def read(self, most: int = 65536) -> bytes:
        """Some bytes; an end is an error, so that the loop of who reads ends."""
        data = await self.loop.sock_recv(self.socket, most)
        if not data:
            raise ConnectionResetError
        return data

    async def read_all(self) -> None:
        while True:
            await self.read()

    def reset(self) -> None:
        """Close with an RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


async def _drip(line: Line, data: bytes) -> None:
    for at in range(len(data)):
        await line.send(data[at : at + 1])
        await asyncio.sleep(DRIP)


async def _slow_head(target: Target) -> None:
    async with Line(target) as line:
        await _drip(line, target.get + b"\0" * 1000)


async def _slow_body(target: Target) -> None:
    async with Line(target) as line:
        await line.send(target.post(1_000_000))
        await _drip(line, b"b" * 10_000)


async def _slow_reader(target: Target) -> None:
    async with Line(target, small=True) as line:
        await line.send(target.large())
        while True:
            await line.read(16)
            await asyncio.sleep(DRIP)


async def _idle(target: Target) -> None:
    async with Line(target) as line:
        await line.read_all()


async def _half_closed(target: Target) -> None:
    async with Line(target) as line:
        await line.send(target.get[:-2])
        line.socket.shutdown(socket.SHUT_WR)
        await line.read_all()


async def _half_closed_request(target: Target) -> None:
    async with Line(target) as line:
        await line.send(target.large())
        line.socket.shutdown(socket.SHUT_WR)
        await line.read_all()


def _resets(sent: Callable[[Target], bytes], *, reads: bool = False) -> Callable[[Target], Awaitable[None]]:
    async def reset(target: Target) -> None:
        async with Line(target) as line:
            await line.send(sent(target))
            if reads:
                await line.read()
            line.reset()
        await asyncio.sleep(INTERVAL)

    return reset


async def _pipeline(target: Target) -> None:
    async with Line(target) as line:
        reading = asyncio.ensure_future(line.read_all())
        try:
            await line.send(target.get * PIPELINED)
            await reading
        finally:
            reading.cancel()


async def _pipeline_unread(target: Target) -> None:
    async with Line(target, small=True) as line:
        await line.send(target.get * PIPELINED)
        await asyncio.sleep(3600)


async def _websocket_flood(target: Target) -> None:
    async with Line(target, small=True) as line:
        await line.send(target.upgrade("ws"))
        await line.read()
        data = frame_bytes(BINARY, b"f" * 100) * 1000
        while True:
            await line.send(data)


async def _websocket_slow_reader(target: Target) -> None:
    async with Line(target, small=True) as line:
        await line.send(target.upgrade("push"))
        while True:
            await line.read(16)
            await asyncio.sleep(DRIP)


async def _websocket_pings(target: Target) -> None:
    async with Line(target, small=True) as line:
        await line.send(target.upgrade("ws"))
        await line.read()
        data = frame_bytes(9, b"p" * 125) * 1000
        while True:
            await line.send(data)


def _http2(made: Callable[[bytes], bytes]) -> Callable[[Target], Awaitable[None]]:
    async def attack(target: Target) -> None:
        async with Line(target) as line:
            reading = asyncio.ensure_future(line.read_all())
            try:
                await line.send(http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0))
                await line.send(made(f"/{target.letter}/get".encode()))
                await reading
            finally:
                reading.cancel()
        await asyncio.sleep(INTERVAL)

    return attack


async def _tls_never_ends(target: Target) -> None:
    """A handshake that begins and does not go on."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    shaking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(incoming, outgoing, server_hostname="a")
    with contextlib.suppress(ssl.SSLWantReadError):
        shaking.do_handshake()
    async with Line(target) as line:
        await _drip(line, outgoing.read())


async def _tls_again_and_again(target: Target) -> None:
    """Whole handshakes, which cost the server more than the client, and nothing after them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(*target.address, ssl=context)
    target.connections += 1
    writer.transport.abort()
    await asyncio.sleep(INTERVAL)


Hostile = Callable[[Target], Awaitable[None]]

PLAIN: dict[str, Hostile] = {
    "slow heads": _slow_head,
    "slow bodies": _slow_body,
    "slow readers": _slow_reader,
    "idle": _idle,
    "half-closed in the head": _half_closed,
    "half-closed, then reading": _half_closed_request,
    "reset in the head": _resets(lambda target: target.get[:-2]),
    "reset in the body": _resets(lambda target: target.post(1000) + b"b" * 500),
    "reset in the response": _resets(lambda target: target.large(), reads=True),
    "10,000 pipelined requests": _pipeline,
    "10,000 pipelined, nothing read": _pipeline_unread,
}
WEBSOCKET: dict[str, Hostile] = {
    "WebSocket floods": _websocket_flood,
    "WebSocket pings": _websocket_pings,
    "WebSocket slow readers": _websocket_slow_reader,
}
HTTP2: dict[str, Hostile] = {name: _http2(made) for name, made in http2.ATTACKS.items()}
TLS: dict[str, Hostile] = {
    "TLS handshakes without an end": _tls_never_ends,
    "TLS handshakes again and again": _tls_again_and_again,
}
ALL = {**PLAIN, **WEBSOCKET, **HTTP2, **TLS}


async def keep_on(hostile: Hostile, target: Target) -> None:
    """Do it again whenever the server has ended it, until this is cancelled."""
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await hostile(target)
        await asyncio.sleep(INTERVAL)
