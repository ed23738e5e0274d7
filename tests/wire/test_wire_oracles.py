"""The bytes of HTTP/1.1 as other libraries read them: `h11` and `httptools` beside this server.

Apart from `test_oracles.py`, whose judges look at applications, because here two readers of the same bytes must agree: what
they take differently is how requests are smuggled. Covers RFC 9112, sections 5 to 7 and 9.3.2.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise

import h11
import httptools
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server import Server
from wire import Connection

relaxed = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

TOKEN = st.text("abcXYZ019!#$%&'*+-.^`|~", min_size=1, max_size=12)
VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)
BLANK = st.sampled_from(["", " ", "\t", "  \t"])
NAMED = {
    "connection",
    "content-length",
    "transfer-encoding",
    "expect",
    "upgrade",
    "host",
    "te",
    "trailer",
    "keep-alive",
}


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One request in order: `/echo` gives its body back, `/headers` its fields."""
    fields = draw(st.lists(st.tuples(TOKEN, BLANK, VALUE, BLANK), max_size=6))
    lines = [f"x-{name}:{before}{value}{after}" for name, before, value, after in fields if name.lower() not in NAMED]
    body = draw(st.binary(max_size=300))
    framing = draw(st.sampled_from(["none", "length", "chunked"]))
    if framing == "none":
        return "\r\n".join(["GET /headers HTTP/1.1", "Host: a", *lines, "", ""]).encode()
    if framing == "length":
        head = ["POST /echo HTTP/1.1", "Host: a", *lines, f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(head).encode() + body
    head = ["POST /echo HTTP/1.1", "Host: a", *lines, "Transfer-Encoding: chunked", "", ""]
    data, rest = b"", body
    while rest:
        size = draw(st.integers(1, len(rest)))
        extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="b c"']))
        data += b"%x%b\r\n%b\r\n" % (size, extension, rest[:size])
        rest = rest[size:]
    trailer = draw(st.sampled_from([b"", b"x-trailer: 1\r\n"]))
    return "\r\n".join(head).encode() + data + b"0\r\n" + trailer + b"\r\n"


@dataclass
class Seen:
    """A message as a reader saw it."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


def requests_by_h11(data: bytes) -> list[tuple[str, Seen]]:
    """The target of each request, and what came with it."""
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(data)
    seen: list[tuple[str, Seen]] = []
    while (event := reader.next_event()) is not h11.NEED_DATA:
        if isinstance(event, h11.Request):
            fields = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
            seen.append((event.target.decode(), Seen(fields)))
        elif isinstance(event, h11.Data):
            seen[-1][1].body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            reader.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            reader.send(h11.EndOfMessage())
            reader.start_next_cycle()
    return seen


def answers_by_h11(data: bytes, methods: list[str]) -> list[Seen]:
    """The responses to requests with these methods."""
    reader = h11.Connection(h11.CLIENT)
    reader.receive_data(data)
    seen = []
    for method in methods:
        reader.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
        reader.send(h11.EndOfMessage())
        response = Seen()
        while not isinstance(event := reader.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                response.fields = [(name.decode(), value.decode("latin-1")) for name, value in event.headers]
            elif isinstance(event, h11.Data):
                response.body += bytes(event.data)
            else:
                assert event is not h11.NEED_DATA, "a response does not end"
        seen.append(response)
        if len(seen) < len(methods):
            reader.start_next_cycle()
    assert reader.trailing_data[0] == b""
    return seen


class Answers:
    """The callbacks of `httptools`."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.whole = 0

    def on_message_begin(self) -> None:
        self.seen.append(Seen())

    def on_header(self, name: bytes, value: bytes) -> None:
        self.seen[-1].fields.append((name.decode().lower(), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self.seen[-1].body += body

    def on_message_complete(self) -> None:
        self.whole += 1


def answers_by_httptools(data: bytes) -> list[Seen]:
    responses = Answers()
    httptools.HttpResponseParser(responses).feed_data(data)
    assert responses.whole == len(responses.seen)
    return responses.seen


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


@relaxed
@given(sent=st.lists(requests(), min_size=1, max_size=5), cuts=st.lists(st.integers(0, 10_000), max_size=4))
def test_requests_are_read_as_h11_reads_them(kitchen: Server, sent: list[bytes], cuts: list[int]) -> None:
    """Pipelined, and in pieces: each has the fields and the body that h11 sees, and the responses come in their order."""
    data = b"".join(sent)
    expected = requests_by_h11(data)
    with Connection(kitchen) as connection:
        for piece in pieces(data, cuts):
            connection.send(piece)
        got = [connection.read_response() for _ in expected]
        assert connection.silent_for(0)
    for (target, request), response in zip(expected, got, strict=True):
        assert response.status == 200
        if target == "/echo":
            assert response.body == request.body
        else:
            ours = sorted(map(tuple, (pair for pair in json.loads(response.body) if pair[0].startswith("x-"))))
            theirs: dict[str, list[str]] = {}
            for name, value in request.fields:
                theirs.setdefault(name, []).append(value)
            joined = sorted((name, ",".join(values)) for name, values in theirs.items() if name.startswith("x-"))
            grouped: dict[str, list[str]] = {}
            for name, value in ours:
                grouped.setdefault(name, []).append(value)
            assert sorted(grouped) == [name for name, _ in joined]


@pytest.mark.parametrize("path", ["/hello", "/stream/5", "/empty", "/empty-pieces", "/latin1", "/status/404"])
def test_responses_are_read_alike_by_all(kitchen: Server, path: str) -> None:
    """`h11`, `httptools` and the reader of these tests see the same responses, one behind the other."""
    methods = ["GET", "GET", "GET"]
    request = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    last = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with Connection(kitchen) as connection:
        connection.send(request * 2 + last)
        own = [connection.read_response() for _ in methods]
    with Connection(kitchen) as connection:
        connection.send(request * 2 + last)
        data = connection.read_to_end()
    by_h11, by_httptools = answers_by_h11(data, methods), answers_by_httptools(data)
    assert (
        [response.body for response in by_h11]
        == [response.body for response in by_httptools]
        == [each.body for each in own]
    )
    assert [response.fields for response in by_h11] == [response.fields for response in by_httptools]
