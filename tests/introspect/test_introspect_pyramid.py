"""Reading route tables: Pyramid, compared with what its own mapper matches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyramid")

from pyramid.config import Configurator
from pyramid.request import Request

from route_lines import lines, table

GOLDEN = """
http * / home test_introspect_pyramid.view
http GET,HEAD /users/{name} user test_introspect_pyramid.view
http DELETE /users/{name} user test_introspect_pyramid.Views.remove
http POST /orders/{number:int}.json order test_introspect_pyramid.view
http GET,HEAD /years/{year:int}/{rest:path} year test_introspect_pyramid.view
http * /files/{subpath:path} opaque __files/ pyramid.static.static_view
"""


def view(request: Any) -> dict[str, str]:
    return {}


class Views:
    """A view class."""

    def __init__(self, request: Any) -> None: ...

    def remove(self) -> dict[str, str]:
        return {}


def sample() -> Any:
    config = Configurator()
    config.add_route("home", "/")
    config.add_route("user", "/users/{name}")
    config.add_route("order", r"/orders/{number:\d+}.json", request_method=("POST", "PUT"))
    config.add_route("year", r"years/{year:\d{4}}/*rest")
    config.add_route("nobody", "/nobody")
    config.add_route("elsewhere", "https://elsewhere.example/{x}", static=True)
    config.add_view(view, route_name="home", renderer="json")
    config.add_view(view, route_name="user", renderer="json", request_method="GET")
    config.add_view(Views, attr="remove", route_name="user", renderer="json", request_method="DELETE")
    config.add_view(view, route_name="order", renderer="json", request_method=("GET", "POST"))
    config.add_view(view, route_name="year", renderer="json", request_method="GET")
    config.add_static_view("files", str(Path(__file__).parent))
    config.add_notfound_view(view)
    config.add_exception_view(view, context=ValueError)
    return config


def test_every_kind_of_route() -> None:
    found = table(sample().make_wsgi_app())
    assert (found.framework, found.complete, found.why) == ("Pyramid", True, None)
    assert lines(found) == GOLDEN.strip("\n").splitlines()


@pytest.mark.parametrize(
    ("path", "owned"),
    [("/", True), ("/users/ada", True), ("/users/", False), ("/years/2026/x/y", True), ("/years/26/x", False)],
)
def test_the_mapper_agrees(path: str, owned: bool) -> None:
    app = sample().make_wsgi_app()
    assert (app.routes_mapper(Request.blank(path))["route"] is not None) is owned


def test_views_by_traversal_are_a_gap() -> None:
    config = sample()
    config.add_view(view, renderer="json", name="about")
    found = table(config.make_wsgi_app())
    assert (found.complete, found.why) == (False, "some of its views are found by traversal")
    assert len(found.routes) == 6


def test_without_introspection_it_says_nothing() -> None:
    config = Configurator(introspection=False)
    config.add_route("home", "/")
    found = table(config.make_wsgi_app())
    assert (found.complete, found.why) == (False, "it does not show its routes")
