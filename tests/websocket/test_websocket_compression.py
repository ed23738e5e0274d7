"""Compressed WebSocket messages: what is agreed on, what is on the wire, and the limits that hold all the same.

Sections 12 and 13 of the Autobahn suite are here, with fewer messages each. Apart from the other WebSocket tests because
the client needs a compressor of its own: Python's zlib, and not the code under test. Covers RFC 7692.
"""

from __future__ import annotations

import json
import os
import random
import zlib
from collections.abc import Iterator

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

from server import Server, start_rsgi
from websocket_wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, WebSocketConnection, frame_bytes
from wire import Response, get

OFFER = "permessage-deflate; client_max_window_bits"
MARK = 4  # the first of the three reserved bits
# Without zlib's head and checksum; the argument that leaves them out is new in Python 3.11.
NO_UTF_8 = zlib.compress(b"\xff\xfe")[2:-4]
TAIL = b"\x00\x00\xff\xff"
ECHO = "/ws/echo"
WORDS = b'{"id": 17, "name": "Ada Lovelace", "tags": ["engine", "analytical"], "active": true}, '


class DeflateConnection(WebSocketConnection):
    """A WebSocket whose client compresses as it was agreed."""

    def open(self, path: str = ECHO, offer: str = OFFER) -> Response:
        response = self.upgrade(path, [("Sec-WebSocket-Extensions", offer)])
        items = [item.strip() for item in (self.compression or "").split(";")]
        self.terms = dict(item.partition("=")[::2] for item in items[1:])
        self.inflater = zlib.decompressobj(-int(self.terms.get("server_max_window_bits", 15)))
        self.deflater = self._deflater()
        return response

    def _deflater(self) -> zlib._Compress:
        return zlib.compressobj(wbits=-int(self.terms.get("client_max_window_bits", 15)))

    def deflate(self, payload: bytes) -> bytes:
        if "client_no_context_takeover" in self.terms:
            self.deflater = self._deflater()
        data = self.deflater.compress(payload) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        assert data.endswith(TAIL)
        return data[:-4]

    def send_deflated(self, opcode: int, payload: bytes, fragment: int | None = None) -> None:
        data = self.deflate(payload)
        size = fragment or max(1, len(data))
        for start in range(0, max(1, len(data)), size):
            last = start + size >= len(data)
            code, mark = (CONTINUATION, 0) if start else (opcode, MARK)
            self.send(frame_bytes(code, data[start : start + size], final=last, reserved=mark))

    def read_message(self) -> tuple[int, bytes, Frame]:
        """The opcode, the payload, and the frame as it was on the wire."""
        frame = self.read_data_frame()
        assert frame.final
        if not frame.compressed:
            return frame.opcode, frame.payload, frame
        if "server_no_context_takeover" in self.terms:
            self.inflater = zlib.decompressobj(-int(self.terms.get("server_max_window_bits", 15)))
        return frame.opcode, self.inflater.decompress(frame.payload + TAIL), frame


# What is agreed on


@pytest.mark.parametrize(
    ("offer", "response"),
    [
        ("permessage-deflate", "permessage-deflate"),
        (OFFER, "permessage-deflate; client_max_window_bits=12"),
        ("permessage-deflate; client_max_window_bits=10", "permessage-deflate; client_max_window_bits=10"),
        ("permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10"),
        (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        ),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", "permessage-deflate"),
        ("x-unknown; a=b, permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; unknown", None),
        ("permessage-deflate; client_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-bzip2", None),
    ],
)
def test_offers(asgi_server: Server, offer: str, response: str | None) -> None:
    with DeflateConnection(asgi_server) as client:
        assert client.open(offer=offer).header("sec-websocket-extensions") == response


