"""Whatever a field or a frame holds, the server answers or refuses, and never fails: mutations of what is well-formed.

Apart from `tests/wire`, whose oracles judge the framing of requests: here it is what is parsed later, field by field. The
seeds are what each parser is for; Hypothesis changes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from http2_wire import PREFACE
from server import Server, start_rsgi
from websocket_wire import BINARY, CLOSE, CONTINUATION, PING, TEXT, frame_bytes
from wire import Connection

tried = settings(
    deadline=None,
    max_examples=60,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

FIELDS = {
    "Forwarded": ['for=192.0.2.1;proto=https;host="a.example:443";by=_x', 'for="[2001:db8::1]:80", for=127.0.0.1'],
    "X-Forwarded-For": ["192.0.2.1, 127.0.0.1", "[2001:db8::1]:80,,unknown", "192.0.2.1:80"],
    "X-Forwarded-Host": ["a.example:8080", "[::1]:80", "a.example, b.example"],
    "X-Forwarded-Port": ["443", "65535", "0"],
    "X-Forwarded-Prefix": ["/app", "/a%20b/", "//"],
    "X-Forwarded-Proto": ["https", "wss, http"],
    "Cookie": ["rsgi_bucket=7; a=b", 'rsgi_bucket="8"; rsgi-app=new.word; =; ;', "kind=new; kind=old"],
    "Range": ["bytes=0-3,5-,-2", "bytes=18446744073709551615-", "lines=1-2"],
    "If-Range": ['W/"abc"', "Sun, 06 Nov 1994 08:49:37 GMT"],
    "If-None-Match": ['"a", W/"b", *', "*"],
    "If-Modified-Since": ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT"],
    "Accept-Encoding": ["gzip;q=0.5, br;q=1.0, *;q=0", "identity;q=0, zstd", "gzip ; q = 1"],
    "Authorization": ["Basic dXNlcjpwYXNz", "Bearer x"],
    "Expect": ["100-continue"],
    "Connection": ["keep-alive, close", "Upgrade, x"],
    "traceparent": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
}
PROXY = [
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n",
    b"PROXY TCP6 2001:db8::1 ::1 1000 80\r\n",
    b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x03\xe8\x00\x50",
    b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00",
]
FRAMES = [
    frame_bytes(TEXT, "ä".encode()),
    frame_bytes(BINARY, b"b" * 130, final=False) + frame_bytes(CONTINUATION, b"c"),
    frame_bytes(PING, b"p" * 125),
    frame_bytes(CLOSE, b"\x03\xe8bye"),
    frame_bytes(TEXT, b"\xaa\x56*\x4d\x01\0", reserved=4),
]
HTTP2 = [PREFACE + b"\0\0\0\x04\0\0\0\0\0" + b"\0\0\x07\x01\x05\0\0\0\x01\x82\x84\x86\x41\x01a"]


def mutated(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """A seed with some of its bytes replaced, removed, or put in more than once."""
    change = st.tuples(st.floats(0, 1), st.integers(0, 3), st.binary(max_size=3))

    def changed(seed: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
        for at, length, put in changes:
            place = int(at * len(seed))
            seed = seed[:place] + put + seed[place + length :]
        return seed

    return st.builds(changed, st.sampled_from(seeds), st.lists(change, max_size=4))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("files")
    (folder / "file.txt").write_text("0123456789" * 300)
    (folder / "rsgi.toml").write_text(
        '[apps.old]\nwsgi = "wsgi_kitchen:app"\n[apps.new]\nasgi = "asgi_kitchen:app"\nprefix = "/new"\n'
        '[[routes]]\npath = "/hello"\napp = "new"\ncookies = { kind = "new" }\n'
        '[[routes]]\npath = "/headers"\napp = "new"\nshare = "50%"\n'
    )
    options = ("--trust-proxy", "127.0.0.1", "--compress", "auto", "--static", f"/files={folder}")
    server = start_rsgi("--config", str(folder / "rsgi.toml"), *options, "--share-testers", "word", "--access-log")
    yield server
    assert "panicked" not in server.log()
    assert server.stop() == 0


@pytest.fixture(scope="module")
def proxied() -> Iterator[Server]:
    server = start_rsgi("--wsgi", "wsgi_kitchen:app", "--trust-proxy", "127.0.0.1", "--proxy-protocol")
    yield server
    assert "panicked" not in server.log()
    assert server.stop() == 0


def ended(server: Server, data: bytes) -> bytes:
    """All that comes back until the server closes, for a client that then sends no more."""
    with Connection(server, timeout=20) as connection:
        try:
            connection.send(data)
            connection.socket.shutdown(1)
            return connection.read_to_end()
        except OSError:  # cut
            return b""


def status(response: bytes) -> int:
    return int(response[9:12]) if response.startswith(b"HTTP/1.1 ") else 0


@pytest.mark.parametrize("name", FIELDS)
@given(data=st.data())
@tried
def test_a_field_is_taken_or_refused(server: Server, name: str, data: st.DataObject) -> None:
    value = data.draw(mutated([seed.encode() for seed in FIELDS[name]]))
    path = data.draw(st.sampled_from(["/hello", "/headers", "/new/hello", "/files/file.txt"]))
    fields = f"Host: a\r\nConnection: close\r\n{name}: ".encode() + value
    response = ended(server, f"GET {path} HTTP/1.1\r\n".encode() + fields + b"\r\n\r\n")
    # Expect of something else is 417; a transfer that cannot be undone is 501.
    assert status(response) in range(200, 500) or status(response) == 501, response[:200]


@given(
    data=mutated([b"/hello", b"/files/../file.txt", b"/files/%2e%2e/file.txt?x=%", b"/new//a/%2F%00", b"http://a/x"])
)
@tried
def test_a_target_is_taken_or_refused(server: Server, data: bytes) -> None:
    response = ended(server, b"GET " + data + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert status(response) in range(200, 500) or status(response) in (501, 505), response[:200]


@given(data=mutated(PROXY))
@tried
def test_a_proxy_header_is_taken_or_refused(proxied: Server, data: bytes) -> None:
    response = ended(proxied, data + b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert status(response) in (0, 200, 400, 408, 414, 431, 501, 505), response[:200]


@given(frames=st.lists(mutated(FRAMES), max_size=4))
@tried
def test_frames_are_taken_or_refused(asgi_server: Server, frames: list[bytes]) -> None:
    fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    head = f"GET /ws/echo HTTP/1.1\r\nHost: a\r\n{fields}AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    response = ended(asgi_server, head.encode() + b"".join(frames))
    assert status(response) in (0, 101), response[:200]
    assert "panicked" not in asgi_server.log()


@given(data=mutated(HTTP2))
@tried
def test_http2_frames_are_taken_or_refused(asgi_server: Server, data: bytes) -> None:
    ended(asgi_server, data)
    assert "panicked" not in asgi_server.log()
    assert asgi_server.running()


def test_the_server_still_serves(server: Server, proxied: Server) -> None:
    for each, before in ((server, b""), (proxied, PROXY[0])):
        response = ended(each, before + b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert status(response) == 200, response
