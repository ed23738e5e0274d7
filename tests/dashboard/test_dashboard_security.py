"""What the dashboard lets whom do: the token, pages elsewhere, and what the page itself may load."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from admin import Admin
from board import ADMIN, APPS, RULE, TOKEN, Board, Start
from server import Server, wait_until
from wire import Response, request

FILES = {
    "/": "text/html; charset=utf-8",
    "/page.css": "text/css; charset=utf-8",
    "/page.js": "text/javascript; charset=utf-8",
    "/numbers.js": "text/javascript; charset=utf-8",
    "/routes.js": "text/javascript; charset=utf-8",
    "/server.js": "text/javascript; charset=utf-8",
    "/shares.js": "text/javascript; charset=utf-8",
}
DATA = ("/routes.json", "/history.json", "/events", "/shares", "/status.json", "/metrics")
BEARER = ("Authorization", f"Bearer {TOKEN}")
LOCKED = (*ADMIN, "--workers", "2")


def locked(start: Start) -> Server:
    return start(*APPS, *LOCKED, environment={"RSGI_ADMIN_TOKEN": TOKEN})


def put(admin: Admin, *headers: tuple[str, str], share: str = "30%") -> Response:
    return request(admin.server, "PUT", "/shares", headers, json.dumps({RULE: share}).encode())


def share_of(admin: Admin, *headers: tuple[str, str]) -> str:
    (share,) = admin.get("/shares", *headers).json()["shares"]
    return str(share["share"])


def test_the_page_loads_without_the_token_and_has_no_data(start: Start) -> None:
    server = locked(start)
    admin = Admin(server)
    for path, kind in FILES.items():
        response = admin.get(path)
        assert (response.status, response.header("content-type")) == (200, kind), path
        assert "dashboard_old" not in response.text
        assert request(server, "POST", path, body=b"x").status in (404, 405)
        assert request(admin.server, "POST", path, body=b"x").status == 405
    for path in DATA:
        response = admin.get(path)
        assert (response.status, response.header("www-authenticate")) == (401, 'Bearer realm="rsgi"'), path
    assert admin.get("/page.map").status == 401
    assert admin.get("/routes.json", BEARER).status == 200
    assert admin.get("/page.map", BEARER).status == 404


def test_the_page_may_load_nothing_but_itself(start: Start) -> None:
    admin = Admin(start(*APPS, *ADMIN))
    for path in FILES:
        response = admin.get(path)
        policy = response.header("content-security-policy") or ""
        directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        assert directives["default-src"] == "'none'"
        assert directives["script-src"] == directives["style-src"] == directives["connect-src"] == "'self'"
        assert (directives["base-uri"], directives["form-action"]) == ("'none'", "'none'")
        assert directives["frame-ancestors"] == "'none'"
        assert "unsafe" not in policy
        assert response.header("x-content-type-options") == "nosniff"
        assert response.header("x-frame-options") == "DENY"
        assert response.header("referrer-policy") == "no-referrer"
        assert response.header("cross-origin-resource-policy") == "same-origin"
        assert response.header("cache-control") == "no-store"
    page = admin.get("/").text
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|<style|\sstyle=|https?:", page)
    scripts = "".join(admin.get(path).text for path in FILES if path.endswith(".js"))
    assert not re.search(
        r"innerHTML|insertAdjacentHTML|document\.write|eval\(|localStorage|sessionStorage|cookie", scripts
    )
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", scripts)
    assert not re.search(r"url\(|@import|https?:", admin.get("/page.css").text)


@pytest.mark.parametrize(
    "headers",
    [
        [("Origin", "http://evil.example")],
        [("Origin", "null")],
        [("Origin", "http://127.0.0.1:1")],
        [("Origin", "{own}"), ("Sec-Fetch-Site", "cross-site")],
        [("Origin", "{own}"), ("Sec-Fetch-Site", "same-site")],
        [("Origin", "{own}"), ("Origin", "{own}")],
        [("Sec-Fetch-Site", "cross-site")],
    ],
)
def test_other_pages_change_nothing_even_with_the_token(start: Start, headers: list[tuple[str, str]]) -> None:
    admin = Admin(locked(start))
    own = f"http://{admin.authority}"
    sent = [(name, value.format(own=own)) for name, value in headers]
    response = put(admin, *sent, BEARER)
    assert (response.status, response.body) == (403, b"another web page cannot change shares\n")
    assert share_of(admin, BEARER) == "25%"


def test_the_page_itself_changes_shares_with_the_token(start: Start) -> None:
    server = locked(start)
    admin = Admin(server)
    own = ("Origin", f"http://{admin.authority}")
    for headers in [(own,), (own, ("Authorization", "Bearer wrong")), (own, ("Sec-Fetch-Site", "same-origin"))]:
        assert put(admin, *headers).status == 401
    assert request(admin.server, "PUT", f"/shares?token={TOKEN}", [own], b"{}").status == 401
    assert share_of(admin, BEARER) == "25%"
    response = put(admin, own, ("Sec-Fetch-Site", "same-origin"), BEARER)
    assert (response.status, response.json()["workers"]) == (200, {"took": 2, "of": 2})
    assert share_of(admin, BEARER) == "30%"
    assert request(admin.server, "POST", "/shares", [own, BEARER], b"{}").status == 405
    set_to = f"set the share of `{RULE}` to 30% (admin listener)"
    wait_until(lambda: set_to in server.log(), 10, "the log says so")
    assert TOKEN not in server.log()


def test_without_a_token_the_page_is_read_only(start: Start) -> None:
    admin = Admin(start(*APPS, *ADMIN))
    response = put(admin, ("Origin", f"http://{admin.authority}"))
    assert (response.status, response.body) == (403, b"the page is read-only, because there is no `--admin-token`\n")
    assert share_of(admin) == "25%"
    assert put(admin).status == 200, "`rsgi share` is no page"


def test_no_response_lets_other_origins_read(start: Start) -> None:
    admin = Admin(start(*APPS, *ADMIN))
    evil = ("Origin", "http://evil.example")
    for path in (*FILES, "/routes.json", "/history.json", "/shares"):
        response = admin.get(path, evil)
        assert response.header("access-control-allow-origin") is None, path
    preflight = request(admin.server, "OPTIONS", "/shares", [evil, ("Access-Control-Request-Method", "PUT")])
    assert preflight.status == 405
    assert preflight.header("access-control-allow-methods") is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9090", "localhost.evil.example", "127.0.0.1.evil.example"]
)
def test_a_name_that_points_here_shows_nothing(start: Start, host: str) -> None:
    """DNS rebinding: the page of another site lets its own name point to this machine."""
    admin = Admin(start(*APPS, *ADMIN))
    for path in (*FILES, "/routes.json", "/history.json", "/events"):
        response = request(admin.server, "GET", path, [("Host", host)])
        assert response.status == 403, path
        assert b"dashboard_old" not in response.body
    for name in ("localhost", "127.0.0.1:1"):
        assert request(admin.server, "GET", "/routes.json", [("Host", name)]).status == 200


@pytest.mark.parametrize("origin", [True, False])
def test_a_name_that_points_here_changes_nothing(start: Start, origin: bool) -> None:
    """Such a page has the origin that it says it has: host and origin are the same name."""
    admin = Admin(start(*APPS, *ADMIN))
    more = [("Origin", "http://evil.example:9090")] if origin else [("Sec-Fetch-Site", "same-origin")]
    body = json.dumps({RULE: "30%"}).encode()
    response = request(admin.server, "PUT", "/shares", [("Host", "evil.example:9090"), *more], body)
    assert response.status == 403
    assert share_of(admin) == "25%"


def test_a_token_makes_the_name_of_the_host_no_matter(start: Start) -> None:
    """A proxy in front may pass any name; who knows the token is no page of another site."""
    admin = Admin(locked(start))
    assert request(admin.server, "GET", "/routes.json", [("Host", "ops.example"), BEARER]).status == 200


def test_a_unix_socket_works_for_programs(start: Start, tmp_path: Path) -> None:
    board = Board(start(*APPS, "--admin", f"unix:{tmp_path}/admin.sock"))
    assert board.routes()["old"] == 6
