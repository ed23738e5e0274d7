"""Reading route tables: Litestar.

`test_table_mode.py` compares the table with what Litestar itself answers.
"""

from __future__ import annotations

from typing import Any

import pytest

litestar = pytest.importorskip("litestar")

from litestar import Litestar, asgi, get, route
from litestar.handlers.http_handlers import HTTPRouteHandler
from starlette.middleware.cors import CORSMiddleware

from route_lines import lines, table
from server import APPS

GOLDEN = """
http GET / - litestar_app.index
http GET /users users litestar_app.Users.all_of_them
  /users
  /users/
http POST /orders - litestar_app.order
  /orders
  /orders/
http HEAD /ping - litestar_app.ping
  /ping
  /ping/
http GET,HEAD /inner/page/ mounted_page litestar_app.mounted_page
any * /raw opaque - litestar_app.raw
any * /raw/{path:path} opaque - litestar_app.raw
http DELETE /users/{number:int} - litestar_app.Users.remove
  /users/{number:int}
  /users/{number:int}/
  /users/-{number:int}
  /users/-{number:int}/
http GET /users/{number:int} user litestar_app.Users.one
  /users/{number:int}
  /users/{number:int}/
  /users/-{number:int}
  /users/-{number:int}/
http GET /v1/days/{day} - litestar_app.day
  /v1/days/{day}
  /v1/days/{day}/
http GET /v1/documents/{document:uuid} - litestar_app.document
  /v1/documents/{document:uuid}
  /v1/documents/{document:uuid}/
http GET /v1/price/{amount:float} - litestar_app.price
  /v1/price/{amount:float}
  /v1/price/{amount:float}/
  /v1/price/-{amount:float}
  /v1/price/-{amount:float}/
http GET /v1/wiki/{page:path} - litestar_app.wiki
  /v1/wiki/{page}
  /v1/wiki/{page}/
  /v1/wiki/{page}/{page_2:path}
http PUT /orders/{name}/state - litestar_app.order_state
  /orders/{name}/state
  /orders/{name}/state/
websocket * /ws/{room} - litestar_app.chat
  /ws/{room}
  /ws/{room}/
http GET /static/{file_path:path} static litestar.static_files.config.create_static_files_router.<locals>.get_handler
  /static/{file_path}
  /static/{file_path}/
  /static/{file_path}/{file_path_2:path}
http HEAD /static/{file_path:path} static/head litestar.static_files.config.create_static_files_router.<locals>.head_handler
  /static/{file_path}
  /static/{file_path}/
  /static/{file_path}/{file_path_2:path}
"""


@get("/x")
async def page() -> None: ...


def app(*handlers: Any) -> Litestar:
    return Litestar(list(handlers), openapi_config=None)


def test_every_kind_of_route(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(APPS))
    import litestar_app

    found = table(litestar_app.app)
    assert (found.framework, found.complete, found.why) == ("Litestar", True, None)
    assert lines(found) == GOLDEN.strip("\n").splitlines()


def test_its_own_pages_are_routes() -> None:
    paths = {each.path for each in table(Litestar([page])).routes}
    assert {"/schema", "/schema/openapi.json"} <= paths


def test_options_of_the_applications_own() -> None:
    @route("/o", http_method=["GET", "OPTIONS"])
    async def with_options() -> None: ...

    assert isinstance(with_options, HTTPRouteHandler)
    assert [each.methods for each in table(app(page)).routes] == [("GET",)]
    assert [each.methods for each in table(app(with_options)).routes] == [("GET", "OPTIONS")]


def test_middleware_around_it_is_looked_through() -> None:
    assert [each.path for each in table(CORSMiddleware(app(page))).routes] == ["/x"]


def test_mounts_at_the_root_and_of_what_can_be_read() -> None:
    outer = app(page, asgi("/", is_mount=True, copy_scope=True)(app(page)))
    assert [each.path for each in table(outer).routes] == ["/x"]

    @asgi("/", is_mount=True, copy_scope=True)
    async def everything(scope: Any, receive: Any, send: Any) -> None: ...

    catch_alls = table(app(page, everything)).catch_alls()
    assert [(each.path, each.opaque) for each in catch_alls] == [("/{path:path}", True)]


def test_an_asgi_handler_that_is_no_mount() -> None:
    @asgi("/raw", copy_scope=True)
    async def raw(scope: Any, receive: Any, send: Any) -> None: ...

    (found,) = table(app(raw)).routes
    assert (found.kind, found.methods, found.matched, found.opaque) == ("any", None, ("/raw", "/raw/"), False)
