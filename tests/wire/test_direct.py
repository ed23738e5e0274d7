"""Requests that a connection answers by the short way get the same bytes as those that take the long one.

Apart from the other tests of the wire, which ask a server with default settings, and so see the short way alone. What
forces the long way here changes nothing that a client could see: a time limit that is never reached, and a folder that
nobody asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from server import Server
from wire import Connection

LONG_WAYS = {
    "time limit": ("--request-timeout", "1h"),
    "static files": ("--static", f"/static={Path(__file__).parent}"),
}
PATHS = (
    "hello headers seen status/204 status/304 status/404 status/500 status/999 status-with-length/200 "
    "status-with-length/304 "
    "stream/0 stream/1 stream/7 length-too-long length-too-short length-bad raise-before raise-after-start "
    "raise-after-first-byte raise-system-exit bad-status-1000 bad-status-99 bad-status-abc header-crlf header-nul "
    "header-flood "
    "header-name-space header-not-str headers-not-list body-str no-start no-response latin1 cookies many-cookies hop-by-hop "
    "own-date head-lengths empty empty-pieces download?mib=1 download-chunked?mib=1 read-first start-twice missing"
).split()
HEADS = {
    "GET": "GET {target} HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD": "HEAD {target} HTTP/1.1\r\nHost: a\r\n\r\n",
    "close": "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "HTTP/1.0": "GET {target} HTTP/1.0\r\n\r\n",
    "keep-alive 1.0": "GET {target} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "absolute": "GET http://a{target} HTTP/1.1\r\nHost: a\r\n\r\n",
    "expects": "GET {target} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
}
LAST = "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def _answers(server: Server, head: str) -> dict[str, bytes]:
    """All bytes that come back on a connection with this request and one after it, by path."""
    found = {}
    for path in PATHS:
        with Connection(server) as client:
            client.send((head.format(target=f"/{path}") + LAST).encode())
            found[path] = client.read_to_end()
    return found


@pytest.mark.parametrize("way", LONG_WAYS)
def test_both_ways_send_the_same_bytes(start_kitchen: Callable[..., Server], way: str) -> None:
    short = start_kitchen("--date-header", "off")
    long = start_kitchen("--date-header", "off", *LONG_WAYS[way])
    for name, head in HEADS.items():
        expected = _answers(long, head)
        assert expected["hello"].partition(b"\r\n")[0].endswith(b" 200 OK"), name
        assert _answers(short, head) == expected, name


@pytest.mark.parametrize("way", LONG_WAYS)
def test_both_ways_take_pipelined_requests_in_order(start_kitchen: Callable[..., Server], way: str) -> None:
    short = start_kitchen("--date-header", "off")
    long = start_kitchen("--date-header", "off", *LONG_WAYS[way])
    paths = ["hello", "stream/3", "status/204", "raise-before", "empty", "status/404", "many-cookies"] * 8
    sent = "".join(
        HEADS["HEAD" if number % 5 == 0 else "GET"].format(target=f"/{path}") for number, path in enumerate(paths)
    )
    found = []
    for server in (short, long):
        with Connection(server) as client:
            client.send((sent + LAST).encode())
            found.append(client.read_to_end())
    assert found[0] == found[1]
    assert found[0].count(b"HTTP/1.1 ") == len(paths) + 1
