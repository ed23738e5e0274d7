"""The httpx clients that tests send requests with.

The asynchronous one is a thread around a synchronous transport. So it works in every event loop (asyncio, trio), and no
connection outlives the loop of a test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import anyio.to_thread
import httpx

# A developer may stop in a debugger inside of a handler. A test that hangs is the matter of pytest-timeout.
_TIMEOUT = httpx.Timeout(10, read=None)


def client_of(url: str) -> httpx.Client:
    """A client without redirects, as a browser's first request."""
    return httpx.Client(base_url=url, timeout=_TIMEOUT, trust_env=False)


def async_client_of(url: str, transport: httpx.HTTPTransport) -> httpx.AsyncClient:
    """The same for `async def` tests."""
    return httpx.AsyncClient(base_url=url, timeout=_TIMEOUT, trust_env=False, transport=_InThreads(transport))


class _InThreads(httpx.AsyncBaseTransport):
    """Sends requests through another transport, in threads."""

    def __init__(self, transport: httpx.HTTPTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request with its whole body, and wait for the head of the response."""
        await request.aread()  # from here on its body is bytes, which both kinds of transports can send
        response = await anyio.to_thread.run_sync(self._transport.handle_request, request)
        stream = _Stream(cast("httpx.SyncByteStream", response.stream))
        return httpx.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )


class _Stream(httpx.AsyncByteStream):
    """The body of a response, read in threads."""

    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = iter(self._stream)
        while (piece := await anyio.to_thread.run_sync(next, pieces, None)) is not None:
            yield piece

    async def aclose(self) -> None:
        """Give the connection back."""
        await anyio.to_thread.run_sync(self._stream.close)
