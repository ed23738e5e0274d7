"""HTTP/2: what applications see of it, what is refused, and how streams and connections end.

Apart from the HTTP/1 tests because nothing of their wire is left. Clients are the `h2` package, frame by frame, and, where
they are installed, curl, nghttp2's tools and httpx.
"""

from __future__ import annotations

import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator

import h2.errors
import httpx
import pytest

from certificates import Certificates
from http2_wire import PREFACE, Header, Http2Connection, Stream, get2, post2
from kitchens import KITCHENS
from server import Server, start_rsgi, wait_until
from wire import Connection, exchange, get

END_STREAM, END_HEADERS = 0x1, 0x4
PROTOCOL_ERROR = int(h2.errors.ErrorCodes.PROTOCOL_ERROR)
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("certificates"))


def tool(name: str, package: str) -> str:
    """The path of a program, or a skip that names the Debian package it is in."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"`{name}` is not installed (Debian: {package})")
    return found


def headers_frame(connection: Http2Connection, stream: Stream, fields: list[Header], *, flags: int) -> bytes:
    """A HEADERS frame with fields that the package would not send; its table has them all the same."""
    block = connection.h2.encoder.encode(fields)
    return len(block).to_bytes(3, "big") + bytes([1, flags]) + stream.number.to_bytes(4, "big") + block


def run(*command: str) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return ended.stdout


# Which HTTP is spoken


def test_prior_knowledge(kitchen: Server) -> None:
    with Http2Connection(kitchen) as connection:
        for _ in range(3):
            response = connection.get("/hello")
            assert (response.status, response.body, response.ended) == (200, b"Hello, world!\n", True)
            assert response.header("content-length") == "14"
            assert response.header("date")
            assert response.header("server") == "rsgi"
            assert response.header("connection") is None
    assert get(kitchen, "/hello").body == b"Hello, world!\n"


def test_repeated_headers_keep_their_order(kitchen: Server) -> None:
    with Http2Connection(kitchen) as connection:
        for _ in range(2):
            headers = connection.get("/cookies").headers
            assert [value for name, value in headers if name == "set-cookie"] == ["a=1; Path=/", "b=2; Path=/"]
            assert ("x-between", "x") in headers


def test_the_preface_in_pieces(asgi_server: Server) -> None:
    with Connection(asgi_server) as connection:
        for byte in PREFACE:
            connection.send(bytes([byte]))
        connection.send(b"\0\0\0\4\0\0\0\0\0")
        assert connection.read_exactly(9)[3] == 4  # SETTINGS, and no HTTP/1 answer


def test_almost_the_preface(asgi_server: Server) -> None:
    response = exchange(asgi_server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n.\n")
    assert response.status == 505


@pytest.mark.parametrize(("offered", "chosen"), [(("h2", "http/1.1"), "h2"), (("http/1.1",), "http/1.1"), ((), None)])
def test_alpn(
    start_kitchen: Callable[..., Server], certificates: Certificates, offered: tuple[str, ...], chosen: str | None
) -> None:
    server = start_kitchen(*certificates.flags())
    context = certificates.context(*offered)
    with httpx.Client(verify=context, http2="h2" in offered) as client:
        # httpx sets ALPN by itself; both ways must come to the same.
        response = client.get(f"https://127.0.0.1:{server.port}/hello")
        assert response.text == "Hello, world!\n"
        assert response.http_version == ("HTTP/2" if chosen == "h2" else "HTTP/1.1")
    if chosen == "h2":
        with Http2Connection(server, certificates.context("h2")) as connection:
            assert connection.get("/hello").body == b"Hello, world!\n"


def test_only_http_1(start: Callable[..., Server], certificates: Certificates) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--http", "1")
    response = exchange(server, PREFACE)
    assert response.status == 505
    assert b"HTTP/2 is not available on this port" in response.body
    server = start("--wsgi", "wsgi_kitchen:app", "--http", "1", *certificates.flags())
    with httpx.Client(verify=certificates.context(), http2=True) as client:
        assert client.get(f"https://127.0.0.1:{server.port}/hello").http_version == "HTTP/1.1"


def test_only_http_2(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--http", "2")
    assert get2(server, "/hello").status == 200
    response = get(server, "/hello")
    assert response.status == 505
    assert response.body == b"505 HTTP Version Not Supported: this port speaks only HTTP/2\n"


# Clients that are not ours


def test_curl(start_kitchen: Callable[..., Server], certificates: Certificates) -> None:
    curl = tool("curl", "curl")
    if "HTTP2" not in run(curl, "--version"):
        pytest.skip("this curl has no HTTP/2 (Debian: curl)")
    tls, clear = start_kitchen(*certificates.flags()), start_kitchen()
    trust = ("--cacert", str(certificates.authority_file()))
    url = f"https://127.0.0.1:{tls.port}"
    shown = ("-sS", "-w", "%{http_version}")
    assert run(curl, *shown, "--http2", *trust, f"{url}/hello", f"{url}/hello") == "Hello, world!\n2" * 2
    assert run(curl, *shown, "--http1.1", *trust, f"{url}/hello") == "Hello, world!\n1.1"
    known = (*shown, "--http2-prior-knowledge")
    assert run(curl, *known, f"http://127.0.0.1:{clear.port}/hello") == "Hello, world!\n2"
    assert run(curl, *known, "-d", "a=b", f"http://127.0.0.1:{clear.port}/echo") == "a=b2"
    # An offer to upgrade from HTTP/1.1 is not taken: RFC 9113 has dropped it.
    assert run(curl, *shown, "--http2", f"http://127.0.0.1:{clear.port}/hello") == "Hello, world!\n1.1"


def test_nghttp(kitchen: Server) -> None:
    nghttp = tool("nghttp", "nghttp2-client")
    output = run(nghttp, "-v", "-m", "20", f"http://127.0.0.1:{kitchen.port}/hello")
    assert output.count("Hello, world!") == 20
    assert output.count(":status: 200") == 20


def test_h2load(kitchen: Server) -> None:
    h2load = tool("h2load", "nghttp2-client")
    output = run(h2load, "-n", "2000", "-c", "4", "-m", "10", f"http://127.0.0.1:{kitchen.port}/hello")
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in output


# What applications see


def test_environ(wsgi_server: Server) -> None:
    environ = get2(wsgi_server, "/environ?a=%20b", [("cookie", "a=1"), ("x-one", "1"), ("cookie", "b=2")]).json()
    assert environ["SERVER_PROTOCOL"] == "HTTP/2"
    assert environ["HTTP_HOST"] == wsgi_server.authority
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == ("/environ", "a=%20b")
    assert environ["RAW_URI"] == "/environ?a=%20b"
    assert environ["wsgi.url_scheme"] == "http"
    assert not [name for name in environ if ":" in name or "AUTHORITY" in name]


def test_scope(asgi_server: Server) -> None:
    scope = get2(asgi_server, "/scope?a=%20b", [("x-one", "1"), ("cookie", "a=1"), ("cookie", "b=2")]).json()
    assert scope["http_version"] == "2"
    assert scope["method"] == "GET"
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == ("/scope", "/scope", "a=%20b")
    assert scope["headers"] == [["host", asgi_server.authority], ["x-one", "1"], ["cookie", "a=1; b=2"]]
    assert scope["scheme"] == "http"


def test_scope_over_tls(start: Callable[..., Server], certificates: Certificates) -> None:
    server = start("--asgi", "asgi_kitchen:app", *certificates.flags())
    with Http2Connection(server, certificates.context("h2")) as connection:
        scope = connection.get("/scope").json()
    assert (scope["http_version"], scope["scheme"]) == ("2", "https")
    assert scope["extensions"]["tls"]["tls_version"] == 0x0304


def test_host_without_authority(kitchen: Server) -> None:
    """What a gateway from HTTP/1 sends (RFC 9113 8.3.1)."""
    with Http2Connection(kitchen) as connection:
        fields = [(":method", "GET"), (":scheme", "http"), (":path", "/headers"), ("host", "from.http1")]
        response = connection.read(connection.request_fields(fields))
    assert [value for name, value in response.json() if name == "host"] == ["from.http1"]


# Bodies


def test_bodies_both_ways(kitchen: Server) -> None:
    body = b"0123456789abcdef" * (3 * MIB // 16)
    with Http2Connection(kitchen) as connection:
        response = connection.read(connection.request("POST", "/upload-hash?label=both", body=body))
        assert response.json()["bytes"] == len(body)
        response = connection.get("/download?mib=3")
        assert response.ended
        assert response.header("content-length") == str(len(response.body)) == str(3 * MIB)
        small = connection.read(connection.request("POST", "/echo", body=b"small"))
        assert small.body == b"small"


def test_stream_is_not_collected(kitchen: Server, interface: str) -> None:
    label = f"http2-{interface}"
    with Http2Connection(kitchen) as connection:
        stream = connection.request("GET", f"/stream-gated?label={label}")
        assert connection.wait_for(lambda: stream.body == b"first")
        assert not stream.over
        assert connection.get(f"/open-gate?label={label}").status == 200
        assert connection.read(stream).body == b"firstsecond"


def test_one_slow_request_holds_up_no_other(kitchen: Server) -> None:
    with Http2Connection(kitchen) as connection:
        slow = connection.request("GET", "/slow?ms=700")
        for _ in range(20):
            assert connection.get("/hello").status == 200
        assert not slow.over
        assert connection.read(slow).body == b"slow\n"


def test_closed_window_stops_the_app(start_kitchen: Callable[..., Server]) -> None:
    """Without a spool the app runs ahead of its client by the window and the response buffer; others go on."""
    label = "http2-stalled"
    kitchen = start_kitchen("--response-spool", "0")

    def made() -> int:
        return len(get(kitchen, f"/record?label={label}").json())

    with Http2Connection(kitchen, reading=False) as connection:
        stream = connection.request("GET", f"/counted-download?label={label}")
        counts: list[int] = []

        def settled() -> bool:
            counts.append(made())
            assert counts[-1] * 65536 < 4 * MIB, "the app runs on without its client"
            return len(counts) > 30 and counts[-1] == counts[-30]

        wait_until(settled, 10, "the app waits for the client")
        assert connection.wait_for(lambda: len(stream.body) == 65535)
        before = counts[-1]
        connection.h2.increment_flow_control_window(2 * MIB)
        connection.h2.increment_flow_control_window(2 * MIB, stream.number)
        connection.flush()
        assert connection.wait_for(lambda: len(stream.body) > MIB)
        wait_until(lambda: made() > before, 5, "the app goes on when the client does")
    assert get(kitchen, "/hello").status == 200


def test_unread_upload_is_held_back(asgi_server: Server) -> None:
    """The client may send a window and a buffer, and not more, to an app that does not read."""
    with Http2Connection(asgi_server) as connection:
        stream = connection.request("POST", "/slow?ms=1500&label=unread", end=False)
        sent = 0
        while connection.wait_for(lambda: connection.h2.local_flow_control_window(stream.number) > 0, 0.3):
            room = min(connection.h2.local_flow_control_window(stream.number), 16384)
            connection.h2.send_data(stream.number, b"x" * room)
            connection.flush()
            sent += room
            assert sent < 4 * MIB, "nothing holds the client back"
        assert not stream.over
        assert connection.get("/hello").status == 200, "another stream is not held back by it"


def test_response_before_the_body_is_complete(kitchen: Server) -> None:
    with Http2Connection(kitchen) as connection:
        length = [("content-length", str(4 * MIB))]
        stream = connection.request("POST", "/no-read-413", length, b"x" * 3 * MIB, end=False)
        assert connection.read(stream).status == 413
        assert stream.body == b"too large, and not read\n"
        assert connection.get("/hello").status == 200


def test_trailers_of_a_request(kitchen: Server) -> None:
    with Http2Connection(kitchen) as connection:
        stream = connection.request("POST", "/echo", body=b"with trailers", end=False)
        connection.h2.send_headers(stream.number, [("x-trailer", "yes")], end_stream=True)
        connection.flush()
        assert connection.read(stream).body == b"with trailers"
        assert connection.get("/hello").status == 200


@pytest.mark.parametrize("field", [(":path", "/other"), (":status", "200"), (":method", "GET")])
@pytest.mark.parametrize("places", [1, 2], ids=["first", "after-another"])
def test_trailers_with_pseudo_fields_reset_the_stream(kitchen: Server, field: Header, places: int) -> None:
    """RFC 9113 8.1: such a message is malformed. Other streams of the connection go on."""
    fields = [("x-trailer", "yes"), field][-places:]
    with Http2Connection(kitchen) as connection:
        stream = connection.request("POST", "/echo", body=b"x", end=False)
        connection.send_raw(headers_frame(connection, stream, fields, flags=END_STREAM | END_HEADERS))
        connection.read(stream)
        assert (stream.reset, stream.headers) == (PROTOCOL_ERROR, [])
        for _ in range(3):
            assert connection.get("/hello", [("x-indexed", "again")]).status == 200


@pytest.mark.parametrize("path", ["/seen#top", "/seen#b?x=1", "/#", "/seen?x=1#b"])
def test_path_with_a_fragment_is_400(kitchen: Server, path: str) -> None:
    """As over HTTP/1.1. It reached the application without its end."""
    with Http2Connection(kitchen) as connection:
        for _ in range(3):  # in full first, then by its index
            stream = connection.get(path)
            assert (stream.status, stream.ended) == (400, True)
            assert b"percent-encoded" in stream.body
            assert connection.get("/seen?x=%23").json()["query"] == "x=%23"
        body = connection.request("POST", path, body=b"x" * 100_000)
        assert connection.read(body).status == 400


def test_content_types_that_differ_are_400(kitchen: Server) -> None:
    with Http2Connection(kitchen) as connection:
        stream = connection.request("POST", "/echo", [("content-type", "a/b"), ("content-type", "a/c")], b"x")
        assert connection.read(stream).status == 400
        assert connection.get("/hello").status == 200


def test_cookies_in_many_fields_count_as_one(kitchen: Server) -> None:
    """Browsers divide them (RFC 9113 8.2.3); the limits count what the application sees."""
    crumbs = [("cookie", f"name{number}=value{number}") for number in range(300)]
    seen = get2(kitchen, "/headers", crumbs).json()
    assert [value for name, value in seen if name.lower() == "cookie"] == ["; ".join(value for _, value in crumbs)]
    others = [(f"x-field-{number}", "1") for number in range(101)]
    assert get2(kitchen, "/headers", others).status == 431


@pytest.mark.parametrize("ending", ["reset", "close"])
@pytest.mark.parametrize("size", [10, 2_000_000])
def test_app_never_sees_a_truncated_body_as_whole(kitchen: Server, ending: str, size: int) -> None:
    label = f"http2-truncated-{ending}-{size}"
    with Http2Connection(kitchen) as connection:
        stream = connection.request("POST", f"/upload-hash?label={label}", body=b"x" * size, end=False)
        if ending == "reset":
            connection.h2.reset_stream(stream.number, error_code=8)
            connection.flush()
            assert connection.get("/hello").status == 200

    def settled() -> bool:
        events = get(kitchen, f"/record?label={label}").json()
        assert not [event for event in events if event.startswith("complete")]
        return events.count("started") == events.count("interrupted")

    wait_until(settled, 5, "the upload was interrupted, if it began")


@pytest.mark.parametrize("sent", [4, 6])
def test_body_that_is_not_of_its_length(kitchen: Server, sent: int) -> None:
    label = f"http2-length-{sent}"
    with Http2Connection(kitchen) as connection:
        length = [("content-length", "5")]
        stream = connection.request("POST", f"/upload-hash?label={label}", length, b"x" * sent)
        assert connection.read(stream).reset == PROTOCOL_ERROR or stream.status == 400
        assert connection.get("/hello").status == 200
    events = get(kitchen, f"/record?label={label}").json()
    assert not [event for event in events if event.startswith("complete")]


# Responses without a body


def test_head_has_the_head_of_get_and_no_body(kitchen: Server) -> None:
    with Http2Connection(kitchen) as connection:
        got = connection.get("/hello")
        head = connection.read(connection.request("HEAD", "/hello"))
        assert (head.status, head.body, head.ended) == (200, b"", True)
        assert head.header("content-length") == got.header("content-length") == "14"
        assert {name for name, _ in head.headers} == {name for name, _ in got.headers}
        given = connection.read(connection.request("HEAD", "/head-lengths"))
        assert (given.header("content-length"), given.body) == ("1234", b"")
        streamed = connection.read(connection.request("HEAD", "/download-chunked?mib=1"))
        assert (streamed.header("content-length"), streamed.body, streamed.ended) == (None, b"", True)
        missing = connection.read(connection.request("HEAD", "/raise-before"))
        assert (missing.status, missing.body) == (500, b"")


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body(kitchen: Server, status: int) -> None:
    response = get2(kitchen, f"/status/{status}")
    assert (response.status, response.body, response.ended) == (status, b"", True)
    assert response.header("content-length") is None
    assert response.header("transfer-encoding") is None


def test_hop_by_hop_headers_of_the_app_are_dropped(kitchen: Server) -> None:
    response = get2(kitchen, "/hop-by-hop")
    names = {name for name, _ in response.headers}
    assert names.isdisjoint({"connection", "keep-alive", "transfer-encoding", "upgrade"})
    assert response.header("x-kept") == "yes"


# Failures


def test_failure_before_the_first_byte(kitchen: Server) -> None:
    with Http2Connection(kitchen) as connection:
        response = connection.get("/raise-before")
        assert (response.status, response.ended) == (500, True)
        assert response.body == b"500 Internal Server Error: the application failed\n"
        assert response.header("connection") is None
        assert connection.get("/hello").status == 200


@pytest.mark.parametrize("path", ["/raise-after-first-byte", "/length-too-short"])
def test_late_failure_resets_the_stream(kitchen: Server, path: str) -> None:
    with Http2Connection(kitchen) as connection:
        response = connection.get(path)
        assert response.reset is not None
        assert not response.ended
        assert connection.get("/hello").status == 200


def test_reset_reaches_the_app(asgi_server: Server) -> None:
    label = "http2-reset"

    def events() -> list[str]:
        return list(get(asgi_server, f"/record?label={label}").json())

    mark = asgi_server.log_mark()
    with Http2Connection(asgi_server) as connection:
        stream = connection.request("GET", f"/receive-disconnect?label={label}")
        wait_until(events, 5, "the app waits")
        connection.h2.reset_stream(stream.number, error_code=8)
        connection.flush()
        wait_until(lambda: len(events()) == 2, 5, "the app has heard of it")
        assert events() == ["waiting", "http.disconnect"]
        assert connection.get("/hello").status == 200
    assert "failed" not in asgi_server.log(since=mark)


def test_reset_ends_the_stream_of_the_app(kitchen: Server) -> None:
    with Http2Connection(kitchen) as connection:
        stream = connection.request("GET", "/endless")
        connection.wait_for(lambda: stream.body)
        assert get(kitchen, "/endless-open").body == b"1"
        connection.h2.reset_stream(stream.number, error_code=8)
        connection.flush()
        wait_until(lambda: get(kitchen, "/endless-open").body == b"0", 5, "the stream has ended")
        assert connection.get("/hello").status == 200


# What is refused

AUTHORITY = ("", "")  # stands for `:authority`, which depends on the server


def head(*more: Header, method: str = "GET", path: str = "/count?label=refused2") -> list[Header]:
    return [(":method", method), (":scheme", "http"), AUTHORITY, (":path", path), *more]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (head(("connection", "close")), "reset"),
        (head(("connection", "upgrade"), ("upgrade", "websocket")), "reset"),
        (head(("transfer-encoding", "chunked")), "reset"),
        (head(("te", "gzip")), "reset"),
        (head(("keep-alive", "timeout=5")), "reset"),
        (head(("X-Upper", "1")), "goaway"),
        (head(("x y", "1")), "goaway"),
        (head(("x-value", "a\rb")), "goaway"),
        (head(("x-value", "a\nb")), "goaway"),
        (head(("x-value", "a\0b")), "goaway"),
        (head((":path", "/second")), "reset"),
        (head((":unknown", "1")), "goaway"),
        (head(("x-one", "1"), (":late", "1")), "goaway"),
        (head(("content-length", "five")), "reset"),
        (head(("content-length", "0"), ("content-length", "1")), "reset"),
        (head(path=""), "reset"),
        (head(path="no-slash"), "reset"),
        (head(path="*"), "400"),
        (head(path="/a b"), "reset"),
        (head(path="/caf\xe9"), "400"),
        (head(path="http://elsewhere/"), "reset"),
        (head(("x-value", " padded")), "400"),
        (head(("x-value", "padded ")), "400"),
        (head(("content-length", "+0")), "reset"),
        (head(("content-length", "0, 0")), "reset"),
        (head(("host", "elsewhere")), "400"),
        (head(("host", "a"), ("host", "b")), "400"),
        (head(method="CONNECT"), "reset"),
        ([(":scheme", "http"), AUTHORITY, (":path", "/")], "reset"),
        ([(":method", "GET"), AUTHORITY, (":path", "/")], "reset"),
        ([(":method", "GET"), (":scheme", "http"), AUTHORITY], "reset"),
        ([(":method", "GET"), (":scheme", "http"), (":path", "/count?label=refused2")], "400"),
        ([(":method", "GET"), (":scheme", "ftp"), AUTHORITY, (":path", "/count?label=refused2")], "400"),
        ([(":method", "GET"), (":scheme", "http"), (":authority", "a, b"), (":path", "/")], "reset"),
        ([(":method", "GET"), (":scheme", "http"), (":authority", "u@h"), (":path", "/")], "400"),
        ([(":method", "GET"), (":scheme", "http"), (":authority", ""), (":path", "/")], "reset"),
        ([(":method", "G T"), (":scheme", "http"), AUTHORITY, (":path", "/")], "goaway"),
    ],
)
def test_malformed_head(wsgi_server: Server, fields: list[Header], expected: str) -> None:
    """Told with 400 by us, or the stream or the whole connection ended by hyper; the app never learns of it."""
    with Http2Connection(wsgi_server) as connection:
        sent = [(":authority", connection.authority) if field == AUTHORITY else field for field in fields]
        response = connection.read(connection.request_fields(sent))
        if expected == "400":
            assert response.status == 400
            assert response.body.startswith(b"400 Bad Request: ")
        elif expected == "reset":
            assert response.reset == PROTOCOL_ERROR
        else:
            assert connection.goaway == PROTOCOL_ERROR
        assert expected == "goaway" or connection.get("/hello").status == 200
    assert get(wsgi_server, "/record?label=refused2").json() == []


def test_connect_is_refused(kitchen: Server) -> None:
    with Http2Connection(kitchen) as connection:
        response = connection.read(connection.request_fields([(":method", "CONNECT"), (":authority", "h:443")]))
        assert response.status == 501
        assert connection.get("/hello").status == 200


@pytest.mark.parametrize("huge", [70_000, 90_000])
def test_large_header_section(kitchen: Server, huge: int) -> None:
    with Http2Connection(kitchen) as connection:
        response = connection.get("/hello", [("x-large", "x" * huge)])
        assert response.status == 431
    assert get2(kitchen, "/hello").status == 200


def test_too_many_fields(kitchen: Server) -> None:
    with Http2Connection(kitchen) as connection:
        response = connection.get("/hello", [(f"x-{number}", "1") for number in range(101)])
        assert response.status == 431
        assert response.body == b"431 Request Header Fields Too Large: there are too many header fields\n"
        assert connection.get("/hello").status == 200


def test_long_path(kitchen: Server) -> None:
    with Http2Connection(kitchen) as connection:
        response = connection.get("/" + "x" * 9000)
        assert response.status == 414
        assert connection.get("/hello").status == 200


# Limits


def test_body_over_the_limit(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--max-body", "1000")
    with Http2Connection(server) as connection:
        declared = [("content-length", "1001")]
        response = connection.read(connection.request("POST", "/count?label=big", declared, end=False))
        assert response.status == 413
        response = connection.read(connection.request("POST", "/upload-hash?label=big", body=b"x" * 1001))
        assert response.status == 413
        assert connection.read(connection.request("POST", "/echo", body=b"x" * 1000)).status == 200
    assert not [event for event in get(server, "/record?label=big").json() if event.startswith(("complete", "POST"))]


def test_concurrency_limit(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--limit-concurrency", "2")
    with Http2Connection(server) as connection:
        busy = [connection.request("GET", "/stream-gated?label=busy") for _ in range(2)]
        assert connection.wait_for(lambda: all(stream.body for stream in busy))
        response = connection.get("/hello")
        assert response.status == 503
        assert response.header("retry-after") == "1"
        for stream in busy:
            connection.h2.reset_stream(stream.number)
        connection.flush()
        wait_until(lambda: connection.get("/hello").status == 200, 5, "the places are free again")


def test_most_streams(start: Callable[..., Server]) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--h2-max-streams", "3")
    with Http2Connection(server) as connection:
        assert connection.get("/hello").status == 200
        assert connection.settings[3] == 3  # SETTINGS_MAX_CONCURRENT_STREAMS
        connection.h2.remote_settings.max_concurrent_streams = 100  # our side's check, not the server's
        connection.h2.remote_settings.acknowledge()
        streams = [connection.request("GET", "/stream-gated?label=most") for _ in range(5)]
        assert connection.wait_for(lambda: sum(stream.reset is not None for stream in streams) == 2)
        assert {stream.reset for stream in streams[3:]} == {int(h2.errors.ErrorCodes.REFUSED_STREAM)}
        assert connection.wait_for(lambda: all(stream.body for stream in streams[:3]))


@pytest.fixture(scope="module")
def pressing_servers() -> Iterator[dict[str, Server]]:
    """The three kitchens with short timeouts."""
    rate = ("--min-data-rate", "5000", "--min-data-rate-grace", "0.5")
    clocks = ("--header-timeout", "0.5", "--keep-alive-timeout", "1")
    servers = {name: start_rsgi(*kitchen, *rate, *clocks) for name, kitchen in KITCHENS.items()}
    yield servers
    for server in servers.values():
        server.stop()


@pytest.fixture
def pressing(pressing_servers: dict[str, Server], interface: str) -> Server:
    return pressing_servers[interface]


def test_streams_that_wait_too_long_for_a_thread(start: Callable[..., Server]) -> None:
    """The streams of the second round get the timers and the slots of the first."""
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-threads", "1", "--queue-timeout", "0.4")
    with Http2Connection(server) as connection:
        for _ in range(2):
            slow = connection.request("GET", "/slow?ms=2000")
            waiting = [connection.request("GET", "/count?label=waited-too-long") for _ in range(20)]
            began = time.monotonic()
            assert [connection.read(stream).status for stream in waiting] == [503] * 20
            assert time.monotonic() - began > 0.3
            assert not slow.over
            assert connection.read(slow).body == b"slow\n"
            assert [connection.get("/hello").status for _ in range(3)] == [200] * 3
        assert connection.get("/record?label=waited-too-long").json() == []


def test_slow_body_times_out(pressing: Server) -> None:
    label = "http2-slow"
    with Http2Connection(pressing) as connection:
        length = [("content-length", "100000")]
        stream = connection.request("POST", f"/upload-hash?label={label}", length, b"x", end=False)
        deadline = time.monotonic() + 6
        while not connection.wait_for(lambda: stream.over, 0.1) and time.monotonic() < deadline:
            connection.send_body(stream, b"x", end=False)
        assert stream.status == 408
    assert not [event for event in get(pressing, f"/record?label={label}").json() if event.startswith("complete")]


def test_slow_reader_is_reset(pressing: Server) -> None:
    """The stream whose client takes nothing is reset; the connection stays."""
    with Http2Connection(pressing, reading=False) as connection:
        stream = connection.request("GET", "/endless")
        wait_until(lambda: get(pressing, "/endless-open").body == b"0", 8, "the stream was cut")
        connection.wait_for(lambda: stream.over, 5)
        assert stream.reset == int(h2.errors.ErrorCodes.CANCEL)
        connection.h2.increment_flow_control_window(MIB)
        assert connection.get("/hello").status == 200


def test_closed_window_for_a_whole_response(pressing: Server) -> None:
    """A response that is here in one piece does not wait for ever either, nor in hyper's memory."""
    with Http2Connection(pressing, window=0) as connection:
        stream = connection.request("GET", "/hello")
        assert connection.wait_for(lambda: stream.reset is not None, 8)
        assert stream.status == 200
        assert stream.body == b""


