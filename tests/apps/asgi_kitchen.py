"""The ASGI kitchen: the same HTTP paths as `wsgi_kitchen`, and what only ASGI can do (right or wrong).

WebSocket paths are in `websocket_kitchen`, which this app asks for every WebSocket scope.
"""

import asyncio
import hashlib
import json
import os
import time
from collections import defaultdict
from urllib.parse import parse_qs

import websocket_kitchen

HANDLERS = {}
PIECE = 65536

_records = defaultdict(list)
_endless_open = 0
_gates = defaultdict(asyncio.Event)


async def app(scope, receive, send):
    """Find the handler by the first segment of the path."""
    if scope["type"] == "websocket":
        await websocket_kitchen.app(scope, receive, send, record)
        return
    if scope["type"] != "http":
        raise NotImplementedError(f"kitchen: no {scope['type']} here")
    name = local_path(scope).lstrip("/").partition("/")[0]
    await HANDLERS.get(name, not_found)(scope, receive, send)


def path(name):
    """Make the decorated application answer below `/name`."""

    def register(handler):
        HANDLERS[name] = handler
        return handler

    return register


def record(label, event):
    """Keep an event that `/record?label=…` shows."""
    _records[label].append(event)


def local_path(scope):
    return scope["path"].removeprefix(scope.get("root_path", ""))


def query(scope):
    return {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}


def rest(scope):
    return local_path(scope).lstrip("/").partition("/")[2]


async def start(send, status=200, headers=((b"content-type", b"text/plain; charset=utf-8"),)):
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def body(send, data, more=False):
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def text(send, data, status=200, headers=()):
    await start(send, status, [(b"content-type", b"text/plain; charset=utf-8"), *headers])
    await body(send, data.encode())


async def as_json(send, value):
    await start(send, 200, [(b"content-type", b"application/json")])
    await body(send, json.dumps(value).encode())


