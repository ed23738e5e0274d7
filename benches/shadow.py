"""Measures what shadow traffic does to live requests: the latency at half load, with a sample of 10 % and without.

    python benches/shadow.py [--rounds 10] [--seconds 4] [--sample 10%]

Apart from `run.py`, which compares servers at full load. Here, requests come at fixed times, whether the one before has its
response or not, and the latency counts from that time. Two servers of each kind run in turn, round by round, so that what
else the machine does meets both alike. The median of the rounds counts.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
CONNECTIONS = 16
REQUEST = b"GET /items HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Server:
    """A server for the time of a `with` block."""

    def __init__(self, *arguments: str) -> None:
        apps = ("--wsgi", "shadow_apps:wsgi", "--asgi", "/new=shadow_apps:asgi", "--port", "0", *arguments)
        command = [sys.executable, "-m", "rsgi", "serve", *apps]
        self._process = subprocess.Popen(command, cwd=HERE, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        for line in self._process.stderr:
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
            if found is not None:
                self.port = int(found[1])
                return
        raise SystemExit(f"the server ended with exit code {self._process.wait()}")

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=30)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request and its response."""
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"(?i)content-length: (\d+)", head)
    if found is None or not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"not the expected response: {head!r}")
    await reader.readexactly(int(found[1]))


async def load(port: int, rate: float | None, seconds: float) -> list[float]:
    """Latencies at `rate` requests per second, or as fast as it goes."""
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
    latencies: list[float] = []
    began = time.perf_counter()
    due = began

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal due
        while time.perf_counter() - began < seconds:
            start = time.perf_counter()
            if rate is not None:
                start, due = due, due + random.expovariate(rate)
                await asyncio.sleep(start - time.perf_counter())
            await ask(reader, writer)
            latencies.append(time.perf_counter() - start)
        writer.close()

    await asyncio.gather(*(client(*each) for each in connections))
    return latencies


def quantile(latencies: list[float], part: float) -> float:
    """A latency that `part` of the requests have at most, in milliseconds."""
    return sorted(latencies)[int(len(latencies) * part)] * 1000


def main() -> int:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--sample", default="10%")
    options = parser.parse_args()
    shadow = ("--shadow", f"/{{rest:path}}=asgi:{options.sample}")
    with Server() as without, Server(*shadow) as with_shadow:
        best = statistics.median(len(asyncio.run(load(without.port, None, 1.0))) for _ in range(5))
        rate = best / 2
        print(f"{best:.0f} requests/s at full load; {rate:.0f} requests/s, Poisson, {CONNECTIONS} connections")
        rounds: dict[str, list[list[float]]] = {"without": [], f"shadow {options.sample}": []}
        for number in range(options.rounds * 2):
            # Each is first in every other round.
            name, server = [("without", without), (f"shadow {options.sample}", with_shadow)][(number + number // 2) % 2]
            rounds[name].append(asyncio.run(load(server.port, rate, options.seconds)))
    print("| | p50 ms | p90 ms | p99 ms |\n|---|---|---|---|")
    for name, each in rounds.items():
        medians = [statistics.median(quantile(one, part) for one in each) for part in (0.5, 0.9, 0.99)]
        print(f"| {name} | {' | '.join(f'{value:.2f}' for value in medians)} |")
    before, after = (statistics.median(quantile(one, 0.99) for one in each) for each in rounds.values())
    print(f"p99 with shadow traffic: {(after / before - 1) * 100:+.1f} %")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
