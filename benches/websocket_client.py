"""A WebSocket client for load: one prepared frame, sent and counted as bytes; it parses no more than it must.

Apart because it runs as a process of its own, under uvloop: what it costs is in its report and not in the server's.
    python websocket_client.py echo|broadcast PORT CLIENTS SECONDS
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

_PAYLOAD = b"x" * 32
# A mask of zeros leaves the payload as it is.
_FRAME = bytes([0x82, 0x80 | len(_PAYLOAD)]) + bytes(4) + _PAYLOAD
_ECHO = 2 + len(_PAYLOAD)
_HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Run:
    """All clients of one run: what they count together."""

    def __init__(self, broadcast: bool, clients: int) -> None:
        self.broadcast = broadcast
        self.clients: list[Client] = []
        self.wanted = clients
        self.opened = asyncio.get_running_loop().create_future()
        self.messages = 0
        self.latencies: list[float] = []
        self.missing = 0
        self.begun = 0.0

    def start(self) -> None:
        for client in self.clients[: 1 if self.broadcast else None]:
            client.send()

    def received(self, client: Client, count: int) -> None:
        self.messages += count
        if not self.broadcast:
            self.latencies.append(time.perf_counter() - client.sent)
            return client.send()
        self.missing -= count
        if self.missing == 0:
            self.latencies.append(time.perf_counter() - self.clients[0].sent)
            self.clients[0].send()


class Client(asyncio.Protocol):
    """One connection; it counts bytes, since every response is as long as the other."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.head = b""
        self.open = False
        self.bytes = 0
        self.sent = 0.0

    def connection_made(self, transport: Any) -> None:  # uvloop's is no `asyncio.Transport`
        self.transport: asyncio.WriteTransport = transport
        transport.write(_HANDSHAKE)

    def send(self) -> None:
        self.sent = time.perf_counter()
        if self.run.broadcast:
            self.run.missing = self.run.wanted
        self.transport.write(_FRAME)

    def data_received(self, data: bytes) -> None:
        if not self.open:
            return self.opening(data)
        self.bytes += len(data)
        count, self.bytes = divmod(self.bytes, _ECHO)
        if count:
            self.run.received(self, count)

    def opening(self, data: bytes) -> None:
        self.head += data
        if b"\r\n\r\n" in self.head:
            if not self.head.startswith(b"HTTP/1.1 101"):
                raise SystemExit(self.head[:80].decode(errors="replace"))
            self.open = True
            self.run.clients.append(self)
            if len(self.run.clients) == self.run.wanted:
                self.run.opened.set_result(None)


async def main(mode: str, port: int, clients: int, seconds: float) -> None:
    """Opens all clients, lets them talk, and prints what they saw as JSON; latencies are in microseconds."""
    loop = asyncio.get_running_loop()
    run = Run(mode == "broadcast", clients)
    for _ in range(clients):
        await loop.create_connection(lambda: Client(run), "127.0.0.1", port)
    await asyncio.wait_for(run.opened, 10)
    begun, cpu = time.perf_counter(), time.process_time()
    run.start()
    await asyncio.sleep(seconds)
    took, used = time.perf_counter() - begun, time.process_time() - cpu
    if not run.latencies:
        raise SystemExit("no message came back")
    sorted_latencies = sorted(run.latencies)
    p50, p99 = (round(sorted_latencies[int(len(sorted_latencies) * part)] * 1e6) for part in (0.5, 0.99))
    told = {"messages": run.messages, "seconds": took, "p50": p50, "p99": p99, "cpu": used * 1e6 / run.messages}
    print(json.dumps(told))


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.install()
    except ImportError:
        pass
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