async def pieces_of(receive):
    """The pieces of the request body; an interrupted body raises."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("kitchen: the client left")
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return


async def not_found(scope, receive, send):
    await text(send, "kitchen: no such path\n", 404)


# What wsgi_kitchen has as well


@path("hello")
async def hello(scope, receive, send):
    await text(send, "Hello, world!\n")


@path("compute-briefly")
async def compute_briefly(scope, receive, send):
    end = time.perf_counter() + int(parse_qs(scope["query_string"].decode())["us"][0]) / 1_000_000
    while time.perf_counter() < end:
        pass
    await text(send, "computed\n")


@path("echo")
async def echo(scope, receive, send):
    data = b"".join([piece async for piece in pieces_of(receive)])
    await start(send, 200, [(b"content-type", b"application/octet-stream")])
    await body(send, data)


@path("headers")
async def headers(scope, receive, send):
    await as_json(send, [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]])


@path("seen")
async def seen(scope, receive, send):
    found = {name: scope[name] for name in ("method", "path", "scheme")}
    found |= {"root": scope.get("root_path", ""), "query": scope["query_string"].decode("latin-1")}
    found |= {"raw_path": scope["raw_path"].decode("latin-1"), "version": scope["http_version"]}
    await as_json(send, found)


@path("status")
async def status(scope, receive, send):
    await text(send, "body of the status\n", int(rest(scope)))


@path("status-with-length")
async def status_with_length(scope, receive, send):
    fields = [(b"x-before", b"1"), (b"content-length", b"5"), (b"x-after", b"2"), (b"x-last", b"3")]
    await text(send, "12345", int(rest(scope)), fields)


@path("stream")
async def stream(scope, receive, send):
    await start(send)
    for number in range(int(rest(scope))):
        await body(send, f"chunk {number}\n".encode(), more=True)
    await body(send, b"")


@path("stream-gated")
async def stream_gated(scope, receive, send):
    """The second chunk only leaves when `/open-gate` of the same label was called."""
    await start(send)
    await body(send, b"first", more=True)
    await asyncio.wait_for(_gates[query(scope)["label"]].wait(), 10)
    await body(send, b"second")


@path("open-gate")
async def open_gate(scope, receive, send):
    _gates[query(scope)["label"]].set()
    await text(send, "open\n")


@path("slow")
async def slow(scope, receive, send):
    wanted = query(scope)
    record(wanted.get("label", "slow"), "running")
    await asyncio.sleep(int(wanted["ms"]) / 1000)
    await text(send, "slow\n")


@path("length-too-long")
async def length_too_long(scope, receive, send):
    await start(send, 200, [(b"content-length", b"4")])
    for piece in (b"123", b"456", b"789"):
        await body(send, piece, more=True)
    await body(send, b"")


@path("length-too-short")
async def length_too_short(scope, receive, send):
    await start(send, 200, [(b"content-length", b"9")])
    await body(send, b"12", more=True)
    await body(send, b"34", more=True)
    await body(send, b"")


@path("length-bad")
async def length_bad(scope, receive, send):
    await text(send, "12345", headers=[(b"content-length", b"five")])


@path("raise-before")
async def raise_before(scope, receive, send):
    raise RuntimeError("kitchen: raised before the response")


@path("raise-after-start")
async def raise_after_start(scope, receive, send):
    await start(send, 200, [(b"x-lost", b"yes")])
    raise RuntimeError("kitchen: raised after the start")


@path("raise-after-first-byte")
async def raise_after_first_byte(scope, receive, send):
    await start(send)
    await body(send, b"first\n", more=True)
    raise RuntimeError("kitchen: raised after the first byte")


@path("raise-system-exit")
async def raise_system_exit(scope, receive, send):
    raise SystemExit("kitchen: an application must not end the server")


@path("bad-status-1000")
async def bad_status_1000(scope, receive, send):
    await text(send, "never\n", 1000)


@path("bad-status-99")
async def bad_status_99(scope, receive, send):
    await text(send, "never\n", 99)


@path("bad-status-abc")
async def bad_status_abc(scope, receive, send):
    await text(send, "never\n", "abc")


@path("header-crlf")
async def header_crlf(scope, receive, send):
    await text(send, "never\n", headers=[(b"x-bad", b"one\r\nx-injected: two")])


@path("header-nul")
async def header_nul(scope, receive, send):
    await text(send, "never\n", headers=[(b"x-bad", b"one\0two")])


@path("header-flood")
async def header_flood(scope, receive, send):
    await text(send, "never\n", headers=[(b"x-%d" % number, b"") for number in range(40_000)])


@path("header-name-space")
async def header_name_space(scope, receive, send):
    await text(send, "never\n", headers=[(b"x bad", b"one")])


@path("header-not-str")
async def header_not_str(scope, receive, send):
    await text(send, "never\n", headers=[(b"x-bad", 7)])


@path("headers-not-list")
async def headers_not_list(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": None})
    await body(send, b"never\n")


@path("body-str")
async def body_str(scope, receive, send):
    await start(send)
    await body(send, "text\n")


@path("no-start")
async def no_start(scope, receive, send):
    await body(send, b"never\n")


@path("no-response")
async def no_response(scope, receive, send):
    return None


@path("latin1")
async def latin1(scope, receive, send):
    await text(send, "latin-1\n", headers=[(b"x-name", b"caf\xe9 \xff")])


@path("echo-header")
async def echo_header(scope, receive, send):
    value = dict(scope["headers"])[b"x-send"]
    await text(send, "echo\n", headers=[(b"x-echo", value)])


@path("cookies")
async def cookies(scope, receive, send):
    found = [value for name, value in scope["headers"] if name == b"cookie"]
    cookie_headers = [(b"set-cookie", b"a=1; Path=/"), (b"x-between", b"x"), (b"set-cookie", b"b=2; Path=/")]
    await text(send, b"; ".join(found).decode("latin-1"), headers=cookie_headers)


@path("many-cookies")
async def many_cookies(scope, receive, send):
    """As many cookies as the path says, each with another header behind it, and a body in pieces."""
    names = [name for number in range(int(rest(scope))) for name in (b"set-cookie", b"x-%d" % number)]
    await start(send, 200, [(name, b"x" * 500) for name in names])
    await body(send, b"in ", more=True)
    await body(send, b"pieces\n")


@path("hop-by-hop")
async def hop_by_hop(scope, receive, send):
    dropped = [(b"connection", b"X-Secret"), (b"keep-alive", b"timeout=9"), (b"transfer-encoding", b"gzip")]
    await text(send, "kept\n", headers=[*dropped, (b"upgrade", b"h2c"), (b"x-kept", b"yes")])


@path("own-date")
async def own_date(scope, receive, send):
    await text(send, "own\n", headers=[(b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"), (b"server", b"kitchen")])


@path("head-lengths")
async def head_lengths(scope, receive, send):
    """HEAD answered the way frameworks do: the length of the body, and no body."""
    await start(send, 200, [(b"content-length", b"1234")])
    await body(send, b"" if scope["method"] == "HEAD" else b"x" * 1234)


@path("empty")
async def empty(scope, receive, send):
    await start(send)
    await send({"type": "http.response.body"})


@path("empty-pieces")
async def empty_pieces(scope, receive, send):
    await start(send)
    for piece in (b"", b"a", b"", b"b"):
        await body(send, piece, more=True)
    await body(send, b"")


@path("upload-hash")
async def upload_hash(scope, receive, send):
    """Read the body in pieces; an interrupted one is recorded, and never answered as a whole one."""
    label = query(scope).get("label", "upload")
    digest, size = hashlib.sha256(), 0
    record(label, "started")
    try:
        async for piece in pieces_of(receive):
            digest.update(piece)
            size += len(piece)
    except OSError:
        record(label, "interrupted")
        raise
    record(label, f"complete {size}")
    await as_json(send, {"bytes": size, "sha256": digest.hexdigest()})


@path("download")
async def download(scope, receive, send):
    pieces = int(query(scope)["mib"]) * 16
    await start(send, 200, [(b"content-length", str(pieces * PIECE).encode())])
    for number in range(pieces):
        await body(send, b"x" * PIECE, more=number + 1 < pieces)


@path("download-chunked")
async def download_chunked(scope, receive, send):
    await start(send, 200, [])
    for _ in range(int(query(scope)["mib"]) * 16):
        await body(send, b"x" * PIECE, more=True)
    await body(send, b"")


@path("counted-download")
async def counted_download(scope, receive, send):
    """An unbounded download that counts the pieces it handed over under a label."""
    label = query(scope)["label"]
    await start(send, 200, [])
    while True:
        record(label, "piece")
        await body(send, b"x" * PIECE, more=True)


@path("endless")
async def endless(scope, receive, send):
    """A stream without an end; `/endless-open` tells how many still run."""
    global _endless_open
    await start(send)
    _endless_open += 1
    try:
        while True:
            await body(send, b"and so on\n" * 1000, more=True)
            await asyncio.sleep(0.001)
    finally:
        _endless_open -= 1


@path("endless-open")
async def endless_open(scope, receive, send):
    await text(send, str(_endless_open))


@path("read-first")
async def read_first(scope, receive, send):
    """Answer as soon as three bytes of the body are here."""
    found = b""
    while len(found) < 3:
        message = await receive()
        found += message.get("body", b"")
        if not message.get("more_body"):
            break
    await text(send, found[:3].decode())


@path("no-read-413")
async def no_read_413(scope, receive, send):
    await text(send, "too large, and not read\n", 413)


@path("count")
async def count(scope, receive, send):
    """Count its own calls under a label: to show that an application was, or was not, called."""
    record(query(scope)["label"], scope["method"])
    await text(send, "counted\n")


@path("record")
async def show_record(scope, receive, send):
    await as_json(send, _records[query(scope)["label"]])


@path("pid")
async def pid(scope, receive, send):
    await text(send, str(os.getpid()))


# What only ASGI has


def plain(value):
    """A scope as JSON can show it; bytes as latin-1 text, everything else that JSON lacks by its type."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else type(value).__name__


