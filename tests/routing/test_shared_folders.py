"""What the new application takes in one piece: a folder of files leaves what it has not, and a mount is warned of.

Apart from `test_table_mode.py`, which has routes that can be read.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from commands import run
from server import APPS, Server
from wire import request

OLD = ("--wsgi", "folder_apps:old")


def responses(server: Server, *lines: str) -> list[tuple[int, str]]:
    found = []
    for line in lines:
        method, _, path = line.partition(" ")
        response = request(server, method, path, body=b"12345" if method == "POST" else None)
        found.append((response.status, response.text))
    return found


def said_by_check(new: str, *more: str) -> tuple[int, list[str]]:
    checked = run("check", *OLD, "--asgi", f"folder_apps:{new}", *more, folder=APPS)
    return checked.returncode, [line for line in checked.stderr.splitlines() if line.startswith("warning: ")]


@pytest.mark.parametrize("new", ["starlette", "quart", "falcon", "litestar"])
def test_a_file_that_the_new_folder_has_not_comes_from_the_old_one(start: Callable[..., Server], new: str) -> None:
    pytest.importorskip(new)
    server = start(*OLD, "--asgi", f"folder_apps:{new}", "--fallback", "table")
    asked = ("GET /static/app.js", "GET /static/both.css", "GET /static/site.css", "POST /static/upload")
    assert responses(server, *asked) == [(200, "new app"), (200, "new both"), (200, "old site"), (200, "old upload 5")]
    assert responses(server, "GET /static/none.css") == [(404, "old has no /static/none.css")]
    assert "text/css" in str(request(server, "HEAD", "/static/site.css").header("content-type"))


def test_a_folder_at_the_root_leaves_the_old_application_its_routes(start: Callable[..., Server]) -> None:
    server = start(*OLD, "--asgi", "folder_apps:html")
    asked = ("GET /app.js", "GET /reports", "GET /static/site.css")
    assert responses(server, *asked) == [(200, "new app"), (200, "old /reports"), (200, "old site")]
    assert "takes every path" not in server.log()


def test_probe_mode_takes_a_missing_file_for_a_missing_route(start: Callable[..., Server]) -> None:
    server = start(*OLD, "--asgi", "folder_apps:starlette", "--fallback", "probe")
    asked = ("GET /static/app.js", "GET /static/site.css", "POST /static/upload")
    assert responses(server, *asked) == [(200, "new app"), (200, "old site"), (200, "old upload 5")]


def test_a_response_that_says_it_stands_stands(start: Callable[..., Server]) -> None:
    server = start(*OLD, "--asgi", "folder_apps:quiet")
    assert responses(server, "GET /static/site.css") == [(404, "new says no")]


def test_a_folder_where_the_old_application_has_nothing_answers_alone(start: Callable[..., Server]) -> None:
    server = start(*OLD, "--asgi", "folder_apps:elsewhere")
    assert responses(server, "GET /assets/app.js", "GET /assets/none.js") == [(200, "new app"), (404, "Not Found")]
    assert "warning:" not in server.log()


def test_an_old_application_that_cannot_be_read_may_have_files_anywhere(start: Callable[..., Server]) -> None:
    server = start("--wsgi", "folder_apps:without_static", "--asgi", "folder_apps:elsewhere")
    assert responses(server, "GET /assets/app.js", "GET /assets/x.js") == [(200, "new app"), (200, "old /assets/x.js")]


def test_explain_says_who_is_asked_then() -> None:
    explained = run("explain", *OLD, "--asgi", "folder_apps:starlette", "/static/site.css", folder=APPS)
    assert "  served by  folder_apps:starlette (asgi)" in explained.stdout
    assert "  after a 404 folder_apps:old, which sees the request as if it came first" in explained.stdout


def test_a_folder_that_covers_the_old_one_is_warned_of(start: Callable[..., Server]) -> None:
    code, said = said_by_check("starlette")
    assert code == 0
    assert said == [
        "warning: `/static/{path:path}` of folder_apps:starlette (starlette.staticfiles.StaticFiles) covers "
        "`/static/{filename:path}`, `/static/upload` of folder_apps:old: folder_apps:starlette "
        "serves files that both have, and folder_apps:old serves files that only it has; "
        "`--route '/static/{filename:path}=folder_apps:old'` gives the first back"
    ]
    assert said_by_check("starlette", "--strict") == (1, said)
    server = start(*OLD, "--asgi", "folder_apps:starlette")
    assert said[0] in server.log().splitlines()
    assert said_by_check("elsewhere", "--strict") == (0, [])


def test_the_rule_that_the_warning_names_gives_the_folder_back(start: Callable[..., Server]) -> None:
    rules = ("--route", "/static/{filename:path}=folder_apps:old")
    server = start(*OLD, "--asgi", "folder_apps:starlette", *rules)
    assert responses(server, "GET /static/both.css") == [(200, "old both")]
    assert said_by_check("starlette", "--strict", *rules) == (0, [])


def test_a_mount_that_covers_routes_is_warned_of() -> None:
    code, said = said_by_check("covering", "--strict")
    assert code == 1
    assert said == [
        "warning: `/admin/{path:path}` of folder_apps:covering (folder_apps.opaque) covers `/admin/log`, `/admin/rights`, "
        "`/admin/groups` and 1 more of folder_apps:old, which no longer gets these requests; "
        "`--route '/admin/log=folder_apps:old'` gives the first back"
    ]


def test_what_is_preferred_is_not_covered() -> None:
    assert said_by_check("covering", "--strict", "--prefer", "wsgi") == (0, [])


# The root of a mount


def test_the_root_of_a_mount_is_the_new_application_s(start: Callable[..., Server]) -> None:
    server = start(*OLD, "--asgi", "folder_apps:covering")
    for path in ("/admin", "/reports"):
        response = request(server, "GET", path)
        assert response.status == 307
        assert str(response.header("location")).endswith(f"{path}/")
        assert responses(server, f"GET {path}/") == [(200, f"new {path}/")]
    assert responses(server, "GET /reports/x", "GET /adminx") == [(200, "old /reports/x"), (404, "old has no /adminx")]


def test_a_mount_refuses_what_is_below_it_and_not_its_root(start: Callable[..., Server]) -> None:
    """Below it Starlette answers 404, whatever follows; the root may be another route's, and a folder in it is shared."""
    server = start("--wsgi", "folder_apps:without_static", "--asgi", "folder_apps:beside")
    assert responses(server, "POST /reports", "GET /reports/") == [(200, "new /reports"), (200, "new /reports/")]
    assert responses(server, "GET /reports/x", "PUT /reports") == [(200, "old /reports/x"), (200, "old /reports")]
    asked = ("GET /reports/files/app.js", "GET /reports/files/x.js")
    assert responses(server, *asked) == [(200, "new app"), (200, "old /reports/files/x.js")]


def test_a_router_that_redirects_nothing_leaves_the_root_to_the_old_application(start: Callable[..., Server]) -> None:
    server = start(*OLD, "--asgi", "folder_apps:exact")
    assert responses(server, "GET /reports", "GET /reports/x") == [(200, "old /reports"), (200, "new /reports/x")]


def test_a_mount_is_one_route_in_the_banner(start: Callable[..., Server]) -> None:
    server = start(*OLD, "--asgi", "folder_apps:elsewhere")
    assert "table: 2 routes of folder_apps:elsewhere, read from Starlette" in server.log()
