"""`rsgi routes --dead`: which handlers of the old application no request can reach, and where they are.

Apart from the tests of the map because somebody deletes code by this list: what is not certain must not be in it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands import STEPS, run
from rsgi._rsgi import Router
from rsgi.routing.coverage import Survey
from rsgi.routing.coverage.dead import replaced_handlers
from rsgi.routing.coverage.template import covers, may_overlap
from rsgi.routing.introspect import Route, RouteTable
from rsgi.routing.introspect.sample import sample
from rsgi.routing.plan import App, Mode, Plan, Rule
from rsgi.settings.rules import parse_rule, rule_from_table
from server import start_rsgi
from wire import request


def route(path: str, *methods: str, defined: str = "old.page") -> Route:
    return Route("http", methods or None, None, path, defined=defined)


def dead(
    old: list[Route],
    new: list[Route],
    *,
    mode: Mode = "table",
    rules: tuple[str | dict[str, object], ...] = (),
    prefix: str = "",
) -> list[tuple[str | None, bool]]:
    """The handlers that were replaced, and of each whether HEAD still reaches it; rules name `old` and `new`."""
    apps = (App("old", "wsgi", "", None, "old"), App("new", "asgi", prefix, None, "new"))
    parsed = [parse_rule(each) if isinstance(each, str) else rule_from_table(each, "a rule") for each in rules]
    resolved = tuple(
        Rule(**{**{name: getattr(each, name) for name in each.__dataclass_fields__}, "app": int(each.app == "new")})
        for each in parsed
    )
    table = tuple(new) if mode == "table" else ()
    tables = (RouteTable("Old", tuple(old), True, None), RouteTable("New", tuple(new), True, None))
    survey = Survey(Plan(apps, resolved, mode, table, "for the test"), tables)
    return [(each.defined, each.head_only) for each in replaced_handlers(survey)]


PAGE = route("/users/{id}", "GET", "HEAD")


def test_a_handler_without_requests_is_dead() -> None:
    assert dead([PAGE], [route("/users/{name}", "GET", "HEAD")]) == [("old.page", False)]
    assert dead([PAGE], [route("/users/{name}", "GET")]) == [("old.page", True)]
    assert dead([PAGE], []) == []


@pytest.mark.parametrize(
    "taker",
    [
        route("/users/{id:int}", "GET", "HEAD"),
        route("/users/sample", "GET", "HEAD"),
        route("/users/{id}", "POST"),
        route("/users/{id}", "GET", "HEAD").refusal(),
    ],
    ids=["narrower", "one path", "another method", "a refusal"],
)
def test_a_route_that_takes_less_leaves_it_alive(taker: Route) -> None:
    assert dead([PAGE], [taker]) == []


def test_a_refusal_before_the_new_route_leaves_it_alive() -> None:
    taker = route("/users/{id}", "POST")
    refusal = route("/users/me", "GET").refusal()
    assert dead([route("/users/{id}", "POST")], [refusal, taker]) == []
    elsewhere = route("/groups/me", "GET").refusal()
    assert dead([route("/users/{id}", "POST")], [elsewhere, taker]) == [("old.page", False)]


def test_one_living_route_keeps_a_handler() -> None:
    both = [route("/a", "POST"), route("/b", "POST")]
    assert dead(both, [route("/a", "POST")]) == []
    assert dead(both, [route("/a", "POST"), route("/b", "POST")]) == [("old.page", False)]


def test_a_route_for_all_methods_dies_only_with_all_of_them() -> None:
    assert dead([route("/a")], [route("/a", "GET", "POST")]) == []
    assert dead([route("/a")], [route("/a")]) == [("old.page", False)]


@pytest.mark.parametrize(
    ("rules", "alive"),
    [
        (("/users/{rest:path}=new",), False),
        (("/users/{id:int}=new",), True),
        (("GET,HEAD /users/{id}=new",), False),
        (("/users/{id}=new:50%",), True),
        (("/users/{id}=new:100%",), True),
        (("/users/ada=old", "/users/{id}=new"), True),
        (("POST /users/ada=old", "/users/{id}=new"), False),
        (("/groups/ada=old", "/users/{id}=new"), False),
        (("/users/{id}=old:0%", "/users/{id}=new"), True),
        (({"path": "/users/{id}", "headers": {"x-beta": "1"}, "app": "new"},), True),
        (({"path": "/users/{id}", "headers": {"x-old": "1"}, "app": "old"}, "/users/{id}=new"), True),
        (({"prefix": "/users", "app": "new"},), False),
        (({"regex": "/users/.*", "app": "new"},), True),
        (({"regex": "/elsewhere", "app": "old"}, "/users/{id}=new"), True),
    ],
)
def test_rules_kill_only_what_they_take_for_everybody(rules: tuple[str, ...], alive: bool) -> None:
    assert dead([PAGE], [], rules=rules) == ([] if alive else [("old.page", False)])


def test_a_mount_takes_what_is_below_it() -> None:
    assert dead([route("/api/x", "GET")], [], mode="mounts", prefix="/api") == [("old.page", False)]
    assert dead([route("/{place}/x", "GET")], [], mode="mounts", prefix="/sample") == []


def test_an_application_that_is_asked_first_can_pass_everything_back() -> None:
    assert dead([PAGE], [route("/users/{id}", "GET", "HEAD")], mode="probe") == []


SEGMENTS = st.sampled_from(["a", "7", "{x}", "{x:int}", "{x:float}", "v{x:int}", "{x:uuid}", "{x:path}"])


def templates() -> st.SearchStrategy[str]:
    def named(parts: list[str]) -> str:
        ends = [part for part in parts[:-1] if "path" not in part] + parts[-1:]
        return "/" + "/".join(part.replace("x", f"p{number}", 1) for number, part in enumerate(ends))

    return st.lists(SEGMENTS, min_size=1, max_size=3).map(named)


@settings(max_examples=300, deadline=None)
@given(templates(), templates(), st.data())
def test_what_is_said_to_be_covered_is_taken_by_the_router(wide: str, narrow: str, data: st.DataObject) -> None:
    kinds = {"int": "[0-9]{1,3}", "float": "[0-9]{1,2}[.][0-9]{1,2}", "path": "[a-z]{1,2}/[a-z]{1,2}"}
    path = narrow
    for number in range(3):
        for kind in ("int", "float", "path", "uuid"):
            text = data.draw(st.from_regex(kinds.get(kind, "[a-z]"), fullmatch=True))
            text = "123e4567-e89b-12d3-a456-426614174000" if kind == "uuid" else text
            path = path.replace(f"{{p{number}:{kind}}}", text)
        path = path.replace(f"{{p{number}}}", data.draw(st.from_regex("[a-z0-9]{1,4}", fullmatch=True)))
    assert "{" not in path
    apps = (App("rest", "wsgi", "", None, "rest"), App("owner", "asgi", "", None, "owner"))

    def takes(template: str) -> bool:
        return Router(Plan(apps, (), "table", (route(template),), "")).explain("GET", path).app == 1

    assert takes(narrow), "the path fits its own template"
    if covers(wide, narrow):
        assert takes(wide)
        assert may_overlap(wide, narrow)
    if takes(wide):
        assert may_overlap(wide, narrow)


def test_a_sample_fits_its_template() -> None:
    assert covers("/{rest:path}", sample("/users/{id:int}"))


# The command

ALL = ("--wsgi", "old:app", "--asgi", "step4:app")


def test_the_command_shows_file_and_line() -> None:
    shown = run("routes", *ALL, "--dead")
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    number = (STEPS / "old.py").read_text().splitlines().index('@app.post("/logout")') + 1
    place = lines.index(f"    old.py:{number}  old.logout of old:app")
    assert lines[place + 1] == "      POST /logout"
    assert lines.index("  no request reaches:") < place < lines.index("  only HEAD reaches:")
    assert lines[-1] == "  7 dead handlers"


def test_no_request_reaches_a_dead_handler_of_a_real_server() -> None:
    found = json.loads(run("routes", *ALL, "--dead", "--json").stdout)
    assert found["version"] == 1
    server = start_rsgi(*ALL, "--served-by", folder=STEPS)
    asked = 0
    for handler in found["handlers"]:
        assert Path(handler["file"]) == STEPS / "old.py"
        for each in handler["routes"]:
            for method in each["methods"]:
                response = request(server, method, sample(each["path"]))
                reached = response.header("x-served-by") == "old:app"
                assert reached == (method in handler["reached_by"]), (method, each["path"])
                asked += 1
    server.stop()
    assert asked == 33


def test_views_of_classes_and_factories_have_a_line(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text(
        """from functools import wraps

