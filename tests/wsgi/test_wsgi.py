"""What only WSGI has, on the native gateway and through the bridge: PEP 3333 clause by clause.

Apart from `test_http.py`, which has what both kinds of application share. Every test with the `wsgi_host` fixture runs
on the native WSGI gateway and on the bridge, which promise the same.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server import Server, wait_until
from wire import Connection, chunk_bytes, exchange, get, post, request


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


def test_request_without_a_body(wsgi_host: Server) -> None:
    environ = get(wsgi_host, "/environ").json()
    assert environ.get("CONTENT_LENGTH", "") == ""
    assert environ.get("CONTENT_TYPE", "") == ""


def test_chunked_body_gets_a_length(wsgi_server: Server) -> None:
    """A body without a length is spooled, so that applications which know no `wsgi.input_terminated` read all of it."""
    environ = request(wsgi_server, "POST", "/environ", chunks=[b"abc", b"defg"]).json()
    assert environ["CONTENT_LENGTH"] == "7"


# The input


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


# start_response and write


def test_own_reason_phrase_is_kept(wsgi_server: Server) -> None:
    response = get(wsgi_server, "/status-text")
    assert (response.status, response.reason) == (299, "Custom, with caf\xe9")


def test_checks_happen_inside_start_response(wsgi_host: Server) -> None:
    response = get(wsgi_host, "/bad-status-caught")
    assert response.status == 502
    assert response.text in ("ValueError", "TypeError")


# close()


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


@pytest.mark.parametrize("path", ["/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"])
def test_file_wrapper_reads_to_the_end_what_the_size_says_nothing_about(wsgi_host: Server, path: str) -> None:
    """Files of the kernel say 0, or a page."""
    if not Path(path).exists():
        pytest.skip(f"this system has no {path}")
    response = get(wsgi_host, f"/kernel-file?path={path}")
    assert (response.body, response.complete) == (Path(path).read_bytes(), True)


def test_file_wrapper_is_an_iterable_too(wsgi_host: Server) -> None:
    assert get(wsgi_host, "/file-wrapped-twice").body == b"SHOUT\n" * 10


@pytest.mark.parametrize("first", ["", "begun"], ids=["before-the-head", "after-a-chunk"])
def test_client_that_leaves_ends_an_iteration_that_gives_nothing(wsgi_host: Server, first: str) -> None:
    """Empty chunks go nowhere, and find out all the same."""
    label = f"nothing-{first}"
    with Connection(wsgi_host) as connection:
        connection.send_request("GET", f"/endless-nothing?label={label}&first={first}")
        wait_until(lambda: get(wsgi_host, f"/record?label={label}").json() == ["open"], 5, "the iteration runs")
    closed = ["open", "closed"]
    wait_until(lambda: get(wsgi_host, f"/record?label={label}").json() == closed, 5, "the iteration has ended")


# Threads and contexts


def test_slow_calls_run_side_by_side(wsgi_host: Server) -> None:
    """Four calls of 300 ms each take about one, not four."""
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(lambda _: get(wsgi_host, "/slow?ms=300").body, range(4)))
    assert responses == [b"slow\n"] * 4
    assert time.monotonic() - began < 0.9


def test_json_of_a_chunked_upload(wsgi_host: Server) -> None:
    data = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = json.dumps({"a": 1}).encode()
    data += b"".join(chunk_bytes(body[index : index + 1]) for index in range(len(body))) + b"0\r\n\r\n"
    assert exchange(wsgi_host, data).json() == {"a": 1}


def test_a_body_that_says_that_it_is_in_memory_gets_its_length(wsgi_host: Server) -> None:
    response = get(wsgi_host, "/in-memory")
    assert (response.body, response.header("content-length")) == (b"all of it\n", "10")


@pytest.mark.parametrize("server", ["wsgi_server", "bridge_server"])
def test_start_response_takes_its_arguments_by_name(server: str, request: pytest.FixtureRequest) -> None:
    """Those that PEP 3333 names; some applications write `exc_info=`."""
    response = get(request.getfixturevalue(server), "/start-by-name")
    assert (response.status, response.reason, response.header("x-by")) == (418, "By Name", "name")
