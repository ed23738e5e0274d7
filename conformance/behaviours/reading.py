"""Behaviours 1 to 8: the request body, as `wsgi.input` gives it.

Spec: PEP 3333, "Input and Error Streams"; RFC 9110, 10.1.1 (100-continue).
"""

from __future__ import annotations

import ast
import io
import json
from typing import Any
from urllib.parse import quote

from behaviours.behaviour import DRIVER, WIRE, NotSo, behaviour, demand, expect
from behaviours.exchange import Host
from behaviours.hosts import ProcessHost
from behaviours.site import PIECE, Environ, Noted, StartResponse, application, as_json, note, query, text
from server import wait_until

MIB = 1024 * 1024
UPLOAD_MIB = 64
GROWTH_MIB = 8

Calls = list[list[Any]]

CALLS: list[Calls] = [
    [["read"]],
    [["read", -1]],
    [["read", None]],
    [["read", 0], ["read", 5], ["read", 100000], ["read", 1]],
    [["readline"], ["readline"], ["readline"], ["readline"]],
    [["readline", 65536], ["read"]],
    [["readline", 2], ["readline", 2], ["readline", -1]],
    [["readlines"]],
    [["iterate"]],
    [["readline"], ["iterate"]],
    [["read", 3], ["iterate"], ["read"], ["readline"], ["readlines"]],
]
BODIES = [b"", b"\n", b"a\nb\nlast", b"one line", b"a\r\nb\n\n\nc\n", b"x" * 70_000 + b"\n" + b"y" * 70_000]


@application
def read_three(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [])
    return [environ["wsgi.input"].read(3)]


@application
def refuse(environ: Environ, start_response: StartResponse) -> Any:
    return text(start_response, "too large, and not read", "413 Content Too Large")


@application
def echo(environ: Environ, start_response: StartResponse) -> Any:
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", [])
    return [body]


@application
def measure(environ: Environ, start_response: StartResponse) -> Any:
    size, left = 0, int(environ["CONTENT_LENGTH"])
    while left and (piece := environ["wsgi.input"].read(min(left, PIECE))):
        size += len(piece)
        left -= len(piece)
    return as_json(start_response, size)


@application
def input_calls(environ: Environ, start_response: StartResponse) -> Any:
    """Call the methods of the input in order, and show each result: `?calls=[["read", 3], ["readline"]]`."""
    results = []
    for name, *arguments in ast.literal_eval(query(environ)["calls"]):
        try:
            results.append(repr(call_of(environ["wsgi.input"], name, arguments)))
        except Exception as error:
            results.append(f"{type(error).__name__}: {error}")
    return as_json(start_response, results)


def call_of(stream: Any, name: str, arguments: list[Any]) -> Any:
    return list(stream) if name == "iterate" else getattr(stream, name)(*arguments)


def as_bytes_io(body: bytes, calls: Calls) -> list[str]:
    """The results of the same calls on an `io.BytesIO`, which is the definition of right."""
    stream = io.BytesIO(body)
    return [repr(call_of(stream, name, rest)) for name, *rest in calls]


@application
def upload(environ: Environ, start_response: StartResponse) -> Any:
    """Store a body: what breaks off must be noted as an error, never as complete."""
    label = query(environ)["label"]
    start_response("200 OK", [])

    def stored() -> Any:
        size = 0
        note(label, "started")
        try:
            while piece := environ["wsgi.input"].read(PIECE):
                size += len(piece)
        except Exception as error:
            note(label, "OSError" if isinstance(error, OSError) else type(error).__name__)
            raise
        note(label, f"complete {size}")
        yield b"stored"

    return Noted(label, stored())


@application
def werkzeug_data(environ: Environ, start_response: StartResponse) -> Any:
    from werkzeug.wrappers import Request

    data = Request(environ).get_data()
    start_response("200 OK", [])
    return [data]


@application
def django_data(environ: Environ, start_response: StartResponse) -> Any:
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIRequest
    from django.utils.functional import empty

    # Driven by hand this is the test's own process, where other tests have settings of theirs.
    borrowed = not settings.configured
    if borrowed:
        settings.configure()
    try:
        data = WSGIRequest(environ).body
    finally:
        if borrowed:
            settings._wrapped = empty
    start_response("200 OK", [])
    return [data]


@behaviour(1, variant="streaming")
def body_streams_in(host: Host) -> None:
    """The application gets the first three bytes of a body whose rest is withheld."""
    with host.open("POST", "/read_three", length=100) as exchange:
        exchange.give(b"abcdef")
        expect("the body", exchange.response().body, b"abc")


@behaviour(2, WIRE)
def upload_is_not_kept_in_memory(host: ProcessHost) -> None:
    """A 64 MiB body, read in pieces of 64 KiB, adds less than 8 MiB to the peak of resident memory."""

    def send(mib: int) -> None:
        with host.open("POST", "/measure", length=mib * MIB) as exchange:
            for _ in range(mib):
                exchange.give(b"x" * MIB)
            expect("bytes read", json.loads(exchange.response().body), mib * MIB)

    for _ in range(2):
        send(16)
    host.reset_memory()
    before = host.memory()
    send(UPLOAD_MIB)
    grown = host.memory() - before
    demand(grown < GROWTH_MIB * MIB, f"{grown // MIB} MiB more")


