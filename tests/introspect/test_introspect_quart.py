"""Reading route tables: Quart.

`test_table_mode.py` compares the table with what Quart itself answers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("quart")

from quart import Quart

from route_lines import lines, table
from server import APPS

GOLDEN = """
http GET,HEAD / index quart_app.index
http DELETE /users/{number:int} user quart_app.user
http GET,HEAD /users/{number:int} user quart_app.user
http GET,HEAD /signed/{number:int} signed quart_app.signed
  /signed/{number:int}
  /signed/-{number:int}
http GET,HEAD /code/{code}/{document:uuid} code quart_app.code
http GET,HEAD /wiki/{name:path}/edit edit quart_app.edit
  /wiki/{name}/edit
  /wiki/{name}/{name_2:path}/edit
http GET,HEAD /wiki/{name:path} wiki quart_app.wiki
  /wiki/{name}
  /wiki/{name}/{name_2:path}
http GET,HEAD /folder/ folder quart_app.folder
http GET,HEAD /both/ both quart_app.both
  /both/
  /both
http GET,HEAD,POST /shop/orders shop.orders quart_app.Orders
websocket * /ws/{room} chat quart_app.chat
http GET,HEAD /{page}.html page quart_app.page
  /about.html
  /help.html
"""


async def view(**values: Any) -> str:
    return ""


def test_every_kind_of_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(APPS))
    import quart_app

    found = table(quart_app.app)
    assert (found.framework, found.complete, found.why) == ("Quart", True, None)
    assert lines(found) == GOLDEN.strip("\n").splitlines()


def test_static_files_count_when_there_are_any(tmp_path: Path) -> None:
    assert table(Quart("app", root_path=str(tmp_path))).routes == ()
    (tmp_path / "static").mkdir()
    (static,) = table(Quart("app", root_path=str(tmp_path))).routes
    assert (static.path, static.name) == ("/static/{filename:path}", "static")


def test_middleware_inside_and_around_it() -> None:
    class Middleware:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    app = Quart("app", static_folder=None)
    app.add_url_rule("/x", view_func=view)
    assert [route.path for route in table(Middleware(app)).routes] == ["/x"]
    assert [route.path for route in table(Middleware(app.asgi_app)).routes] == ["/x"]
    app.asgi_app = Middleware(app.asgi_app)  # type: ignore[method-assign]
    assert [route.path for route in table(app).routes] == ["/x"]


def test_a_rule_for_everything() -> None:
    app = Quart("app", static_folder=None)
    app.add_url_rule("/<path:rest>", "rest", view_func=view)
    app.add_url_rule("/<rest>", "segment", view_func=view)
    assert [route.name for route in table(app).catch_alls()] == ["rest"]


def test_hosts() -> None:
    app = Quart("app", static_folder=None, host_matching=True)
    app.add_url_rule("/x", "x", view_func=view, host="<tenant>.example.org")
    app.add_url_rule("/y", "y", view_func=view, host="example.org:8000")
    assert [(route.host, route.path) for route in table(app).routes] == [
        ("example.org:8000", "/y"),
        ("{tenant}.example.org", "/x"),
    ]


def test_subdomains_count_when_they_are_looked_at() -> None:
    app = Quart("app", static_folder=None, subdomain_matching=True)
    app.add_url_rule("/x", "x", view_func=view, subdomain="<tenant>")
    app.add_url_rule("/y", "y", view_func=view)
    assert [(route.host, route.path) for route in table(app).routes] == [(None, "/y")]
    app.config["SERVER_NAME"] = "example.org"
    assert [(route.host, route.path) for route in table(app).routes] == [
        ("example.org", "/y"),
        ("{tenant}.example.org", "/x"),
    ]
