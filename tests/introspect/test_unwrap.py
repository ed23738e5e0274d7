"""Looking through wrappers: one rule for all, whatever a wrapper calls what it wraps."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

import rsgi
from rsgi.routing.introspect import read_table
from rsgi.routing.introspect.unwrap import layers


async def innermost(scope: Any, receive: Any, send: Any) -> None: ...


def around(name: str, inner: object) -> object:
    """A callable wrapper that keeps `inner` under `name`."""

    class Wrapper:
        def __init__(self) -> None:
            setattr(self, name, inner)

        def __call__(self, *arguments: object) -> None: ...

    return Wrapper()


@pytest.mark.parametrize("name", ["app", "application", "wsgi_app", "asgi_app", "inner", "wsgi_application"])
def test_the_names_under_which_wrappers_keep_what_they_wrap(name: str) -> None:
    assert list(layers(around("app", around(name, innermost))))[-1] is innermost


def test_other_ways_to_wrap() -> None:
    class Slotted:
        __slots__ = ("app",)

        def __init__(self, app: object) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

        async def handle(self, scope: Any, receive: Any, send: Any) -> None: ...

    assert list(layers(Slotted(innermost)))[-1] is innermost
    assert list(layers(Slotted(innermost).handle))[-1] is innermost
    assert list(layers(functools.partial(innermost, receive=None)))[-1] is innermost


def test_what_is_no_wrapper() -> None:
    class Settings:
        app = innermost  # of the class: a method or a setting

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    settings, empty = Settings(), around("app", None)
    assert list(layers(settings)) == [settings]
    assert list(layers(empty)) == [empty]
    assert list(layers(SimpleNamespace(app="text")))[1:] == []


def test_objects_that_answer_for_each_name_are_not_misled_by() -> None:
    class Proxy:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError(name)

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    assert read_table(Proxy()) is None
    assert read_table(MagicMock()) is None


def test_wrappers_in_a_circle_end() -> None:
    one, other = SimpleNamespace(), SimpleNamespace()
    two = around("app", around("app", innermost))
    two.app.app = two  # type: ignore[attr-defined]
    assert len(list(layers(two))) == 2
    one.app, other.app = other, one
    assert len(list(layers(one))) == 1


def test_middleware_as_it_is_used() -> None:
    pytest.importorskip("starlette")
    flask = pytest.importorskip("flask")
    from asgiref.wsgi import WsgiToAsgi
    from starlette.applications import Starlette
    from starlette.middleware.cors import CORSMiddleware
    from starlette.routing import Mount, Route
    from werkzeug.middleware.proxy_fix import ProxyFix

    old = flask.Flask("old", static_folder=None)
    old.add_url_rule("/old", "old", lambda: "")
    for app in (ProxyFix(old), WsgiToAsgi(ProxyFix(old)), rsgi.WsgiToAsgi(ProxyFix(old))):
        table = read_table(app)
        assert table is not None
        assert (table.framework, [route.path for route in table.routes]) == ("Flask", ["/old"])
    new = Starlette(routes=[Route("/new", innermost), Mount("/below", rsgi.WsgiToAsgi(old))])
    table = read_table(CORSMiddleware(around("app", new), allow_origins=["*"]))  # type: ignore[arg-type]
    assert table is not None
    assert [route.path for route in table.routes] == ["/new", "/below/old"]


def test_whitenoise_has_its_files_and_the_application(tmp_path: Any) -> None:
    flask = pytest.importorskip("flask")
    whitenoise = pytest.importorskip("whitenoise")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x.css").write_text("")
    (tmp_path / "robots.txt").write_text("")
    old = flask.Flask("old", static_folder=None)
    old.add_url_rule("/old", "old", lambda: "")
    for autorefresh in (False, True):
        table = read_table(whitenoise.WhiteNoise(old, root=tmp_path, prefix="/assets", autorefresh=autorefresh))
        assert table is not None
        assert (table.framework, table.complete) == ("Flask", True)
        assert [(route.path, route.opaque) for route in table.routes] == [
            ("/assets/{path:path}", True),
            ("/old", False),
        ]
    table = read_table(whitenoise.WhiteNoise(innermost, root=tmp_path))
    assert table is not None
    assert (table.framework, table.complete) == ("WhiteNoise", False)
    assert [route.path for route in table.routes] == ["/robots.txt", "/sub/{path:path}"]


def test_a_mounted_object_that_refers_back_is_no_wrapper() -> None:
    pytest.importorskip("starlette")
    from starlette.applications import Starlette
    from starlette.routing import Mount

    app = Starlette()
    app.router.routes.append(Mount("/admin", around("app", app)))  # type: ignore[arg-type]
    table = read_table(app)
    assert table is not None
    assert table.complete
    assert [(route.path, route.opaque) for route in table.routes] == [("/admin/{path:path}", True)]


def test_a_reader_that_fails_leaves_a_gap() -> None:
    flask = pytest.importorskip("flask")
    app = flask.Flask("app")
    app.url_map = None
    table = read_table(app)
    assert table is not None
    assert (table.framework, table.complete, table.routes) == ("Flask", False, ())
    assert table.why is not None
    assert table.why.startswith("reading them raised AttributeError: ")
