"""Hostile clients in a process of their own: `python -m trials.hostile.apart NAME COUNT HOST PORT LETTERS`.

Apart from the honest clients because the event loop of hostile ones is busy. In the same loop, honest clients would wait
for it, and the server that ends connections soonest would look slowest, because hostile clients connect again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator

from trials.hostile.clients import ALL, Target, Where, keep_on

BEGUN = b"begun\n"
LONGEST = 30.0  # seconds until they have begun, and until they have ended


class Apart:
    """The process. `opened` says how many connections it has opened, once it has ended."""

    opened = 0


@contextlib.asynccontextmanager
async def attacking(name: str | None, count: int, address: Where, letters: str) -> AsyncIterator[Apart]:
    """So many hostile clients of this kind, if any, until the block ends."""
    apart = Apart()
    if name is None:
        yield apart
        return
    command = (sys.executable, "-m", __name__, name, str(count), *map(str, address), letters)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, env=environment)
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), LONGEST) == BEGUN
        yield apart
        told, _ = await asyncio.wait_for(process.communicate(b""), LONGEST)
        apart.opened = int(told)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _attack(name: str, count: int, address: Where, letters: str) -> int:
    targets = [Target(address, letter) for letter in letters]
    clients = [asyncio.ensure_future(keep_on(ALL[name], targets[number % len(targets)])) for number in range(count)]
    print(BEGUN.decode(), end="", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    return sum(target.connections for target in targets)


if __name__ == "__main__":
    print(asyncio.run(_attack(sys.argv[1], int(sys.argv[2]), (sys.argv[3], int(sys.argv[4])), sys.argv[5])))