def test_slow_application_is_not_the_client_s_fault(pressing: Server) -> None:
    assert get2(pressing, "/slow?ms=1500").body == b"slow\n"


def test_steady_client_above_the_rate_is_served(pressing: Server) -> None:
    with Http2Connection(pressing) as connection:
        stream = connection.request("POST", "/upload-hash", end=False)
        for number in range(20):
            assert not connection.wait_for(lambda: stream.over, 0.06)
            connection.send_body(stream, b"x" * 1000, end=number == 19)
        assert connection.read(stream).json()["bytes"] == 20000


def test_idle_connection_is_told_and_closed(pressing: Server) -> None:
    with Http2Connection(pressing) as connection:
        assert connection.get("/hello").status == 200
        began = time.monotonic()
        assert connection.ends_within(5)
        assert connection.goaway == 0
        assert time.monotonic() - began > 0.8


@pytest.mark.parametrize(
    "sent", [b"PRI", PREFACE, PREFACE + b"\0\0\0\4\0\0\0\0\0", PREFACE + b"\0\0\0\4\0\0\0\0\0\0\0\1"]
)
def test_silent_client_is_dropped(pressing_servers: dict[str, Server], sent: bytes) -> None:
    with Connection(pressing_servers["asgi"]) as connection:
        connection.send(sent)
        began = time.monotonic()
        connection.read_to_end()
        assert time.monotonic() - began < 6


