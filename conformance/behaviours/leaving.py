"""Behaviours 14 to 18: what ends a response, what holds it back, and what `close()` hears of it.

Spec: PEP 3333, "Buffering and Streaming", "close()"; ASGI HTTP 2.5, "Disconnected Client".
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

from behaviours.behaviour import DRIVER, WIRE, behaviour, demand, expect
from behaviours.exchange import Exchange, Host
from behaviours.site import PIECE, Environ, Noted, StartResponse, application, note, query, text, wait_at_gate
from server import wait_until

MIB = 1024 * 1024
LEAVING_CLIENTS = 100
# What the two socket buffers may hold beyond the server's own.
KERNEL_BUFFERS = 12 * MIB
BRIDGE_BUFFER = 512 * 1024
SPOOL = 64 * MIB  # what a host may keep in a file before its application has to wait


@application
def closes(environ: Environ, start_response: StartResponse) -> Any:
    """An iterable of each kind, whose `close()` is noted."""
    wanted = query(environ)
    kind, label = wanted["kind"], wanted["label"]
    start_response("204 No Content" if kind == "204" else "200 OK", [])
    pieces = {
        "failure": [b"a", RuntimeError("raised in the iteration")],
        "first-failure": [RuntimeError("raised in the first iteration")],
        "empty": [],
        "wrong-type": [b"a", "text"],
    }
    return Noted(label, pieces.get(kind, [b"a", b"b"]))


@application
def endless(environ: Environ, start_response: StartResponse) -> Any:
    """A stream without an end."""
    label = query(environ)["label"]
    start_response("200 OK", [])

    def pieces() -> Any:
        while True:
            yield b"and so on\n" * 100
            time.sleep(0.002)

    note(label, "opened")
    return Noted(label, pieces())


@application
def one_thread(environ: Environ, start_response: StartResponse) -> Any:
    label = query(environ)["label"]
    note(label, f"call {threading.get_ident()}")
    start_response("200 OK", [])

    class Iterable:
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(20):
                note(label, f"iteration {threading.get_ident()}")
                yield b"x" * 1000

        def close(self) -> None:
            note(label, f"close {threading.get_ident()}")

    return Iterable()


@application
def close_fails(environ: Environ, start_response: StartResponse) -> Any:
    message = f"raised in close {query(environ)['label']}"

    class Failing(list[bytes]):
        def close(self) -> None:
            raise RuntimeError(message)

    start_response("200 OK", [])
    return Failing([b"whole"])


@application
def counted(environ: Environ, start_response: StartResponse) -> Any:
    """Endless pieces of 64 KiB, each noted when it is asked for; through `write` if the query says so."""
    wanted = query(environ)
    write = start_response("200 OK", [])
    if "write" in wanted:
        while True:
            note(wanted["label"], "piece")
            write(b"x" * PIECE)

    def pieces() -> Any:
        while True:
            note(wanted["label"], "piece")
            yield b"x" * PIECE

    return pieces()


@application
def stuck(environ: Environ, start_response: StartResponse) -> Any:
    """Wait at a gate, as in a slow database call."""
    label = query(environ)["label"]
    note(label, "began")
    wait_at_gate(label)
    note(label, "went on")
    return text(start_response, "done")


def _closed_once(host: Host, label: str) -> None:
    wait_until(lambda: "closed" in host.notes(label), 3, "close() is called")
    for _ in range(3):
        host.get("/hello")
    closings = host.notes(label).count("closed")
    expect("calls of close()", closings, 1)


def _close_behaviour(kind: str, name: str, when: str) -> None:
    def check(host: Host) -> None:
        label = host.label()
        with host.open("HEAD" if kind == "head" else "GET", f"/closes?kind={kind}&label={label}"):
            _closed_once(host, label)

    check.__name__ = name
    check.__doc__ = f"`close()` of the iterable is called once: {when}."
    behaviour(15)(check)


_close_behaviour("normal", "close_at_the_end", "at the end")
_close_behaviour("empty", "close_of_an_empty_iterable", "when there is no item")
_close_behaviour("failure", "close_after_a_late_failure", "when the iteration fails after a byte")
_close_behaviour("first-failure", "close_after_a_first_failure", "when the first iteration fails")
_close_behaviour("wrong-type", "close_after_a_wrong_chunk", "when a chunk is not bytes")
_close_behaviour("head", "close_after_head", "for HEAD")
_close_behaviour("204", "close_after_no_content", "for 204")


@behaviour(15)
def close_when_the_client_leaves(host: Host) -> None:
    """`close()` of the iterable is called once: when the client leaves."""
    label = host.label()
    with host.open("GET", f"/endless?label={label}") as exchange:
        exchange.head()
        exchange.piece()
    _closed_once(host, label)


@behaviour(15, DRIVER)
def close_when_the_call_is_cancelled(host: Any) -> None:
    """`close()` of the iterable is called once: when the task of the call is cancelled."""
    label = host.label()
    with host.open("GET", f"/endless?label={label}") as exchange:
        exchange.head()
        exchange.piece()
        exchange.cancel()
        demand(exchange.wait(), "the cancelled call goes on")
    _closed_once(host, label)


@behaviour(15)
def one_thread_for_one_request(host: Host) -> None:
    """The call, the iteration and `close()` run in one thread."""
    label = host.label()
    host.get(f"/one_thread?label={label}")
    wait_until(lambda: any(event.startswith("close") for event in host.notes(label)), 3, "close() is called")
    events = [event.split() for event in host.notes(label)]
    expect("threads", len({thread for _, thread in events}), 1)


@behaviour(15)
def failure_in_close_is_harmless(host: Host) -> None:
    """An exception in `close()` is logged, and the response stays whole."""
    label, mark = host.label(), host.log_mark()
    response = host.get(f"/close_fails?label={label}")
    expect("the body", response.body, b"whole")
    demand(response.complete, "the response broke off")
    wait_until(lambda: f"raised in close {label}" in host.log(mark), 3, "the failure is logged")


def _stops(host: Host, target: str, label: str) -> None:
    most = SPOOL + (BRIDGE_BUFFER if host.place == "driver" else KERNEL_BUFFERS)
    with host.open("GET", target, stalled=True) as exchange:
        counts: list[int] = []

        def settled() -> bool:
            time.sleep(0.01)
            counts.append(len(host.notes(label)))
            demand(counts[-1] * PIECE <= most, f"{counts[-1] * PIECE // MIB} MiB were made, and more follows")
            return len(counts) > 20 and counts[-1] > 0 and counts[-1] == counts[-20]

        wait_until(settled, 5, "the application waits for the client")
        exchange.head()
        before = counts[-1]
        _take(exchange, before * PIECE + MIB)
        wait_until(lambda: len(host.notes(label)) > before, 3, "the application goes on when the client does")


def _take(exchange: Exchange, size: int) -> None:
    while size > 0:
        piece = exchange.piece()
        demand(piece, "the response ended")
        size -= len(piece)


@behaviour(14)
def write_waits_for_a_stalled_client(host: Host) -> None:
    """`write` blocks while the client takes nothing, and goes on when it does."""
    label = host.label()
    _stops(host, f"/counted?write=1&label={label}", label)


@behaviour(16)
def iteration_waits_for_a_stalled_client(host: Host) -> None:
    """With a stalled client an endless response stops within the buffers, and goes on when the client does."""
    label = host.label()
    _stops(host, f"/counted?label={label}", label)


def _all_leave(host: Host, *, stalled: bool) -> None:
    label = host.label()
    with contextlib.ExitStack() as opened:
        for _ in range(LEAVING_CLIENTS):
            opened.enter_context(host.open("GET", f"/endless?label={label}", stalled=stalled))
        wait_until(lambda: "opened" in host.notes(label), 5, "streams run")

    def all_closed() -> bool:
        events = host.notes(label)
        return events.count("opened") == events.count("closed")

    try:
        wait_until(all_closed, 4, "every stream is closed")
    except AssertionError:
        events = host.notes(label)
        left = events.count("opened") - events.count("closed")
        demand(False, f"4 s later {left} streams still run")
    expect("the next response", host.get("/hello").body, b"hello")
    wait_until(all_closed, 2, "what was begun for a client that had left is closed too")


@behaviour(17)
def clients_that_leave_free_their_threads(host: Host) -> None:
    """A hundred clients open endless streams and leave: all streams are closed, and the next request is served."""
    _all_leave(host, stalled=False)


@behaviour(17)
def stalled_clients_that_leave_free_their_threads(host: Host) -> None:
    """A hundred clients open endless streams, read nothing and leave: the same."""
    _all_leave(host, stalled=True)


@behaviour(18, variant="narrow")
def stuck_calls_leave_a_thread(host: Host) -> None:
    """Two of two threads are stuck in calls whose clients have left: one more request still runs."""
    label = host.label()
    try:
        with host.open("GET", f"/stuck?label={label}"), host.open("GET", f"/stuck?label={label}"):
            wait_until(lambda: host.notes(label).count("began") == 2, 3, "both calls run")
        expect("the next response", host.get("/hello").body, b"hello")
    finally:
        host.open_gate(label)
        wait_until(lambda: host.notes(label).count("went on") == host.notes(label).count("began"), 5, "both went on")


@behaviour(29, WIRE, variant="own")
def stop_ends_what_runs(host: Any) -> None:
    """SIGTERM ends the process within 8 s, though a call is stuck; an endless stream is closed first."""
    label, stream = host.label(), host.label()
    with host.open("GET", f"/stuck?label={label}"), host.open("GET", f"/endless?label={stream}") as exchange:
        exchange.head()
        wait_until(lambda: "began" in host.notes(label), 3, "the call runs")
        demand(host.ends_within(8), "the process still runs")
    expect("the stream", host.notes(stream), ["opened", "closed"])
