"""Reading route tables: Flask, compared with what its own URL map matches; and werkzeug's dispatcher."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("flask")

from flask import Blueprint, Flask
from flask.views import MethodView
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter, Rule

from route_lines import lines, table

GOLDEN = """
http GET,HEAD,PUT /users/{name} user test_introspect_flask.view
http GET,HEAD,POST /shop/orders/{number:int} shop.orders test_introspect_flask.Orders
http GET,HEAD /files/{name:path}.txt files test_introspect_flask.view
  /files/{name}.txt
  /files/{name}/{name_2:path}.txt
http GET,HEAD /list/{names} names test_introspect_flask.view
http GET,HEAD,OPTIONS /options options test_introspect_flask.view
http GET,HEAD /both/ both test_introspect_flask.view
  /both/
  /both
http GET,HEAD /moved moved None
http GET,HEAD /v{version:float}/x version test_introspect_flask.view
"""


def view(**values: Any) -> str:
    return ""


class Orders(MethodView):
    """A view with two methods."""

    def get(self, number: int) -> str:
        return ""

    def post(self, number: int) -> str:
        return ""


class Names(BaseConverter):
    """Some names with `+` between them."""

    regex = r"[a-z]+(?:\+[a-z]+)*"


def sample() -> Flask:
    app = Flask("sample", static_folder=None)
    app.url_map.converters["names"] = Names
    app.add_url_rule("/users/<name>", "user", view, methods=["GET", "PUT"])
    shop = Blueprint("shop", "shop", url_prefix="/shop")
    shop.add_url_rule("/orders/<int:number>", view_func=Orders.as_view("orders"))
    app.register_blueprint(shop)
    app.add_url_rule("/v<float:version>/x", "version", view)
    app.add_url_rule("/files/<path:name>.txt", "files", view)
    app.add_url_rule("/list/<names:names>", "names", view)
    app.add_url_rule("/options", "options", view, methods=["GET", "OPTIONS"], provide_automatic_options=False)
    app.add_url_rule("/both/", "both", view, strict_slashes=False)
    app.add_url_rule("/never", "never", view, build_only=True)
    app.url_map.add(Rule("/moved", endpoint="moved", redirect_to="/both/", methods=["GET"]))
    return app


def paths(app: object) -> list[str]:
    return [route.path for route in table(app).routes]


def test_every_kind_of_rule() -> None:
    found = table(sample())
    assert (found.framework, found.complete, found.why) == ("Flask", True, None)
    assert lines(found) == GOLDEN.strip("\n").splitlines()
    assert found.routes[0].original == "/users/<name>"


@pytest.mark.parametrize(
    ("path", "owned"),
    [
        *(("/users/ada", True), ("/users/", False), ("/shop/orders/7", True), ("/shop/orders/-7", False)),
        *(("/v1.5/x", True), ("/vx/x", False), ("/files/a/b.txt", True), ("/files/.txt", False)),
        *(("/list/a+b", True), ("/both", True), ("/both/", True), ("/options", True), ("/never", False)),
    ],
)
def test_the_table_owns_what_flask_itself_matches(path: str, owned: bool) -> None:
    app = sample()
    assert app.url_map.bind("localhost").test(path, "GET") is owned
    from starlette.routing import compile_path

    templates = [template for route in table(app).routes for template in route.matched]
    assert any(compile_path(template)[0].match(path) for template in templates) is owned


def test_it_is_found_in_its_wrappers() -> None:
    app = Flask("app", static_folder=None)
    app.add_url_rule("/x", "x", view)
    assert paths(ProxyFix(app)) == ["/x"]
    assert paths(ProxyFix(app.wsgi_app)) == ["/x"]
    app.wsgi_app = ProxyFix(ProxyFix(app.wsgi_app))  # type: ignore[method-assign]
    assert paths(app) == ["/x"]


def test_a_dispatcher_has_the_routes_of_all() -> None:
    app, inner = sample(), Flask("inner", static_folder=None)
    inner.add_url_rule("/", "index", view)
    mounts: Any = {"/inner": inner, "/metrics": lambda environ, start_response: []}
    dispatched = table(DispatcherMiddleware(app, mounts))
    assert (dispatched.framework, dispatched.complete) == ("Flask", True)
    assert [(route.path, route.opaque) for route in dispatched.routes[:4]] == [
        ("/metrics", True),
        ("/metrics/{path:path}", True),
        ("/inner/", False),
        ("/users/{name}", False),
    ]
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, mounts)  # type: ignore[method-assign]
    assert table(app) == dispatched


def test_a_dispatcher_around_something_unknown_has_a_gap() -> None:
    found = table(DispatcherMiddleware(lambda environ, start_response: [], {"/x": sample()}))
    assert (found.framework, found.complete) == ("werkzeug", False)
    assert found.routes[0].path == "/x/users/{name}"


def test_too_many_forms_become_a_rougher_template() -> None:
    app = Flask("app", static_folder=None)
    names = ",".join(f"a{number}" for number in range(40))
    app.add_url_rule(f"/<any({names}):one>/<any({names}):two>", "x", view)
    (route,) = table(app).routes
    assert route.path == "/{one}/{two}"
    assert route.matched[0] == "/a0/{two}"
    assert len(route.matched) == 40


def test_text_that_looks_like_a_parameter_of_ours() -> None:
    app = Flask("app", static_folder=None)
    app.add_url_rule("/{id:int}/{x}", "x", view)
    assert [route.matched for route in table(app).routes] == [("/{id}/{x}",)]


def test_static_files_count_when_there_are_any(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    assert paths(Flask("app", root_path=str(tmp_path))) == ["/static/{filename:path}"]
    assert paths(Flask("app", root_path=str(tmp_path / "static"))) == []
