"""The cases of the Autobahn suite, sections 1 to 7, 9 and 10, as frames on the wire.

Sections 12 and 13 are in `test_websocket_compression.py`. Apart from `test_websocket.py` because these are not ours:
their numbers and what they ask for are the suite's, so that its reports can be laid beside them.
Sizes and counts of section 9 are smaller here. Covers RFC 6455, sections 5 to 8.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from server import Server
from websocket_wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, WebSocketConnection, frame_bytes

ECHO = "/ws/echo"
NORMAL = (1000).to_bytes(2, "big")
WAYS = ("whole", "frames", "octets")


@dataclass
class Case:
    """What is sent, what has to come back before the close, and the code of the close."""

    name: str
    sent: list[bytes]
    responses: list[tuple[int, bytes]] = field(default_factory=list)
    close: tuple[int, ...] = (1000,)
    ways: tuple[str, ...] = WAYS
    # Where the suite would like an echo before the failure, but does not ask for it.
    maybe: list[tuple[int, bytes]] = field(default_factory=list)


def send_in(client: WebSocketConnection, frames: Sequence[bytes], way: str) -> None:
    """All in one packet, frame by frame, or octet by octet."""
    pieces = {"whole": [b"".join(frames)], "frames": frames, "octets": [bytes([byte]) for byte in b"".join(frames)]}
    for piece in pieces[way]:
        client.send(piece)


def answers_until_close(client: WebSocketConnection) -> tuple[list[tuple[int, bytes]], Frame]:
    found: list[tuple[int, bytes]] = []
    while (frame := client.read_data_frame()).opcode != CLOSE:
        found.append((frame.opcode, frame.payload))
    return found, frame


def check(server: Server, case: Case, way: str) -> None:
    with WebSocketConnection(server) as client:
        assert client.upgrade(ECHO).status == 101
        if case.close == (1000,):
            send_in(client, case.sent, way)
            for expected in case.responses:
                frame = client.read_data_frame()
                assert (frame.opcode, frame.payload) == expected
            client.send_frame(CLOSE, NORMAL)
            found, frame = answers_until_close(client)
            assert found == []
            assert frame.payload == NORMAL
        else:
            # The server may close while octets of the rest are on their way.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                send_in(client, case.sent, way)
            found, frame = answers_until_close(client)
            assert found in ([], case.maybe)
            assert frame.close_code in case.close
        assert client.closed_within(5)


def text(payload: bytes, **options: bool) -> bytes:
    return frame_bytes(TEXT, payload, **options)


def more(payload: bytes, **options: bool) -> bytes:
    return frame_bytes(CONTINUATION, payload, **options)


def echo(name: str, opcode: int, payload: bytes, ways: tuple[str, ...] = ("whole",)) -> Case:
    return Case(name, [frame_bytes(opcode, payload)], [(opcode, payload)], ways=ways)


SIZES = (0, 125, 126, 127, 128, 65535, 65536)

FRAMING = [
    *(echo(f"1.1.{number}", TEXT, b"*" * size) for number, size in enumerate(SIZES, 1)),
    *(echo(f"1.2.{number}", BINARY, b"\xfe" * size) for number, size in enumerate(SIZES, 1)),
]

BINARY_PING = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
FULL_PING = b"\xfe" * 125


def pings(name: str, payloads: list[bytes], ways: tuple[str, ...] = ("whole",)) -> Case:
    frames = [frame_bytes(PING, payload) for payload in payloads]
    return Case(name, frames, [(PONG, payload) for payload in payloads], ways=ways)


PINGS = [
    pings("2.1", [b""], WAYS),
    pings("2.2", [b"Hello, world!"], WAYS),
    pings("2.3", [BINARY_PING], WAYS),
    pings("2.4", [FULL_PING]),
    Case("2.5", [frame_bytes(PING, b"\xfe" * 126)], close=(1002,)),
    pings("2.6", [FULL_PING], ("octets",)),
    Case("2.7", [frame_bytes(PONG, b"")]),
    Case("2.8", [frame_bytes(PONG, b"unsolicited pong payload")]),
    Case("2.9", [frame_bytes(PONG, b"unsolicited"), frame_bytes(PING, b"payload")], [(PONG, b"payload")]),
    pings("2.10", [b"payload-%d" % number for number in range(10)]),
    pings("2.11", [b"payload-%d" % number for number in range(10)], ("octets",)),
]

HELLO = b"Hello, world!"
ECHOED = [(TEXT, HELLO)]


def reserved(opcode: int, bits: int, payload: bytes = HELLO) -> bytes:
    return frame_bytes(opcode, payload, reserved=bits)


RESERVED_BITS = [
    Case("3.1", [reserved(TEXT, 1)], close=(1002,)),
    *(
        Case(f"3.{bits}", [text(HELLO), reserved(TEXT, bits), frame_bytes(PING, b"")], close=(1002,), maybe=ECHOED)
        for bits in (2, 3, 4)
    ),
    Case("3.5", [reserved(BINARY, 5, BINARY_PING)], close=(1002,)),
    Case("3.6", [reserved(PING, 6)], close=(1002,)),
    Case("3.7", [reserved(CLOSE, 7, NORMAL)], close=(1002,)),
]

OPCODES = [
    *(
        Case(f"4.{section}.{number}", [frame_bytes(first + number - 1, payload)], close=(1002,))
        for section, first in ((1, 3), (2, 11))
        for number, payload in ((1, b""), (2, b"reserved opcode payload"))
    ),
    *(
        Case(
            f"4.{section}.{number}",
            [text(HELLO), frame_bytes(first + number - 1, payload), frame_bytes(PING, b"")],
            close=(1002,),
            maybe=ECHOED,
        )
        for section, first in ((1, 3), (2, 11))
        for number, payload in ((3, b""), (4, b"reserved opcode payload"), (5, b"reserved opcode payload"))
    ),
]

TWO = [text(b"fragment1", final=False), more(b"fragment2")]
JOINED = [(TEXT, b"fragment1fragment2")]
AROUND_A_PING = [TWO[0], frame_bytes(PING, b"ping payload"), TWO[1]]
PINGED = [(PONG, b"ping payload"), *JOINED]
NOTHING_TO_CONTINUE = [more(b"non-continuation payload"), text(HELLO)]
NOTHING_BEGUN = [more(b"non-continuation payload", final=False), text(HELLO)]

FRAGMENTATION = [
    Case("5.1", [frame_bytes(PING, b"fragment1", final=False), more(b"fragment2")], close=(1002,)),
    Case("5.2", [frame_bytes(PONG, b"fragment1", final=False), more(b"fragment2")], close=(1002,)),
    *(Case(f"5.{3 + place}", TWO, JOINED, ways=(way,)) for place, way in enumerate(WAYS)),
    *(Case(f"5.{6 + place}", AROUND_A_PING, PINGED, ways=(way,)) for place, way in enumerate(WAYS)),
    *(Case(f"5.{9 + place}", NOTHING_TO_CONTINUE, close=(1002,), ways=(way,)) for place, way in enumerate(WAYS)),
    *(Case(f"5.{12 + place}", NOTHING_BEGUN, close=(1002,), ways=(way,)) for place, way in enumerate(WAYS)),
    Case("5.15", [*TWO, more(b"fragment3", final=False), text(b"fragment4")], close=(1002,), maybe=JOINED),
    Case("5.16", [more(b"fragment1", final=False), *TWO] * 2, close=(1002,)),
    Case("5.17", [more(b"fragment1"), *TWO] * 2, close=(1002,)),
    Case("5.18", [text(b"fragment1", final=False), text(b"fragment2")], close=(1002,)),
]

GREETING = "Hello-\xb5@\xdf\xf6\xe4\xfc\xe0\xe1-UTF-8!!".encode()
KOSME = "\u03ba\u1f79\u03c3\u03bc\u03b5".encode()
SURROGATE = KOSME + b"\xed\xa0\x80edited"


def in_octets(payload: bytes) -> list[bytes]:
    """A text message of which each frame has one octet."""
    last = len(payload) - 1
    return [
        frame_bytes(CONTINUATION if place else TEXT, payload[place : place + 1], final=place == last)
        for place in range(len(payload))
    ]


UTF_8 = [
    echo("6.1.1", TEXT, b""),
    Case("6.1.2", [text(b"", final=False), more(b"", final=False), more(b"")], [(TEXT, b"")]),
    Case("6.1.3", [text(b"", final=False), more(b"middle", final=False), more(b"")], [(TEXT, b"middle")]),
    echo("6.2.1", TEXT, GREETING),
    Case("6.2.2", [text(GREETING[:12], final=False), more(GREETING[12:])], [(TEXT, GREETING)]),
    Case("6.2.3", in_octets(GREETING), [(TEXT, GREETING)]),
    Case("6.2.4", in_octets(KOSME), [(TEXT, KOSME)]),
    Case("6.3.1", [text(SURROGATE)], close=(1007,)),
    Case("6.3.2", in_octets(SURROGATE), close=(1007,)),
]

# Sections 6.5 to 6.23: payloads of one frame. Python's own decoder says which of them are UTF-8.
PAYLOADS = {
    "6.5": "68656c6c6f24776f726c64 68656c6c6fc2a2776f726c64 68656c6c6fe282ac776f726c64 68656c6c6ff0a4ada2776f726c64 "
    "cebae1bdb9cf83cebcceb5",
    "6.6": "ce ceba cebae1 cebae1bd cebae1bdb9 cebae1bdb9cf cebae1bdb9cf83 cebae1bdb9cf83ce cebae1bdb9cf83cebc "
    "cebae1bdb9cf83cebcce cebae1bdb9cf83cebcceb5",
    "6.7": "00 c280 e0a080 f0908080",
    "6.8": "f888808080 fc8480808080",
    "6.9": "7f dfbf efbfbf f48fbfbf",
    "6.10": "f7bfbfbf fbbfbfbfbf fdbfbfbfbfbf",
    "6.11": "ed9fbf ee8080 efbfbd f48fbfbf f4908080",
    "6.12": "80 bf 80bf 80bf80 80bf80bf 80bf80bf80 80bf80bf80bf " + bytes(range(0x80, 0xBF)).hex(),
    "6.13": " ".join(
        b"".join(bytes([lead, 0x20]) for lead in range(first, last)).hex()
        for first, last in ((0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD))
    ),
    "6.14": "c0 e080 f08080 f8808080 fc80808080 df efbf f7bfbf fbbfbfbf fdbfbfbfbf",
    "6.15": "c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf",
    "6.16": "fe ff fefeffff",
    "6.17": "c0af e080af f08080af f8808080af fc80808080af",
    "6.18": "c1bf e09fbf f08fbfbf f887bfbfbf fc83bfbfbfbf",
    "6.19": "c080 e08080 f0808080 f880808080 fc8080808080",
    "6.20": "eda080 edadbf edae80 edafbf edb080 edbe80 edbfbf",
    "6.21": "eda080edb080 eda080edbfbf edadbfedb080 edadbfedbfbf edae80edb080 edae80edbfbf edafbfedb080 edafbfedbfbf",
    "6.22": "efbfbe efbfbf "
    + " ".join(chr(plane << 16 | 0xFFFE | last).encode().hex() for plane in range(1, 17) for last in (0, 1)),
    "6.23": "efbfb9 efbfba efbfbb efbfbc efbfbd efbfbe efbfbf",
}


def payload_case(name: str, payload: bytes) -> Case:
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return Case(name, [text(payload)], close=(1007,), ways=("whole",))
    return echo(name, TEXT, payload)


UTF_8 += [
    payload_case(f"{section}.{number}", bytes.fromhex(payload))
    for section, payloads in PAYLOADS.items()
    for number, payload in enumerate(payloads.split(), 1)
]

CLOSING = frame_bytes(CLOSE, NORMAL)
VALID_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
INVALID_CODES = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)


def test_the_cases_are_all_there() -> None:
    """The counts are the suite's own."""
    every = [*FRAMING, *PINGS, *RESERVED_BITS, *OPCODES, *FRAGMENTATION, *UTF_8]
    names = [case.name for case in every]
    assert len(set(names)) == len(names)
    counts = {section: sum(name.startswith(f"{section}.") for name in names) for section in range(1, 7)}
    # Without 1.1.8, 1.2.8, 5.19, 5.20 and 6.4.1 to 6.4.4, which have tests of their own.
    assert counts == {1: 14, 2: 11, 3: 7, 4: 10, 5: 18, 6: 141}
    assert {case.close for case in UTF_8} == {(1000,), (1007,)}


