"""Application output that is wrong: the client gets an honest response, the log one traceback, the next request service.

Each case runs over WSGI, ASGI and the bridge. What is wrong is told by the path of the kitchen. Covers PEP 3333
("error handling", start_response) and ASGI's "send should raise on malformed events", seen from outside.
"""

from __future__ import annotations

import re

import pytest

from server import Server
from wire import Connection, get, post, request

APPLICATION_FAILED = "500 Internal Server Error: the application failed\n"
NAMES = {"wsgi": "wsgi_kitchen:app", "asgi": "asgi_kitchen:app", "bridge": "bridge_kitchen:app"}


def assert_logged_once(server: Server, mark: int, interface: str, path: str) -> str:
    """One error that names the app, the method and the path, with one traceback; gives that part of the log."""
    line = f"app `{NAMES[interface]}` failed: GET {path}"
    log = server.wait_for_log(line, since=mark)
    get(server, "/hello")  # what else the failing request had to say is said by now
    log = server.log(since=mark)
    assert f"error: {line}" in log
    assert log.count("error: ") == 1, log
    return log


FAILURES = {
    "/raise-before": "RuntimeError: kitchen: raised before the response",
    "/raise-after-start": "RuntimeError: kitchen: raised after the start",
    "/raise-system-exit": "SystemExit: kitchen: an application must not end the server",
    "/bad-status-1000": "1000",
    "/bad-status-99": "99",
    "/bad-status-abc": "abc",
    "/header-crlf": "x-bad",
    "/header-nul": "x-bad",
    "/header-flood": "too many headers",
    "/header-name-space": "x bad",
    "/header-not-str": "int",
    "/headers-not-list": "headers",
    "/body-str": "str",
    "/no-start": "start",
    "/no-response": "",
    "/length-bad": "content-length",
}


@pytest.mark.parametrize("path", FAILURES)
def test_failure_before_the_first_byte(kitchen: Server, interface: str, path: str) -> None:
    mark = kitchen.log_mark()
    with Connection(kitchen) as connection:
        connection.send_request("GET", path)
        response = connection.read_response()
        assert response.status == 500
        assert response.text == APPLICATION_FAILED
        assert response.header("content-type") == "text/plain; charset=utf-8"
        assert response.header("x-lost") is None
        assert response.header("x-injected") is None
        log = assert_logged_once(kitchen, mark, interface, path)
        assert FAILURES[path].lower() in log.lower()
        connection.send_request("GET", "/hello")
        assert connection.read_response().body == b"Hello, world!\n"


@pytest.mark.parametrize("path", ["/raise-before", "/raise-after-start"])
def test_traceback_leads_to_the_line(kitchen: Server, interface: str, path: str) -> None:
    mark = kitchen.log_mark()
    get(kitchen, path)
    log = assert_logged_once(kitchen, mark, interface, path)
    assert log.count("Traceback (most recent call last):") == 1
    assert re.search(r'File ".*/(wsgi|asgi)_kitchen\.py", line \d+, in raise_(before|after_start)', log)


def test_failure_answers_head_without_a_body(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        connection.send_request("HEAD", "/raise-before")
        response = connection.read_response("HEAD")
        assert response.status == 500
        assert response.header("content-length") == str(len(APPLICATION_FAILED))
        connection.send_request("GET", "/hello")
        assert connection.read_response().body == b"Hello, world!\n"


def test_failure_with_an_unread_body(kitchen: Server) -> None:
    assert post(kitchen, "/raise-before", b"x" * 100_000).text == APPLICATION_FAILED
    assert get(kitchen, "/hello").status == 200


def test_failure_after_the_first_byte_is_never_a_clean_end(kitchen: Server, interface: str) -> None:
    mark = kitchen.log_mark()
    with Connection(kitchen) as connection:
        connection.send_request("GET", "/raise-after-first-byte")
        response = connection.read_response()
        assert response.status == 200
        assert response.framing == "chunked"
        assert response.body == b"first\n"
        assert not response.complete
    log = assert_logged_once(kitchen, mark, interface, "/raise-after-first-byte")
    assert log.count("Traceback (most recent call last):") == 1
    assert "RuntimeError: kitchen: raised after the first byte" in log
    assert get(kitchen, "/hello").body == b"Hello, world!\n"


def test_body_longer_than_declared_is_cut_there(kitchen: Server) -> None:
    """Not one byte more: the client would take it for the next response."""
    mark = kitchen.log_mark()
    with Connection(kitchen) as connection:
        connection.send_request("GET", "/length-too-long")
        response = connection.read_response()
        assert response.header("content-length") == "4"
        assert response.body == b"1234"
        if not connection.closed_within(0.2):
            connection.send_request("GET", "/hello")
            assert connection.read_response().body == b"Hello, world!\n"
    log = kitchen.wait_for_log("/length-too-long", since=mark)
    assert "Content-Length" in log
    assert get(kitchen, "/hello").body == b"Hello, world!\n"


def test_body_shorter_than_declared_is_cut(kitchen: Server) -> None:
    """The client must be able to see that something is missing."""
    mark = kitchen.log_mark()
    with Connection(kitchen) as connection:
        connection.send_request("GET", "/length-too-short")
        response = connection.read_response()
        assert response.header("content-length") == "9"
        assert response.body in (b"", b"12", b"1234")
        assert not response.complete
    kitchen.wait_for_log("/length-too-short", since=mark)
    assert get(kitchen, "/hello").body == b"Hello, world!\n"


def test_wrong_lengths_do_not_matter_for_head(kitchen: Server) -> None:
    with Connection(kitchen) as connection:
        for path, length in (("/length-too-long", "4"), ("/length-too-short", "9")):
            connection.send_request("HEAD", path)
            response = connection.read_response("HEAD")
            assert (response.status, response.header("content-length")) == (200, length)
        connection.send_request("GET", "/hello")
        assert connection.read_response().body == b"Hello, world!\n"


def test_many_failures_leave_every_thread_and_task_usable(kitchen: Server) -> None:
    for _ in range(100):
        assert get(kitchen, "/raise-before").status == 500
    assert get(kitchen, "/hello").status == 200


def test_client_mistakes_are_not_logged_as_errors(kitchen: Server) -> None:
    mark = kitchen.log_mark()
    with Connection(kitchen) as connection:
        connection.send(b"nonsense\r\n\r\n")
        assert connection.read_response().status == 400
    request(kitchen, "GET", "/status/404")
    assert "error" not in kitchen.log(since=mark)
