"""A table that was read through a wrapper is not all there is: rsgi asks it first, and or said to be less than sure.

Apart from `test_unwrap.py`, which finds what is in a wrapper: here it matters what the wrapper does itself.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import rsgi
from commands import run
from rsgi.routing.introspect import RouteTable, read_table
from server import APPS, Server
from wire import get

NOTE = (
    "note: the routes of wrapped_apps:{} are read through {}: the table does not have paths that {}. "
    "Add a rule for them: `--route '/path=wrapped_apps:{}'`. If there are none, name the inner application with "
    "`--routes-from`"
)


def beside_old(start: Callable[..., Server], new: str, *more: str) -> Server:
    return start("--wsgi", "wrapped_apps:old", "--asgi", f"wrapped_apps:{new}", *more)


def owners(server: Server, *paths: str) -> list[str]:
    return [str(get(server, path).json()["app"]) for path in paths]


def found_in(app: object) -> RouteTable:
    table = read_table(app)
    assert table is not None
    return table


def test_an_unknown_class_around_a_wsgi_application_is_asked_first(start: Callable[..., Server]) -> None:
    server = beside_old(start, "specified")
    assert owners(server, "/specified", "/inner", "/other") == ["new", "new", "old"]
    why = "`Specified` (wrapped_apps) wraps a Flask application, and what it answers itself is not known"
    assert f"  probe: the routes of wrapped_apps:specified cannot be read ({why}): rsgi asks it first" in server.log()


def test_one_that_is_mounted_has_all_below_its_mount(start: Callable[..., Server]) -> None:
    server = beside_old(start, "mounting")
    assert owners(server, "/v2/specified", "/v2/inner", "/page", "/specified") == ["new", "new", "new", "old"]


def test_known_bridges_are_looked_through() -> None:
    flask = pytest.importorskip("flask")
    from asgiref.wsgi import WsgiToAsgi

    class Stamped:
        def __init__(self, app: Any) -> None:
            self.app = app

        def __call__(self, environ: Any, start_response: Any) -> Any:
            return self.app(environ, start_response)

    app = flask.Flask("app", static_folder=None)
    for bridged in (WsgiToAsgi(app.wsgi_app), rsgi.WsgiToAsgi(app)):
        assert (found_in(bridged).complete, found_in(bridged).through) == (True, ())
    behind = found_in(WsgiToAsgi(Stamped(app)))
    assert (behind.complete, behind.through) == (True, ("Stamped",))
    app.wsgi_app = Stamped(app.wsgi_app)
    assert found_in(app).through == ("Stamped",)


@pytest.mark.parametrize(
    ("new", "through", "which"),
    [
        ("wrapped", "`Health`", "it answers itself"),
        ("added", "`Health`, `timing`", "they answer themselves"),
        ("inside", "`Health`", "it answers itself"),
    ],
)
def test_unknown_middleware_is_named_in_the_banner_and_by_check(
    start: Callable[..., Server], new: str, through: str, which: str
) -> None:
    said = NOTE.format(new, through, which, new)
    server = beside_old(start, new)
    assert said in server.log().splitlines()
    checked = run("check", "--wsgi", "wrapped_apps:old", "--asgi", f"wrapped_apps:{new}", "--strict", folder=APPS)
    assert said in checked.stderr.splitlines()
    assert checked.returncode == 0, "it is no warning"


def test_the_remedies_that_the_banner_names_help(start: Callable[..., Server]) -> None:
    assert owners(beside_old(start, "wrapped"), "/page", "/healthz") == ["new", "old"]
    rule = ("--route", "/healthz=wrapped_apps:wrapped")
    assert owners(beside_old(start, "wrapped", *rule), "/page", "/healthz") == ["new", "new"]
    silenced = beside_old(start, "wrapped", "--routes-from", "wrapped_apps:bare")
    assert owners(silenced, "/page") == ["new"]
    assert "note:" not in silenced.log()


def test_what_comes_with_a_framework_is_silent(start: Callable[..., Server]) -> None:
    server = beside_old(start, "bare")
    assert owners(server, "/page", "/other") == ["new", "old"]
    assert "note:" not in server.log()


def test_a_preferred_application_is_named_too(start: Callable[..., Server], tmp_path: Any) -> None:
    (tmp_path / "stamped_app.py").write_text(
        "from flask import Flask, jsonify\n"
        "class Stamped:\n"
        "    def __init__(self, app):\n        self.app = app\n"
        "    def __call__(self, environ, start_response):\n        return self.app(environ, start_response)\n"
        "flask = Flask('old', static_folder=None)\n"
        "flask.add_url_rule('/page', 'page', lambda: jsonify(app='old'))\n"
        "old = Stamped(flask)\n"
    )
    server = start(
        *("--wsgi", "stamped_app:old", "--asgi", "wrapped_apps:bare", "--prefer", "wsgi"),
        folder=tmp_path,
        environment={"PYTHONPATH": str(tmp_path)},
    )
    assert owners(server, "/page") == ["old"]
    assert (
        "note: the routes of stamped_app:old are read through `Stamped`: the table does not have paths that it answers"
        in server.log()
    )


def test_middleware_of_falcon_is_looked_at() -> None:
    falcon = pytest.importorskip("falcon.asgi")

    class Health:
        async def process_request(self, request: Any, response: Any) -> None: ...

    class Stamp:
        async def process_response(self, request: Any, response: Any, resource: Any, succeeded: bool) -> None: ...

    app = falcon.App(middleware=[Health(), Stamp()])
    assert found_in(app).through == ("Health",), "what sees answers only answers nothing"


def test_middleware_of_django_is_looked_at() -> None:
    from rsgi.routing.introspect.django import _routes_of_middleware
    from rsgi.routing.introspect.table import Gaps

    gaps = Gaps()
    names = ["django.middleware.common.CommonMiddleware", "corsheaders.middleware.CorsMiddleware", "site.Health"]
    assert list(_routes_of_middleware(SimpleNamespace(MIDDLEWARE=names), gaps)) == []
    assert gaps.table("Django", []).through == ("Health",)
