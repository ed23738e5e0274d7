"""The WSGI kitchen: one small application per path, well-behaved and not.

Every path that `asgi_kitchen` has too behaves the same to a client there, so that one test can run over both. What only
PEP 3333 has (write(), a late start_response, exc_info, close(), file_wrapper, the input's methods) comes last.
"""

import hashlib
import io
import json
import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextvars import ContextVar
from urllib.parse import parse_qs

HANDLERS = {}
PIECE = 65536

_lock = threading.Lock()
_company = 0
_records = defaultdict(list)
_endless_open = 0
_local = threading.local()
_context_variable = ContextVar("kitchen", default=None)


def app(environ, start_response):
    """Find the handler by the first segment of the path."""
    name = environ["PATH_INFO"].lstrip("/").partition("/")[0]
    return HANDLERS.get(name, not_found)(environ, start_response)


def path(name):
    """Make the decorated application answer below `/name`."""

    def register(handler):
        HANDLERS[name] = handler
        return handler

    return register


def record(label, event):
    """Keep an event that `/record?label=…` shows."""
    with _lock:
        _records[label].append(event)


def query(environ):
    return {name: values[-1] for name, values in parse_qs(environ["QUERY_STRING"]).items()}


def rest(environ):
    return environ["PATH_INFO"].lstrip("/").partition("/")[2]


def text(start_response, body, status="200 OK", headers=()):
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), *headers])
    return [body.encode()]


def as_json(start_response, value):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(value).encode()]


def not_found(environ, start_response):
    return text(start_response, "kitchen: no such path\n", "404 Not Found")


# What asgi_kitchen has as well


@path("hello")
def hello(environ, start_response):
    return text(start_response, "Hello, world!\n")


@path("echo")
def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [body]


