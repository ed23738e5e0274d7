"""What the metrics say after real requests: every counter, of every kind of connection, over restarts and deaths.

Apart from `test_admin.py`, which is about the listener. The table of `docs/metrics.md` is made here:
`UPDATE_DOCS=1 python -m pytest tests/observe/test_metrics.py` rewrites it.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from admin import Admin, Numbers, numbers_of, total
from certificates import Certificates, TlsConnection
from http2_wire import Http2Connection, get2
from rsgi import _rsgi
from server import Server, wait_until
from websocket_wire import WebSocketConnection
from wire import Connection, exchange, get, many_connections, post

PAGE = Path(__file__).parents[2] / "docs/metrics.md"
ADMIN = ("--admin", "127.0.0.1:0")
REQUESTS, REFUSALS = "rsgi_http_requests_total", "rsgi_http_refusals_total"


def start_both(start: Callable[..., Server], *arguments: str) -> tuple[Server, Admin]:
    server = start("--wsgi", "wsgi_kitchen:app", "--asgi", "/new=asgi_kitchen:app", *ADMIN, *arguments)
    return server, Admin(server)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_requests_by_application_route_method_and_status(start: Callable[..., Server], workers: str) -> None:
    server, admin = start_both(start, "--workers", workers)
    for _ in range(3):
        assert get(server, "/hello").status == 200
    responses = [post(server, "/new/echo", b"abc"), get(server, "/new/no-such-path")]
    assert [response.status for response in responses] == [200, 404]
    assert get(server, "/raise-before").status == 500
    assert exchange(server, b"BREW /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").status == 200
    old, new = {"app": "wsgi_kitchen:app", "route": "other"}, {"app": "asgi_kitchen:app", "route": "/new"}
    admin.wait_for(7, REQUESTS)
    admin.wait_for(3, REQUESTS, **old, method="GET", status="2xx")
    admin.wait_for(1, REQUESTS, **old, method="GET", status="5xx")
    admin.wait_for(1, REQUESTS, **old, method="other", status="2xx")
    admin.wait_for(1, REQUESTS, **new, method="POST", status="2xx")
    admin.wait_for(1, REQUESTS, **new, method="GET", status="4xx")
    numbers = admin.numbers()
    assert total(numbers, "rsgi_http_request_duration_seconds_count", **old) == 5
    assert total(numbers, "rsgi_http_request_duration_seconds_count", **new) == 2
    assert 0 < total(numbers, "rsgi_http_request_duration_seconds_sum") < 5
    assert total(numbers, "rsgi_http_request_queue_seconds_count", **old) == 5
    assert total(numbers, "rsgi_http_request_queue_seconds_count", **new) == 2
    assert total(numbers, "rsgi_http_request_body_bytes_total", **new) == 3
    assert total(numbers, "rsgi_http_response_body_bytes_total", **new) == sum(
        len(response.body) for response in responses
    )
    assert total(numbers, "rsgi_http_requests_in_flight") == 0


def test_routes_are_templates(start: Callable[..., Server]) -> None:
    server = start(
        *("--wsgi", "flask_app:app", "--asgi", "fastapi_app:app"),
        *("--route", "GET /rule/{anything}=wsgi", "--route", "/below/{rest:path}=wsgi"),
        *ADMIN,
    )
    admin = Admin(server)
    for number in range(5):
        get(server, f"/rule/{number}")
        get(server, f"/below/{number}/more")
        get(server, f"/nowhere/{number}")
    get(server, "/")
    admin.wait_for(16, REQUESTS)
    routes = {dict(labels)["route"] for (name, labels) in admin.numbers() if name == REQUESTS}
    assert routes == {"/rule/{anything}", "/below/{rest:path}", "other", "/"}
    admin.wait_for(5, REQUESTS, app="flask_app:app", route="/rule/{anything}")
    admin.wait_for(1, REQUESTS, app="fastapi_app:app", route="/")


def test_new_rules_are_new_routes_and_old_numbers_stay(start: Callable[..., Server], tmp_path: Path) -> None:
    settings = tmp_path / "rsgi.toml"
    apps = '[apps.old]\nwsgi = "wsgi_kitchen:app"\n[apps.new]\nasgi = "asgi_kitchen:app"\nprefix = "/new"\n'
    rule = '[[routes]]\npath = "/{}/{{rest:path}}"\napp = "old"\n'
    settings.write_text(apps + rule.format("first"))
    server = start("--config", str(settings), *ADMIN)
    admin = Admin(server)
    get(server, "/first/x")
    settings.write_text(apps + rule.format("second"))
    server.send_signal(signal.SIGHUP)
    server.wait_for_log("reloaded")
    get(server, "/second/x")
    get(server, "/first/x")
    admin.wait_for(3, REQUESTS)
    admin.wait_for(1, REQUESTS, route="/first/{rest:path}")
    admin.wait_for(1, REQUESTS, route="/second/{rest:path}")
    admin.wait_for(1, REQUESTS, route="other")


def test_an_application_that_is_asked_second_has_the_request(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "routing_apps:old_a", "--asgi", "routing_apps:opaque", *ADMIN)
    admin = Admin(server)
    assert get(server, "/old").json()["app"] == "old_a"
    assert post(server, "/old", b"12345").json()["body"] == "12345"
    admin.wait_for(2, REQUESTS)
    admin.wait_for(2, REQUESTS, app="routing_apps:old_a", status="2xx")
    admin.wait_for(2, "rsgi_http_request_queue_seconds_count", app="routing_apps:old_a")
    admin.wait_for(5, "rsgi_http_request_body_bytes_total")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_refusals_by_reason(start: Callable[..., Server], workers: str) -> None:
    server, admin = start_both(start, "--max-body", "10", "--workers", workers, "--http", "1")
    host = b"Host: x\r\n"
    assert exchange(server, b"GET /\x01 HTTP/1.1\r\n" + host + b"\r\n").status == 400
    assert exchange(server, b"GET / HTTP/1.1\r\n\r\n").status == 400
    assert exchange(server, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + host + b"\r\n").status == 414
    assert exchange(server, b"GET / HTTP/1.1\r\n" + host + b"X: " + b"a" * 70_000 + b"\r\n\r\n").status == 431
    assert post(server, "/echo", b"x" * 11).status == 413
    for reason, count in [
        ("malformed", 2),
        ("request_line_too_long", 1),
        ("header_too_large", 1),
        ("body_too_large", 1),
    ]:
        admin.wait_for(count, REFUSALS, reason=reason)
    admin.wait_for(5, REFUSALS)
    admin.wait_for(4, REQUESTS, app="none", route="none", status="4xx")
    admin.wait_for(1, REQUESTS, app="wsgi_kitchen:app", method="POST", status="4xx")


def test_refusals_where_nobody_serves_and_by_http_version(start: Callable[..., Server]) -> None:
    server = start("--asgi", "/new=asgi_kitchen:app", "--http", "2", *ADMIN)
    admin = Admin(server)
    with Http2Connection(server) as connection:
        assert connection.get("/nowhere").status == 404
    assert exchange(server, b"GET /new/hello HTTP/1.1\r\nHost: x\r\n\r\n").status == 505
    admin.wait_for(1, REFUSALS, reason="no_application")
    admin.wait_for(1, REFUSALS, reason="http_version")


def test_refusals_of_a_full_server(start: Callable[..., Server]) -> None:
    server = start(
        *("--wsgi", "draining_app:old", "--wsgi-threads", "1", "--wsgi-queue", "1", "--queue-timeout", "0.2"), *ADMIN
    )
    admin = Admin(server)
    with contextlib.ExitStack() as connections:

        def ask() -> Connection:
            connection = connections.enter_context(Connection(server))
            connection.send_request("GET", "/work/1.5")
            return connection

        busy = ask()
        admin.wait_for(1, "rsgi_wsgi_threads", state="busy")
        waiting = ask()
        admin.wait_for(1, "rsgi_wsgi_queue_length")
        assert ask().read_response().status == 503
        assert waiting.read_response().status == 503
        assert admin.number("rsgi_http_requests_in_flight") >= 1
        assert busy.read_response().status == 200
    admin.wait_for(1, REFUSALS, reason="queue_full")
    admin.wait_for(1, REFUSALS, reason="queue_timeout")
    admin.wait_for(2, REQUESTS, app="draining_app:old", status="5xx")
    admin.wait_for(1, "rsgi_wsgi_threads", state="idle")
    admin.wait_for(0, "rsgi_wsgi_queue_length")


def test_refusals_of_a_full_application(start: Callable[..., Server]) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--limit-concurrency", "1", *ADMIN)
    admin = Admin(server)
    with Connection(server) as slow:
        slow.send_request("GET", "/slow?ms=800&label=metrics")
        wait_until(lambda: get(server, "/hello").status == 503, 5, "the application is full")
        assert slow.read_response().status == 200
    assert admin.number(REFUSALS, reason="concurrency") >= 1


def test_tls_failures_by_reason(start: Callable[..., Server], tmp_path: Path) -> None:
    certificates = Certificates.make(tmp_path)
    server = start("--asgi", "asgi_kitchen:app", *certificates.flags(), "--header-timeout", "0.3", *ADMIN)
    admin = Admin(server)
    with TlsConnection(server, certificates.context()) as connection:
        connection.send_request("GET", "/hello")
        assert connection.read_response().status == 200
    with Http2Connection(server, certificates.context("h2")) as connection:
        assert connection.get("/hello").status == 200
    assert exchange(server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").status == 400
    with Connection(server) as broken:
        broken.send(b"\x16\x03\x01\x00\x05hello")
        broken.closed_within(5)
    with Connection(server) as silent:
        assert silent.closed_within(5)
    failures = "rsgi_tls_failures_total"
    for reason in ("plain_http", "handshake", "timeout"):
        admin.wait_for(1, failures, reason=reason)
    admin.wait_for(2, REQUESTS, status="2xx")
    admin.wait_for(1, "rsgi_connections_total", protocol="http/2")


def test_proxies_that_say_nothing(start: Callable[..., Server]) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--proxy-protocol", "--trust-proxy", "127.0.0.1", *ADMIN)
    admin = Admin(server)
    assert exchange(server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").status == 400
    admin.wait_for(1, "rsgi_proxy_header_failures_total")


def test_connections_by_protocol(start: Callable[..., Server]) -> None:
    server, admin = start_both(start)
    with many_connections(server, 3) as connections, Http2Connection(server) as second:
        for connection in connections:
            connection.send_request("GET", "/hello")
            assert connection.read_response().status == 200
        assert second.get("/hello").status == 200
        admin.wait_for(3, "rsgi_connections_open", protocol="http/1")
        admin.wait_for(1, "rsgi_connections_open", protocol="http/2")
    admin.wait_for(0, "rsgi_connections_open")
    admin.wait_for(3, "rsgi_connections_total", protocol="http/1")
    admin.wait_for(1, "rsgi_connections_total", protocol="http/2")
    assert get2(server, "/new/hello").status == 200
    admin.wait_for(1, REQUESTS, app="asgi_kitchen:app")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_websockets(start: Callable[..., Server], workers: str) -> None:
    server = start("--asgi", "asgi_kitchen:app", *ADMIN, "--workers", workers)
    admin = Admin(server)
    app = {"app": "asgi_kitchen:app"}
    with WebSocketConnection(server) as connection:
        assert connection.upgrade("/ws/echo").status == 101
        connection.send_frame(1, b"hello")
        assert connection.read_data_frame().payload == b"hello"
        admin.wait_for(1, "rsgi_websockets_open", **app)
        admin.wait_for(1, "rsgi_calls_running", **app)
        assert admin.number("rsgi_http_requests_in_flight", **app) == 0
        connection.send_close(1000)
    admin.wait_for(0, "rsgi_websockets_open", **app)
    admin.wait_for(1, "rsgi_websockets_total", **app)
    admin.wait_for(1, REQUESTS, **app, method="GET", status="1xx")
    with WebSocketConnection(server) as connection:
        assert connection.upgrade("/ws/return-before-accept").status in (403, 500)
    admin.wait_for(1, "rsgi_websockets_total", **app)
    admin.wait_for(0, "rsgi_calls_running", **app)


def test_a_client_that_leaves_and_the_thread_that_stays(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "orphans_app:app", "--wsgi-threads", "2", *ADMIN)
    admin = Admin(server)
    with Connection(server) as leaving:
        leaving.send_request("GET", "/stuck")
        server.wait_for_log("stuck")
    admin.wait_for(1, "rsgi_wsgi_threads", state="orphaned")
    admin.wait_for(1, "rsgi_wsgi_threads", state="idle")
    admin.wait_for(1, "rsgi_calls_running")
    # It may have ended its side only, and wait for the response.
    admin.wait_for(1, "rsgi_http_requests_in_flight")
    get(server, "/release")
    admin.wait_for(2, "rsgi_wsgi_threads", state="idle")
    admin.wait_for(0, "rsgi_calls_running")
    admin.wait_for(0, "rsgi_http_requests_in_flight")
    admin.wait_for(2, REQUESTS, method="GET", status="2xx")


def test_a_client_that_is_reset_has_no_response(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "orphans_app:app", "--wsgi-threads", "2", *ADMIN)
    admin = Admin(server)
    with Connection(server) as leaving:
        leaving.send_request("GET", "/stuck")
        server.wait_for_log("stuck")
        leaving.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    admin.wait_for(1, "rsgi_wsgi_threads", state="orphaned")
    admin.wait_for(0, "rsgi_http_requests_in_flight")
    admin.wait_for(1, REQUESTS, method="GET", status="none")
    get(server, "/release")
    admin.wait_for(0, "rsgi_calls_running")


def test_streams_are_in_flight_until_their_last_byte(start_kitchen: Callable[..., Server]) -> None:
    server = start_kitchen(*ADMIN)
    admin = Admin(server)
    with Connection(server) as connection:
        connection.send_request("GET", "/stream-gated?label=metrics")
        connection.read_head()
        connection.read_chunk()
        admin.wait_for(1, "rsgi_http_requests_in_flight")
        assert admin.number(REQUESTS) == 0
    admin.wait_for(0, "rsgi_http_requests_in_flight")
    admin.wait_for(1, REQUESTS, status="2xx")


# Several processes


def load(server: Server, requests: int) -> None:
    """Have requests answered, by all workers."""
    with contextlib.ExitStack() as connections:
        opened = [connections.enter_context(Connection(server)) for _ in range(20)]
        for number in range(requests):
            connection = opened[number % len(opened)]
            connection.send_request("GET", "/")
            assert connection.read_response().status == 200


def never_down(before: Numbers, now: Numbers) -> None:
    """Counters are where they were or above."""
    for (name, labels), value in before.items():
        if name.endswith(("_total", "_count", "_sum", "_bucket")):
            assert now.get((name, labels), 0) >= value, f"{name} {dict(labels)} went down"


def test_a_rolling_restart_keeps_every_count(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "workers_apps:pid", *ADMIN, "--workers", "2")
    admin = Admin(server)
    load(server, 200)
    before = admin.numbers()
    server.send_signal(signal.SIGHUP)
    wait_until(lambda: "all workers were replaced" in server.log(), 20, "workers were replaced")
    numbers = admin.numbers()
    never_down(before, numbers)
    admin.wait_for(200, REQUESTS)
    admin.wait_for(200, "rsgi_http_request_duration_seconds_count")
    admin.wait_for(2, "rsgi_worker_restarts_total", reason="replaced")
    admin.wait_for(2, "rsgi_workers", state="serving")
    admin.wait_for(0, "rsgi_workers", state="leaving")
    load(server, 20)
    admin.wait_for(220, REQUESTS)


def test_restarts_say_why(start: Callable[..., Server]) -> None:
    limits = ("--max-requests", "3", "--worker-timeout", "1s")
    server = start("--asgi", "worn_app:new", "--lifespan", "off", *ADMIN, "--workers", "2", *limits)
    admin = Admin(server)
    with Connection(server) as blocking:
        blocking.send_request("GET", "/block")
        admin.wait_for(1, "rsgi_worker_restarts_total", 20, reason="hung")
    wait_until(lambda: admin.number("rsgi_workers", state="serving") == 2, 15, "there are two again")
    load(server, 5)  # three at least for one of them
    wait_until(lambda: admin.number("rsgi_worker_restarts_total", reason="worn") > 0, 15, "one has had its requests")


def test_a_killed_worker_takes_at_most_a_second_of_numbers_along(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "workers_apps:pid", *ADMIN, "--workers", "2")
    admin = Admin(server)
    load(server, 100)
    admin.wait_for(100, REQUESTS)
    before = admin.numbers()
    os.kill(get(server, "/").json()["pid"], signal.SIGKILL)
    server.wait_for_log("another worker replaces it")
    for _ in range(20):
        numbers = admin.numbers()
        never_down(before, numbers)
        before = numbers
    admin.wait_for(1, "rsgi_worker_restarts_total", reason="died")
    wait_until(lambda: admin.number("rsgi_workers", state="serving") == 2, 15, "there are two again")
    assert 100 <= admin.number(REQUESTS) <= 101
    load(server, 10)
    wait_until(lambda: admin.number(REQUESTS) >= 110, 5, "counting goes on")


def is_stopped(process: int) -> bool:
    """Whether all threads of a process have stopped."""
    states = [path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{process}/task").glob("*/stat")]
    return states == ["T"] * len(states)


def test_a_worker_that_does_not_answer_is_named(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "workers_apps:pid", *ADMIN, "--workers", "2")
    admin = Admin(server)
    load(server, 50)
    admin.wait_for(50, REQUESTS)
    (first, second) = (worker["pid"] for worker in admin.status()["workers"])
    os.kill(second, signal.SIGSTOP)
    try:
        wait_until(lambda: is_stopped(second), 5, "the worker stops")
        began = time.monotonic()
        numbers = admin.numbers()
        assert time.monotonic() - began < 3
        assert total(numbers, "rsgi_worker_up", worker="1") == 1
        assert total(numbers, "rsgi_worker_up", worker="2") == 0
        assert total(numbers, REQUESTS) == 50, "its last numbers are there"
        assert {worker["pid"]: worker["answered"] for worker in admin.status()["workers"]} == {
            first: True,
            second: False,
        }
        assert admin.get("/healthz").status == 200
    finally:
        os.kill(second, signal.SIGCONT)
    wait_until(lambda: admin.number("rsgi_worker_up") == 2, 5, "it answers again")


def test_more_workers_are_wanted(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "workers_apps:pid", *ADMIN, "--workers", "2")
    admin = Admin(server)
    server.send_signal(signal.SIGTTIN)
    admin.wait_for(3, "rsgi_workers", state="wanted")
    admin.wait_for(3, "rsgi_workers", timeout=15, state="serving")
    admin.wait_for(3, "rsgi_worker_up")


def test_many_scrapes_at_once(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "workers_apps:pid", *ADMIN, "--workers", "2")
    admin = Admin(server)
    seen: list[float] = []

    def scrape() -> None:
        seen.extend(admin.number("rsgi_worker_up") for _ in range(10))

    threads = [threading.Thread(target=scrape) for _ in range(8)]
    for thread in threads:
        thread.start()
    load(server, 100)
    for thread in threads:
        thread.join(30)
    assert seen == [2] * 80
    admin.wait_for(100, REQUESTS)


# The formats, and the page


@pytest.mark.parametrize("workers", ["1", "2"])
def test_both_formats_say_the_same(start: Callable[..., Server], workers: str) -> None:
    server, admin = start_both(start, "--workers", workers)
    for _ in range(5):
        get(server, "/hello")
    post(server, "/new/echo", b"abc")
    admin.wait_for(6, REQUESTS)
    changing = re.compile("rsgi_(process|event_loop|calls|wsgi)_.*|rsgi_.*_(open|in_flight)")
    strict = numbers_of(admin.openmetrics())
    plain = admin.numbers()

    def lasting(numbers: Numbers) -> Numbers:
        return {key: value for key, value in numbers.items() if not changing.match(key[0])}

    assert lasting(strict) == lasting(plain)
    assert strict.keys() == plain.keys()


def names_of_samples(name: str, kind: str) -> set[str]:
    return {f"{name}_{part}" for part in ("bucket", "count", "sum")} if kind == "histogram" else {name}


def test_what_is_documented_is_what_a_scrape_shows(start: Callable[..., Server], tmp_path: Path) -> None:
    file = tmp_path / "rsgi.toml"
    routes = '[[routes]]\npath = "/shared"\napp = "asgi"\nshare = "5%"\nrollback = true\n'
    file.write_text(routes + '[[shadow]]\npath = "/hello"\nto = "asgi"\n')
    server, admin = start_both(start, "--workers", "2", "--config", str(file), "--grip")
    get(server, "/hello")
    post(server, "/new/echo", b"abc")
    admin.wait_for(2, REQUESTS)
    shown: dict[str, set[frozenset[str]]] = {}
    for name, labels in admin.numbers():
        shown.setdefault(name, set()).add(frozenset(label for label, _ in labels) - {"le"})
    expected = {
        sample: {frozenset(labels)}
        for name, kind, _, labels, _ in _rsgi.metrics()
        for sample in names_of_samples(name, kind)
    }
    assert shown == expected
    kinds = {family.name: family.type for family in admin.openmetrics()}
    assert kinds == {name.removesuffix("_total"): kind for name, kind, *_ in _rsgi.metrics()}


def page() -> str:
    """`docs/metrics.md` with the table as it should be."""
    rows = ["| metric | type | unit | labels | what it says |", "|---|---|---|---|---|"]
    for name, kind, unit, labels, help in _rsgi.metrics():
        rows.append(f"| `{name}` | {kind} | {unit} | {' '.join(f'`{label}`' for label in labels)} | {help} |")
    before, begin, rest = PAGE.read_text().partition("<!-- metrics -->\n")
    _, end, after = rest.partition("<!-- end of metrics -->\n")
    assert begin
    assert end
    return before + begin + "\n".join(rows) + "\n" + end + after


def test_the_page_lists_every_metric() -> None:
    expected = page()
    if os.environ.get("UPDATE_DOCS") == "1":
        PAGE.write_text(expected)
    assert PAGE.read_text() == expected, "UPDATE_DOCS=1 python -m pytest tests/observe/test_metrics.py rewrites it"


def test_the_page_names_no_other_metric() -> None:
    known = {sample for name, kind, *_ in _rsgi.metrics() for sample in {name, *names_of_samples(name, kind)}}
    assert set(re.findall(r"\brsgi_\w+", PAGE.read_text())) <= known


def test_an_address_may_be_ipv6(start: Callable[..., Server]) -> None:
    with socket.socket(socket.AF_INET6) as tried:
        try:
            tried.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
    server = start("--asgi", "asgi_kitchen:app", "--admin", "[::1]:0")
    assert Admin(server).number("rsgi_build_info", version=_rsgi.VERSION) == 1