@behaviour(3, variant="streaming")
def readline_waits_for_its_line(host: Host) -> None:
    """`readline(65536)` as the first read gives whole lines, however the bytes arrive."""
    calls = [["readline", 65536], ["readline", 65536], ["read"]]
    with host.open("POST", f"/input_calls?calls={quote(repr(calls))}", length=13) as exchange:
        for piece in (b"fi", b"rst\nse", b"con"):
            exchange.give(piece)
            demand(exchange.silent_for(0.03), "a response before the line was whole")
        exchange.give(b"d\n")
        expect("lines", json.loads(exchange.response().body), [repr(b"first\n"), repr(b"second\n"), repr(b"")])


def compare(host: Host, body: bytes, calls: Calls, split: int | None = None) -> None:
    with host.open("POST", f"/input_calls?calls={quote(repr(calls))}", length=len(body)) as exchange:
        for piece in (body[:split], body[split:]) if split is not None else (body,):
            if piece:
                exchange.give(piece)
        response = exchange.response()
    demand(response.status == 200, f"status {response.status} for {calls} on {body[:20]!r}")
    for call, seen, wanted in zip(calls, json.loads(response.body), as_bytes_io(body, calls), strict=True):
        if seen != wanted:
            shown = seen if len(seen) < 60 else f"{seen[:40]}… ({len(seen)} characters)"
            raise NotSo(f"{call} on {body[:20]!r}: {shown}")


@behaviour(4)
def readlines_as_io_does(host: Host) -> None:
    """`readlines` keeps an unterminated last line bare, and gives [] for an empty body."""
    compare(host, b"a\nb\nlast", [["readlines"]])
    compare(host, b"", [["readlines"]])


@behaviour(4)
def readlines_takes_its_hint(host: Host) -> None:
    """`readlines(hint)` takes the hint in bytes, as `io` does; PEP 3333 lets a server ignore it."""
    compare(host, b"aa\nbb\ncc\n", [["readlines", 4], ["read"]])
    compare(host, b"a\nb\nlast", [["readlines", 1]])


@behaviour(5)
def input_is_as_bytes_io(host: Host) -> None:
    """`read`, `readline`, `readlines` and iteration agree with `io.BytesIO`, call by call."""
    for body in BODIES:
        for calls in CALLS:
            compare(host, body, calls, split=2)


@behaviour(5)
def read_of_none_reads_all(host: Host) -> None:
    """`read()`, `read(-1)` and `read(None)` read all."""
    for calls in ([["read"]], [["read", -1]], [["read", None]]):
        compare(host, b"some bytes\n", calls)


def leave_in_the_body(host: Host, *, chunked: bool) -> None:
    label = host.label()
    length = None if chunked else 3_000_000
    with host.open("POST", f"/upload?label={label}", length=length, chunked=chunked) as exchange:
        exchange.give(b"x" * 1_500_000)
        exchange.silent_for(0.2)
    began = "started" in host.notes(label)
    try:
        wait_until(lambda: "closed" in host.notes(label), 3 if began else 0.3, "the call ends")
    except AssertionError:
        events = host.notes(label)
        demand(not events, f"notes after 3 s: {events}")  # never called: nothing can be stored
        return
    events = host.notes(label)
    demand(not any(event.startswith("complete") for event in events), f"taken for whole: {events}")
    expect("notes", events, ["started", "OSError", "closed"])


@behaviour(6)
def broken_body_raises(host: Host) -> None:
    """A client that leaves in its body makes `read` raise an `OSError`, never an end of file; `close()` runs."""
    leave_in_the_body(host, chunked=False)


@behaviour(6)
def broken_chunked_body_raises(host: Host) -> None:
    """A client that leaves in a body without a length: the same."""
    leave_in_the_body(host, chunked=True)


@behaviour(7)
def chunked_body_with_werkzeug(host: Host) -> None:
    """A chunked body is all there for Flask (werkzeug), which trusts `wsgi.input_terminated`."""
    response = host.request("POST", "/werkzeug_data", chunks=[b"abc", b"def"])
    expect("the body", response.body, b"abcdef")


@behaviour(7)
def chunked_body_with_django(host: Host) -> None:
    """A chunked body is all there for Django, which reads `CONTENT_LENGTH` bytes."""
    response = host.request("POST", "/django_data", chunks=[b"abc", b"def"])
    expect("the body", response.body, b"abcdef")


@behaviour(8, WIRE)
def no_continue_unread(host: ProcessHost) -> None:
    """An application that answers 413 without reading causes no `100 Continue`."""
    with host.open("POST", "/refuse", [("Expect", "100-continue")], length=1000) as exchange:
        expect("the first status", exchange.interim_or_head().status, 413)


@behaviour(8, WIRE)
def one_continue_when_read(host: ProcessHost) -> None:
    """An application that reads causes exactly one `100 Continue`."""
    with host.open("POST", "/echo", [("Expect", "100-continue")], length=4) as exchange:
        expect("the first status", exchange.interim_or_head().status, 100)
        exchange.give(b"body")
        expect("the second status", exchange.interim_or_head().status, 200)
        expect("the body", exchange.piece(), b"body")


@behaviour(8, DRIVER)
def receive_waits_for_the_first_read(host: Any) -> None:
    """With `Expect: 100-continue`, `receive` is not called for an application that does not read."""
    headers = [(b"host", b"a"), (b"expect", b"100-continue"), (b"content-length", b"10")]
    with host.call(method="POST", path="/refuse", raw_path=b"/refuse", headers=headers, body=10) as exchange:
        expect("status", exchange.response().status, 413)
        expect("calls of receive before the response", exchange.received, 0)
