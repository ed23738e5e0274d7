"""The access log: one line a request on stdout, when asked for, that nothing a client sends can break."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from access_log import LINE
from http2_wire import get2
from server import Server, start_rsgi
from wire import Connection, exchange, get, post, request


@pytest.fixture(scope="module")
def logging() -> Iterator[Server]:
    """Both kinds of application with the access log switched on."""
    server = start_rsgi("--wsgi", "wsgi_kitchen:app", "--asgi", "/new=asgi_kitchen:app", "--access-log")
    yield server
    server.stop()


def line_of(server: Server, text: str) -> re.Match[str]:
    """The one line that contains `text`, taken apart."""
    server.wait_for_access_log(text)
    lines = [line for line in server.access_log().splitlines(keepends=True) if text in line]
    assert len(lines) == 1, lines
    found = LINE.fullmatch(lines[0])
    assert found is not None, lines[0]
    return found


@pytest.mark.parametrize(("prefix", "app"), [("", "wsgi_kitchen:app"), ("/new", "asgi_kitchen:app")])
def test_line_of_a_request(logging: Server, prefix: str, app: str) -> None:
    with Connection(logging) as connection:
        port = connection.socket.getsockname()[1]
        connection.send_request("GET", f"{prefix}/hello?{port}=%20x")
        connection.read_response()
    found = line_of(logging, f"?{port}=")
    assert found["client"] == f"127.0.0.1:{port}"
    assert found["request"] == f"GET {prefix}/hello?{port}=%20x HTTP/1.1"
    assert (found["status"], found["bytes"], found["app"]) == ("200", "14", app)
    assert 0 < float(found["duration"]) < 5000


def test_bytes_of_a_stream_and_of_head(logging: Server) -> None:
    get(logging, "/stream/3?bytes-of-stream")
    assert line_of(logging, "bytes-of-stream")["bytes"] == "24"
    request(logging, "HEAD", "/hello?bytes-of-head")
    found = line_of(logging, "bytes-of-head")
    assert (found["bytes"], found["request"]) == ("0", "HEAD /hello?bytes-of-head HTTP/1.1")


def test_duration_is_the_whole_request(logging: Server) -> None:
    get(logging, "/slow?ms=200&whole-duration")
    assert 190 < float(line_of(logging, "whole-duration")["duration"]) < 3000


def test_failures_are_logged_with_their_status(logging: Server) -> None:
    post(logging, "/raise-before?failure-500", b"x")
    assert line_of(logging, "failure-500")["status"] == "500"
    get(logging, "/nothing-here?failure-404")
    assert line_of(logging, "failure-404")["status"] == "404"


def test_http_1_0(logging: Server) -> None:
    with Connection(logging) as connection:
        connection.send(b"GET /hello?version-1-0 HTTP/1.0\r\n\r\n")
        connection.read_to_end()
    assert line_of(logging, "version-1-0")["request"] == "GET /hello?version-1-0 HTTP/1.0"


def test_quotes_and_escapes_cannot_forge_a_line(logging: Server) -> None:
    target = '/hello?forged"%0A%22\\x1b'
    assert exchange(logging, f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()).status == 400
    get(logging, "/hello?after-forged")
    logging.wait_for_access_log("after-forged")
    lines = [line for line in logging.access_log().splitlines(keepends=True) if "/hello?forged" in line]
    assert len(lines) == 1
    assert LINE.fullmatch(lines[0]), lines[0]


@pytest.mark.parametrize(
    ("line", "logged"),
    [
        (b"GET /as-it-came<1> HTTP/1.1", "GET /as-it-came<1> HTTP/1.1"),
        (b'GET /as-it-came?2="\\ HTTP/1.1', r"GET /as-it-came?2=\x22\x5c HTTP/1.1"),
        (b"GET /as-it-came\x1b[3m\xe9 HTTP/1.1", r"GET /as-it-came\x1b[3m\xe9 HTTP/1.1"),
        (b"\r\nGET /as-it-came#4 HTTP/1.1", "GET /as-it-came#4 HTTP/1.1"),
        (b"/as-it-came-5", "/as-it-came-5"),
    ],
)
def test_refused_head_is_logged_as_it_came(logging: Server, line: bytes, logged: str) -> None:
    assert exchange(logging, line + b"\r\nHost: a\r\n\r\n").status == 400
    found = logging.wait_for_access_log(f'"{logged}" 400 ')
    assert "GET * " not in found


def test_refused_path_of_http_2_is_logged_as_it_came(logging: Server) -> None:
    assert get2(logging, '/over-2#"\x1b?x=1').status == 400
    logging.wait_for_access_log(r'"GET /over-2#\x22\x1b?x=1 HTTP/2" 400 ')


def test_refused_requests_leave_well_formed_lines(logging: Server) -> None:
    exchange(logging, b"GET /refused\x01 HTTP/1.1\r\nHost: a\r\n\r\n")
    get(logging, "/hello?after-refused")
    logging.wait_for_access_log("after-refused")
    assert not [line for line in logging.access_log().splitlines() if not re.match(r"\d{4}-", line)]
    assert "\x01" not in logging.access_log()


def test_stdout_is_empty_without_it(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "wsgi_kitchen:app")
    get(server, "/hello")
    get(server, "/raise-before")
    server.stop()
    assert server.access_log() == ""


def test_all_lines_are_written_before_the_exit(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "wsgi_kitchen:app", "--access-log")
    for number in range(200):
        get(server, f"/hello?number={number}.")
    server.stop()
    for number in range(200):
        assert f"?number={number}. " in server.access_log()
