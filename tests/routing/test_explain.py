"""The router as Python sees it: the decision that the server would make, as plain data.

Apart from `test_routing.py`, where applications really answer; a test there keeps the two in agreement.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsgi._rsgi import Explanation, Router
from rsgi._types import Interface
from rsgi.routing.planning import build_plan
from rsgi.settings.config import AppTarget, Config


def old(environ: object, start_response: object) -> list[bytes]:
    return []


async def new(scope: object, receive: object, send: object) -> None: ...


def router(*targets: tuple[Interface, object, str], **settings: object) -> Router:
    apps = tuple(AppTarget(interface, target, prefix) for interface, target, prefix in targets)
    return Router(build_plan(Config(apps=apps, **settings)))  # type: ignore[arg-type]


def seen(found: Explanation) -> tuple[str, int | None, str | None, int | None]:
    return found.kind, found.index, found.detail, found.app


def test_each_kind_of_decision() -> None:
    made = router(("wsgi", old, ""), ("asgi", new, "/api"), routes=("POST api.example.com/x=asgi",))
    headers = [("Host", "api.example.com:80")]
    rule = made.explain("POST", "/x?y=z", headers)
    assert seen(rule) == ("rule", 0, "POST api.example.com/x=asgi", 1)
    assert rule.reason == "the rule `POST api.example.com/x=asgi`"
    assert seen(made.explain("POST", "http://api.example.com/x")) == seen(rule)
    mount = made.explain("GET", "/%61pi/caf%C3%A9")
    assert seen(mount) == ("mount", 1, "/api", 1)
    assert (mount.script_name, mount.path_info, mount.then) == ("/api", "/café", None)
    rest = made.explain("POST", "/x", [("Host", "example.com")])
    assert seen(rest) == ("only", None, None, 0)
    assert (rest.script_name, rest.path_info) == ("", "/x")
    assert seen(made.explain("GET", "/x", websocket=True)) == ("none", None, None, None)


def test_a_probe_names_both() -> None:
    found = router(("wsgi", old, ""), ("asgi", new, "")).explain("GET", "/x")
    assert (found.kind, found.app, found.then) == ("probe", 1, 0)


def test_a_table_names_its_route_or_none() -> None:
    pytest.importorskip("starlette")
    from starlette.applications import Starlette
    from starlette.routing import Route

    made = router(("wsgi", old, ""), ("asgi", Starlette(routes=[Route("/x/{id:int}", new, methods=["PUT"])]), ""))
    assert seen(made.explain("PUT", "/x/7")) == ("table", 0, "/x/{id:int}", 1)
    assert seen(made.explain("PUT", "/x/y")) == ("table", None, None, 0)
    preflight = [("Origin", "http://a"), ("Access-Control-Request-Method", "PUT")]
    assert made.explain("OPTIONS", "/x/7", preflight).app == 1
    assert made.explain("OPTIONS", "/x/7", [("Origin", "http://a"), ("Access-Control-Request-Method", "GET")]).app == 0


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [("G T", "/", []), ("GET", "/a b", []), ("GET", "", []), ("GET", "/", [("a b", "c")]), ("GET", "/", [("a", "\n")])],
)
def test_what_no_request_could_have_is_refused(method: str, url: str, headers: list[tuple[str, str]]) -> None:
    with pytest.raises(ValueError, match=":"):
        router(("wsgi", old, "")).explain(method, url, headers)


SEGMENTS = st.lists(st.sampled_from(["a", "b", "api", "caf\xe9", "x y", "a%2Fb", "", "."]), max_size=4)


@given(
    path=SEGMENTS,
    mounts=st.sets(st.sampled_from(["/a", "/a/b", "/api", "/caf\xe9", "/b"]), max_size=4),
    last=st.booleans(),
)
def test_script_name_and_path_info_are_the_decoded_path(path: list[str], mounts: set[str], last: bool) -> None:
    """Whatever is mounted where: the longest mount on a segment's boundary is the root, and nothing is lost or added."""
    raw = "/" + "/".join(quote(segment, safe="%.") for segment in path) + ("/" if last else "")
    made = router(("wsgi", old, ""), *(("wsgi", old, mount) for mount in sorted(mounts)))
    found = made.explain("GET", raw)
    decoded = unquote(raw)
    # A slash that was sent as %2F is no boundary.
    places = raw.split("/")
    held = [mount for mount in mounts if [unquote(each) for each in places[: mount.count("/") + 1]] == mount.split("/")]
    assert found.script_name == max(held, key=len, default="")
    assert found.script_name + found.path_info == decoded


def test_a_share_and_what_it_went_by() -> None:
    made = router(("wsgi", old, ""), ("asgi", new, "/new"), routes=("POST /x=asgi:5%", "/x=asgi:20%"))

    def asked(method: str, *headers: tuple[str, str]) -> tuple[str, int | None, int | None, str | None, int | None]:
        found = made.explain(method, "/x", headers)
        return found.kind, found.index, found.share_rule, found.share_lot, found.bucket

    assert asked("POST", ("cookie", "rsgi_bucket=499")) == ("rule", 0, 0, "cookie", 499)
    assert asked("POST", ("cookie", "rsgi_bucket=500")) == ("rule", 1, 0, "cookie", 500)
    assert asked("GET", ("cookie", "a=b; rsgi_bucket=2000")) == ("only", None, 1, "cookie", 2000)
    assert asked("GET") == ("only", None, 1, "drawn", None)
    elsewhere = made.explain("GET", "/new/x")
    assert (elsewhere.kind, elsewhere.share_rule, elsewhere.share_lot, elsewhere.bucket) == ("mount", None, None, None)


@pytest.mark.parametrize(
    ("by", "headers", "client", "lot", "bucket"),
    [
        ("client", (), "192.0.2.7", "hash", 2718),
        ("client", (), "::ffff:192.0.2.7", "hash", 2718),
        ("client", (), None, "unknown", None),
        ("header:X-User-Id", (("x-user-id", "user-2"),), None, "hash", 2635),
        ("header:X-User-Id", (("cookie", "rsgi_bucket=1"),), "192.0.2.7", "unknown", None),
        ("cookie:sessionid", (("cookie", "sessionid=user-2"),), None, "hash", 2635),
        ("cookie:sessionid", (("cookie", "SESSIONID=user-2"),), None, "unknown", None),
        ("cookie", (("rsgi-app", "asgi.s3cret"),), None, "tester", None),
    ],
)
def test_what_tells_clients_apart(
    by: str, headers: tuple[tuple[str, str], ...], client: str | None, lot: str, bucket: int | None
) -> None:
    settings = {"routes": ("/x=asgi:50%",), "share_by": by, "share_testers": "s3cret"}
    made = router(("wsgi", old, ""), ("asgi", new, "/new"), **settings)
    found = made.explain("GET", "/x", headers, client=client)
    assert (found.share_lot, found.bucket) == (lot, bucket)