def variants(cases: list[Case]) -> list[object]:
    return [pytest.param(case, way, id=f"{case.name}-{way}") for case in cases for way in case.ways]


@pytest.mark.parametrize(("case", "way"), variants(FRAMING))
def test_framing(asgi_server: Server, case: Case, way: str) -> None:
    check(asgi_server, case, way)


@pytest.mark.parametrize("opcode", [pytest.param(TEXT, id="1.1.8"), pytest.param(BINARY, id="1.2.8")])
def test_framing_in_chops(asgi_server: Server, opcode: int) -> None:
    payload = b"*" * 65536
    frame = frame_bytes(opcode, payload)
    chops = [frame[start : start + 997] for start in range(0, len(frame), 997)]
    check(asgi_server, Case("chops", chops, [(opcode, payload)]), "frames")


@pytest.mark.parametrize(("case", "way"), variants(PINGS))
def test_pings(asgi_server: Server, case: Case, way: str) -> None:
    check(asgi_server, case, way)


@pytest.mark.parametrize(("case", "way"), variants(RESERVED_BITS))
def test_reserved_bits(asgi_server: Server, case: Case, way: str) -> None:
    check(asgi_server, case, way)


@pytest.mark.parametrize(("case", "way"), variants(OPCODES))
def test_opcodes(asgi_server: Server, case: Case, way: str) -> None:
    check(asgi_server, case, way)


