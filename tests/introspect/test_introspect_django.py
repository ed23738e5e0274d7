"""Reading route tables: Django and Channels.

A process has one Django project, so each table here is read in a process of its own. `test_table_mode.py` compares them with
what Django itself answers.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("django")
pytest.importorskip("channels")

from route_lines import read_in_child

GOLDEN = """
http GET / home django_site.only_get
@ADMIN@
http PATCH,PUT /put - django_site.put_or_patch
http * /shop/ shop:index django_site.page
http GET,HEAD,POST /shop/items/{number:int}/ shop:item django_site.Items
http GET,HEAD /shop/items/{number:int}/view/ - django_site.ReadOnlyItems
http * /years/{year:int}/ - django_site.page
http * /slugs/{slug} - django_site.page
http * /documents/{document:uuid} - django_site.page
http * /files/{name:path} - django_site.page
  /files/{name}
  /files/{name}/{name_2:path}
  /files//{name:path}
http * /articles/{year:int}/{format} article django_site.page
  /articles/{year:int}/json
  /articles/{year:int}/xml
http * /optional/page-{number:int}/ - django_site.page
http * /optional/ - django_site.page
http * /open-end/{p:path} - django_site.page
http * /about/ - django_site.page
http * /contact/ - django_site.page
http * /{language}/about/ - django_site.page
  /de/about/
  /pt-br/about/
http * /{language}/contact/ - django_site.page
  /de/contact/
  /pt-br/contact/
"""

WEBSOCKETS = """
websocket * /ws/{room}/ - django_site.Echo
websocket * /ws/old/{number:int} - django_site.Echo
websocket * /nested{room} - django_site.Echo
websocket * /nested/{room} - django_site.Echo
"""

# Django's admin has other pages in each version; these stay.
ADMIN = """
http * /admin/ admin:index django.contrib.admin.sites.AdminSite.index
http * /admin/login/ admin:login django.contrib.admin.sites.AdminSite.login
http * /admin/auth/user/ admin:auth_user_changelist django.contrib.admin.options.ModelAdmin.changelist_view
http * /admin/{app_label}/ admin:app_list django.contrib.admin.sites.AdminSite.app_index
  /admin/auth/
http * /admin/{url:path} - django.contrib.admin.sites.AdminSite.catch_all_view
"""


def block(text: str) -> list[str]:
    return text.strip("\n").splitlines()


def without_admin(found: list[str]) -> list[str]:
    return [line for line in found if "/admin/" not in line]


@pytest.mark.parametrize("target", ["django_site:asgi", "django_site:wsgi"])
def test_every_kind_of_pattern(target: str) -> None:
    head, found = read_in_child(target)
    assert head == ["Django", "True", "None"]
    assert without_admin(found) == [line for line in block(GOLDEN) if line != "@ADMIN@"]
    at = found.index("http * /admin/ admin:index django.contrib.admin.sites.AdminSite.index")
    assert at == 1
    assert [line for line in block(ADMIN) if line not in found] == []


def test_files_of_djangos_own_handler_come_first() -> None:
    head, found = read_in_child("django_site:static")
    assert head == ["Django", "True", "None"]
    handler = "django.contrib.staticfiles.handlers.ASGIStaticFilesHandler"
    assert found[0] == f"http GET,HEAD /static/{{path:path}} opaque - {handler}"
    assert found[1] == block(GOLDEN)[0]


def test_channels_divides_by_protocol_and_by_url() -> None:
    head, found = read_in_child("django_site:channels")
    assert head == ["Django and Channels", "True", "None"]
    assert found[:2] == ["http * /events/{name} - django_site.Echo", block(GOLDEN)[0]]
    assert found[-4:] == block(WEBSOCKETS)
    assert without_admin(found[1:-4]) == [line for line in block(GOLDEN) if line != "@ADMIN@"]


def test_what_cannot_be_known_is_a_gap() -> None:
    head, found = read_in_child("django_gaps:asgi")
    assert head == ["Django", "False", "flat pages are looked up for each request"]
    assert found == [
        "http GET,HEAD /assets/{path:path} opaque - whitenoise.middleware.WhiteNoiseMiddleware",
        "http GET,HEAD /folder/{path:path} opaque - whitenoise.middleware.WhiteNoiseMiddleware",
        "http GET,HEAD /robots.txt opaque - whitenoise.middleware.WhiteNoiseMiddleware",
        "http * /x - django_gaps.page",
    ]


def test_a_url_configuration_that_fails_is_a_gap() -> None:
    head, found = read_in_child("django_gaps:broken")
    assert head[:2] == ["Django", "False"]
    assert "no_such_urls" in head[2]
    assert found == []


def test_channels_without_a_router_takes_each_websocket() -> None:
    head, found = read_in_child("django_gaps:sockets")
    assert head == ["Channels", "True", "None"]
    assert found == ["websocket * /{path:path} opaque - django_gaps.sockets_app"]
    head, _ = read_in_child("django_gaps:unknown")
    assert head == ["Channels", "False", "its HTTP application belongs to no known framework"]


@pytest.mark.parametrize(
    ("callback", "methods"),
    [
        (SimpleNamespace(actions={"get": "list", "post": "create"}), ("GET", "HEAD", "POST")),
        (SimpleNamespace(cls=SimpleNamespace), None),
    ],
)
def test_view_sets_of_rest_framework_say_their_actions(callback: Any, methods: tuple[str, ...] | None) -> None:
    from rsgi.routing.introspect.django_views import methods_of

    assert methods_of(callback) == methods
