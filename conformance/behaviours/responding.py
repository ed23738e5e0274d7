"""Behaviours 9 to 14 and 19 to 22: `start_response`, `write`, and what leaves of a response.

Spec: PEP 3333, "The start_response() Callable", "Handling the Content-Length Header", "Buffering and Streaming", "Error
Handling", "Other HTTP Features"; RFC 9110, 6.6.1, 8.6, 9.3.2, 15.3.5, 15.4.5.
"""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import quote

from behaviours.behaviour import WIRE, behaviour, demand, expect
from behaviours.exchange import Host, Mark
from behaviours.hosts import ProcessHost
from behaviours.site import Environ, Noted, StartResponse, application, note, query, wait_at_gate
from server import wait_until
from wire import Connection, Response

HOP_BY_HOP = [("Keep-Alive", "timeout=9"), ("Proxy-Authenticate", "Basic"), ("Upgrade", "h2c")]


@application
def lazy_start(environ: Environ, start_response: StartResponse) -> Any:
    start_response("201 Made", [("X-Lazy", "yes")])
    yield b"made"


@application
def hold_headers(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [])
    yield b""
    wait_at_gate(query(environ)["label"])
    yield b"x"


@application
def gated(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [])
    yield b"first"
    wait_at_gate(query(environ)["label"])
    yield b"second"


@application
def empty(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [("X-Empty", "yes")])
    return iter([])


@application
def empty_pieces(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [])
    return iter([b"", b"a", b"", b"b", b""])


def _replace(start_response: StartResponse) -> None:
    try:
        raise ValueError("found out late")
    except ValueError:
        start_response("500 Replaced", [("X-Second", "yes")], sys.exc_info())


@application
def replaced(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [("X-First", "yes"), ("Content-Length", "100")])
    _replace(start_response)
    return [b"replaced"]


@application
def replaced_in_the_iteration(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [("X-First", "yes")])
    yield b""
    _replace(start_response)
    yield b"replaced"


@application
def replaced_too_late(environ: Environ, start_response: StartResponse) -> Any:
    label = query(environ)["label"]
    start_response("200 OK", [])
    yield b"first"
    try:
        raise ValueError(f"too late {label}")
    except ValueError as error:
        try:
            start_response("500 Replaced", [], sys.exc_info())
        except ValueError as raised:
            note(label, "raised" if raised is error else "another was raised")
            raise
        note(label, "not raised")
    yield b"never"


@application
def started_twice(environ: Environ, start_response: StartResponse) -> Any:
    label = query(environ)["label"]
    start_response("200 OK", [])
    try:
        start_response("200 OK", [])
    except Exception:
        note(label, "raised")
        raise
    note(label, "not raised")
    return [b"never"]


@application
def never_started(environ: Environ, start_response: StartResponse) -> Any:
    return [b"never"]


@application
def written(environ: Environ, start_response: StartResponse) -> Any:
    write = start_response("200 OK", [])
    write(b"a")
    write(b"b")
    return [b"c"]


@application
def written_text(environ: Environ, start_response: StartResponse) -> Any:
    write = start_response("200 OK", [])
    try:
        write("text")
    except TypeError:
        return [b"TypeError"]
    return [b"no error"]


@application
def text_chunk(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [])
    return ["text"]


@application
def too_many_bytes(environ: Environ, start_response: StartResponse) -> Any:
    label = query(environ)["label"]
    start_response("200 OK", [("Content-Length", "4")])

    def pieces() -> Any:
        for piece in (b"123", b"456", b"789"):
            note(label, "piece")
            yield piece

    return Noted(label, pieces())


@application
def too_few_bytes(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [("Content-Length", "9")])
    return iter([b"12", b"34"])


@application
def fails_late(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [])
    yield b"first"
    raise RuntimeError(f"failed late {query(environ)['label']}")


@application
def fails_before(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [("X-Lost", "yes")])
    raise RuntimeError(f"failed before {query(environ)['label']}")


@application
def status_with_body(environ: Environ, start_response: StartResponse) -> Any:
    """The status of the query with a body, and a note when the iterable is closed."""
    wanted = query(environ)
    start_response(wanted["status"], [("Content-Length", "5")])
    return Noted(wanted["label"], [b"12345"])


