"""What only WSGI has, on the native gateway and through the bridge: PEP 3333 clause by clause.

Apart from `test_http.py`, which has what both kinds of application share. Every test with the `wsgi_host` fixture runs
on the native WSGI gateway and on the bridge, which promise the same.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from server import Server, wait_until
from wire import Connection, ConnectionEnded, chunk_bytes, exchange, get, post, request


@pytest.fixture(params=["wsgi", "bridge"])
def wsgi_host(request: pytest.FixtureRequest) -> Server:
    """The WSGI kitchen on the native gateway, and through the bridge."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    return server


# environ


def test_environ_of_a_request(wsgi_host: Server) -> None:
    environ = post(wsgi_host, "/environ/x?y=1", b"abc", ("Content-Type", "text/x"), ("X-One", "1")).json()
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/environ/x",
        "QUERY_STRING": "y=1",
        "CONTENT_TYPE": "text/x",
        "CONTENT_LENGTH": "3",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(wsgi_host.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": wsgi_host.authority,
        "HTTP_X_ONE": "1",
        "RAW_URI": "/environ/x?y=1",
        "REQUEST_URI": "/environ/x?y=1",
        "wsgi.url_scheme": "http",
        "wsgi.version": [1, 0],
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "type(environ)": "builtins.dict",
    }
    assert {name: environ.get(name) for name in expected} == expected
    assert environ["REMOTE_PORT"].isdigit()
    assert {"wsgi.input", "wsgi.errors", "wsgi.file_wrapper"} <= environ.keys()
    assert "HTTP_CONTENT_LENGTH" not in environ
    assert "HTTP_CONTENT_TYPE" not in environ


def test_environ_holds_only_native_strings_in_latin1(wsgi_host: Server) -> None:
    environ = get(wsgi_host, "/environ/caf%C3%A9/%E9?caf%C3%A9", ("X-Name", "caf\xe9")).json()
    assert environ["PATH_INFO"] == "/environ/caf\xc3\xa9/\xe9"
    assert environ["QUERY_STRING"] == "caf%C3%A9"
    assert environ["HTTP_X_NAME"] == "caf\xe9"


def test_encoded_slash_stays_visible(wsgi_host: Server) -> None:
    environ = get(wsgi_host, "/environ/a%2Fb").json()
    assert environ["PATH_INFO"] == "/environ/a/b"
    assert environ["RAW_URI"] == "/environ/a%2Fb"


def test_repeated_headers_are_joined(wsgi_host: Server) -> None:
    environ = get(wsgi_host, "/environ", ("X-Many", "a"), ("X-Many", "b, c"), ("X-Many", "d")).json()
    assert environ["HTTP_X_MANY"].replace(", ", ",") == "a,b,c,d"


def test_request_without_a_body(wsgi_host: Server) -> None:
    environ = get(wsgi_host, "/environ").json()
    assert environ.get("CONTENT_LENGTH", "") == ""
    assert environ.get("CONTENT_TYPE", "") == ""


def test_chunked_body_gets_a_length(wsgi_server: Server) -> None:
    """A body without a length is spooled, so that applications which know no `wsgi.input_terminated` read all of it."""
    environ = request(wsgi_server, "POST", "/environ", chunks=[b"abc", b"defg"]).json()
    assert environ["CONTENT_LENGTH"] == "7"


# The input


CALLS = [
    [["read"]],
    [["read", -1]],
    [["read", None]],
    [["read", 0], ["read", 5], ["read", 100000], ["read", 1]],
    [["readline"], ["readline"], ["readline"], ["readline"]],
    [["readline", 65536], ["read"]],
    [["readline", 2], ["readline", 2], ["readline", -1]],
    [["readlines"]],
    [["readlines", 1]],
    [["readlines", 6], ["read"]],
    [["iterate"]],
    [["readline"], ["iterate"]],
    [["read", 3], ["iterate"], ["read"], ["readline"], ["readlines"]],
]
BODIES = [b"", b"\n", b"a\nb\nlast", b"one line", b"a\r\nb\n\n\nc\n", b"x" * 70_000 + b"\n" + b"y" * 70_000]


