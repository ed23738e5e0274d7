"""The map: which routes are the same, what has become of each, and what was lost since an earlier one.

Apart from the commands because these give it route tables by hand; who answers, the real router says.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsgi.routing.coverage import CoverageMap, Survey, draw_map
from rsgi.routing.coverage.document import heads_lost, lost_since, to_document
from rsgi.routing.coverage.lines import lines_of
from rsgi.routing.coverage.template import compare_kinds, kinds, shape, slash_twin
from rsgi.routing.introspect import Route, RouteTable
from rsgi.routing.introspect.sample import sample
from rsgi.routing.plan import App, Mode, Plan
from rsgi.routing.tables import built_in_pages_kept
from rsgi.settings.rules import parse_rule


def http(path: str, *methods: str, opaque: bool = False, defined: str | None = None) -> Route:
    return Route("http", methods or None, None, path, defined=defined, opaque=opaque)


def websocket(path: str) -> Route:
    return Route("websocket", None, None, path)


def survey(
    old: list[Route],
    new: list[Route],
    *,
    mode: Mode = "table",
    rules: tuple[str, ...] = (),
    complete: bool = True,
    prefix: str = "",
) -> Survey:
    """One application of each kind, with these routes; rules are written with `old` and `new`."""
    from rsgi.routing.plan import Rule

    apps = (App("old", "wsgi", "", None, "old"), App("new", "asgi", prefix, None, "new"))
    tables = (
        RouteTable("Old", tuple(old), True, None),
        RouteTable("New", tuple(new), complete, None if complete else "a wall"),
    )
    parsed = [parse_rule(text) for text in rules]
    resolved = tuple(
        Rule(**{**{name: getattr(rule, name) for name in rule.__dataclass_fields__}, "app": int(rule.app == "new")})
        for rule in parsed
    )
    table = tables[1].for_router() if mode == "table" else ()
    return Survey(Plan(apps, resolved, mode, table, "for the test"), tables)


def drawn(*args: object, **kwargs: object) -> CoverageMap:
    return draw_map(survey(*args, **kwargs))  # type: ignore[arg-type]


def lines(made: CoverageMap) -> list[tuple[str, str, str, str | None]]:
    return [(row.method, row.path, row.status, row.served_by) for row in made.rows]


# Templates


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("/users/{id}", "/users/{}"),
        ("/users/{number:int}", "/users/{}"),
        ("/files/{rest:path}", "/files/{path}"),
        ("/v{a:int}.{b}", "/v{}.{}"),
        ("/", "/"),
    ],
)
def test_shape_has_no_names_and_no_kinds_but_path(template: str, expected: str) -> None:
    assert shape(template) == expected


@pytest.mark.parametrize(
    ("old", "new", "width"),
    [
        ("/{a}", "/{b}", "same"),
        ("/{a:int}", "/{a}", "wider"),
        ("/{a:int}", "/{a:float}", "wider"),
        ("/{a}", "/{a:uuid}", "narrower"),
        ("/{a:int}", "/{a:uuid}", "other"),
        ("/{a:int}/{b}", "/{a}/{b:int}", "other"),
    ],
)
def test_kinds_are_compared_by_what_they_take(old: str, new: str, width: str) -> None:
    assert compare_kinds(kinds(old), kinds(new)) == width


TEMPLATES = st.lists(
    st.sampled_from(["a", "b-c", "é", "{x}", "{x:int}", "{x:uuid}", "{x:float}", "v{x:int}", "p q"]), max_size=3
).map(lambda parts: "/" + "/".join(part.replace("x", f"x{place}", 1) for place, part in enumerate(parts)))


@given(TEMPLATES)
def test_a_sample_fits_its_template(template: str) -> None:
    one = survey([], [http(template, "GET")])
    response = one.ask("GET", template, None)
    assert response.app == 1, sample(template)
    assert response.route == http(template, "GET")


@given(TEMPLATES)
def test_the_slash_twin_of_the_twin_is_the_template(template: str) -> None:
    assert slash_twin(slash_twin(template)) == template or template == "/"


# What becomes of a route


def test_statuses() -> None:
    made = drawn(
        [
            http("/a", "GET", "HEAD"),
            http("/a", "POST"),
            http("/b", "GET"),
            http("/c/{n:int}", "GET"),
            http("/d/{name}", "GET"),
            http("/files/{path:path}", "GET", opaque=True),
            http("/pages/{name}", "GET"),
            http("/mounted/x", "GET"),
        ],
        [
            http("/a", "GET"),
            http("/c/{id}", "GET"),
            http("/d/{name:int}", "GET"),
            http("/pages/{rest:path}", "GET"),
            Route("any", None, None, "/mounted/{path:path}", opaque=True),
            http("/n", "GET"),
            websocket("/ws"),
        ],
    )
    assert lines(made) == [
        ("GET", "/a", "migrated", "new"),
        ("POST", "/a", "method missing", "old"),
        ("GET", "/b", "only old", "old"),
        ("GET", "/c/{n:int}", "migrated", "new"),
        ("GET", "/d/{name}", "type differs", "old"),
        ("GET", "/files/{path:path}", "opaque", "old"),
        ("GET", "/mounted/x", "opaque", "new"),
        ("*", "/mounted/{path:path}", "opaque", "new"),
        ("GET", "/n", "only new", "new"),
        ("GET", "/pages/{name}", "hidden", "new"),
        ("GET", "/pages/{rest:path}", "only new", "new"),
        ("WS", "/ws", "only new", "new"),
    ]
    assert made.progress() == (2, 8)
    assert made.summary() == "2 of 8 routes migrated, 25 %"
    hidden = next(row for row in made.rows if row.status == "hidden")
    assert hidden.note == "the route `/pages/{rest:path}` of new takes it"


def test_a_rule_that_gives_a_moved_route_back_hides_it() -> None:
    made = drawn([http("/a", "GET")], [http("/a", "GET")], rules=("/a=old",))
    assert lines(made) == [("GET", "/a", "hidden", "old")]
    assert made.rows[0].note == "the rule `/a=old`"


def test_a_rule_that_takes_an_old_route_away_hides_it() -> None:
    made = drawn([http("/a", "GET")], [], rules=("/a=new",))
    assert lines(made) == [("GET", "/a", "hidden", "new")]


def test_a_new_route_behind_an_earlier_one_is_hidden() -> None:
    everything = http("/users/{id}", "GET", defined="new.user")
    made = drawn([], [everything, http("/users/me", "GET", defined="new.me")])
    assert lines(made) == [("GET", "/users/me", "hidden", "new"), ("GET", "/users/{id}", "only new", "new")]
    assert made.rows[0].note == "the route `/users/{id}` comes first"


def test_the_twin_with_the_nearest_parameters_is_taken() -> None:
    both = [http("/u/{id:int}", "GET"), http("/u/{name}", "GET")]
    assert lines(drawn(both, both)) == [
        ("GET", "/u/{id:int}", "migrated", "new"),
        ("GET", "/u/{name}", "migrated", "new"),
    ]


def test_all_methods_on_one_side_are_divided_by_those_of_the_other() -> None:
    assert lines(drawn([http("/a")], [http("/a", "GET", "HEAD")])) == [
        ("GET", "/a", "migrated", "new"),
        ("*", "/a", "method missing", "old"),
    ]
    assert lines(drawn([http("/a", "GET")], [http("/a")])) == [
        ("GET", "/a", "migrated", "new"),
        ("*", "/a", "only new", "new"),
    ]


def test_the_other_slash_is_said() -> None:
    made = drawn([http("/a/", "GET")], [http("/a", "GET")])
    assert [(row.path, row.status, row.note) for row in made.rows] == [
        ("/a", "only new", ""),
        ("/a/", "only old", "the new one has `/a`"),
    ]


def test_probe_mode_says_who_comes_second() -> None:
    old, new = [http("/a", "GET"), http("/b", "GET")], [http("/a", "GET")]
    made = drawn(old, new, mode="probe")
    assert lines(made) == [("GET", "/a", "migrated", "new"), ("GET", "/b", "only old", "old")]
    unknown = drawn(old, new, mode="probe", complete=False)
    assert [(row.status, row.served_by, row.then) for row in unknown.rows] == [
        ("migrated", "new", None),
        ("opaque", "new", "old"),
    ]


def test_http_of_both_halves_of_one_project_is_kept() -> None:
    made = drawn([http("/a")], [http("/a"), websocket("/ws")], mode="websocket")
    assert lines(made) == [("*", "/a", "kept", "old"), ("WS", "/ws", "only new", "new")]

    assert made.summary() == "1 route over WSGI, 1 WebSocket route: there is nothing to migrate"


def test_a_rule_takes_a_part_of_one_project_to_asgi() -> None:
    made = drawn([http("/a"), http("/b")], [http("/a"), http("/b")], mode="websocket", rules=("/a=new",))
    assert made.summary() == "1 route over WSGI, 1 over ASGI, 0 WebSocket routes: there is nothing to migrate"


def test_head_that_only_the_old_one_answers_is_said_beside_get() -> None:
    old = [http("/a", "GET", "HEAD"), http("/b", "GET", "HEAD"), http("/c", "GET")]
    made = drawn(old, [http("/a", "GET"), http("/b", "GET", "HEAD"), http("/c", "GET")])
    assert [(row.path, row.status, row.note, row.head) for row in made.rows] == [
        ("/a", "migrated", "HEAD goes to old", "old"),
        ("/b", "migrated", "", "new"),
        ("/c", "migrated", "", None),
    ]


def test_head_that_nobody_answers_any_more_is_counted() -> None:
    before = survey([http("/a", "GET", "HEAD"), http("/b", "GET", "HEAD")], [])
    earlier = to_document(before, draw_map(before))
    after = survey([http("/b", "GET", "HEAD")], [http("/a", "GET"), http("/b", "GET")])
    assert lost_since(earlier, after) == []
    assert heads_lost(earlier, after) == 1
    assert heads_lost(earlier, before) == 0


def test_built_in_pages_are_named_and_not_counted() -> None:
    docs = replace(http("/docs", "GET", "HEAD"), built_in=True)
    made = drawn([http("/docs", "GET"), http("/a", "GET")], [docs, http("/a", "GET")])
    assert lines(made) == [
        ("GET", "/a", "migrated", "new"),
        ("GET", "/docs", "hidden", "new"),
        ("GET", "/docs", "built in", "new"),
    ]
    assert made.progress() == (1, 2)
    assert drawn([], [docs, http("/a", "GET")]).summary() == "1 route; no route of a WSGI application is known"


def test_an_old_page_is_what_names_the_path_of_a_built_in_one() -> None:
    built_in = [replace(http(path, "GET", "HEAD"), built_in=True) for path in ("/docs", "/docs/more", "/redoc")]
    new = RouteTable("New", tuple(built_in), True, None)
    for path, kept in [
        ("/docs", ("/docs", "/docs/more")),
        ("/docs/", ("/docs", "/docs/more")),
        ("/redoc", ("/redoc",)),
        ("/{page}", ()),
        ("/{rest:path}", ()),
        ("/doc", ()),
    ]:
        assert built_in_pages_kept(new, RouteTable("Old", (http(path, "GET"),), True, None)) == kept, path
    assert built_in_pages_kept(new, RouteTable("Old", (http("/docs", "POST"),), True, None)) == ()
    assert built_in_pages_kept(new, None) == ()


def test_a_route_of_some_texts_only_is_asked_with_one_of_them() -> None:
    languages = replace(http("/{language}/about", "GET"), templates=("/de/about", "/fr/about"))
    assert lines(drawn([languages], [])) == [("GET", "/{language}/about", "only old", "old")]
    assert lines(drawn([], [languages])) == [("GET", "/{language}/about", "only new", "new")]
    asked = survey([languages], [])
    document = to_document(asked, draw_map(asked))
    assert document["routes"][0]["fits"] == "/de/about"
    assert lost_since(document, asked) == []


def test_methods_of_one_handler_share_a_line_and_a_frequent_note_stands_once() -> None:
    one, two = http("/a", "GET", "POST"), [http("/b", "GET", defined="x"), http("/b", "POST", defined="y")]
    shown = lines_of(drawn([one, *two], []).rows)
    assert [(each.row.path, each.methods) for each in shown.lines] == [
        ("/a", "GET,POST"),
        ("/b", "GET"),
        ("/b", "POST"),
    ]
    many = [f"/{name}" for name in "abcdef"]
    shown = lines_of(drawn([http(each, "GET", "POST") for each in many], [http(each, "GET") for each in many]).rows)
    assert shown.notes == (("[1]", "the new one has GET", 6),)
    assert [each.note for each in shown.lines] == ["", "[1]"] * 6
    few = lines_of(
        drawn([http(each, "GET", "POST") for each in many[:4]], [http(each, "GET") for each in many[:4]]).rows
    )
    assert (few.notes, few.lines[1].note) == ((), "the new one has GET")


def test_a_mounted_application_is_shown_below_its_prefix() -> None:
    made = drawn([http("/api/x", "GET"), http("/y", "GET")], [http("/x", "GET")], mode="mounts", prefix="/api")
    assert lines(made) == [("GET", "/api/x", "migrated", "new"), ("GET", "/y", "only old", "old")]


def test_hosts_do_not_mix() -> None:
    made = drawn(
        [replace(http("/a", "GET"), host="one.test")],
        [replace(http("/a", "GET"), host="{name}.other.test")],
    )
    assert [(row.host, row.status, row.served_by) for row in made.rows] == [
        ("one.test", "only old", "old"),
        ("{name}.other.test", "only new", "new"),
    ]


PATHS = st.sampled_from(["/", "/a", "/a/", "/a/{x}", "/a/{y:int}", "/a/{z:path}", "/b/c", "/b/{x}", "/b/{x:uuid}"])
METHODS = st.lists(st.sampled_from(["GET", "POST", "DELETE"]), max_size=2, unique=True)
ROUTES = st.lists(st.builds(lambda path, methods: http(path, *methods), PATHS, METHODS), max_size=6)
RULES = st.lists(st.sampled_from(["/a=old", "GET /b/{x}=new", "POST /a/{rest:path}=old"]), max_size=2, unique=True)


@settings(deadline=None)
@given(ROUTES, ROUTES, RULES)
def test_the_map_says_what_the_router_does(old: list[Route], new: list[Route], rules: list[str]) -> None:
    asked = survey(old, new, rules=tuple(rules))
    made = draw_map(asked)
    assert sum(made.counts().values()) == len(made.rows)
    assert len({(row.method, row.path, row.old is None) for row in made.rows}) == len(made.rows)
    for route in old:
        assert any(row.old is not None and row.path == route.path for row in made.rows)
    for route in new:
        assert any(row.new is not None and shape(row.new.path) == shape(route.path) for row in made.rows)
    for row in made.rows:
        if row.method == "*":
            continue
        served = asked.plan.apps[asked.router.explain(row.method, sample(row.path)).app or 0].name
        assert row.served_by == served
        if row.status in ("migrated", "only new"):
            assert served == "new"
        if row.status in ("only old", "method missing"):
            assert served == "old"


# What was lost


@settings(deadline=None)
@given(ROUTES, ROUTES)
def test_nothing_is_lost_when_nothing_changed(old: list[Route], new: list[Route]) -> None:
    asked = survey(old, new)
    assert lost_since(to_document(asked, draw_map(asked)), asked) == []


def test_a_route_that_moved_is_not_lost_and_one_that_vanished_is() -> None:
    before = survey([http("/a", "GET"), http("/b/{n:int}", "GET", "POST"), http("/c/{x}", "GET")], [])
    earlier = to_document(before, draw_map(before))
    moved = survey([http("/c/{x}", "GET")], [http("/a", "GET"), http("/b/{id}", "GET", "POST")])
    assert lost_since(earlier, moved) == []
    broken = survey([], [http("/a", "POST"), http("/b/{id}", "GET"), http("/c/{x:int}", "GET")])
    assert [(each.method, each.path, each.served_by, each.why) for each in lost_since(earlier, broken)] == [
        ("GET", "/a", "old", "old gets the request and has no such route"),
        ("POST", "/b/{n:int}", "old", "old gets the request and has no such route"),
        ("GET", "/c/{x}", "old", "old gets the request and has no such route"),
    ]


def test_a_rule_to_an_application_without_the_route_loses_it() -> None:
    before = survey([http("/a", "GET")], [])
    after = survey([http("/a", "GET")], [], rules=("/a=new",))
    (lost,) = lost_since(to_document(before, draw_map(before)), after)
    assert lost.why == "new gets the request and has no such route"


def test_a_websocket_that_nobody_takes_any_more_is_lost() -> None:
    before = survey([], [websocket("/ws")])
    (lost,) = lost_since(to_document(before, draw_map(before)), survey([http("/ws", "GET")], []))
    assert (lost.method, lost.why) == ("WS", "no application answers")