@application
def latin1_header(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [("X-Name", "caf\xe9 \xff")])
    return [b"latin-1"]


@application
def two_cookies(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [("Set-Cookie", "a=1; Path=/"), ("X-Between", "x"), ("Set-Cookie", "b=2; Path=/")])
    return [b"cookies"]


@application
def hop_by_hop(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [*HOP_BY_HOP, ("X-Kept", "yes")])
    return [b"kept"]


@application
def injected(environ: Environ, start_response: StartResponse) -> Any:
    """Put what splits a header into one, and note what came of it."""
    wanted = query(environ)
    try:
        start_response("200 OK", [("X-Bad", wanted["value"])])
    except Exception:
        note(wanted["label"], "refused")
        start_response("200 OK", [], sys.exc_info())
        return [b"refused"]
    note(wanted["label"], "taken")
    return [b"taken"]


@application
def bare_status(environ: Environ, start_response: StartResponse) -> Any:
    start_response("202", [])
    return [b"bare"]


@behaviour(9)
def start_response_in_the_first_iteration(host: Host) -> None:
    """A generator that calls `start_response` when it is first asked gives its status and headers."""
    response = host.get("/lazy_start")
    expect("status", response.status, 201)
    expect("X-Lazy", response.header("x-lazy"), "yes")
    expect("the body", response.body, b"made")


@behaviour(10)
def headers_wait_for_the_first_byte(host: Host) -> None:
    """An empty chunk sends nothing: the headers wait for the first byte."""
    label = host.label()
    with host.open("GET", f"/hold_headers?label={label}") as exchange:
        silent = exchange.silent_for(0.15)
        host.open_gate(label)
        demand(silent, "the headers left with an empty chunk")
        response = exchange.response()
    expect("the body", response.body, b"x")
    demand(response.complete, "the body broke off")


@behaviour(10)
def every_chunk_leaves_at_once(host: Host) -> None:
    """A chunk leaves before the next one is asked for."""
    label = host.label()
    with host.open("GET", f"/gated?label={label}") as exchange:
        try:
            exchange.head()
            expect("the first piece", exchange.piece(), b"first")
            demand(exchange.silent_for(0.05), "the second chunk came before it was made")
        finally:
            host.open_gate(label)
        expect("the second piece", exchange.piece(), b"second")
        expect("the end", exchange.piece(), b"")


@behaviour(10)
def empty_iterable_is_an_empty_body(host: Host) -> None:
    """An iterable without an item, and one with empty items, are whole responses."""
    response = host.get("/empty")
    expect("status, X-Empty, body", (response.status, response.header("x-empty"), response.body), (200, "yes", b""))
    demand(response.complete, "the response broke off")
    response = host.get("/empty_pieces")
    expect("the body of empty pieces", response.body, b"ab")
    demand(response.complete, "the response broke off at an empty piece")


@behaviour(11)
def exc_info_replaces_the_head(host: Host) -> None:
    """`start_response` with `exc_info` before the first byte: the client sees the second head, and only that."""
    _only_the_second_head(host.get("/replaced"))


@behaviour(11)
def exc_info_replaces_the_head_in_the_iteration(host: Host) -> None:
    """`start_response` with `exc_info` in the iteration, before its first byte: the same."""
    _only_the_second_head(host.get("/replaced_in_the_iteration"))


def _only_the_second_head(response: Response) -> None:
    expect("status", response.status, 500)
    expect("X-First, X-Second", (response.header("x-first"), response.header("x-second")), (None, "yes"))
    demand(response.header("content-length") != "100", "the first Content-Length stays")
    expect("the body", response.body, b"replaced")


@behaviour(12)
def exc_info_after_a_byte_raises_it(host: Host) -> None:
    """`start_response` with `exc_info` after a byte raises the original exception inside the application."""
    label = host.label()
    response = host.get(f"/replaced_too_late?label={label}")
    expect("status and body", (response.status, response.body), (200, b"first"))
    demand(not response.complete, "the response ends as if it were whole")
    expect("inside the application", host.notes(label), ["raised"])


