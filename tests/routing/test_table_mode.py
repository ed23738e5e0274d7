"""Table mode with each framework as the new app beside an old Flask one that answers everything.

Apart from `test_routing.py`, which has the rules of dividing: here each table is compared with its framework. A request
that the new app alone answers has to reach it beside the old one too; one that it alone answers with 404, 405 or a redirect
has to reach the old one. Where a table takes more than its framework, a line below says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from server import Server, start_rsgi
from websocket_wire import WebSocketConnection
from wire import request

OLD = ("--wsgi", "flask_everything_app:app")


@dataclass(frozen=True)
class NewApp:
    """A new app and what it is asked.

    Attributes:
        target: What is served.
        name: What it answers with.
        owned: Requests that it answers.
        others: Requests that are none of its business.
        taken: Requests that it refuses, and that its table takes all the same.
        sockets: Paths of WebSockets that it accepts.
    """

    target: str
    name: str
    owned: tuple[str, ...]
    others: tuple[str, ...]
    taken: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()


UUID = "12345678-1234-1234-1234-123456789abc"

APPS = (
    NewApp(
        "litestar_app:app",
        "litestar",
        owned=(
            *(
                "GET /",
                "GET /users",
                "GET /users/",
                "GET /users/7",
                "GET /users/7/",
                "GET /users/-7",
                "DELETE /users/7",
            ),
            *("GET /v1/days/2026-01-31", f"GET /v1/documents/{UUID}", "GET /v1/price/1.5", "GET /v1/price/-2"),
            *("GET /v1/wiki/a", "GET /v1/wiki/a/b/c", "POST /orders", "POST /orders/", "PUT /orders/x%20y/state"),
            *("GET /raw", "POST /raw/x/y", "GET /inner/page/"),
        ),
        others=(
            *("POST /users", "GET /users/ada", "PUT /users/7", "GET /orders", "GET /orders/x/state", "GET /nothing"),
            *("GET /v1/wiki", "GET /v1/wiki/", "GET /v1", "GET /inner/other", "GET /v1/documents/x"),
        ),
        taken=("GET /v1/days/soon",),
        sockets=("/ws/7", "/ws/seven/"),
    ),
    NewApp(
        "quart_app:app",
        "quart",
        owned=(
            *("GET /", "GET /users/7", "DELETE /users/7", "GET /about.html", "GET /help.html", "GET /signed/-7"),
            *("GET /signed/7", f"GET /code/xy/{UUID}", "GET /wiki/a/b", "GET /wiki/a/edit", "GET /folder/"),
            *("GET /both/", "GET /both", "GET /shop/orders", "POST /shop/orders"),
        ),
        others=(
            *("POST /users/7", "GET /users/-7", "GET /users/ada", "GET /other.html", "GET /wiki/", "GET /wiki"),
            *("GET /folder", "DELETE /shop/orders", "GET /static/app.js", "GET /shop/orders/"),
        ),
        taken=(f"GET /code/xyz/{UUID}",),
        sockets=("/ws/7",),
    ),
    NewApp(
        "falcon_app:app",
        "falcon",
        owned=(
            *("POST /items", "GET /items/7", "DELETE /items/7", "GET /items/-7", f"GET /documents/{UUID}"),
            *("GET /repos/a:b/c.d", "GET /wiki/a/b", "GET /wiki/", "GET /legacy/v1/x", "POST /legacy/v12/"),
        ),
        others=(
            *("GET /items", "GET /items/", "GET /items/ada", "PUT /items/7", "GET /documents/x", "GET /repos/a/c.d"),
            *("GET /wiki", "GET /legacy", "GET /legacy/vx/", "GET /"),
        ),
        taken=("GET /positive/0",),
        sockets=("/ws/7",),
    ),
    NewApp(
        "django_site:asgi",
        "django",
        owned=(
            *(
                "GET /",
                "PUT /put",
                "PATCH /put",
                "GET /shop/",
                "POST /shop/",
                "GET /shop/items/7/",
                "POST /shop/items/7/",
            ),
            *(
                "GET /shop/items/7/view/",
                "GET /years/2026/",
                "GET /slugs/a-b",
                f"GET /documents/{UUID}",
                "GET /files/a/b",
            ),
            *("GET /articles/2026/json", "GET /articles/2026/xml", "GET /optional/", "GET /optional/page-3/"),
            *("GET /open-end/", "GET /open-end/x/y", "GET /about/", "GET /contact/", "GET /de/about/"),
        ),
        others=(
            *(
                "POST /",
                "GET /put",
                "GET /shop",
                "PUT /shop/items/7/",
                "POST /shop/items/7/view/",
                "GET /shop/items/x/",
            ),
            *(
                "GET /shop/items/7",
                "GET /years/2026",
                "GET /files/",
                "GET /articles/2026/html",
                "GET /articles/26x/json",
            ),
            *("GET /optional/page-x/", "GET /about", "GET /fr/about/", "GET /open-end"),
        ),
        taken=("GET /years/20260/",),
    ),
    NewApp(
        "django_site:channels",
        "django",
        owned=("GET /", "GET /de/about/", "GET /files/a"),
        others=("POST /", "GET /nothing", "GET /ws/7/"),
        sockets=("/ws/7/", "/ws/old/7", "/nested/7", "/nested7"),
    ),
)


@pytest.fixture(scope="module", params=APPS, ids=lambda app: app.target)
def new(request: pytest.FixtureRequest) -> NewApp:
    app = request.param
    assert isinstance(app, NewApp)
    pytest.importorskip({"django_site": "channels"}.get(app.target.partition(":")[0], app.name))
    return app


@pytest.fixture(scope="module")
def beside(new: NewApp) -> Iterator[Server]:
    server = start_rsgi(*OLD, "--asgi", new.target)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def alone(new: NewApp) -> Iterator[Server]:
    server = start_rsgi("--asgi", new.target)
    yield server
    server.stop()


def answering(server: Server, line: str) -> str | int:
    """The name of the app that answered, or the status of a response without one."""
    method, _, path = line.partition(" ")
    response = request(server, method, path)
    if response.status < 300 and response.header("content-type") == "application/json":
        return str(response.json()["app"])
    return response.status


def test_the_new_app_gets_what_it_answers(new: NewApp, alone: Server, beside: Server) -> None:
    for line in new.owned:
        assert (line, answering(alone, line)) == (line, new.name)
        assert (line, answering(beside, line)) == (line, new.name)


def test_the_old_app_gets_what_the_new_one_refuses_or_redirects(new: NewApp, alone: Server, beside: Server) -> None:
    for line in new.others:
        assert answering(alone, line) in (301, 302, 307, 308, 404, 405), line
        assert (line, answering(beside, line)) == (line, "flask")


def test_what_a_template_cannot_say_goes_to_the_new_app(new: NewApp, alone: Server, beside: Server) -> None:
    for line in new.taken:
        assert (line, answering(alone, line)) == (line, 404)
        assert (line, answering(beside, line)) == (line, 404)


def test_a_preflight_for_the_old_apps_method_is_the_old_apps(new: NewApp, beside: Server) -> None:
    for line in new.others:
        method, _, path = line.partition(" ")
        headers = [("Origin", "https://a.example"), ("Access-Control-Request-Method", method)]
        response = request(beside, "OPTIONS", path, headers)
        assert response.status == 200, line
        allowed = response.header("allow")
        assert allowed is not None, line
        assert {"DELETE", "PATCH", "PUT"} <= set(allowed.replace(" ", "").split(",")), line


def test_websockets_are_the_new_apps(new: NewApp, beside: Server) -> None:
    for path in new.sockets:
        with WebSocketConnection(beside) as client:
            assert client.upgrade(path).status == 101, path
            assert client.read_data_frame().payload.startswith(new.name.encode()), path
    with WebSocketConnection(beside) as client:
        assert client.upgrade("/no/such/socket").status == 404


def test_the_banner_says_whose_routes_they_are(new: NewApp, beside: Server) -> None:
    assert f"routes of {new.target}, read from " in beside.log()
    assert "warning:" not in beside.log()


def test_a_route_for_everything_is_warned_about_at_start() -> None:
    pytest.importorskip("starlette")
    server = start_rsgi(*OLD, "--asgi", "slash_app:greedy")
    try:
        before, _, _ = server.log().partition("listening on ")
        assert "\nwarning: `/{path:path}` of slash_app:greedy (slash_app.page) takes every path: " in before
        assert answering(server, "GET /anything") == "starlette"
        assert answering(server, "POST /anything") == "flask"
    finally:
        server.stop()


def test_routes_can_be_read_from_an_application_in_a_closure() -> None:
    pytest.importorskip("starlette")
    server = start_rsgi(*OLD, "--asgi", "slash_app:hidden()", "--routes-from", "slash_app:app")
    try:
        assert answering(server, "GET /without") == "starlette"
        assert answering(server, "GET /anything") == "flask"
        assert "table: 2 routes of slash_app:hidden(), read from Starlette" in server.log()
    finally:
        server.stop()


def test_no_redirect_to_the_twin_of_a_path_takes_a_url_of_the_old_app() -> None:
    """The three that would: `APPEND_SLASH`, werkzeug's `strict_slashes`, Starlette's `redirect_slashes`."""
    for target, path in (
        ("django_site:asgi", "/about"),
        ("quart_app:app", "/folder"),
        ("slash_app:app", "/with"),
        ("slash_app:app", "/without/"),
    ):
        alone, beside = start_rsgi("--asgi", target), start_rsgi(*OLD, "--asgi", target)
        try:
            assert request(alone, "GET", path).status in (301, 307, 308), path
            assert request(beside, "GET", path).json() == {"app": "flask", "path": path}
        finally:
            alone.stop()
            beside.stop()


ORDER_OLD = ("--wsgi", "order_apps:old")
# Who answers beside an old app that answers GET, HEAD and POST of everything. Alone, each framework answers what is not
# its own here with 404 or 405.
ORDER = {
    "starlette": {"GET /a/b": "new", "HEAD /a/x": "new", "POST /a/b": "new", "GET /m/in": "new", "GET /m/late": "old"},
    "fastapi": {"GET /a/b": "new", "HEAD /a/x": "old", "POST /a/b": "new", "GET /docs": "new", "HEAD /docs": "new"},
    "litestar": {
        "GET /a/b": "old",
        "HEAD /a/x": "old",
        "POST /a/b": "new",
        "GET /schema/x": "old",
        "GET /schema": "new",
    },
    "quart": {"GET /a/b": "new", "HEAD /a/x": "new", "POST /a/b": "new"},
    "falcon": {"GET /a/b": "old", "HEAD /a/x": "old", "POST /a/b": "new"},
    "django": {"GET /a/b": "old", "HEAD /a/x": "new", "POST /a/x": "old", "GET /get": "new", "HEAD /get": "old"},
}


@pytest.mark.parametrize("framework", ORDER)
def test_the_old_app_keeps_head_and_methods_that_the_new_one_answers_with_405(framework: str) -> None:
    pytest.importorskip(framework)
    target = ("--asgi", f"order_apps:{framework}()")
    alone, beside, only_old = start_rsgi(*target), start_rsgi(*ORDER_OLD, *target), start_rsgi(*ORDER_OLD)
    try:
        for line, owner in ORDER[framework].items():
            method, _, path = line.partition(" ")
            by_itself = request(alone, method, path)
            assert (by_itself.status < 300) == (owner == "new"), (line, by_itself.status)
            if owner == "old":
                assert by_itself.status in (404, 405), line
            served, wanted = request(beside, method, path), {"old": only_old, "new": alone}[owner]
            expected = request(wanted, method, path)
            assert (line, served.status, served.body) == (line, expected.status, expected.body)
            # A HEAD has no body to tell the two apart by.
            for name in ("content-type", "content-length"):
                assert (line, served.header(name)) == (line, expected.header(name))
    finally:
        for server in (alone, beside, only_old):
            server.stop()


def test_an_old_apps_own_docs_are_kept_until_a_rule_gives_them_away() -> None:
    pytest.importorskip("fastapi")
    both = ("--wsgi", "order_apps:documented", "--asgi", "order_apps:fastapi()")
    kept, given = start_rsgi(*both), start_rsgi(*both, "--route", "/docs=asgi")
    try:
        assert request(kept, "GET", "/docs/").text == "old docs"
        assert request(kept, "GET", "/docs").status == 308  # Flask's own way to `/docs/`
        assert request(kept, "GET", "/docs/oauth2-redirect").status == 404
        # `/<page>` of the old app takes it too, but names no page.
        assert "openapi" in request(kept, "GET", "/openapi.json").text
        assert "order_apps:documented keeps its own `/docs`, `/docs/oauth2-redirect`" in kept.log()
        assert "swagger" in request(given, "GET", "/docs").text
    finally:
        kept.stop()
        given.stop()