def test_nothing_is_agreed_on_without_an_offer(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        assert client.upgrade(ECHO).header("sec-websocket-extensions") is None
        client.send_frame(TEXT, WORDS)
        frame = client.read_data_frame()
        assert (frame.payload, frame.compressed) == (WORDS, False)


@pytest.fixture(scope="module")
def without() -> Iterator[Server]:
    server = start_rsgi("--asgi", "asgi_kitchen:app", "--ws-compression", "off")
    yield server
    server.stop()


def test_it_can_be_switched_off(without: Server) -> None:
    with DeflateConnection(without) as client:
        assert client.open().header("sec-websocket-extensions") is None
        client.send(frame_bytes(TEXT, zlib.compress(WORDS), reserved=MARK))
        frame = client.read_data_frame()
        assert (frame.opcode, frame.close_code) == (CLOSE, 1002)


def test_the_app_cannot_agree_by_itself(asgi_server: Server) -> None:
    with DeflateConnection(asgi_server) as client:
        client.open("/ws/own-extension")
        said = json.loads(client.read_message()[1])
    assert said == "ValueError: the header Sec-WebSocket-Extensions is the server's to set"


# On the wire


def test_small_messages_are_not_compressed_and_large_ones_are(asgi_server: Server) -> None:
    with DeflateConnection(asgi_server) as client:
        client.open()
        for payload, compressed in ((b"", False), (b"x" * 63, False), (b"x" * 64, True), (WORDS * 500, True)):
            client.send_deflated(TEXT, payload)
            opcode, received, frame = client.read_message()
            assert (opcode, received, frame.compressed) == (TEXT, payload, compressed)
            assert not compressed or len(frame.payload) < len(payload) / 2


def test_messages_refer_to_earlier_ones(asgi_server: Server) -> None:
    payload = os.urandom(400)
    with DeflateConnection(asgi_server) as client:
        client.open()
        sizes = []
        for _ in range(3):
            client.send_deflated(BINARY, payload)
            opcode, received, frame = client.read_message()
            assert (opcode, received) == (BINARY, payload)
            sizes.append(len(frame.payload))
    assert sizes[0] >= 400
    assert max(sizes[1:]) < 40


def test_messages_stand_alone_if_the_client_wants_it(asgi_server: Server) -> None:
    payload = os.urandom(400)
    with DeflateConnection(asgi_server) as client:
        client.open(offer="permessage-deflate; server_no_context_takeover; client_no_context_takeover")
        for _ in range(3):
            client.send_deflated(BINARY, payload)
            _, received, frame = client.read_message()
            assert received == payload
            assert len(frame.payload) >= 400


def test_a_window_is_kept_to(asgi_server: Server) -> None:
    """What repeats further apart than the window must not be referred to: the decompressor of 9 bits would fail."""
    payload = os.urandom(600) * 20
    with DeflateConnection(asgi_server) as client:
        client.open(offer="permessage-deflate; server_max_window_bits=9")
        client.send_deflated(BINARY, payload)
        assert client.read_message()[:2] == (BINARY, payload)


def test_plain_messages_among_compressed_ones(asgi_server: Server) -> None:
    with DeflateConnection(asgi_server) as client:
        client.open()
        for number in range(20):
            payload = b"%d " % number * 40
            if number % 2:
                client.send_deflated(TEXT, payload)
            else:
                client.send_frame(TEXT, payload)
            assert client.read_message()[:2] == (TEXT, payload)


def test_many_messages_in_one_packet(asgi_server: Server) -> None:
    with DeflateConnection(asgi_server) as client:
        client.open()
        packet = b""
        for number in range(50):
            payload = b"message %d" % number
            kind = TEXT if number % 3 else BINARY
            compressed = number % 2 == 0
            data = client.deflate(payload) if compressed else payload
            packet += frame_bytes(kind, data, reserved=MARK if compressed else 0)
        client.send(packet)
        for number in range(50):
            kind = TEXT if number % 3 else BINARY
            assert client.read_message()[:2] == (kind, b"message %d" % number)


def test_fragments_around_a_ping_in_octets(asgi_server: Server) -> None:
    with DeflateConnection(asgi_server) as client:
        client.open()
        data = client.deflate(WORDS)
        packet = frame_bytes(TEXT, data[:10], final=False, reserved=MARK)
        packet += frame_bytes(PING, b"between") + frame_bytes(CONTINUATION, data[10:])
        for byte in packet:
            client.send(bytes([byte]))
        assert client.read_frame() == Frame(PONG, b"between", True)
        assert client.read_message()[:2] == (TEXT, WORDS)


def test_final_blocks(asgi_server: Server) -> None:
    """RFC 7692 7.2.3.4: a message may end its DEFLATE stream; the next one begins a new one."""
    with DeflateConnection(asgi_server) as client:
        client.open()
        for _ in range(2):
            client.send(frame_bytes(TEXT, bytes.fromhex("f348cdc9c9070000"), reserved=MARK))
            assert client.read_message()[:2] == (TEXT, b"Hello")


# Wrong, and too much


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        pytest.param(frame_bytes(BINARY, b"\xff" * 20, reserved=MARK), 1007, id="no deflate data"),
        pytest.param(frame_bytes(TEXT, NO_UTF_8, reserved=MARK), 1007, id="text that is no utf-8"),
        pytest.param(frame_bytes(TEXT, b"abc", reserved=MARK | 2), 1002, id="second reserved bit"),
        pytest.param(frame_bytes(PING, b"", reserved=MARK), 1002, id="marked ping"),
        pytest.param(
            frame_bytes(TEXT, b"\x00", final=False, reserved=MARK) + frame_bytes(CONTINUATION, b"", reserved=MARK),
            1002,
            id="marked continuation",
        ),
        pytest.param(frame_bytes(CLOSE, b"\x03\xe8", reserved=MARK), 1002, id="marked close"),
    ],
)
def test_violations(asgi_server: Server, frames: bytes, code: int) -> None:
    with DeflateConnection(asgi_server) as client:
        client.open("/ws/record-close?label=violation")
        assert client.read_message()[1] == b'"ready"'
        client.send(frames)
        frame = client.read_data_frame()
        assert (frame.opcode, frame.close_code) == (CLOSE, code)
        assert client.closed_within(5)