@behaviour(12)
def late_failure_is_logged(host: Host) -> None:
    """The traceback of a failure after the first byte is logged."""
    label, mark = host.label(), host.log_mark()
    with host.open("GET", f"/replaced_too_late?label={label}"):
        _logged(host, mark, f"too late {label}")


def _logged(host: Host, mark: Mark, wanted: str) -> None:
    wait_until(lambda: wanted.lower() in host.log(mark).lower(), 3, "what is wanted is in the log")


@behaviour(13)
def second_start_response_raises(host: Host) -> None:
    """`start_response` again without `exc_info` raises inside the application."""
    label = host.label()
    response = host.get(f"/started_twice?label={label}")
    expect("inside the application", host.notes(label), ["raised"])
    expect("status", response.status, 500)


@behaviour(13)
def no_start_response_is_an_error(host: Host) -> None:
    """An application that never calls `start_response` is answered with 500."""
    expect("status", host.get("/never_started").status, 500)


@behaviour(13)
def missing_start_response_is_logged(host: Host) -> None:
    """What is logged for a missing `start_response` says so and names the application."""
    mark = host.log_mark()
    host.get("/never_started")
    _logged(host, mark, "start_response")
    _logged(host, mark, "behaviours")


@behaviour(13)
def failure_before_the_response_is_a_500(host: Host) -> None:
    """An exception before the first byte is a 500 without the headers that were meant, with its traceback logged."""
    label, mark = host.label(), host.log_mark()
    response = host.get(f"/fails_before?label={label}")
    expect("status, X-Lost", (response.status, response.header("x-lost")), (500, None))
    _logged(host, mark, f"failed before {label}")


@behaviour(14)
def write_comes_before_the_iterable(host: Host) -> None:
    """`write(a)`, `write(b)` and an iterable of `c` are the body `abc`."""
    response = host.get("/written")
    expect("the body", response.body, b"abc")
    demand(response.complete, "the body broke off")


@behaviour(14)
def write_wants_bytes(host: Host) -> None:
    """`write` of text raises `TypeError` inside the application."""
    expect("the body", host.get("/written_text").body, b"TypeError")


@behaviour(14)
def chunks_are_bytes(host: Host) -> None:
    """A chunk of text is a failure of the application: 500, or a response that breaks off, and never the text."""
    response = host.get("/text_chunk")
    demand(response.body != b"text", "the text was sent")
    demand(response.status == 500 or not response.complete, f"status {response.status}, as if it were whole")


@behaviour(19)
def more_than_content_length_is_cut(host: Host) -> None:
    """Of 9 bytes with a Content-Length of 4, 4 are sent; the iteration is stopped and closed."""
    label = host.label()
    response = host.get(f"/too_many_bytes?label={label}")
    expect("Content-Length, body", (response.header("content-length"), response.body), ("4", b"1234"))
    wait_until(lambda: "closed" in host.notes(label), 3, "close() is called")
    expect("notes", host.notes(label), ["piece", "piece", "closed"])


@behaviour(19, WIRE)
def nothing_follows_a_body_that_was_cut(host: ProcessHost) -> None:
    """No byte too many is on the connection: the next response on it is well-formed, or it is closed."""
    with Connection(host.server, timeout=5) as connection:
        connection.send_request("GET", f"/too_many_bytes?label={host.label()}")
        expect("the body", connection.read_response().body, b"1234")
        _next_response_is_whole(connection)


def _next_response_is_whole(connection: Connection) -> None:
    try:
        connection.send_request("GET", "/hello")
        if not connection.readable(5):
            raise TimeoutError
        data = connection.socket.recv(65536)
    except (ConnectionResetError, BrokenPipeError):
        return  # closed
    demand(data == b"" or data.startswith(b"HTTP/1."), f"the next bytes are {data[:20]!r}")


@behaviour(19)
def less_than_content_length_is_cut_off(host: Host) -> None:
    """Of 4 bytes with a Content-Length of 9, the connection is cut: it is not ended cleanly, nor kept."""
    response = host.get("/too_few_bytes")
    expect("the body", response.body, b"1234")
    demand(not response.complete, "the response ends as if it were whole")


