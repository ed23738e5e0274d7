"""Guards that are seen on handlers, and those that `rsgi check` misses in front of what has moved.

Apart from the readers' own tests because one rule holds for all of them.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

import pytest

from commands import run
from rsgi.routing.introspect import read_table
from rsgi.routing.introspect.guards import _decorator_by_search, sounds_like_a_guard
from rsgi.routing.introspect.guards import guards_of as seen_on
from server import APPS

EXAMPLE = Path(__file__).parents[2] / "examples/shared_login"


def view(*_: object, **__: object) -> str:
    return ""


def login_required(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*arguments: Any) -> Any:
        return function(*arguments)

    return inner


def cached(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*arguments: Any) -> Any:
        return function(*arguments)

    return inner


def requires_role(role: str) -> Callable[..., Any]:
    def decorator(function: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*arguments: Any) -> Any:  # without `functools.wraps`
            return function(*arguments, role)

        return inner

    return decorator


def guards_of(handler: object, methods: tuple[str, ...] = ()) -> tuple[str, ...]:
    return tuple(guard.name for guard in seen_on(handler, methods))


def guards(app: object) -> dict[tuple[str, str], tuple[str, ...]]:
    table = read_table(app)
    assert table is not None
    return {
        (method, route.path): tuple(guard.name for guard in route.guards if guard.method in (None, method))
        for route in table.routes
        for method in route.methods or ("*",)
    }


@pytest.mark.parametrize(
    "name",
    [
        "login_required",
        "fresh_login_required",
        "jwt_required",
        "requires_auth",
        "user_passes_test",
        "LoginRequiredMixin",
        "permission_required",
        "staff_member_required",
        "roles_accepted",
        "get_current_user",
        "Auth.login_required",
    ],
)
def test_names_of_guards(name: str) -> None:
    assert sounds_like_a_guard(name)


@pytest.mark.parametrize(
    "name",
    [
        "cached",
        "csrf_protect",
        "login_not_required",
        "with_author",
        "controller",
        "require_http_methods",
        "anonymous_user",
        "optional_login",
        "get_user_agent",
        "transaction",
    ],
)
def test_names_of_others(name: str) -> None:
    assert not sounds_like_a_guard(name)


def test_decorators_are_known_by_their_own_names() -> None:
    assert guards_of(login_required(view)) == ("login_required",)
    assert guards_of(cached(login_required(cached(view)))) == ("login_required",)
    assert guards_of(requires_role("admin")(view)) == ("requires_role",)
    assert guards_of(functools.partial(login_required(view), 1)) == ("login_required",)
    assert guards_of(cached(view)) == guards_of(view) == guards_of(None) == ()


def test_a_view_that_is_called_login_is_not_guarded() -> None:
    def login() -> str:
        return ""

    assert guards_of(login) == guards_of(cached(login)) == ()


def test_a_decorator_is_found_where_code_does_not_know_its_name() -> None:
    """Before Python 3.11: among what its module holds."""
    makes = login_required.__code__
    wrapper = next(each for each in makes.co_consts if isinstance(each, CodeType))

    assert wrapper.co_name == "inner"
    assert _decorator_by_search(SimpleNamespace(__code__=wrapper, __globals__=globals())) == "login_required"  # type: ignore[arg-type]
    assert _decorator_by_search(view) is None  # type: ignore[arg-type]


def test_guards_of_flask() -> None:
    flask = pytest.importorskip("flask")
    from flask.views import MethodView

    class Orders(MethodView):
        def get(self) -> str:
            return ""

        @login_required
        def post(self) -> str:
            return ""

    class Guarded(Orders):
        decorators = (login_required,)

    app = flask.Flask("app", static_folder=None)
    app.add_url_rule("/open", "open", view)
    app.add_url_rule("/guarded", "guarded", login_required(view))
    app.add_url_rule("/class", "class", Guarded.as_view("class"), methods=["GET"])
    app.add_url_rule("/half", "half", Orders.as_view("half"), methods=["POST"])
    found = guards(app)
    assert found["GET", "/open"] == ()
    assert {found["GET", "/guarded"], found["GET", "/class"], found["POST", "/half"]} == {("login_required",)}


def test_guards_of_flask_before_each_request() -> None:
    flask = pytest.importorskip("flask")
    app = flask.Flask("app", static_folder=None)
    inside, admin = flask.Blueprint("inside", "inside"), flask.Blueprint("admin", "admin", url_prefix="/admin")

    @app.before_request
    def load_logged_in_user() -> None:
        flask.g.user = flask.session.get("user_id") or flask.abort(401)

    @app.before_request
    def count() -> None:
        flask.g.number = 401

    @admin.before_request
    def only_us() -> object:
        if flask.request.endpoint in ("admin.login", "static"):
            return None
        return None if "user" in flask.session else flask.redirect("/admin/login")

    @inside.before_request
    @login_required
    def nothing() -> None:
        pass

    for blueprint, rule in ((admin, "/orders"), (admin, "/login"), (inside, "/inside")):
        blueprint.add_url_rule(rule, rule[1:], view)
    app.add_url_rule("/open", "open", view)
    admin.register_blueprint(inside)
    app.register_blueprint(admin)
    found = guards(app)
    assert found["GET", "/open"] == ()
    assert found["GET", "/admin/orders"] == ("only_us",)
    assert found["GET", "/admin/login"] == (), "the function names it"
    assert found["GET", "/admin/inside"] == ("only_us", "login_required")

    @app.before_request
    def check_token() -> None:
        if not flask.request.headers.get("X-Api-Key"):
            flask.abort(403)

    assert guards(app)["GET", "/open"] == ("check_token",)


def test_guards_of_quart_before_each_request() -> None:
    quart = pytest.importorskip("quart")
    app = quart.Quart("app", static_folder=None)

    @app.before_request
    async def check_login() -> None:
        if not quart.session.get("user"):
            quart.abort(401)

    @app.get("/orders")
    async def orders() -> str:
        return ""

    assert guards(app)["GET", "/orders"] == ("check_login",)


def test_guards_of_django() -> None:
    pytest.importorskip("django")
    checked = run("check", "--wsgi", "guarded_site:old", "--asgi", "guarded_site:new", folder=APPS)
    found = dict(
        re.findall("warning: `(.*)` guards (.*) in guarded_site:old; guarded_site:new answers", checked.stderr)
    )
    assert found == {
        "login_required": "`GET /decorated`, `GET /login`",
        "permission_required": "`POST /half`, `GET /permission`",
        "user_passes_test": "`GET /test`",
        "LoginRequiredMixin": "`GET /mixed`",
        "PermissionRequiredMixin": "`GET /permitted`",
    }


def test_django_s_middleware_guards_all_that_does_not_say_otherwise() -> None:
    from rsgi.routing.introspect.django import _Reading
    from rsgi.routing.introspect.table import Gaps

    def open_to_all() -> None: ...

    open_to_all.login_required = False  # type: ignore[attr-defined]
    name = "django.contrib.auth.middleware.LoginRequiredMiddleware"
    guarding, none = (_Reading(SimpleNamespace(MIDDLEWARE=names), Gaps()) for names in ([name], []))
    assert [guard.name for guard in guarding.guards(view)] == ["LoginRequiredMiddleware"]
    assert guarding.guards(open_to_all) == none.guards(view) == ()


def test_guards_of_pyramid() -> None:
    pytest.importorskip("pyramid")
    from pyramid.config import Configurator
    from pyramid.security import NO_PERMISSION_REQUIRED

    config = Configurator()
    for name in ("open", "guarded", "decorated"):
        config.add_route(name, f"/{name}")
    config.add_view(view, route_name="open", renderer="string")
    config.add_view(view, route_name="guarded", renderer="string", permission="read")
    config.add_view(login_required(view), route_name="decorated", renderer="string")
    found = guards(config.make_wsgi_app())
    assert found == {
        ("*", "/open"): (),
        ("*", "/guarded"): ("permission read",),
        ("*", "/decorated"): ("login_required",),
    }
    config = Configurator(default_permission="view")
    config.add_route("guarded", "/guarded")
    config.add_route("open", "/open")
    config.add_view(view, route_name="guarded", renderer="string")
    config.add_view(view, route_name="open", renderer="string", permission=NO_PERMISSION_REQUIRED)
    found = guards(config.make_wsgi_app())
    assert found == {("*", "/guarded"): ("permission view",), ("*", "/open"): ()}


def test_guards_of_fastapi_and_starlette() -> None:
    fastapi = pytest.importorskip("fastapi")
    from fastapi.security import APIKeyHeader
    from starlette.authentication import requires

    def current_user() -> str:
        return ""

    def settings() -> str:
        return ""

    def nested(user: str = fastapi.Depends(current_user)) -> str:
        return user

    @requires("staff")
    async def scoped(request: fastapi.Request) -> str:
        return ""

    key = APIKeyHeader(name="x-key")
    app = fastapi.FastAPI(openapi_url=None)
    app.add_api_route("/open", lambda: "", dependencies=[fastapi.Depends(settings)])
    app.add_api_route("/direct", lambda: "", dependencies=[fastapi.Depends(current_user)])
    app.add_api_route("/nested", lambda: "", dependencies=[fastapi.Depends(nested)])
    app.add_api_route("/key", lambda: "", dependencies=[fastapi.Security(key)])
    app.add_api_route("/scoped", scoped)
    router = fastapi.APIRouter(dependencies=[fastapi.Depends(current_user)])
    router.add_api_route("/router", lambda: "")
    app.include_router(router, prefix="/below")
    late = fastapi.APIRouter()
    late.add_api_route("/late", lambda: "")
    app.include_router(late, dependencies=[fastapi.Depends(current_user)])
    assert guards(app) == {
        ("GET", "/open"): (),
        ("GET", "/direct"): ("current_user",),
        ("GET", "/nested"): ("current_user",),
        ("GET", "/key"): ("APIKeyHeader",),
        ("GET", "/scoped"): ("requires",),
        ("GET", "/below/router"): ("current_user",),
        ("GET", "/late"): ("current_user",),
    }


def test_guards_of_litestar() -> None:
    litestar = pytest.importorskip("litestar")

    def admins_only(connection: Any, handler: Any) -> None: ...

    @litestar.get("/guarded", guards=[admins_only])
    async def guarded() -> str:
        return ""

    @litestar.get("/open")
    async def opened() -> str:
        return ""

    found = guards(litestar.Litestar([guarded, opened], openapi_config=None))
    assert found["GET", "/guarded"] == ("admins_only",)
    assert found["GET", "/open"] == ()


# check


def test_check_warns_of_a_guard_that_is_gone() -> None:
    both = ("--wsgi", "old:app", "--asgi", "forgotten:app")
    checked = run("check", *both, folder=EXAMPLE)
    assert checked.returncode == 0
    said = [line for line in checked.stderr.splitlines() if line.startswith("warning: ")]
    assert len(said) == 1
    assert said[0].startswith(
        "warning: `login_required` guards `GET /orders` in old:app; forgotten:app answers now, and rsgi sees no guard there "
        "(rsgi does not see checks in a handler, in middleware or in front of the server, in either application; "
    )
    assert run("check", *both, "--strict", folder=EXAMPLE).returncode == 1


@pytest.mark.parametrize(
    "more",
    [("--asgi", "guarded:app"), ("--asgi", "forgotten:app", "--route", "/orders=old:app")],
    ids=["guarded", "kept"],
)
def test_check_is_silent_where_a_guard_is_seen_or_the_old_one_answers(more: tuple[str, ...]) -> None:
    checked = run("check", "--wsgi", "old:app", *more, "--strict", folder=EXAMPLE)
    assert (checked.returncode, checked.stderr) == (0, "")
