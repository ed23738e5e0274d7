"""Shadow traffic: what the client gets, what the second application gets, and what is compared."""

from __future__ import annotations

import gzip
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from shadowing import ADMIN, ALL, NEW, OLD, by_route, compared, count, document, paths, seen, wait_for_count

from admin import Admin
from http2_wire import get2
from server import Server, wait_until
from websocket_wire import WebSocketConnection
from wire import Connection, get, post, request

PATHS = ("/same/1", "/price/2", "/broken", "/stream", "/large", "/nothing", "/events")


def plain(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Header fields without the date."""
    return [field for field in fields if field[0].lower() != "date"]


def whole(headers: list[tuple[str, str]], body: bytes) -> bytes:
    """The body without its coding: where gzip flushes a stream depends on when its pieces come."""
    coded = ("content-encoding", "gzip") in [(name.lower(), value) for name, value in headers]
    return gzip.decompress(body) if coded else body


@pytest.mark.parametrize("compress", [(), ("--compress", "auto")], ids=["plain", "compressed"])
def test_the_client_gets_what_it_would_get(start: Callable[..., Server], compress: tuple[str, ...]) -> None:
    alone, shadowed = start(*OLD, *NEW, *compress), start(*ALL, *compress)
    for path in PATHS:
        for fields in ([], [("accept-encoding", "gzip")]):
            first, second = (get(server, path, *fields) for server in (alone, shadowed))
            assert (second.status, whole(second.headers, second.body), plain(second.headers)) == (
                first.status,
                whole(first.headers, first.body),
                plain(first.headers),
            )
            one, other = get2(alone, path, fields), get2(shadowed, path, fields)
            assert (other.status, whole(other.headers, bytes(other.body)), plain(other.headers)) == (
                one.status,
                whole(one.headers, bytes(one.body)),
                plain(one.headers),
            )
    routes = compared(shadowed, 4 * (len(PATHS) - 1))
    assert count(shadowed, "dropped", reason="stream") == 4
    (route,) = routes.values()
    assert "body" not in [each["path"] for each in route["differences"] if each["count"] > 8], (
        "encodings are no difference"
    )


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("version", ["http/1", "http/2"])
def test_each_request_is_compared_once(start: Callable[..., Server], workers: str, version: str) -> None:
    server = start(*ALL, "--workers", workers, "--shadow-queue", "1000")
    ask = get if version == "http/1" else get2
    for number in range(30):
        assert ask(server, f"/same/{number}").status == 200
        assert ask(server, f"/price/{number}?a=%2Fb").status == 200
    (route,) = compared(server, 60).values()
    assert (route["route"], route["primary"], route["shadow"]) == ("/{rest:path}", "shadow_apps:old", "shadow_apps:new")
    assert (route["n"], route["match"], paths(route)) == (60, 0.5, ["$.price"])
    assert count(server, "differing") == 30
    assert count(server, "requests", app="shadow_apps:new") == 60
    got = seen(server, "new", times=int(workers) * 40)
    assert len(got) == 60
    assert sorted({target for _, target, _, _ in got}) == sorted(
        target for number in range(30) for target in (f"/same/{number}", f"/price/{number}?a=%2Fb")
    )
    assert {(method, flag) for method, _, flag, _ in got} == {("GET", "1")}
    assert {flag for _, _, flag, _ in seen(server, "old") if flag} <= {"1"}, "some were repeated"


def test_what_differs_from_itself_is_noise(start: Callable[..., Server], tmp_path: Path) -> None:
    (tmp_path / "rsgi.toml").write_text(
        """
        admin = "127.0.0.1:0"
        [apps.old]
        wsgi = "shadow_apps:old"
        [apps.new]
        asgi = "shadow_apps:new"
        prefix = "/new"
        [[shadow]]
        path = "/noise"
        to = "new"
        sample = "100%"
        repeat = "100%"
        [[shadow]]
        path = "/price/{number}"
        to = "new"
        sample = "100%"
        repeat = "0%"
        ignore = ["$.price"]
        [shadow_store]
        folder = "samples"
        """
    )
    server = start("--config", str(tmp_path / "rsgi.toml"), folder=tmp_path, environment={"PYTHONPATH": apps()})
    for _ in range(5):
        get(server, "/noise")
        get(server, "/price/1")
        get(server, "/same/1")
    routes = compared(server, 10)
    assert {name: (route["n"], route["match"]) for name, route in routes.items()} == {
        "/noise": (5, 1.0),
        "/price/{number}": (5, 1.0),
    }
    assert (count(server, "requests", app="old"), count(server, "requests", app="new")) == (5, 10)
    assert (tmp_path / "samples").is_dir()


def apps() -> str:
    return str(Path(__file__).parent.parent / "apps")


def test_only_safe_methods_unless_a_rule_names_others(start: Callable[..., Server]) -> None:
    server = start(*ALL, "--shadow", "POST /same/{number}=asgi:100%")
    assert "warning: the shadow rule `POST /same/{number}=asgi" in server.log()
    for method, path in [("HEAD", "/same/1"), ("POST", "/same/2"), ("POST", "/price/1"), ("OPTIONS", "/same/1")]:
        request(server, method, path, body=b"body" if method == "POST" else b"")
    compared(server, 2)
    assert sorted((method, target, body) for method, target, _, body in seen(server, "new")) == [
        ("HEAD", "/same/1", ""),
        ("POST", "/same/2", "body"),
    ]


def test_a_body_that_was_not_kept_is_not_sent_again(start: Callable[..., Server]) -> None:
    server = start(*ALL, "--shadow", "POST /same/{number}=asgi:100%", "--shadow-limit", "1KiB")
    post(server, "/same/1", b"x" * 1025)
    wait_for_count(server, 1, "dropped", reason="request_body")
    post(server, "/same/2", b"x" * 1024)
    with Connection(server) as connection:
        connection.send(
            b"POST /same/3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
        assert connection.read_response().status == 200
    compared(server, 2)
    assert sorted((target, body) for _, target, _, body in seen(server, "new")) == [
        ("/same/2", "x" * 1024),
        ("/same/3", "abcde"),
    ]


def test_a_failure_of_the_second_application_is_a_difference(start: Callable[..., Server]) -> None:
    server = start(*ALL, "--access-log")
    assert get(server, "/broken").text == "fine"
    (route,) = compared(server, 1).values()
    assert (route["match"], paths(route)) == (0.0, ["status"])
    server.wait_for_log("app `shadow_apps:new` failed: the shadow request GET /broken HTTP/1.1")
    get(server, "/same/1")
    compared(server, 2)
    lines = server.wait_for_access_log("/same/1")
    assert lines.count("/broken") == 1
    assert lines.count("/same/1") == 1
    numbers = Admin(server).numbers()
    of_new = [key for key in numbers if key[0] == "rsgi_http_requests_total" and ("app", "shadow_apps:new") in key[1]]
    assert not of_new, "a shadow request is no request of a client"


def test_a_shadow_request_that_takes_too_long_is_given_up(start: Callable[..., Server]) -> None:
    server = start(*ALL, "--shadow-timeout", "200ms")
    get(server, "/slow")
    (route,) = compared(server, 1).values()
    assert route["differences"][0]["example"]["shadow"] == "timeout"


def test_what_finds_no_room_is_dropped_and_counted(start: Callable[..., Server]) -> None:
    server = start(*ALL, "--shadow-queue", "1", "--log-level", "debug")
    get(server, "/slow")
    wait_for_count(server, 1, "requests", app="shadow_apps:new")
    for _ in range(4):
        assert get(server, "/slow").text == "fine"
    wait_for_count(server, 3, "dropped", reason="queue_full")
    server.send_signal()
    assert server.wait() == 0
    assert re.search(r"debug: the server stops: [12] shadow requests? not compared", server.log())


def test_what_cannot_be_compared_is_dropped(start: Callable[..., Server]) -> None:
    server = start(*ALL)
    get(server, "/events")
    tag = get(server, "/cached").header("etag")
    assert tag is not None
    assert get(server, "/cached", ("If-None-Match", tag)).status == 304
    wait_for_count(server, 1, "dropped", reason="conditional")
    wait_for_count(server, 1, "dropped", reason="stream")
    compared(server, 1)


def test_a_client_that_leaves_is_not_compared(start: Callable[..., Server]) -> None:
    server = start(*ALL)
    with Connection(server, receive_buffer=2048) as connection:
        connection.send(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.read_head().status == 200
    wait_for_count(server, 1, "dropped", reason="client_left")
    assert count(server, "requests", app="shadow_apps:new") == 0


def test_the_field_of_shadow_requests_is_not_believed(start: Callable[..., Server]) -> None:
    server = start(*ALL)
    get(server, "/same/7", ("X-Rsgi-Shadow", "1"))
    compared(server, 1)
    mine = [flag for _, target, flag, _ in seen(server, "old") if target == "/same/7"]
    assert mine[0] is None
    assert [flag for _, _, flag, _ in seen(server, "new")] == ["1"]


def test_who_gets_a_request_anyway_gets_it_once(start: Callable[..., Server]) -> None:
    server = start(*OLD, *NEW, *ADMIN, "--shadow", "/{rest:path}=asgi:100%", "--route", "/same/{number}=asgi")
    assert get(server, "/same/1").header("set-cookie") is not None
    get(server, "/price/1")
    compared(server, 1)
    assert [target for _, target, _, _ in seen(server, "new")] == ["/same/1", "/price/1"]


def test_websockets_have_no_shadow(start: Callable[..., Server]) -> None:
    server = start(
        *("--wsgi", "shadow_apps:old", "--asgi", "asgi_kitchen:app", *ADMIN),
        *("--shadow", "/{rest:path}=wsgi:100%", "--route", "/seen=wsgi"),
    )
    with WebSocketConnection(server) as connection:
        assert connection.upgrade("/ws/echo").status == 101
    assert get(server, "/echo").status == 200
    compared(server, 1)
    assert [(method, target) for method, target, _, _ in seen(server, "old")] == [("GET", "/echo")]


def test_a_sample_is_a_sample(start: Callable[..., Server]) -> None:
    rules = ("--shadow", "/same/{number}=asgi:50%", "--shadow", "/price/{number}=asgi:100%")
    server = start(*OLD, *NEW, *ADMIN, *rules, "--shadow-queue", "1000")
    with Connection(server) as connection:
        for number in range(300):
            connection.send(f"GET /same/{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            connection.read_response()
    get(server, "/price/1")
    # One runs at a time, so the last one is compared last.
    routes = wait_until(lambda: by_route(server) if "/price/{number}" in by_route(server) else None, 20, "the last one")
    assert 90 < routes["/same/{number}"]["n"] < 210
    assert count(server, "dropped", reason="queue_full") == 0


def test_a_table_names_the_routes(start: Callable[..., Server]) -> None:
    server = start(
        *("--wsgi", "shadow_apps:old", "--asgi", "shadow_apps:new", *ADMIN),
        *("--route", "/{rest:path}=wsgi", "--shadow", "/{rest:path}=asgi:100%"),
    )
    for path in ("/same/1", "/price/2", "/price/3", "/cached"):
        get(server, path)
    routes = compared(server, 4)
    assert {name: route["n"] for name, route in routes.items()} == {
        "/same/{number}": 1,
        "/price/{number}": 2,
        "/{rest:path}": 1,
    }


def test_a_pool_keeps_a_thread_for_live_requests(start: Callable[..., Server]) -> None:
    server = start(
        *("--wsgi", "shadow_apps:old", "--asgi", "shadow_apps:new", *ADMIN, "--wsgi-threads", "2"),
        *("--shadow", "/same/{number}=wsgi:100%"),
    )
    with Connection(server) as connection:
        connection.send(b"GET /seen/hold HTTP/1.1\r\nHost: a\r\n\r\n")
        assert get(server, "/seen/held").json() is True
        for number in range(5):
            assert get(server, f"/same/{number}").status == 200
        assert get(server, "/seen").status == 200, "the other thread is free"
        assert count(server, "requests", app="shadow_apps:old") == 0
        get(server, "/seen/release")
        assert connection.read_response().json() is True
    compared(server, 5)


def test_rules_can_be_loaded_again(start: Callable[..., Server], tmp_path: Path) -> None:
    file = tmp_path / "rsgi.toml"
    head = 'admin = "127.0.0.1:0"\nwsgi = "shadow_apps:old"\nasgi = "/new=shadow_apps:new"\n'
    file.write_text(f"{head}shadow = ['/same/{{number}}=asgi:100%']\n")
    server = start("--config", str(file))
    get(server, "/same/1")
    compared(server, 1)
    file.write_text(f"{head}shadow = ['/price/{{number}}=asgi:100%']\n")
    server.send_signal(signal.SIGHUP)
    server.wait_for_log("+ shadow /price/{number}=asgi:100%")
    get(server, "/same/2")
    get(server, "/price/2")
    assert set(compared(server, 2)) == {"/same/{number}", "/price/{number}"}


def test_without_rules_there_is_nothing(start: Callable[..., Server]) -> None:
    server = start(*OLD, *NEW, *ADMIN)
    response = Admin(server).get("/shadow.json")
    assert (response.status, response.text) == (404, "there is no shadow traffic: see `--shadow`\n")
    assert not [key for key in Admin(server).numbers() if key[0].startswith("rsgi_shadow")]


def test_a_document_of_workers_that_have_ended_stays(start: Callable[..., Server]) -> None:
    server = start(*ALL, "--workers", "2")
    for number in range(10):
        get(server, f"/same/{number}")
    compared(server, 10)
    server.send_signal(signal.SIGHUP)
    server.wait_for_log("all workers were replaced\n", timeout=20)
    get(server, "/same/11")
    (route,) = compared(server, 11).values()
    assert (route["n"], route["match"]) == (11, 1.0)
    assert document(server)["lost"] == 0