@pytest.mark.parametrize(("case", "way"), variants(FRAGMENTATION))
def test_fragmentation(asgi_server: Server, case: Case, way: str) -> None:
    check(asgi_server, case, way)


@pytest.mark.parametrize("way", [pytest.param("frames", id="5.19"), pytest.param("octets", id="5.20")])
def test_pings_are_answered_before_the_message_ends(asgi_server: Server, way: str) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade(ECHO)
        first = [text(b"fragment1", final=False), more(b"fragment2", final=False), frame_bytes(PING, b"pongme 1!")]
        send_in(client, first, way)
        assert client.read_frame() == Frame(PONG, b"pongme 1!", True)
        assert client.silent_for(0.1)
        then = [more(b"fragment3", final=False), more(b"fragment4", final=False), frame_bytes(PING, b"pongme 2!")]
        send_in(client, then, way)
        assert client.read_frame() == Frame(PONG, b"pongme 2!", True)
        send_in(client, [more(b"fragment5")], way)
        assert client.read_data_frame() == Frame(TEXT, b"fragment1fragment2fragment3fragment4fragment5", True)


@pytest.mark.parametrize(("case", "way"), variants(UTF_8))
def test_utf_8(asgi_server: Server, case: Case, way: str) -> None:
    check(asgi_server, case, way)


