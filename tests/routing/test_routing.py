"""Who answers: prefix mounts, the table mode of a new app beside an old one, and route rules.

Apart from `test_probe.py`, where the choice is only made by the response of the new app.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from server import Server, run_rsgi, start_rsgi
from websocket_wire import WebSocketConnection
from wire import exchange, get, post, request


def answering(server: Server, target: str, method: str = "GET") -> str:
    """The name of the app that answered, as it said itself."""
    return str(request(server, method, target).json()["app"])


# Mounts


@pytest.fixture(scope="module")
def mounted() -> Iterator[Server]:
    """Two WSGI and two ASGI apps at once, one of them without a prefix."""
    server = start_rsgi(
        "--wsgi",
        "routing_apps:old_a",
        "--wsgi",
        "/legacy=routing_apps:old_b",
        "--asgi",
        "/api=routing_apps:new_a",
        "--asgi",
        "/api/v2=routing_apps:new_b",
    )
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("target", "app"),
    [
        ("/", "old_a"),
        ("/api", "new_a"),
        ("/api/", "new_a"),
        ("/api/x", "new_a"),
        ("/apix", "old_a"),
        ("/ap", "old_a"),
        ("/api/v2", "new_b"),
        ("/api/v2/x", "new_b"),
        ("/api/v20", "new_a"),
        ("/legacy", "old_b"),
        ("/legacy/x/y", "old_b"),
        ("/Legacy", "old_a"),
        ("/x/legacy", "old_a"),
        ("/%61pi/x", "new_a"),
        ("/api%2Fx", "old_a"),
        ("//api/x", "old_a"),
        ("/api?x", "new_a"),
    ],
)
def test_longest_prefix_wins_at_segment_boundaries(mounted: Server, target: str, app: str) -> None:
    assert answering(mounted, target) == app


@pytest.mark.parametrize(
    ("target", "root", "path"),
    [
        ("/legacy", "/legacy", ""),
        ("/legacy/", "/legacy", "/"),
        ("/legacy/x%20y?z=1", "/legacy", "/x y"),
        ("/other/x", "", "/other/x"),
    ],
)
def test_wsgi_mount_shifts_the_path(mounted: Server, target: str, root: str, path: str) -> None:
    seen = get(mounted, target).json()
    assert (seen["root"], seen["path"]) == (root, path)


@pytest.mark.parametrize(
    ("target", "root", "path"),
    [
        ("/api", "/api", "/api"),
        ("/api/x%20y", "/api", "/api/x y"),
        ("/api/v2/x", "/api/v2", "/api/v2/x"),
    ],
)
def test_asgi_mount_keeps_the_full_path(mounted: Server, target: str, root: str, path: str) -> None:
    seen = get(mounted, target).json()
    assert (seen["root"], seen["path"]) == (root, path)


def test_query_and_body_reach_the_mounted_app(mounted: Server) -> None:
    for target in ("/legacy/x?y=1", "/api/x?y=1"):
        seen = post(mounted, target, b"the body").json()
        assert (seen["query"], seen["body"], seen["method"]) == ("y=1", "the body", "POST")


def test_websocket_goes_to_asgi_mounts_only(mounted: Server) -> None:
    with WebSocketConnection(mounted) as client:
        assert client.upgrade("/api/v2/chat").status == 101
        assert json.loads(client.read_data_frame().payload) == ["new_b", "/api/v2", "/api/v2/chat"]
    for target in ("/", "/legacy/chat"):
        with WebSocketConnection(mounted) as client:
            response = client.upgrade(target)
            assert 400 <= response.status < 500
            assert response.body


def test_no_app_owns_the_path(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "/legacy=routing_apps:old_a")
    response = get(server, "/elsewhere")
    assert response.status == 404
    assert response.header("content-type") == "text/plain; charset=utf-8"
    assert response.text.startswith("404 Not Found: ")
    assert response.text.count("\n") == 1
    assert answering(server, "/legacy/x") == "old_a"


def test_banner_says_who_serves_what(mounted: Server) -> None:
    banner = mounted.log()
    for text in ("routing_apps:old_a", "/legacy", "routing_apps:old_b", "/api", "/api/v2", "routing_apps:new_b"):
        assert text in banner
    assert banner.index("routing_apps:old_a") < banner.index("listening on ")


# Table mode: FastAPI owns what it has routes for, Flask has the rest


@pytest.fixture(scope="module")
def migrating() -> Iterator[Server]:
    """The headline command: a new FastAPI app beside an old Flask app."""
    server = start_rsgi("--wsgi", "flask_app:app", "--asgi", "fastapi_app:app")
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("method", "target", "app"),
    [
        ("GET", "/users/7", "fastapi"),
        ("DELETE", "/users/7", "fastapi"),
        ("POST", "/users/7", "flask"),
        ("PUT", "/users/7", "flask"),
        ("GET", "/items", "fastapi"),
        ("POST", "/items", "flask"),
        ("GET", "/items?x=1", "fastapi"),
    ],
)
def test_table_divides_by_path_and_method(migrating: Server, method: str, target: str, app: str) -> None:
    assert answering(migrating, target, method) == app


def test_table_leaves_the_rest_to_the_old_app(migrating: Server) -> None:
    assert get(migrating, "/go").status == 302  # only Flask has it
    assert get(migrating, "/nowhere").header("server") == "rsgi"
    assert b"Not Found" in get(migrating, "/nowhere").body
    assert get(migrating, "/nowhere").header("content-type") == "text/html; charset=utf-8"  # Flask's own page


def test_table_gives_shared_paths_to_the_new_app(migrating: Server) -> None:
    assert get(migrating, "/").body == b"FastAPI index\n"
    assert get(migrating, "/docs").status == 200
    assert get(migrating, "/openapi.json").json()["openapi"].startswith("3.")


def test_table_keeps_bodies(migrating: Server) -> None:
    assert post(migrating, "/raw", b"to FastAPI").body == b"to FastAPI"
    assert post(migrating, "/items", b"to Flask").json()["body"] == "to Flask"


def test_head_follows_get(migrating: Server) -> None:
    """FastAPI has no HEAD of its own on this path: its 405 shows that it was asked."""
    assert request(migrating, "HEAD", "/items").status in (200, 405)
    response = request(migrating, "HEAD", "/go")
    assert response.status == 302


def test_cors_preflight_follows_its_method(migrating: Server) -> None:
    """Flask answers OPTIONS by itself with Allow; FastAPI without CORS middleware does not."""

    def asked_for(method: str) -> str:
        headers = [("Origin", "https://a.example"), ("Access-Control-Request-Method", method)]
        response = request(migrating, "OPTIONS", "/items", headers)
        return "flask" if response.status == 200 and response.header("allow") else "fastapi"

    assert asked_for("POST") == "flask"
    assert asked_for("GET") == "fastapi"


def test_table_knows_websocket_routes(migrating: Server) -> None:
    with WebSocketConnection(migrating) as client:
        assert client.upgrade("/ws/echo/me").status == 101
        client.send_frame(1, b"hello")
        assert client.read_data_frame().payload == b"fastapi me: hello"
    with WebSocketConnection(migrating) as client:
        response = client.upgrade("/users/7")
        assert response.status == 404
        assert response.body


def test_table_mode_is_in_the_banner(migrating: Server) -> None:
    banner = migrating.log().lower()
    assert "table" in banner or "routes" in banner
    assert "fastapi_app:app" in banner
    assert "flask_app:app" in banner


def test_encoded_slash_makes_no_segment(migrating: Server) -> None:
    """`/users%2F7` is one segment: no route of the new app."""
    response = get(migrating, "/users%2F7")
    assert response.header("content-type") != "application/json" or response.json()["app"] == "flask"


def test_same_django_project_splits_by_protocol(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "django_app:wsgi", "--asgi", "django_app:asgi")
    assert get(server, "/").body == b"Django index by WSGIRequest\n"
    with WebSocketConnection(server) as client:
        assert client.upgrade("/ws/echo/me").status == 101
        client.send_frame(1, b"hello")
        assert client.read_data_frame().payload == b"me: hello"


# Route rules


@pytest.fixture(scope="module")
def ruled() -> Iterator[Server]:
    """Rules come before mounts and before the table."""
    server = start_rsgi(
        "--wsgi",
        "routing_apps:old_a",
        "--asgi",
        "/api=routing_apps:new_a",
        "--route",
        "GET,HEAD /api/reports/{rest:path}=routing_apps:old_a",
        "--route",
        "/checkout/{step}=routing_apps:new_a",
        "--route",
        "files.example.com/{rest:path}=routing_apps:new_a",
    )
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("method", "target", "app"),
    [
        ("GET", "/api/reports/2026/1", "old_a"),
        ("HEAD", "/api/reports/2026/1", "old_a"),
        ("POST", "/api/reports/2026/1", "new_a"),
        ("GET", "/api/other", "new_a"),
        ("GET", "/checkout/pay", "new_a"),
        ("POST", "/checkout/pay", "new_a"),
        ("GET", "/checkout", "old_a"),
        ("GET", "/checkout/pay/now", "old_a"),
        ("GET", "/checkout/a%2Fb", "old_a"),
    ],
)
def test_rules_come_first(ruled: Server, method: str, target: str, app: str) -> None:
    response = request(ruled, method, target)
    assert response.header("x-app") == app


def test_rules_pass_the_path_through(ruled: Server) -> None:
    seen = get(ruled, "/api/reports/2026/1").json()
    assert (seen["root"], seen["path"]) == ("", "/api/reports/2026/1")
    seen = get(ruled, "/checkout/pay").json()
    assert (seen["root"], seen["path"]) == ("", "/checkout/pay")


def test_rules_can_ask_for_a_host(ruled: Server) -> None:
    def asked(host: str) -> object:
        return exchange(ruled, f"GET /x/y HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()).json()["app"]

    assert asked("files.example.com") == "new_a"
    assert asked("FILES.example.com:8080") == "new_a"
    assert asked("example.com") == "old_a"
    assert asked("files.example.com.evil") == "old_a"


def test_rules_may_name_the_interface(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "routing_apps:old_a", "--asgi", "/api=routing_apps:new_a", "--route", "/api/x=wsgi")
    assert answering(server, "/api/x") == "old_a"
    assert answering(server, "/api/y") == "new_a"


def test_rule_for_an_unknown_app_is_an_error() -> None:
    ended = run_rsgi("--wsgi", "routing_apps:old_a", "--route", "/x=nobody:app")
    assert ended.returncode in (1, 2)
    assert "nobody:app" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_websocket_passes_by_rules_for_wsgi(start: Callable[..., Server]) -> None:
    rule = ("--route", "/api/{rest:path}=routing_apps:old_a")
    server = start("--wsgi", "routing_apps:old_a", "--asgi", "/api=routing_apps:new_a", *rule)
    assert answering(server, "/api/chat") == "old_a"
    with WebSocketConnection(server) as client:
        assert client.upgrade("/api/chat").status == 101
        assert json.loads(client.read_data_frame().payload) == ["new_a", "/api", "/api/chat"]