def expected_results(body: bytes, calls: list[list[object]]) -> list[str]:
    """The same calls on an `io.BytesIO`, which is the definition of right."""
    stream = io.BytesIO(body)
    return [repr(list(stream) if name == "iterate" else getattr(stream, str(name))(*rest)) for name, *rest in calls]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_input_behaves_like_a_file(wsgi_host: Server, body: bytes, framing: str) -> None:
    for calls in CALLS:
        target = f"/input-calls?calls={quote(repr(calls))}"
        if framing == "length":
            response = post(wsgi_host, target, body)
        else:
            response = request(wsgi_host, "POST", target, chunks=[piece for piece in (body[:2], body[2:]) if piece])
        assert response.json() == expected_results(body, calls), calls


def test_input_with_random_calls_and_pieces(wsgi_host: Server) -> None:
    chance = random.Random(20_26)
    for _ in range(40):
        body = bytes(chance.choice(b"ab\n") for _ in range(chance.randrange(200)))
        calls = [
            [chance.choice(["read", "readline", "readlines"]), chance.randrange(-1, 20)]
            for _ in range(chance.randrange(1, 8))
        ]
        calls = [[name, size if name != "readlines" else max(size, 0)] for name, size in calls]
        pieces = []
        while body[sum(map(len, pieces)) :]:
            begin = sum(map(len, pieces))
            pieces.append(body[begin : begin + chance.randrange(1, 20)])
        response = request(wsgi_host, "POST", f"/input-calls?calls={quote(repr(calls))}", chunks=pieces)
        assert response.json() == expected_results(body, calls), (body, calls, pieces)


def test_input_across_slow_pieces(start: Callable[..., Server]) -> None:
    """A line is returned whole however its bytes arrive, also when they are read while they come."""
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-request-buffering", "off")
    calls = [["readline", 65536], ["readline", 65536], ["read"]]
    with Connection(server) as connection:
        connection.send(
            f"POST /input-calls?calls={quote(repr(calls))} HTTP/1.1\r\nHost: a\r\nContent-Length: 13\r\n\r\n".encode()
        )
        for piece in (b"fi", b"rst\nse", b"con"):
            connection.send(piece)
            assert connection.silent_for(0.02)
        connection.send(b"d\n")
        response = connection.read_response()
    assert response.json() == [repr(b"first\n"), repr(b"second\n"), repr(b"")]


