"""`--name-routes`: what applications are told of themselves and of the route, and what Sentry and OpenTelemetry make of it.

The SDKs are the real ones, for both kinds of application at once. Their transport keeps what it should send.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from server import Server, wait_until
from wire import get

Start = Callable[..., Server]
BOTH = ("--wsgi", "tracing_apps:old", "--asgi", "tracing_apps:new")
OLD, NEW = "tracing_apps:old", "tracing_apps:new"


def told(server: Server, path: str) -> Any:
    response = get(server, path)
    assert response.status == 200, response.text
    return response.json()


def test_table_mode_tells_the_route_of_each_side(start: Start) -> None:
    server = start(*BOTH, "--name-routes")
    assert told(server, "/new/7") == {"app": NEW, "route": "/new/{number}"}
    assert told(server, "/old/7") == {"app": OLD, "route": "/old/{number:int}"}


def test_nothing_is_told_without_the_setting(start: Start) -> None:
    server = start(*BOTH)
    assert told(server, "/new/7") is None
    assert told(server, "/old/7") == {"app": None, "route": None}


def test_rules_and_shares_tell_the_own_route_or_that_of_the_rule(start: Start) -> None:
    plain = ("--wsgi", "/plain=tracing_apps:plain", "--route", "/by/{rule}=tracing_apps:plain")
    server = start(*BOTH, *plain, "--route", "/new/{n}=asgi:50%", "--name-routes")
    assert told(server, "/by/x") == {"app": "tracing_apps:plain", "route": "/by/{rule}"}
    for bucket in ("0", "9999"):
        response = get(server, "/new/7", ("Cookie", f"rsgi_bucket={bucket}"))
        assert response.json() == {"app": NEW, "route": "/new/{number}"}


def test_mounts_tell_the_prefix_or_the_route_below_it(start: Start) -> None:
    mounts = ("--wsgi", "/plain=tracing_apps:plain", "--wsgi", "/mounted=tracing_apps:old")
    server = start(*mounts, "--asgi", "/api=tracing_apps:new", "--name-routes")
    assert told(server, "/plain/x") == {"app": "tracing_apps:plain", "route": "/plain"}
    assert told(server, "/mounted/old/7") == {"app": OLD, "route": "/mounted/old/{number:int}"}
    assert told(server, "/api/new/7") == {"app": NEW, "route": "/api/new/{number}"}


def test_probe_mode_tells_each_application_its_own(start: Start) -> None:
    server = start(*BOTH, "--fallback", "probe", "--name-routes")
    assert told(server, "/new/7") == {"app": NEW, "route": "/new/{number}"}
    assert told(server, "/old/7") == {"app": OLD, "route": "/old/{number:int}"}


def spans_of(start: Start, tracer: str) -> list[dict[str, Any]]:
    """What is traced of 20 requests to each of three applications, eight at a time."""
    plain = ("--wsgi", "/plain=tracing_apps:plain")
    server = start(*BOTH, *plain, "--name-routes", environment={"TRACER": tracer})
    paths = [f"/{side}/{number}" for number in range(20) for side in ("old", "new", "plain")]
    with ThreadPoolExecutor(8) as pool:
        assert {response.status for response in pool.map(lambda path: get(server, path), paths)} == {200}

    def of_paths() -> list[dict[str, Any]]:
        spans = told(server, "/spans")
        return [span for span in spans if "spans" not in span["name"]]

    wait_until(lambda: len(of_paths()) >= 60, 10, "all are traced")
    return of_paths()


def has_own_tags_only(spans: list[dict[str, Any]]) -> None:
    """Each of 20 requests to two applications has its mark, and no other one."""
    marks = [tuple(span["tags"]) for span in spans if span["tags"]]
    assert Counter(marks) == {(f"number-{number}",): 2 for number in range(20)}


def test_sentry_names_transactions_by_route(start: Start) -> None:
    pytest.importorskip("sentry_sdk", reason="needs Sentry's SDK (pip install sentry-sdk)")
    spans = spans_of(start, "sentry")
    names = Counter((span["name"], span["source"]) for span in spans)
    assert names == {(route, "route"): 20 for route in ("/old/<int:number>", "/new/{number}", "/plain")}
    has_own_tags_only(spans)


def test_opentelemetry_names_spans_by_route(start: Start) -> None:
    pytest.importorskip("opentelemetry.instrumentation.fastapi", reason="needs OpenTelemetry's instrumentations")
    spans = spans_of(start, "otel")
    names = Counter(span["name"] for span in spans)
    assert names == {"GET /old/<int:number>": 20, "GET /new/{number}": 20, "GET /plain": 20}
    assert {span["parent"] for span in spans} == {None}, "no request is inside of another"
    has_own_tags_only(spans)