@path("headers")
def headers(environ, start_response):
    names = [name for name in environ if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")]
    found = [[name.removeprefix("HTTP_").replace("_", "-").lower(), environ[name]] for name in names]
    return as_json(start_response, sorted(found))


@path("seen")
def seen(environ, start_response):
    script_name, path_info = environ["SCRIPT_NAME"], environ["PATH_INFO"]
    return as_json(
        start_response,
        {
            "method": environ["REQUEST_METHOD"],
            "root": script_name,
            "path": (script_name + path_info).encode("latin-1").decode("utf-8", "replace"),
            "query": environ["QUERY_STRING"],
            "raw_path": environ["RAW_URI"].partition("?")[0],
            "scheme": environ["wsgi.url_scheme"],
            "version": environ["SERVER_PROTOCOL"].removeprefix("HTTP/"),
        },
    )


@path("status")
def status(environ, start_response):
    return text(start_response, "body of the status\n", f"{rest(environ)} Kitchen Status")


@path("status-with-length")
def status_with_length(environ, start_response):
    fields = [("X-Before", "1"), ("Content-Length", "5"), ("X-After", "2"), ("X-Last", "3")]
    return text(start_response, "12345", f"{rest(environ)} Kitchen Status", fields)


@path("stream")
def stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return (f"chunk {number}\n".encode() for number in range(int(rest(environ))))


@path("stream-gated")
def stream_gated(environ, start_response):
    """The second chunk only leaves when `/open-gate` of the same label was called."""
    label = query(environ)["label"]
    start_response("200 OK", [("Content-Type", "text/plain")])

    def chunks():
        yield b"first"
        deadline = time.monotonic() + 10
        while not _records[f"gate {label}"] and time.monotonic() < deadline:
            time.sleep(0.005)
        yield b"second"

    return chunks()


@path("open-gate")
def open_gate(environ, start_response):
    record(f"gate {query(environ)['label']}", "open")
    return text(start_response, "open\n")


@path("slow")
def slow(environ, start_response):
    wanted = query(environ)
    record(wanted.get("label", "slow"), "running")
    time.sleep(int(wanted["ms"]) / 1000)
    return text(start_response, "slow\n")


@path("compute")
def compute(environ, start_response):
    wanted = query(environ)
    record(wanted.get("label", "compute"), "running")
    end = time.monotonic() + int(wanted["ms"]) / 1000
    while time.monotonic() < end:
        pass
    record(wanted.get("label", "compute"), "over")
    return text(start_response, "computed\n")


@path("compute-briefly")
def compute_briefly(environ, start_response):
    end = time.perf_counter() + int(query(environ)["us"]) / 1_000_000
    while time.perf_counter() < end:
        pass
    return text(start_response, "computed\n")


class _InMemory:
    streaming = False

    def __iter__(self):
        return iter([b"all ", b"of ", b"it\n"])


@path("in-memory")
def in_memory(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return _InMemory()


@path("company")
def company(environ, start_response):
    """Compute, and record how many calls run."""
    global _company
    with _lock:
        _company += 1
        _records["company"].append(_company)
    sum(range(50_000))
    with _lock:
        _company -= 1
    return text(start_response, "done\n")


@path("length-too-long")
def length_too_long(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return iter([b"123", b"456", b"789"])


@path("length-too-short")
def length_too_short(environ, start_response):
    start_response("200 OK", [("Content-Length", "9")])
    return iter([b"12", b"34"])


@path("length-bad")
def length_bad(environ, start_response):
    return text(start_response, "12345", headers=[("Content-Length", "five")])


@path("raise-before")
def raise_before(environ, start_response):
    raise RuntimeError("kitchen: raised before the response")


@path("raise-after-start")
def raise_after_start(environ, start_response):
    start_response("200 OK", [("X-Lost", "yes")])
    raise RuntimeError("kitchen: raised after the start")


@path("raise-after-first-byte")
def raise_after_first_byte(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])

    def chunks():
        yield b"first\n"
        raise RuntimeError("kitchen: raised after the first byte")

    return chunks()


@path("raise-system-exit")
def raise_system_exit(environ, start_response):
    raise SystemExit("kitchen: an application must not end the server")


@path("bad-status-1000")
def bad_status_1000(environ, start_response):
    return text(start_response, "never\n", "1000 Too Big")


@path("bad-status-99")
def bad_status_99(environ, start_response):
    return text(start_response, "never\n", "99 Too Small")


@path("bad-status-abc")
def bad_status_abc(environ, start_response):
    return text(start_response, "never\n", "abc Not A Number")


@path("header-crlf")
def header_crlf(environ, start_response):
    return text(start_response, "never\n", headers=[("X-Bad", "one\r\nX-Injected: two")])


@path("header-nul")
def header_nul(environ, start_response):
    return text(start_response, "never\n", headers=[("X-Bad", "one\0two")])


@path("header-flood")
def header_flood(environ, start_response):
    return text(start_response, "never\n", headers=[(f"X-{number}", "") for number in range(40_000)])


@path("header-name-space")
def header_name_space(environ, start_response):
    return text(start_response, "never\n", headers=[("X Bad", "one")])


@path("header-not-str")
def header_not_str(environ, start_response):
    return text(start_response, "never\n", headers=[("X-Bad", 7)])


@path("headers-not-list")
def headers_not_list(environ, start_response):
    start_response("200 OK", None)
    return [b"never\n"]


@path("body-str")
def body_str(environ, start_response):
    """A body of the wrong type; `text` in WSGI, and in ASGI too."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["text\n"]


@path("start-by-name")
def start_by_name(environ, start_response):
    start_response(status="200 OK", response_headers=[])
    try:
        raise ValueError("kitchen: replaced")
    except ValueError:
        start_response("418 By Name", [("X-By", "name")], exc_info=sys.exc_info())
    return [b""]


@path("no-start")
def no_start(environ, start_response):
    return [b"never\n"]


@path("no-response")
def no_response(environ, start_response):
    return None


@path("latin1")
def latin1(environ, start_response):
    return text(start_response, "latin-1\n", headers=[("X-Name", "caf\xe9 \xff")])


@path("echo-header")
def echo_header(environ, start_response):
    return text(start_response, "echo\n", headers=[("X-Echo", environ["HTTP_X_SEND"])])


@path("cookies")
def cookies(environ, start_response):
    cookie_headers = [("Set-Cookie", "a=1; Path=/"), ("X-Between", "x"), ("Set-Cookie", "b=2; Path=/")]
    return text(start_response, environ.get("HTTP_COOKIE", ""), headers=cookie_headers)


@path("many-cookies")
def many_cookies(environ, start_response):
    """As many cookies as the path says, each with another header behind it, and a body in pieces."""
    fields = [(name, "x" * 500) for number in range(int(rest(environ))) for name in ("Set-Cookie", f"X-{number}")]
    start_response("200 OK", fields)
    return (piece for piece in (b"in ", b"pieces\n"))


@path("hop-by-hop")
def hop_by_hop(environ, start_response):
    dropped = [("Connection", "X-Secret"), ("Keep-Alive", "timeout=9"), ("Transfer-Encoding", "gzip")]
    return text(start_response, "kept\n", headers=[*dropped, ("Upgrade", "h2c"), ("X-Kept", "yes")])


@path("own-date")
def own_date(environ, start_response):
    own = [("Date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("Server", "kitchen")]
    return text(start_response, "own\n", headers=own)


@path("head-lengths")
def head_lengths(environ, start_response):
    """HEAD answered the way frameworks do: the length of the body, and no body."""
    start_response("200 OK", [("Content-Length", "1234")])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"x" * 1234]


@path("empty")
def empty(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([])


@path("empty-pieces")
def empty_pieces(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([b"", b"a", b"", b"b", b""])


@path("upload-hash")
def upload_hash(environ, start_response):
    """Read the body in pieces; an interrupted one is recorded, and never answered as a whole one."""
    label = query(environ).get("label", "upload")
    digest, size = hashlib.sha256(), 0
    record(label, "started")
    try:
        while piece := environ["wsgi.input"].read(PIECE):
            digest.update(piece)
            size += len(piece)
    except OSError:
        record(label, "interrupted")
        raise
    record(label, f"complete {size}")
    return as_json(start_response, {"bytes": size, "sha256": digest.hexdigest()})


@path("download")
def download(environ, start_response):
    pieces = int(query(environ)["mib"]) * 16
    start_response("200 OK", [("Content-Length", str(pieces * PIECE))])
    return (b"x" * PIECE for _ in range(pieces))


@path("download-chunked")
def download_chunked(environ, start_response):
    pieces = int(query(environ)["mib"]) * 16
    start_response("200 OK", [])
    return (b"x" * PIECE for _ in range(pieces))


@path("counted-download")
def counted_download(environ, start_response):
    """An unbounded download that counts the pieces it was asked for under a label."""
    label = query(environ)["label"]
    start_response("200 OK", [])

    def pieces():
        while True:
            record(label, "piece")
            yield b"x" * PIECE

    return pieces()


@path("endless")
class Endless:
    """A stream without an end; `/endless-open` tells how many still run."""

    def __init__(self, environ, start_response):
        global _endless_open
        start_response("200 OK", [("Content-Type", "text/plain")])
        with _lock:
            _endless_open += 1

    def __iter__(self):
        while True:
            yield b"and so on\n" * 1000
            time.sleep(0.001)

    def close(self):
        global _endless_open
        with _lock:
            _endless_open -= 1


@path("endless-open")
def endless_open(environ, start_response):
    return text(start_response, str(_endless_open))


@path("endless-nothing")
def endless_nothing(environ, start_response):
    """Waits for something to send, and lets the server look after its client meanwhile."""
    wanted = query(environ)
    start_response("200 OK", [("Content-Type", "text/plain")])

    def chunks():
        record(wanted["label"], "open")
        try:
            yield wanted.get("first", "").encode()
            while True:
                time.sleep(0.01)
                yield b""
        finally:
            record(wanted["label"], "closed")

    return chunks()


@path("read-first")
def read_first(environ, start_response):
    """Answer as soon as three bytes of the body are here."""
    return text(start_response, environ["wsgi.input"].read(3).decode())


@path("no-read-413")
def no_read_413(environ, start_response):
    return text(start_response, "too large, and not read\n", "413 Content Too Large")


@path("count")
def count(environ, start_response):
    """Count its own calls under a label: to show that an application was, or was not, called."""
    record(query(environ)["label"], environ["REQUEST_METHOD"])
    return text(start_response, "counted\n")


@path("record")
def show_record(environ, start_response):
    with _lock:
        return as_json(start_response, list(_records[query(environ)["label"]]))


@path("pid")
def pid(environ, start_response):
    return text(start_response, str(os.getpid()))


# What only WSGI has


@path("environ")
def show_environ(environ, start_response):
    shown = {name: value if isinstance(value, (str, int, bool)) else repr(value) for name, value in environ.items()}
    shown["type(environ)"] = f"{type(environ).__module__}.{type(environ).__name__}"
    shown["wsgi.version"] = environ["wsgi.version"]
    return as_json(start_response, shown)


@path("write")
def write(environ, start_response):
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"a")
    write(b"b")
    return [b"c"]


@path("lazy-start")
def lazy_start(environ, start_response):
    start_response("201 Made", [("X-Lazy", "yes")])
    yield b"made\n"


@path("start-twice")
def start_twice(environ, start_response):
    start_response("200 OK", [])
    try:
        start_response("200 OK", [])
    except Exception as error:
        record("start-twice", type(error).__name__)
        raise
    return [b"never\n"]


@path("bad-status-caught")
def bad_status_caught(environ, start_response):
    """The checks happen inside start_response, so an application can answer for its own mistake."""
    try:
        start_response("1000 Too Big", [])
    except Exception as error:
        return text(start_response, type(error).__name__, "502 Caught")
    return [b"never\n"]


@path("status-text")
def status_text(environ, start_response):
    return text(start_response, "custom\n", "299 Custom, with caf\xe9")


class Counted:
    """An iterable whose close() is counted, and whose iterator has a close() that must not be called."""

    def __init__(self, label, pieces):
        self.label = label
        self.pieces = pieces
        self.thread = None

    def __iter__(self):
        return self.iterate()

    def iterate(self):
        for piece in self.pieces:
            self.thread = threading.get_ident()
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def close(self):
        same = self.thread in (None, threading.get_ident())
        record(self.label, "closed" if same else "closed in another thread")


@path("counted")
def counted(environ, start_response):
    wanted = query(environ)
    kind, label = wanted["kind"], wanted["label"]
    if kind == "clamp":
        start_response("200 OK", [("Content-Length", "4")])
        return Counted(label, [b"123", b"456", b"789"])
    start_response("204 No Content" if kind == "204" else "200 OK", [])
    pieces = {
        "raise": [b"a", RuntimeError("kitchen: raised in the iteration")],
        "raise-first": [RuntimeError("kitchen: raised in the first iteration")],
        "empty": [],
        "wrong-type": [b"a", "text"],
    }
    return Counted(label, pieces.get(kind, [b"a", b"b"]))


def _file(content):
    opened = tempfile.TemporaryFile()  # noqa: SIM115 (the wrapper closes it)
    opened.write(content)
    return opened


@path("file")
def file(environ, start_response):
    """A real file through wsgi.file_wrapper, from its current position."""
    wanted = query(environ)
    opened = _file(bytes(range(256)) * int(wanted.get("blocks", "4")))
    opened.seek(int(wanted.get("position", "0")))
    head = [("Content-Length", wanted["length"])] if "length" in wanted else []
    start_response("200 OK", head)

    class Recorded:
        def __init__(self, inner):
            self.inner = inner

        def read(self, *size):
            return self.inner.read(*size)

        def close(self):
            record(wanted.get("label", "file"), "closed")
            self.inner.close()

    return environ["wsgi.file_wrapper"](Recorded(opened) if "label" in wanted else opened, 8192)


@path("kernel-file")
def kernel_file(environ, start_response):
    """A file whose size says nothing about what can be read."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return environ["wsgi.file_wrapper"](open(query(environ)["path"], "rb"))  # noqa: SIM115 (the wrapper closes it)


@path("file-like")
def file_like(environ, start_response):
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"like a file\n" * 1000))


@path("file-wrapped-twice")
def file_wrapped_twice(environ, start_response):
    """The wrapper is only special when it is what the application returns; here it is just an iterable."""
    start_response("200 OK", [])
    return (piece.upper() for piece in environ["wsgi.file_wrapper"](io.BytesIO(b"shout\n" * 10), 7))


@path("errors")
def errors(environ, start_response):
    stream = environ["wsgi.errors"]
    stream.write("kitchen: to wsgi.errors, caf\xe9\n")
    stream.writelines(["kitchen: first line\n", "kitchen: second line\n"])
    stream.flush()
    return text(start_response, "written\n")


@path("thread-local")
def thread_local(environ, start_response):
    _local.calls = getattr(_local, "calls", 0) + 1
    thread = threading.current_thread()
    found = {"calls": _local.calls, "thread": thread.name, "ident": threading.get_ident(), "daemon": thread.daemon}
    return as_json(start_response, found)


@path("context")
def context(environ, start_response):
    """Set a context variable; the next request on this thread must not see it."""
    before = _context_variable.get()
    _context_variable.set("set by an earlier request")
    return as_json(start_response, {"before": before, "thread": threading.get_ident()})