@path("scope")
async def show_scope(scope, receive, send):
    shown = plain(scope)
    shown["type(scope)"] = type(scope).__name__
    await as_json(send, shown)


@path("scope-types")
async def scope_types(scope, receive, send):
    await as_json(send, {name: type(value).__name__ for name, value in scope.items()})


async def caught(send, *messages):
    """Send messages that are wrong, and answer with the types of the errors they raised."""
    raised = []
    for message in messages:
        try:
            await send(message)
            raised.append("nothing")
        except Exception as error:
            raised.append(type(error).__name__)
    await as_json(send, raised)


@path("wrong-caught")
async def wrong_caught(scope, receive, send):
    """Mistakes before the start raise inside the app, and leave it able to answer."""
    await caught(
        send,
        {"type": "http.response.body", "body": b"before the start"},
        {"type": "http.response.unknown"},
        {"type": "http.response.start", "status": "200"},
        {"type": "http.response.start", "status": 1000},
        {"type": "http.response.start"},
        {"type": "http.response.start", "status": 200, "headers": [(b"x-bad", b"a\r\nb")]},
        {"type": "http.response.start", "status": 200, "headers": [("x-str", "str")]},
        {"type": "websocket.accept"},
        {},
        None,
    )


@path("unknown-type")
async def unknown_type(scope, receive, send):
    await send({"type": "http.response.surprise"})


