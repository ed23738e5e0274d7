"""Sends a body that needs an event loop from a WSGI thread: Django's `StreamingHttpResponse` of an async iterator.

It is the one kind of body that needs a loop. Django itself would collect the whole iterator before the first byte. Then
an endless stream never starts, and nobody notices when its client leaves.

Spec: PEP 3333 "Buffering and Streaming"; PEP 525.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from contextlib import aclosing

from rsgi._rsgi import AsyncBody

# How often the client is looked for while the body brings nothing, in seconds.
_LOOK = 0.25


def send(body: AsyncIterable[bytes], response: AsyncBody) -> None:
    """Send the body piece by piece; one whose client has left is cancelled, and ended in order."""
    # It is there where Django is. Synchronous code that the body calls runs in this thread, as under Django's own handler.
    # The loop is the body's own: its end closes generators that Django's wrapper leaves open, as the server's loop cannot.
    from asgiref.sync import AsyncToSync

    AsyncToSync(_send, force_new_loop=True)(body, response)


async def _send(body: AsyncIterable[bytes], response: AsyncBody) -> None:
    sending = asyncio.ensure_future(_send_all(body, response))
    try:
        while not (await asyncio.wait({sending}, timeout=_LOOK))[0]:
            if response.abandoned():
                break
    finally:
        # Nothing happens to one that is over.
        sending.cancel()
        await asyncio.wait({sending})
    if not sending.cancelled():
        sending.result()


async def _send_all(body: AsyncIterable[bytes], response: AsyncBody) -> None:
    from asgiref.sync import sync_to_async

    # It waits for a slow client, which the loop may not.
    write = sync_to_async(response.write)
    async with aclosing(aiter(body)) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            if not await write(piece):
                return