@pytest.mark.parametrize("sent", [b"P", b"PR"])
def test_head_that_might_become_either(pressing_servers: dict[str, Server], sent: bytes) -> None:
    """A POST that stops after its first letter is an HTTP/1 request that took too long."""
    assert exchange(pressing_servers["wsgi"], sent).status == 408


def test_no_keep_alive(start_kitchen: Callable[..., Server]) -> None:
    """Without idle time a connection ends after its requests, and not in them."""
    server = start_kitchen("--keep-alive-timeout", "0")
    with Http2Connection(server) as connection:
        response = connection.get("/slow?ms=300")
        assert (response.status, response.body) == (200, b"slow\n")
        assert connection.ends_within(3)
        assert connection.goaway == 0


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def test_rapid_reset(kitchen: Server) -> None:
    """CVE-2023-44487: requests that are given up as soon as they are made end the connection, and cost no more."""
    with Http2Connection(kitchen) as connection:
        for _ in range(40):
            for _ in range(50):
                number = connection.h2.get_next_available_stream_id()
                fields = [(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/slow?ms=200")]
                connection.h2.send_headers(number, fields, end_stream=True)
                connection.h2.reset_stream(number, error_code=8)
            connection.flush()
            if connection.ended:
                break
        assert connection.ends_within(5)
    assert get2(kitchen, "/hello").status == 200


def test_continuation_flood(kitchen: Server) -> None:
    """CVE-2024-27316 and its like: a header block that never ends."""
    with Http2Connection(kitchen) as connection:
        assert connection.get("/hello").status == 200
        connection.send_raw(frame(1, 0x1, 3, b"\x82\x86\x84\x41\x01h"))  # HEADERS without END_HEADERS
        for number in range(2000):
            name = f"x-{number:05}".encode()
            literal = b"\x00" + bytes([len(name)]) + name + b"\x7f\x81\x01" + b"v" * 256
            connection.send_raw(frame(9, 0, 3, literal * 10))
            if connection.ended:
                break
        assert connection.ends_within(5)
    assert get2(kitchen, "/hello").status == 200


@pytest.mark.parametrize(
    "flood",
    [frame(6, 0, 0, b"12345678"), frame(4, 0, 0, b""), frame(2, 0, 1, b"\0\0\0\0\x10")],
    ids=["ping", "settings", "priority"],
)
def test_control_frame_flood(kitchen: Server, flood: bytes) -> None:
    """Answers that are not read must not collect in memory: the server stops reading, or closes."""
    before = kitchen.memory()
    with Http2Connection(kitchen) as connection:
        assert connection.get("/hello").status == 200
        connection.socket.settimeout(0.5)
        try:
            for _ in range(400):
                connection.socket.sendall(flood * 500)
        except (TimeoutError, ConnectionResetError, BrokenPipeError):
            pass
        assert get2(kitchen, "/hello").status == 200
    assert kitchen.memory() - before < 16 * MIB


def test_frames_that_break_the_protocol(kitchen: Server) -> None:
    for broken in (frame(0, 0, 0, b"data"), frame(1, 4, 2, b"\x82"), frame(8, 0, 0, b"\0\0\0\0"), b"\xff" * 50):
        with Http2Connection(kitchen) as connection:
            assert connection.get("/hello").status == 200
            connection.send_raw(broken)
            assert connection.ends_within(5)
            assert connection.goaway not in (None, 0)
    assert get2(kitchen, "/hello").status == 200


# The end of the server


def begin_slow(server: Server, connection: Http2Connection, milliseconds: int) -> Stream:
    stream = connection.request("GET", f"/slow?ms={milliseconds}&label=begun")
    wait_until(lambda: get(server, "/record?label=begun").json(), 5, "the slow request runs")
    return stream


def test_request_in_flight_finishes(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--grace", "10")
    with Http2Connection(server) as connection:
        stream = begin_slow(server, connection, 1000)
        server.send_signal(signal.SIGTERM)
        assert connection.wait_for(lambda: connection.goaway is not None, 3), "the client is told"
        assert not stream.over
        assert connection.read(stream).body == b"slow\n"
        assert stream.ended
        assert connection.goaway == 0
        assert connection.ends_within(3)
    assert server.wait(5) == 0
    assert "Traceback" not in server.log()


def test_idle_connections_are_closed_at_once(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--grace", "20")
    with Http2Connection(server) as idle, Connection(server) as half:
        assert idle.get("/hello").status == 200
        half.send(PREFACE[:10])
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert idle.ends_within(2)
        assert idle.goaway == 0
        assert server.wait(8) == 0
        assert time.monotonic() - began < 5


def test_grace_time_is_the_most_it_waits(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen("--grace", "0.5")
    with Http2Connection(server) as connection:
        stream = connection.request("GET", "/endless")
        assert connection.wait_for(lambda: stream.body)
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        connection.read(stream)
        assert not stream.ended, "a stream that was cut must not look complete"
        assert server.wait(8) in (0, 1)
        assert time.monotonic() - began < 5


# The rest


def test_access_log(start_kitchen: Callable[..., Server], interface: str) -> None:
    server = start_kitchen("--access-log")
    assert get2(server, "/hello?x=y").status == 200
    line = server.wait_for_access_log("/hello")
    assert '"GET /hello?x=y HTTP/2" 200 14 ' in line


def test_routing_by_host(start: Callable[..., Server]) -> None:
    """`:authority` decides as `Host` does."""
    rule = ("--route", "new.example/{rest:path}=asgi")
    server = start("--wsgi", "wsgi_kitchen:app", "--asgi", "/api=asgi_kitchen:app", *rule)
    with Http2Connection(server) as connection:
        fields = [(":method", "GET"), (":scheme", "http"), (":path", "/scope"), (":authority", "new.example")]
        assert connection.read(connection.request_fields(fields)).json()["headers"] == [["host", "new.example"]]
        fields[3] = (":authority", "old.example")
        assert connection.read(connection.request_fields(fields)).status == 404


def test_probe_replays_the_body(start: Callable[..., Server]) -> None:
    both = ("--wsgi", "wsgi_kitchen:app", "--asgi", "asgi_kitchen:app", "--fallback", "probe")
    server = start(*both)
    assert get2(server, "/environ").json()["SERVER_PROTOCOL"] == "HTTP/2"
    assert post2(server, "/echo", b"to the new one").body == b"to the new one"