@pytest.mark.parametrize(
    ("valid", "wrong"),
    [
        pytest.param(KOSME, b"\xf4\x90\x80\x80", id="6.4.1"),
        pytest.param(KOSME + b"\xf4", b"\x90", id="6.4.2"),
    ],
)
def test_invalid_utf_8_fails_before_the_message_ends(asgi_server: Server, valid: bytes, wrong: bytes) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade(ECHO)
        client.send(text(valid, final=False))
        assert client.silent_for(0.1)
        client.send(more(wrong, final=False))
        frame = client.read_frame()
        assert (frame.opcode, frame.close_code) == (CLOSE, 1007)
        assert client.closed_within(5)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((KOSME, b"\xf4\x90\x80\x80", b"edited"), id="6.4.3"),
        pytest.param((KOSME + b"\xf4", b"\x90", b"\x80\x80edited"), id="6.4.4"),
    ],
)
def test_invalid_utf_8_inside_a_frame_fails_with_it(asgi_server: Server, parts: tuple[bytes, ...]) -> None:
    """Not at the octet, as the suite would like, but no later than the frame."""
    payload = b"".join(parts)
    frame = text(payload)
    head = len(frame) - len(payload)
    with WebSocketConnection(asgi_server) as client:
        client.upgrade(ECHO)
        client.send(frame[:head])
        for start, part in zip((0, len(parts[0]), len(parts[0]) + len(parts[1])), parts, strict=True):
            client.send(frame[head + start : head + start + len(part)])
        response = client.read_frame()
        assert (response.opcode, response.close_code) == (CLOSE, 1007)


def test_7_1_1_message_then_close(asgi_server: Server) -> None:
    check(asgi_server, echo("7.1.1", TEXT, HELLO), "whole")


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(CLOSING, id="7.1.2"),
        pytest.param(frame_bytes(PING, b"late"), id="7.1.3"),
        pytest.param(text(HELLO), id="7.1.4"),
    ],
)
def test_what_follows_a_close_is_ignored(asgi_server: Server, after: bytes) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade(ECHO)
        client.send(CLOSING + after)
        assert client.read_frame() == Frame(CLOSE, NORMAL, True)
        assert client.closed_within(5)


def test_7_1_5_close_between_fragments(asgi_server: Server) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade(ECHO)
        client.send(text(b"fragment1", final=False) + CLOSING + more(b"fragment2"))
        assert client.read_frame() == Frame(CLOSE, NORMAL, True)
        assert client.closed_within(5)


