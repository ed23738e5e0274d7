"""Reading route tables: Falcon, ASGI and WSGI.

`test_table_mode.py` compares the table with what Falcon itself answers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("falcon")

import falcon
import falcon.asgi
from falcon.routing import CompiledRouter

from route_lines import lines, table
from server import APPS

GOLDEN = """
http DELETE,GET /items/{number:int} - falcon_app.Item
  /items/{number:int}
  /items/-{number:int}
http POST /items - falcon_app.Item
http DELETE,GET /positive/{number:int} - falcon_app.Item
  /positive/{number:int}
  /positive/-{number:int}
http DELETE,GET /documents/{document:uuid} - falcon_app.Item
http DELETE,GET /repos/{owner}:{branch}/{name}.{ending} - falcon_app.Item
http DELETE,GET /wiki/{page:path} - falcon_app.Item
websocket * /ws/{room} - falcon_app.Chat
any * /legacy/v{p:int}/{p_2:path} opaque - falcon_app.sink
http GET,HEAD /static/{path:path} opaque - falcon.routing.static.StaticRouteAsync
"""

GOLDEN_WSGI = """
http GET / - falcon_app.Page
http GET /items/{number:int} - falcon_app.Page
  /items/{number:int}
  /items/-{number:int}
http * /legacy{p:path} opaque - falcon_app.wsgi_sink
"""


class Page:
    """A resource with one method."""

    def on_get(self, req: Any, resp: Any, **parameters: Any) -> None: ...


@pytest.mark.parametrize(("name", "golden"), [("app", GOLDEN), ("wsgi", GOLDEN_WSGI)])
def test_every_kind_of_route(monkeypatch: pytest.MonkeyPatch, name: str, golden: str) -> None:
    monkeypatch.syspath_prepend(str(APPS))
    import falcon_app

    found = table(getattr(falcon_app, name))
    assert (found.framework, found.complete, found.why) == ("Falcon", True, None)
    assert lines(found) == golden.strip("\n").splitlines()


def test_slashes_that_do_not_count() -> None:
    app = falcon.App()
    app.add_route("/x", Page())
    app.req_options.strip_url_path_trailing_slash = True
    assert [route.matched for route in table(app).routes] == [("/x", "/x/")]


def test_the_sink_for_everything_is_a_catch_all() -> None:
    app = falcon.App()
    app.add_sink(lambda req, resp, **parameters: None)
    app.add_sink(lambda req, resp, **parameters: None, r"/reports/\w+")
    found = table(app)
    assert [route.path for route in found.routes] == ["/reports/{p}{p_2:path}", "/{p:path}"]
    assert [route.path for route in found.catch_alls()] == ["/{p:path}"]


def test_a_folder_with_a_fallback_also_has_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("")
    app = falcon.App()
    app.add_static_route("/shop", str(tmp_path), fallback_filename="index.html")
    assert [route.path for route in table(app).routes] == ["/shop", "/shop/{path:path}"]


def test_a_method_for_all_the_others() -> None:
    class Anything:
        def on_request(self, req: Any, resp: Any) -> None: ...

        def on_post(self, req: Any, resp: Any) -> None: ...

    router = CompiledRouter()
    if not hasattr(router.options, "default_to_on_request"):
        pytest.skip("this Falcon has no such responder")
    router.options.default_to_on_request = True
    app = falcon.App(router=router)
    app.add_route("/x", Anything())
    (route,) = table(app).routes
    assert route.methods is not None
    assert {"GET", "POST", "PUT", "DELETE"} <= set(route.methods)


def test_a_router_of_its_own_is_a_gap() -> None:
    class Router:
        def add_route(self, template: str, resource: object, **options: Any) -> None: ...

        def find(self, uri: str, req: object = None) -> None:
            return None

    found = table(falcon.App(router=Router()))
    assert (found.complete, found.why) == (False, "it has its own router, `Router`")