@path("start-twice")
async def start_twice(scope, receive, send):
    await start(send)
    try:
        await start(send)
    except Exception as error:
        record("start-twice", type(error).__name__)
        raise


@path("extra-keys")
async def extra_keys(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [], "later": "spec"})
    await send({"type": "http.response.body", "body": b"extra\n", "later": "spec"})


@path("header-iterables")
async def header_iterables(scope, receive, send):
    """Headers may be any iterable of two-item iterables."""
    pairs = ([name, value] for name, value in ((b"x-one", b"1"), (b"x-two", b"2")))
    await send({"type": "http.response.start", "status": 200, "headers": pairs})
    await body(send, b"iterables\n")


@path("upper-case-header")
async def upper_case_header(scope, receive, send):
    await text(send, "upper\n", headers=[(b"X-Upper-Case", b"kept or lowered")])


@path("bytearray-body")
async def bytearray_body(scope, receive, send):
    await start(send)
    await body(send, bytearray(b"bytearray\n"))


@path("send-after-end")
async def send_after_end(scope, receive, send):
    """After the last body message, further ones are ignored (ASGI: they must not be sent)."""
    await text(send, "ended\n")
    try:
        await body(send, b"too late\n")
        record("send-after-end", "nothing")
    except Exception as error:
        record("send-after-end", type(error).__name__)


@path("receive-after-end")
async def receive_after_end(scope, receive, send):
    """The body, then the end of the response: receive() says http.disconnect, and says it again."""
    label = query(scope)["label"]
    async for _ in pieces_of(receive):
        pass
    await text(send, "ended\n")
    for _ in range(2):
        record(label, (await receive())["type"])


@path("receive-disconnect")
async def receive_disconnect(scope, receive, send):
    """Wait for the client to leave instead of answering."""
    label = query(scope)["label"]
    record(label, "waiting")
    async for _ in pieces_of(receive):
        pass
    record(label, (await receive())["type"])


@path("send-after-disconnect")
async def send_after_disconnect(scope, receive, send):
    label = query(scope)["label"]
    record(label, "waiting")
    await receive()
    await receive()
    try:
        await text(send, "to nobody\n")
        record(label, "nothing")
    except OSError:
        record(label, "OSError")
        raise


@path("receive-messages")
async def receive_messages(scope, receive, send):
    """Show the messages that a body arrives in."""
    messages = []
    while True:
        message = await receive()
        messages.append([message["type"], len(message["body"]), message["more_body"]])
        if not message["more_body"]:
            break
    await as_json(send, messages)


@path("background")
async def background(scope, receive, send):
    """Go on working after the response is complete."""
    label = query(scope)["label"]
    await text(send, "answered\n")
    record(label, "answered")
    await _gates[label].wait()
    record(label, "done")


@path("raise-after-end")
async def raise_after_end(scope, receive, send):
    await text(send, "whole\n")
    raise RuntimeError("kitchen: raised after the end")


@path("cancel-self")
async def cancel_self(scope, receive, send):
    asyncio.current_task().cancel()
    await asyncio.sleep(0)


@path("raise-base-exception")
async def raise_base_exception(scope, receive, send):
    class Strange(BaseException):
        """Not an Exception."""

    raise Strange("kitchen: a strange one")


@path("task")
async def task(scope, receive, send):
    """The app runs in a real task: timeouts and groups need one."""
    current = asyncio.current_task()
    timed_out = False
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.01)
    except asyncio.TimeoutError:
        timed_out = True
    loop = asyncio.get_running_loop()
    found = {"task": isinstance(current, asyncio.Task), "timed_out": timed_out, "loop": type(loop).__module__}
    await as_json(send, found)


@path("receive-in-task")
async def receive_in_task(scope, receive, send):
    """What frameworks do for streaming: listen for the disconnect in one task, send in another."""
    listening = asyncio.create_task(receive())
    await start(send)
    for number in range(3):
        await body(send, f"{number}\n".encode(), more=True)
        await asyncio.sleep(0)
    listening.cancel()
    await body(send, b"end\n")


@path("block-loop")
async def block_loop(scope, receive, send):
    """A mistake that real applications make: block the event loop."""
    time.sleep(int(query(scope)["ms"]) / 1000)
    await text(send, "blocked\n")


@path("extensions")
async def extensions(scope, receive, send):
    await as_json(send, sorted(scope.get("extensions") or {}))
