"""Who serves what: modes, prefixes, rules, and the mistakes that are found before the first request."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator

import pytest

from rsgi._rsgi import Router
from rsgi._types import Interface
from rsgi.errors import StartupError
from rsgi.routing.plan import Plan
from rsgi.routing.planning import build_plan
from rsgi.settings.config import AppTarget, Config
from rsgi.settings.rules import parse_rule, template_problem
from server import APPS


@pytest.fixture(autouse=True)
def _own_modules() -> Iterator[None]:
    path = list(sys.path)
    yield
    sys.path[:] = path


def old(environ: object, start_response: object) -> list[bytes]:
    return []


async def new(scope: object, receive: object, send: object) -> None: ...


def plan(*targets: tuple[Interface, object, str], **settings: object) -> Plan:
    apps = tuple(AppTarget(interface, target, prefix) for interface, target, prefix in targets)
    return build_plan(Config(apps=apps, app_dir=str(APPS), **settings))  # type: ignore[arg-type]


def failure(*targets: tuple[Interface, object, str], **settings: object) -> StartupError:
    with pytest.raises(StartupError) as raised:
        plan(*targets, **settings)
    return raised.value


def test_one_application_gets_everything() -> None:
    made = plan(("wsgi", old, ""))
    assert made.mode == "mounts"
    assert [(app.name, app.interface, app.prefix, app.application) for app in made.apps] == [
        (f"{__name__}:old", "wsgi", "", old)
    ]


@pytest.mark.parametrize(
    ("written", "normal"), [("/api/", "/api"), ("/", ""), ("/a/b", "/a/b"), ("/api//", "/api"), ("/é", "/é")]
)
def test_prefixes_lose_their_last_slash(written: str, normal: str) -> None:
    made = plan(("asgi", new, written))
    assert made.apps[0].prefix == normal
    assert made.mode == "mounts"


@pytest.mark.parametrize("prefix", ["api", "/a//b", "/a b", "/a?x", "/a#x", "/%61", "/{id}", "/../x", "/a/./b"])
def test_a_prefix_that_no_request_could_have_is_refused(prefix: str) -> None:
    assert f"`{prefix}`" in failure(("wsgi", old, prefix)).message


def test_the_same_prefix_twice_is_refused() -> None:
    error = failure(("wsgi", old, "/api/"), ("asgi", new, "/api"))
    assert "same prefix, `/api`" in error.message


def test_two_applications_of_a_kind_need_prefixes() -> None:
    error = failure(("wsgi", old, ""), ("wsgi", functools.partial(old), "/"))
    assert "two WSGI applications" in error.message
    assert "--wsgi /api=" in (error.hint or "")


def test_nothing_to_serve() -> None:
    assert "no application" in failure().message


def test_an_opaque_application_is_probed() -> None:
    made = plan(("wsgi", old, ""), ("asgi", new, ""))
    assert (made.mode, made.table) == ("probe", ())
    assert "cannot be read" in made.reason


def test_a_readable_application_makes_a_table() -> None:
    pytest.importorskip("starlette")
    from starlette.applications import Starlette
    from starlette.routing import Route

    made = plan(("asgi", Starlette(routes=[Route("/x/{id:int}", new)]), ""), ("wsgi", old, ""))
    assert made.mode == "table"
    assert [route.path for route in made.table] == ["/x/{id:int}"]
    assert made.reason.startswith("1 route of ")
    assert made.reason.endswith("read from Starlette")


def test_a_fallback_that_was_asked_for_is_kept() -> None:
    pytest.importorskip("starlette")
    from starlette.applications import Starlette

    assert plan(("asgi", Starlette(), ""), ("wsgi", old, ""), fallback="probe").mode == "probe"
    assert plan(("asgi", Starlette(), ""), ("wsgi", old, ""), fallback="table").mode == "table"
    assert "cannot be read" in failure(("asgi", new, ""), ("wsgi", old, ""), fallback="table").message
    assert "fallback" in failure(("asgi", new, ""), ("wsgi", old, ""), fallback="off").message
    assert plan(("asgi", new, "/new"), ("wsgi", old, ""), fallback="off").mode == "mounts"


def test_the_preferred_wsgi_application_keeps_what_both_own() -> None:
    flask = pytest.importorskip("flask")
    pytest.importorskip("starlette")
    from starlette.applications import Starlette
    from starlette.routing import Route as StarletteRoute

    owner = flask.Flask("owner", static_folder=None)
    owner.add_url_rule("/old/<path:rest>", "old", lambda rest: rest)
    owner.add_url_rule("/both", "both", lambda: "both")
    starlette = Starlette(routes=[StarletteRoute("/both", new, methods=["GET", "POST"]), StarletteRoute("/new", new)])
    apps: tuple[tuple[Interface, object, str], ...] = (("wsgi", owner, ""), ("asgi", starlette, ""))
    made = plan(*apps, prefer="wsgi")
    assert made.mode == "table"
    assert "which is preferred" in made.reason
    router = Router(made)
    asked = [("GET", "/both"), ("HEAD", "/both"), ("POST", "/both"), ("GET", "/new"), ("GET", "/none")]
    assert [router.explain(*request).app for request in asked] == [0, 0, 1, 1, 0]
    found = router.explain("GET", "/both")
    assert (found.kind, found.detail) == ("table", "/both")
    assert made.wsgi_table is not None
    assert found.index is not None
    assert made.wsgi_table[found.index].path == "/both"
    assert Router(plan(*apps)).explain("GET", "/both").app == 1
    probing = Router(plan(("wsgi", owner, ""), ("asgi", new, ""), prefer="wsgi"))
    assert (probing.explain("GET", "/old/x/y").app, probing.explain("GET", "/new").app) == (0, 1)


def test_a_preference_that_cannot_be_followed_is_refused() -> None:
    assert "cannot be read" in failure(("wsgi", old, ""), ("asgi", new, ""), prefer="wsgi").message
    assert "there is only one" in failure(("wsgi", old, ""), ("asgi", new, "/api"), prefer="wsgi").message
    pytest.importorskip("channels")
    assert plan(("wsgi", "django_app:wsgi", ""), ("asgi", "django_app:asgi", ""), prefer="wsgi").mode == "websocket"


def test_one_django_project_has_websocket_apart() -> None:
    pytest.importorskip("channels")
    made = plan(("wsgi", "django_app:wsgi", ""), ("asgi", "django_app:asgi", ""))
    assert made.mode == "websocket"
    assert "Django" in made.reason
    beside = plan(("wsgi", old, ""), ("asgi", "django_app:asgi", ""))
    assert beside.mode == "table", beside.reason


@pytest.mark.parametrize(
    ("interface", "target", "other"),
    [
        ("wsgi", new, "--asgi"),
        ("wsgi", functools.partial(new), "--asgi"),
        ("asgi", old, "--wsgi"),
        ("wsgi", "starlette_app:app", "--asgi"),
        ("wsgi", "django_app:asgi", "--asgi"),
        ("asgi", "flask_app:app", "--wsgi"),
        ("asgi", "django_app:wsgi", "--wsgi"),
        ("asgi", "pyramid_app:app", "--wsgi"),
    ],
)
def test_the_wrong_flag_is_noticed(interface: Interface, target: object, other: str) -> None:
    error = failure((interface, target, ""))
    assert "was given as" in error.message
    assert other in (error.hint or "")


class Legacy:
    """ASGI 2 as a class."""

    def __init__(self, scope: object) -> None:
        self.scope = scope

    async def __call__(self, receive: object, send: object) -> None: ...


def legacy(scope: object) -> object:
    return Legacy(scope)


class WithInstances:
    """ASGI 3, but by its instances."""

    async def __call__(self, scope: object, receive: object, send: object) -> None: ...


class Result:
    """PEP 3333 allows a class whose instances are the responses."""

    def __init__(self, environ: object, start_response: object) -> None: ...

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


@pytest.mark.parametrize("target", [Legacy, legacy])
def test_legacy_asgi_is_called_by_its_name(target: object) -> None:
    assert "legacy ASGI 2" in failure(("asgi", target, "")).message


def test_a_factory_or_class_without_parentheses_is_noticed() -> None:
    def create(settings: object = None) -> object: ...

    for interface in ("wsgi", "asgi"):
        assert "create()`" in (failure((interface, create, "")).hint or "")  # type: ignore[arg-type]
    assert "a class" in (failure(("asgi", WithInstances, "")).hint or "")


def test_what_could_be_right_is_believed() -> None:
    assert plan(("wsgi", Result, "")).apps[0].application is Result
    assert plan(("asgi", WithInstances(), "")).mode == "mounts"
    plan(("asgi", lambda *arguments: None, ""))
    plan(("wsgi", lambda *arguments: None, ""))

    @functools.wraps(legacy)
    def wrapped(scope: object, receive: object, send: object) -> object:
        return new(scope, receive, send)

    plan(("asgi", wrapped, ""))


def test_rules_find_their_application() -> None:
    made = plan(
        ("wsgi", "routing_apps:old_a", ""),
        ("asgi", "routing_apps:new_a", "/a"),
        ("asgi", "routing_apps:new_b", "/b"),
        routes=("GET,post Example.COM/x/{id:int}=wsgi", "/y=routing_apps:new_b"),
    )
    assert [(rule.methods, rule.host, rule.path, rule.app) for rule in made.rules] == [
        (("GET", "POST"), "example.com", "/x/{id:int}", 0),
        (None, None, "/y", 2),
    ]
    assert made.rules[0].text == "GET,post Example.COM/x/{id:int}=wsgi"


def test_a_rule_that_names_no_one_application_is_refused() -> None:
    apps: tuple[tuple[Interface, object, str], ...] = (
        ("asgi", "routing_apps:new_a", "/a"),
        ("asgi", "routing_apps:new_b", "/b"),
    )
    assert "not served" in failure(*apps, routes=("/x=wsgi",)).message
    assert "not served" in failure(*apps, routes=("/x=other:app",)).message
    assert "there are 2" in failure(*apps, routes=("/x=asgi",)).message


@pytest.mark.parametrize(
    "text",
    [
        *("", "/x", "/x=", "=wsgi", "x=wsgi", "GET=wsgi", "GET POST /x=wsgi", "G(T /x=wsgi", "GET, /x=wsgi"),
        *("a b/x y=wsgi", "/x?y=wsgi", "/{=wsgi", "/{a b}=wsgi", "/{x:date}=wsgi", "/{x}/{x}=wsgi"),
        *("ex_am!ple/x=wsgi", "WEBSOCKET /x=wsgi", "host{/x=wsgi"),
    ],
)
def test_a_rule_that_cannot_be_read_shows_how_it_is_written(text: str) -> None:
    with pytest.raises(StartupError) as raised:
        parse_rule(text)
    assert f"the route rule `{text}` cannot be read" in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize("path", ["/", "/{a}", "/v{n}.json", "/{a:int}-{b:uuid}", "/x/{rest:path}", "/é/ü", "/a%20b"])
def test_templates_that_are_fine(path: str) -> None:
    assert template_problem(path) is None


def test_a_rule_with_an_equals_sign_in_its_path() -> None:
    rule = parse_rule("{tenant}.Example.com:8000/a=b/{x}=wsgi")
    assert (rule.host, rule.path, rule.app) == ("{tenant}.example.com:8000", "/a=b/{x}", "wsgi")


def test_an_incomplete_table_is_not_routed_by() -> None:
    pytest.importorskip("starlette")
    from starlette.applications import Starlette
    from starlette.routing import BaseRoute, Route

    class Silent(BaseRoute):
        """A route of an unknown kind."""

    app = Starlette(routes=[Route("/x", new), Silent()])
    made = plan(("asgi", app, ""), ("wsgi", old, ""))
    assert (made.mode, made.table) == ("probe", ())
    assert "(`Silent` does not show what it answers)" in made.reason
    error = failure(("asgi", app, ""), ("wsgi", old, ""), fallback="table")
    assert "(`Silent` does not show what it answers)" in error.message
    assert "--routes-from" in (error.hint or "")


def test_a_route_with_several_templates_is_several_in_the_table() -> None:
    pytest.importorskip("litestar")
    from litestar import Litestar, get

    @get("/x/{number:int}")
    async def page() -> None: ...

    made = plan(("asgi", Litestar([page], openapi_config=None), ""), ("wsgi", old, ""))
    assert [(route.path, route.templates) for route in made.table] == [
        ("/x/{number:int}", ()),
        ("/x/{number:int}/", ()),
        ("/x/-{number:int}", ()),
        ("/x/-{number:int}/", ()),
    ]
    assert made.reason.startswith("1 route of ")


def test_the_routes_may_be_read_from_an_application_within() -> None:
    pytest.importorskip("starlette")
    apps: tuple[tuple[Interface, object, str], ...] = (("asgi", "slash_app:hidden()", ""), ("wsgi", old, ""))
    assert plan(*apps).mode == "probe"
    for written in ("slash_app:app", "asgi=slash_app:app", "slash_app:hidden()=slash_app:app"):
        made = plan(*apps, routes_from=(written,))
        assert (made.mode, [route.path for route in made.table]) == ("table", ["/with/", "/without"])
    assert plan(*apps, routes_from=("wsgi=slash_app:app",)).mode == "probe"


def test_routes_from_something_else_is_refused() -> None:
    pytest.importorskip("starlette")
    apps: tuple[tuple[Interface, object, str], ...] = (("asgi", "slash_app:hidden()", ""), ("wsgi", old, ""))
    assert "cannot read its routes" in failure(*apps, routes_from=("slash_app:page",)).message
    assert "no `nothing`" in failure(*apps, routes_from=("slash_app:nothing",)).message
    assert "not served" in failure(*apps, routes_from=("other:app=slash_app:app",)).message
    assert "not served" in failure(("wsgi", old, ""), routes_from=("slash_app:app",)).message
    more = (("asgi", "routing_apps:new_a", "/a"), ("asgi", "routing_apps:new_b", "/b"))
    assert "there are 2" in failure(*more, routes_from=("slash_app:app",)).message  # type: ignore[arg-type]


def test_a_route_for_everything_is_warned_about() -> None:
    pytest.importorskip("starlette")
    made = plan(("asgi", "slash_app:greedy", ""), ("wsgi", old, ""))
    assert made.warnings == (
        "`/{path:path}` of slash_app:greedy (slash_app.page) takes every path: "
        f"{__name__}:old gets no GET and no HEAD unless a `--route` rule gives them back",
    )
    assert plan(("asgi", "slash_app:app", ""), ("wsgi", old, "")).warnings == ()
    assert plan(("asgi", "slash_app:greedy", "")).warnings == ()