@pytest.fixture(scope="module")
def small() -> Iterator[Server]:
    server = start_rsgi("--asgi", "asgi_kitchen:app", "--ws-max-message", "1MiB")
    yield server
    server.stop()


def test_the_limit_is_that_of_the_message_and_not_of_its_frames(small: Server) -> None:
    with DeflateConnection(small) as client:
        client.open("/ws/lengths")
        client.send_deflated(BINARY, bytes(1024 * 1024))
        assert client.read_message()[1] == b'["bytes", 1048576]'
        client.send_deflated(BINARY, bytes(1024 * 1024 + 1))
        frame = client.read_data_frame()
        assert (frame.opcode, frame.close_code) == (CLOSE, 1009)
        assert client.closed_within(5)


def test_a_bomb_takes_no_more_memory_than_a_message(small: Server) -> None:
    """A gibibyte of zeros in one mebibyte."""
    deflater = zlib.compressobj(9, wbits=-15)
    piece = bytes(1 << 20)
    bomb = b"".join(deflater.compress(piece) for _ in range(1000)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    assert len(bomb) < 1024 * 1024
    get(small, "/hello")
    small.reset_memory()
    before = small.memory()
    for _ in range(4):
        with DeflateConnection(small) as client:
            client.open(offer="permessage-deflate")
            client.send(frame_bytes(BINARY, bomb, reserved=MARK))
            assert client.read_data_frame().close_code == 1009
    assert small.memory() - before < 32 << 20
    assert get(small, "/hello").status == 200


# Other clients


def test_the_websockets_package(asgi_server: Server) -> None:
    factory = ClientPerMessageDeflateFactory(server_max_window_bits=11, client_max_window_bits=11)
    url = f"ws://{asgi_server.authority}{ECHO}"
    with connect(url, extensions=[factory], proxy=None, max_size=None, open_timeout=10) as client:
        assert [extension.name for extension in client.protocol.extensions] == ["permessage-deflate"]
        for message in ("short", "caf\xe9 " * 5000, WORDS * 3000, os.urandom(200_000), ""):
            client.send(message)
            assert client.recv(timeout=10) == message


# The Autobahn suite, section 12: kinds of data, sizes, fragments

SIZES = [
    (16, None),
    (64, None),
    (256, None),
    (1024, None),
    (4096, None),
    (8192, None),
    (16384, None),
    (32768, None),
    (65536, None),
    (131_072, None),
    (8192, 256),
    (16384, 256),
    (32768, 256),
    (65536, 256),
    (131_072, 256),
    (131_072, 1024),
    (131_072, 4096),
    (131_072, 32768),
]


def kinds_of_data() -> dict[str, tuple[int, bytes]]:
    """One mebibyte of each: data as JSON, an image, prose, markup, and what is compressed already."""
    choose = random.Random(7)
    words = ["werd", "ich", "zum", "Augenblicke", "sagen", "verweile", "doch", "du", "bist", "so", "sch\xf6n"]
    prose = " ".join(choose.choices(words, k=200_000)).encode()
    rows = [{"id": number, "value": choose.random(), "name": choose.choice(words)} for number in range(20_000)]
    markup = "".join(f'<li class="{choose.choice(words)}"><a href="/{number}">x</a></li>' for number in range(30_000))
    image = bytes((x * y // 64 + choose.randrange(4)) & 0xFF for y in range(512) for x in range(512)) * 4
    return {
        "12.1": (TEXT, json.dumps(rows).encode()),
        "12.2": (BINARY, image),
        "12.3": (BINARY, prose),
        "12.4": (TEXT, markup.encode("ascii", "ignore")),
        "12.5": (BINARY, choose.randbytes(1 << 20)),
    }


DATA = kinds_of_data()
PARAMETERS = {
    "13.1": "permessage-deflate",
    "13.2": "permessage-deflate; server_no_context_takeover",
    "13.3": "permessage-deflate; server_max_window_bits=9",
    "13.4": "permessage-deflate; server_max_window_bits=15",
    "13.5": "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
    "13.6": "permessage-deflate; server_no_context_takeover; server_max_window_bits=15",
    "13.7": "permessage-deflate; server_no_context_takeover; server_max_window_bits=9, "
    "permessage-deflate; server_no_context_takeover, permessage-deflate",
}


def exchange(server: Server, offer: str, kind: tuple[int, bytes], size: int, fragment: int | None) -> None:
    opcode, data = kind
    with DeflateConnection(server) as client:
        client.open(offer=offer)
        assert (client.compression or "").startswith("permessage-deflate")
        for number in range(5):
            payload = data[number * size % len(data) :][:size]
            client.send_deflated(opcode, payload, fragment)
            assert client.read_message()[:2] == (opcode, payload)
        client.send_close(1000)
        assert client.read_data_frame().close_code == 1000


def cases(names: object) -> list[object]:
    assert isinstance(names, dict)
    return [
        pytest.param(name, size, fragment, id=f"{name}.{number}")
        for name in names
        for number, (size, fragment) in enumerate(SIZES, 1)
    ]


@pytest.mark.parametrize(("name", "size", "fragment"), cases(DATA))
def test_kinds_of_data(asgi_server: Server, name: str, size: int, fragment: int | None) -> None:
    exchange(asgi_server, OFFER, DATA[name], size, fragment)


@pytest.mark.parametrize(("name", "size", "fragment"), cases(PARAMETERS))
def test_parameters(asgi_server: Server, name: str, size: int, fragment: int | None) -> None:
    exchange(asgi_server, PARAMETERS[name], DATA["12.1"], size, fragment)