@behaviour(19)
def wrong_content_length_is_logged(host: Host) -> None:
    """A body of another length than its Content-Length is logged, longer or shorter."""
    for path in (f"/too_many_bytes?label={host.label()}", "/too_few_bytes"):
        mark = host.log_mark()
        with host.open("GET", path):
            _logged(host, mark, "content-length")


@behaviour(20)
def late_failure_never_looks_like_success(host: Host) -> None:
    """A response that fails after its first byte does not end cleanly."""
    response = host.get(f"/fails_late?label={host.label()}")
    expect("the body", response.body, b"first")
    demand(not response.complete, "the response ends as if it were whole")


@behaviour(21)
def head_has_no_body(host: Host) -> None:
    """HEAD: no body, the Content-Length of the application, and `close()`."""
    _no_body(host, "HEAD", "200 OK", "5")


@behaviour(21)
def no_content_has_no_body(host: Host) -> None:
    """204: no body, no Content-Length, and `close()`."""
    _no_body(host, "GET", "204 No Content", None)


@behaviour(21)
def not_modified_has_no_body(host: Host) -> None:
    """304: no body, the Content-Length of what it stands for, and `close()`."""
    _no_body(host, "GET", "304 Not Modified", "5")


def _no_body(host: Host, method: str, status: str, length: str | None) -> None:
    label = host.label()
    target = f"/status_with_body?label={label}&status={status.replace(' ', '%20')}"
    if isinstance(host, ProcessHost):
        with Connection(host.server, timeout=5) as connection:
            connection.send_request(method, target)
            response = connection.read_response(method)
            _next_response_is_whole(connection)
    else:
        response = host.request(method, target)
        expect("the body", response.body, b"")
    expect("status", response.status, int(status[:3]))
    expect("Content-Length", response.header("content-length"), length)
    wait_until(lambda: host.notes(label), 3, "close() is called")


@behaviour(22)
def header_values_are_latin1(host: Host) -> None:
    """A value leaves as its latin-1 bytes."""
    expect("X-Name", host.get("/latin1_header").header("x-name"), "caf\xe9 \xff")


@behaviour(22)
def duplicates_are_kept(host: Host) -> None:
    """Two Set-Cookie headers stay two, in their order."""
    expect("Set-Cookie", host.get("/two_cookies").all("set-cookie"), ["a=1; Path=/", "b=2; Path=/"])


@behaviour(22)
def order_of_headers_is_kept(host: Host) -> None:
    """Headers of different names leave in the order that the application gave them."""
    names = [name.lower() for name, _ in host.get("/two_cookies").headers]
    found = [name for name in names if name in ("set-cookie", "x-between")]
    expect("headers", found, ["set-cookie", "x-between", "set-cookie"])


@behaviour(22)
def hop_by_hop_headers_are_dropped(host: Host) -> None:
    """Hop-by-hop headers of the application are dropped, or are its error; they are not sent."""
    response = host.get("/hop_by_hop")
    if response.status != 500:
        expect("status, X-Kept", (response.status, response.header("x-kept")), (200, "yes"))
    sent = [name for name, value in response.headers if (name.title(), value) in HOP_BY_HOP]
    expect("hop-by-hop headers", sent, [])


@behaviour(22)
def header_injection_is_refused(host: Host) -> None:
    """CR, LF and NUL in a header value raise inside `start_response`, and the application can answer for it."""
    for value in ("a\r\nX-Injected: b", "a\nX-Injected: b", "a\rX-Injected: b", "a\0b"):
        label = host.label()
        response = host.get(f"/injected?label={label}&value={quote(value)}")
        expect(f"for {value!r}, inside the application", host.notes(label), ["refused"])
        expect("status, X-Injected", (response.status, response.header("x-injected")), (200, None))


@behaviour(22)
def status_without_a_reason(host: Host) -> None:
    """The status `202` without a reason phrase is taken."""
    expect("status", host.get("/bare_status").status, 202)