from flask import Flask
from flask.views import MethodView


def guarded(view):
    @wraps(view)
    def inner(*arguments, **values):
        return view(*arguments, **values)

    return inner


class Orders(MethodView):
    def post(self):
        return "orders"


def make():
    app = Flask(__name__)

    @app.post("/inner")
    @guarded
    def page():
        return "page"

    app.add_url_rule("/orders", view_func=Orders.as_view("orders"))
    return app
"""
    )
    (tmp_path / "new.py").write_text(
        """from fastapi import FastAPI

app = FastAPI(openapi_url=None)


@app.post("/inner")
@app.post("/orders")
async def all_of_it(): ...
"""
    )
    shown = run("routes", "--wsgi", "old:make()", "--asgi", "new:app", "--dead", folder=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "    old.py:15  old.Orders of old:make()" in shown.stdout
    assert "    old.py:23  old.make.<locals>.page of old:make()" in shown.stdout
    assert shown.stdout.endswith("  2 dead handlers\n  no request reaches a route of old:make() any more\n")


def test_an_application_is_empty_when_its_last_route_has_moved(tmp_path: Path) -> None:
    handlers = '@app.post("/one")\ndef one(): ...\n\n\n@app.post("/two")\ndef two(): ...\n'
    (tmp_path / "old.py").write_text(f"from flask import Flask\n\napp = Flask(__name__)\n\n\n{handlers}")
    new = f"from fastapi import FastAPI\n\napp = FastAPI(openapi_url=None)\n\n\n{handlers}"
    ends = []
    for text, folder in ((new.split('@app.post("/two")')[0], ""), (new, ""), (new, "static")):
        (tmp_path / "new.py").write_text(text)
        (tmp_path / folder).mkdir(exist_ok=True)
        shown = run("routes", "--wsgi", "old:app", "--asgi", "new:app", "--dead", folder=tmp_path)
        ends.append(shown.stdout.partition(" dead handler")[2])
    left = "s\n  no request reaches a route of old:app any more"
    assert ends == ["\n", f"{left}\n", f"{left}, except its static files: /static/{{filename:path}}\n"]


def test_dead_goes_with_json_alone() -> None:
    for more in (("--html", "x.html"), ("--check", "x.json"), ("--only", "old")):
        found = run("routes", *ALL, "--dead", *more)
        assert found.returncode == 2
        assert "hint: `--dead` goes together with `--json` and `--admin` only" in found.stderr


def test_probe_mode_is_said() -> None:
    found = run("routes", *ALL, "--dead", "--fallback", "probe")
    assert found.stdout.endswith("  0 dead handlers\n")
    assert "note: in `probe` mode the new application can pass any request back" in found.stderr
