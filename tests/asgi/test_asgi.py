"""What only ASGI has over HTTP: the scope, the order and types of messages, disconnects, tasks.

Apart from `test_http.py`, which has what both kinds of application share. Covers the ASGI 3.0 core specification
and the HTTP half of its HTTP & WebSocket document, version 2.5.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server import Server, wait_until
from wire import Connection, get, many_connections, post, request


def records(server: Server, label: str, *, at_least: int = 1) -> list[object]:
    """What the kitchen recorded under a label, once it has that many entries."""

    def recorded() -> list[object] | None:
        events: list[object] = get(server, f"/record?label={label}").json()
        return events if len(events) >= at_least else None

    return wait_until(recorded, 5, f"{at_least} entries under {label}") or []


# The scope


def test_scope_of_a_request(asgi_server: Server) -> None:
    scope = post(asgi_server, "/scope/caf%C3%A9%2F?y=%20", b"abc", ("X-One", "1")).json()
    headers = scope.pop("headers")
    expected = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/scope/caf\xe9/",
        "raw_path": "/scope/caf%C3%A9%2F",
        "query_string": "y=%20",
        "root_path": "",
        "server": ["127.0.0.1", asgi_server.port],
        "type(scope)": "dict",
    }
    assert {name: scope.get(name) for name in expected} == expected
    assert scope["client"][0] == "127.0.0.1"
    assert isinstance(scope["client"][1], int)
    assert scope["asgi"]["version"] == "3.0"
    assert scope["asgi"]["spec_version"] in ("2.4", "2.5")
    assert ["host", asgi_server.authority] in headers
    assert ["x-one", "1"] in headers
    assert ["content-length", "3"] in headers


def test_scope_types(asgi_server: Server) -> None:
    types = get(asgi_server, "/scope-types").json()
    assert types["headers"] in ("list", "tuple")
    for name in ("path", "method", "scheme", "http_version", "root_path"):
        assert types[name] == "str"
    for name in ("raw_path", "query_string"):
        assert types[name] == "bytes"
    assert types["asgi"] == "dict"


def test_header_names_are_lower_case_and_repeats_keep_their_order(asgi_server: Server) -> None:
    headers = get(asgi_server, "/headers", ("X-B", "1"), ("X-A", "2"), ("X-B", "3")).json()
    assert [pair for pair in headers if pair[0].startswith("x-")] == [["x-b", "1"], ["x-a", "2"], ["x-b", "3"]]


def test_repeated_cookies_are_one_header(asgi_server: Server) -> None:
    headers = get(asgi_server, "/headers", ("Cookie", "a=1"), ("X-Between", "1"), ("Cookie", "b=2")).json()
    assert [value for name, value in headers if name == "cookie"] == ["a=1; b=2"]


def test_scope_over_a_unix_socket(start: Callable[..., Server], tmp_path: Path) -> None:
    path = str(tmp_path / "rsgi.sock")
    scope = get(start("--asgi", "asgi_kitchen:app", "--uds", path), "/scope").json()
    assert scope["server"] == [path, None]
    assert scope["client"] is None or scope["client"][1] in (0, None)


def test_invalid_utf_8_in_the_path_does_not_hurt(asgi_server: Server) -> None:
    response = get(asgi_server, "/seen/%E9")
    assert response.status in (200, 400)
    if response.status == 200:
        assert response.json()["raw_path"] == "/seen/%E9"
    assert get(asgi_server, "/hello").status == 200


def test_requests_get_scopes_of_their_own(asgi_server: Server) -> None:
    first, second = (get(asgi_server, f"/scope?{number}").json() for number in (1, 2))
    assert (first["query_string"], second["query_string"]) == ("1", "2")


# Messages in


def test_small_body_is_one_message(asgi_server: Server) -> None:
    assert post(asgi_server, "/receive-messages", b"abc").json() == [["http.request", 3, False]]


def test_no_body_is_one_empty_message(asgi_server: Server) -> None:
    assert get(asgi_server, "/receive-messages").json() == [["http.request", 0, False]]


def test_large_body_is_many_messages(asgi_server: Server) -> None:
    messages = post(asgi_server, "/receive-messages", b"x" * 5_000_000).json()
    assert sum(size for _, size, _ in messages) == 5_000_000
    assert [more for _, _, more in messages] == [True] * (len(messages) - 1) + [False]
    assert max(size for _, size, _ in messages) <= 1024 * 1024


def test_body_streams_in(asgi_server: Server) -> None:
    with Connection(asgi_server, timeout=2) as connection:
        connection.send(b"POST /read-first HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabcdef")
        assert connection.read_response().body == b"abc"


def test_receive_after_the_response_says_disconnect(asgi_server: Server) -> None:
    label = f"after-end-{asgi_server.log_mark()}"
    assert post(asgi_server, f"/receive-after-end?label={label}", b"abc").body == b"ended\n"
    assert records(asgi_server, label, at_least=2) == ["http.disconnect", "http.disconnect"]


def test_receive_says_disconnect_when_the_client_left(asgi_server: Server) -> None:
    with Connection(asgi_server) as connection:
        connection.send_request("GET", "/receive-disconnect?label=left")
        records(asgi_server, "left")
    assert records(asgi_server, "left", at_least=2) == ["waiting", "http.disconnect"]


def test_send_raises_an_oserror_when_the_client_left(asgi_server: Server) -> None:
    mark = asgi_server.log_mark()
    with Connection(asgi_server) as connection:
        connection.send_request("GET", "/send-after-disconnect?label=send-left")
        records(asgi_server, "send-left")
    assert records(asgi_server, "send-left", at_least=2) == ["waiting", "OSError"]
    get(asgi_server, "/hello")
    assert "failed" not in asgi_server.log(since=mark), "a client that left is no error of the application"


# Messages out


def test_wrong_messages_raise_inside_the_app(asgi_server: Server) -> None:
    response = get(asgi_server, "/wrong-caught")
    assert response.status == 200
    raised = response.json()
    assert len(raised) == 10
    assert "nothing" not in raised
    assert set(raised) <= {"RuntimeError", "TypeError", "ValueError", "KeyError", "AssertionError"}


@pytest.mark.parametrize("path", ["/unknown-type", "/start-twice", "/raise-base-exception", "/cancel-self"])
def test_other_failures_of_the_app(asgi_server: Server, path: str) -> None:
    mark = asgi_server.log_mark()
    response = get(asgi_server, path)
    assert response.status == 500
    assert response.text == "500 Internal Server Error: the application failed\n"
    log = asgi_server.wait_for_log(f"app `asgi_kitchen:app` failed: GET {path}", since=mark)
    assert log.count("error: app") == 1
    assert get(asgi_server, "/hello").body == b"Hello, world!\n"


def test_unknown_keys_are_ignored(asgi_server: Server) -> None:
    assert get(asgi_server, "/extra-keys").body == b"extra\n"


def test_headers_may_be_any_iterables(asgi_server: Server) -> None:
    response = get(asgi_server, "/header-iterables")
    assert (response.header("x-one"), response.header("x-two")) == ("1", "2")
    assert response.body == b"iterables\n"


def test_upper_case_header_names_are_sent(asgi_server: Server) -> None:
    assert get(asgi_server, "/upper-case-header").header("x-upper-case") == "kept or lowered"


def test_body_may_be_a_bytearray_or_refused_like_any_wrong_type(asgi_server: Server) -> None:
    """ASGI says byte string: Daphne and uvicorn take a bytearray, so applications send it."""
    assert get(asgi_server, "/bytearray-body").body == b"bytearray\n"


def test_send_after_the_end_adds_nothing(asgi_server: Server) -> None:
    with Connection(asgi_server) as connection:
        connection.send_request("GET", "/send-after-end")
        assert connection.read_response().body == b"ended\n"
        connection.send_request("GET", "/hello")
        assert connection.read_response().body == b"Hello, world!\n"


def test_failure_after_the_end_is_logged_and_changes_nothing(asgi_server: Server) -> None:
    mark = asgi_server.log_mark()
    response = get(asgi_server, "/raise-after-end")
    assert response.status == 200
    assert response.complete
    assert response.body == b"whole\n"
    asgi_server.wait_for_log("kitchen: raised after the end", since=mark)


def test_each_message_leaves_at_once(asgi_server: Server) -> None:
    with Connection(asgi_server) as connection:
        connection.send_request("GET", "/stream-gated?label=asgi-at-once")
        connection.read_head()
        assert connection.read_chunk() == b"first"
        get(asgi_server, "/open-gate?label=asgi-at-once")
        assert connection.read_chunk() == b"second"
        assert connection.read_chunk() is None


# Tasks and the loop


def test_background_work_goes_on_after_the_response(asgi_server: Server) -> None:
    with Connection(asgi_server) as connection:
        connection.send_request("GET", "/background?label=work")
        assert connection.read_response().body == b"answered\n"
        connection.send_request("GET", "/hello")  # the connection is not held by the work
        assert connection.read_response().body == b"Hello, world!\n"
    get(asgi_server, "/open-gate?label=work")
    assert records(asgi_server, "work", at_least=2) == ["answered", "done"]


def test_app_runs_in_a_real_task(asgi_server: Server) -> None:
    found = get(asgi_server, "/task").json()
    assert found["task"] is True
    assert found["timed_out"] is True


def test_listening_and_sending_at_once(asgi_server: Server) -> None:
    assert get(asgi_server, "/receive-in-task").body == b"0\n1\n2\nend\n"


def test_slow_calls_run_side_by_side(asgi_server: Server) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        responses = list(pool.map(lambda _: get(asgi_server, "/slow?ms=300").body, range(20)))
    assert responses == [b"slow\n"] * 20
    assert time.monotonic() - began < 3


def test_wsgi_is_served_while_the_event_loop_is_blocked(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "/old=wsgi_kitchen:app", "--asgi", "asgi_kitchen:app")
    with Connection(server) as blocking:
        blocking.send_request("GET", "/block-loop?ms=1500")
        began = time.monotonic()
        responses = [get(server, "/old/hello").body for _ in range(5)]
        assert responses == [b"Hello, world!\n"] * 5
        assert time.monotonic() - began < 1.2
        assert blocking.read_response().body == b"blocked\n"


def test_asgi_is_served_while_every_wsgi_thread_is_busy(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "/old=wsgi_kitchen:app", "--asgi", "asgi_kitchen:app", "--wsgi-threads", "2")
    with many_connections(server, 4) as slow:
        for connection in slow:
            connection.send_request("GET", "/old/slow?ms=1500")
        began = time.monotonic()
        assert [get(server, "/hello").body for _ in range(5)] == [b"Hello, world!\n"] * 5
        assert time.monotonic() - began < 1.2


def test_loop_choice(start: Callable[..., Server]) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--loop", "asyncio")
    assert not get(server, "/task").json()["loop"].startswith("uvloop")


def test_uvloop(start: Callable[..., Server]) -> None:
    pytest.importorskip("uvloop", reason="the package uvloop is not installed")
    server = start("--asgi", "asgi_kitchen:app", "--loop", "uvloop")
    assert get(server, "/task").json()["loop"].startswith("uvloop")
    assert post(server, "/echo", b"over uvloop").body == b"over uvloop"


def test_extensions_that_are_offered_have_known_names(asgi_server: Server) -> None:
    known = {
        "http.response.pathsend",
        "http.response.zerocopysend",
        "http.response.early_hint",
        "http.response.trailers",
        "tls",
    }
    assert set(get(asgi_server, "/extensions").json()) <= known


def test_head_runs_the_app_to_its_end(asgi_server: Server) -> None:
    response = request(asgi_server, "HEAD", "/stream/5")
    assert response.status == 200
    assert re.fullmatch(r"\d+|None", str(response.header("content-length")))