def test_body_streams_in_when_buffering_is_off(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-request-buffering", "off")
    with Connection(server, timeout=2) as connection:
        connection.send(b"POST /read-first HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabcdef")
        response = connection.read_response()
    assert response.body == b"abc"


def test_body_is_complete_before_the_call_when_buffering_is_full(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-request-buffering", "full")
    body = b"x" * 3_000_000
    with Connection(server) as connection:
        connection.send(
            b"POST /upload-hash?label=full HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + body[:-1]
        )
        assert connection.silent_for(0.3)
        assert get(server, "/record?label=full").json() == []
        connection.send(body[-1:])
        assert connection.read_response().json()["bytes"] == 3_000_000


def test_small_body_is_complete_before_the_call(start: Callable[..., Server]) -> None:
    """The default: a client that is slow with a small body does not hold a thread."""
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-threads", "1")
    with Connection(server) as slow:
        slow.send(b"POST /upload-hash?label=auto HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
        assert slow.silent_for(0.2)
        assert get(server, "/hello").body == b"Hello, world!\n"  # the only thread is free
        slow.send(b"cd")
        assert slow.read_response().json()["bytes"] == 4


def test_wsgi_errors_reaches_stderr(wsgi_host: Server) -> None:
    mark = wsgi_host.log_mark()
    assert get(wsgi_host, "/errors").body == b"written\n"
    log = wsgi_host.wait_for_log("kitchen: second line\n", since=mark)
    assert "kitchen: to wsgi.errors, caf\xe9\n" in log
    assert "kitchen: first line\n" in log


# start_response and write


def test_write_comes_before_the_iterable(wsgi_host: Server) -> None:
    response = get(wsgi_host, "/write")
    assert response.body == b"abc"
    assert response.complete


def test_write_wants_bytes(wsgi_host: Server) -> None:
    assert get(wsgi_host, "/write-not-bytes").text.startswith("TypeError: ")


def test_start_response_in_the_first_iteration(wsgi_host: Server) -> None:
    response = get(wsgi_host, "/lazy-start")
    assert response.status == 201
    assert response.header("x-lazy") == "yes"
    assert response.body == b"made\n"


def test_own_reason_phrase_is_kept(wsgi_server: Server) -> None:
    response = get(wsgi_server, "/status-text")
    assert (response.status, response.reason) == (299, "Custom, with caf\xe9")


def test_head_waits_for_the_first_byte(wsgi_host: Server) -> None:
    response = get(wsgi_host, "/hold-headers")
    assert response.status == 503
    assert response.header("x-first") is None
    assert response.header("x-second") == "yes"
    assert response.body == b"replaced\n"


def test_replaced_before_the_first_byte(wsgi_host: Server) -> None:
    response = get(wsgi_host, "/replace")
    assert response.status == 500
    assert response.header("x-first") is None
    assert response.header("x-second") == "yes"
    assert response.body == b"replaced\n"


def test_replacing_after_the_first_byte_raises_the_original(wsgi_host: Server) -> None:
    mark = wsgi_host.log_mark()
    response = get(wsgi_host, "/replace-late")
    assert response.status == 200
    assert response.body == b"first\n"
    assert not response.complete
    assert "same" in get(wsgi_host, "/record?label=replace-late").json()
    assert "kitchen: too late to replace" in wsgi_host.wait_for_log("kitchen: too late to replace", since=mark)


def test_start_response_twice_fails_inside_the_app(wsgi_host: Server) -> None:
    assert get(wsgi_host, "/start-twice").status == 500
    events = get(wsgi_host, "/record?label=start-twice").json()
    assert events
    assert set(events) <= {"AssertionError", "RuntimeError", "ValueError"}


def test_checks_happen_inside_start_response(wsgi_host: Server) -> None:
    response = get(wsgi_host, "/bad-status-caught")
    assert response.status == 502
    assert response.text in ("ValueError", "TypeError")


# close()


@pytest.mark.parametrize(
    "kind", ["normal", "raise", "raise-first", "empty", "wrong-type", "clamp", "204", "head", "client-gone"]
)
def test_close_is_called_exactly_once(wsgi_host: Server, kind: str) -> None:
    label = f"close-{kind}"
    if kind == "head":
        request(wsgi_host, "HEAD", f"/counted?kind=normal&label={label}")
    elif kind == "client-gone":
        with Connection(wsgi_host) as connection:
            connection.send_request("GET", f"/counted-endless?label={label}")
            connection.read_head()
    else:
        with contextlib.suppress(ConnectionEnded):  # what is cut early may be cut before its head
            get(wsgi_host, f"/counted?kind={kind}&label={label}")
    wait_until(lambda: get(wsgi_host, f"/record?label={label}").json(), 5, "close() is called")
    for _ in range(5):
        get(wsgi_host, "/hello")
    assert get(wsgi_host, f"/record?label={label}").json() == ["closed"]


def test_error_in_close_is_logged_and_harmless(wsgi_host: Server) -> None:
    mark = wsgi_host.log_mark()
    with Connection(wsgi_host) as connection:
        connection.send_request("GET", "/close-raises")
        response = connection.read_response()
    assert response.body == b"whole\n"
    assert response.complete
    wsgi_host.wait_for_log("kitchen: raised in close()", since=mark)
    assert get(wsgi_host, "/hello").status == 200


# wsgi.file_wrapper

FILE = bytes(range(256)) * 4


def test_file_wrapper_sends_the_file(wsgi_host: Server) -> None:
    response = get(wsgi_host, "/file")
    assert response.body == FILE
    assert response.complete


def test_file_wrapper_starts_at_the_position(wsgi_host: Server) -> None:
    assert get(wsgi_host, "/file?position=300").body == FILE[300:]


def test_file_wrapper_respects_the_length(wsgi_host: Server) -> None:
    response = get(wsgi_host, "/file?position=100&length=50")
    assert response.header("content-length") == "50"
    assert response.body == FILE[100:150]


def test_file_wrapper_cuts_when_the_file_is_too_short(wsgi_host: Server) -> None:
    response = get(wsgi_host, "/file?length=5000")
    assert not response.complete
    assert get(wsgi_host, "/hello").status == 200


def test_file_wrapper_sends_large_files(wsgi_host: Server) -> None:
    assert get(wsgi_host, "/file?blocks=20000").body == bytes(range(256)) * 20000


def test_file_wrapper_has_no_body_for_head(wsgi_host: Server) -> None:
    with Connection(wsgi_host) as connection:
        connection.send_request("HEAD", "/file?length=1024")
        assert connection.read_response("HEAD").header("content-length") == "1024"
        connection.send_request("GET", "/hello")
        assert connection.read_response().body == b"Hello, world!\n"


def test_file_wrapper_closes_the_file(wsgi_host: Server) -> None:
    assert get(wsgi_host, "/file?label=file-closed").body == FILE
    wait_until(lambda: get(wsgi_host, "/record?label=file-closed").json() == ["closed"], 5, "the file is closed")


def test_file_wrapper_takes_any_file_like_object(wsgi_host: Server) -> None:
    assert get(wsgi_host, "/file-like").body == b"like a file\n" * 1000


def test_file_wrapper_is_an_iterable_too(wsgi_host: Server) -> None:
    assert get(wsgi_host, "/file-wrapped-twice").body == b"SHOUT\n" * 10


# Threads and contexts


def test_thread_locals_survive_between_requests(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-threads", "1")
    found = [get(server, "/thread-local").json() for _ in range(5)]
    assert [each["calls"] for each in found] == [1, 2, 3, 4, 5]
    assert len({each["ident"] for each in found}) == 1
    assert found[0]["thread"]
    assert not found[0]["thread"].startswith("Dummy")


def test_thread_limit_is_kept(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-threads", "3")
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: get(server, "/slow?ms=30"), range(12)))
        found = list(pool.map(lambda _: get(server, "/thread-local").json()["ident"], range(60)))
    assert 1 <= len(set(found)) <= 3


def test_context_variables_do_not_leak_into_the_next_request(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--wsgi-threads", "1")
    found = [get(server, "/context").json() for _ in range(3)]
    assert [each["before"] for each in found] == [None, None, None]
    assert len({each["thread"] for each in found}) == 1


def test_app_may_call_the_same_server(wsgi_host: Server) -> None:
    assert get(wsgi_host, "/call-back").text == "called back: Hello, world!\n"


def test_slow_calls_run_side_by_side(wsgi_host: Server) -> None:
    """Four calls of 300 ms each take about one, not four."""
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: get(wsgi_host, "/slow?ms=300").body, range(4)))
    assert answers == [b"slow\n"] * 4
    assert time.monotonic() - began < 0.9


def test_each_chunk_leaves_before_the_next_is_made(wsgi_host: Server) -> None:
    label = f"each-chunk-{wsgi_host.pid}"
    with Connection(wsgi_host) as connection:
        connection.send_request("GET", f"/stream-gated?label={label}")
        connection.read_head()
        assert connection.read_chunk() == b"first"
        get(wsgi_host, f"/open-gate?label={label}")
        assert connection.read_chunk() == b"second"
        assert connection.read_chunk() is None


def test_json_of_a_chunked_upload(wsgi_host: Server) -> None:
    data = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = json.dumps({"a": 1}).encode()
    data += b"".join(chunk_bytes(body[index : index + 1]) for index in range(len(body))) + b"0\r\n\r\n"
    assert exchange(wsgi_host, data).json() == {"a": 1}