def test_7_1_6_close_behind_a_large_message(asgi_server: Server) -> None:
    """Whether the echo comes is open; that the close does, is not."""
    with WebSocketConnection(asgi_server) as client:
        client.upgrade(ECHO)
        client.send(text(b"*" * 262_144) + CLOSING + frame_bytes(PING, b""))
        found, frame = answers_until_close(client)
        assert found in ([], [(TEXT, b"*" * 262_144)])
        assert frame.payload == NORMAL


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="7.3.1"),
        pytest.param(NORMAL, id="7.3.3"),
        pytest.param(NORMAL + b"Hello, world!", id="7.3.4"),
        pytest.param(NORMAL + b"*" * 123, id="7.3.5"),
        *(pytest.param(code.to_bytes(2, "big"), id=f"7.7.{place}") for place, code in enumerate(VALID_CODES, 1)),
    ],
)
def test_close_is_answered_in_kind(asgi_server: Server, payload: bytes) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade(ECHO)
        client.send_frame(CLOSE, payload)
        assert client.read_frame() == Frame(CLOSE, payload, True)
        assert client.closed_within(5)


@pytest.mark.parametrize(
    ("payload", "codes"),
    [
        pytest.param(b"a", (1002,), id="7.3.2"),
        pytest.param(NORMAL + b"*" * 124, (1002,), id="7.3.6"),
        pytest.param(NORMAL + SURROGATE, (1002, 1007), id="7.5.1"),
        *(
            pytest.param(code.to_bytes(2, "big"), (1002,), id=f"7.9.{place}")
            for place, code in enumerate(INVALID_CODES, 1)
        ),
        pytest.param((5000).to_bytes(2, "big"), (1002,), id="7.13.1"),
        pytest.param((65535).to_bytes(2, "big"), (1002,), id="7.13.2"),
    ],
)
def test_close_that_is_malformed(asgi_server: Server, payload: bytes, codes: tuple[int, ...]) -> None:
    check(asgi_server, Case("close", [frame_bytes(CLOSE, payload)], close=codes), "whole")


LARGE = [65536, 262_144, 1_048_576, 4_194_304]


@pytest.mark.parametrize(
    ("opcode", "size"),
    [
        pytest.param(opcode, size, id=f"9.{section}.{number}")
        for section, opcode in ((1, TEXT), (2, BINARY))
        for number, size in enumerate(LARGE, 1)
    ],
)
def test_large_messages(asgi_server: Server, opcode: int, size: int) -> None:
    check(asgi_server, echo("9.1", opcode, b"*" * size), "whole")


@pytest.mark.parametrize(
    ("opcode", "size"),
    [
        pytest.param(opcode, 64 * 4**number, id=f"9.{section}.{number + 1}")
        for section, opcode in ((3, TEXT), (4, BINARY))
        for number in range(7)
    ],
)
def test_fragments_of_a_large_message(asgi_server: Server, opcode: int, size: int) -> None:
    payload = b"*" * 262_144
    starts = range(0, len(payload), size)
    frames = [
        frame_bytes(
            CONTINUATION if start else opcode, payload[start : start + size], final=start + size >= len(payload)
        )
        for start in starts
    ]
    check(asgi_server, Case("9.3", frames, [(opcode, payload)]), "whole")


@pytest.mark.parametrize(
    ("opcode", "size"),
    [
        pytest.param(opcode, 64 * 2**number, id=f"9.{section}.{number + 1}")
        for section, opcode in ((5, TEXT), (6, BINARY))
        for number in range(6)
    ],
)
def test_chops_of_a_large_message(asgi_server: Server, opcode: int, size: int) -> None:
    payload = b"*" * 262_144
    frame = frame_bytes(opcode, payload)
    chops = [frame[start : start + size] for start in range(0, len(frame), size)]
    check(asgi_server, Case("9.5", chops, [(opcode, payload)]), "frames")


@pytest.mark.parametrize(
    ("opcode", "size"),
    [
        pytest.param(opcode, size, id=f"9.{section}.{number}")
        for section, opcode in ((7, TEXT), (8, BINARY))
        for number, size in enumerate((0, 16, 64, 256, 1024, 4096), 1)
    ],
)
def test_round_trips(asgi_server: Server, opcode: int, size: int) -> None:
    with WebSocketConnection(asgi_server) as client:
        client.upgrade(ECHO)
        for _ in range(100):
            client.send_frame(opcode, b"*" * size)
            assert client.read_data_frame() == Frame(opcode, b"*" * size, True)


def test_10_1_1_fragments_of_1300(asgi_server: Server) -> None:
    payload = b"*" * 65536
    starts = range(0, len(payload), 1300)
    frames = [
        frame_bytes(CONTINUATION if start else TEXT, payload[start : start + 1300], final=start + 1300 >= len(payload))
        for start in starts
    ]
    check(asgi_server, Case("10.1.1", frames, [(TEXT, payload)]), "whole")
