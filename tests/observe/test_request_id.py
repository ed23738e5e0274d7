"""The id of a request: one for the client, the application, the response and the logs.

Apart from the access log, which is one of the places that have it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from test_access_log_format import APPS, TRACE, last_line

from http2_wire import get2
from server import Server, run_rsgi, start_rsgi
from wire import exchange, get

FORMAT = ("--access-log", "--access-log-format", "%(target)s %(request_id)s %(trace_id)s")


@pytest.fixture(scope="module", params=APPS)
def named(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Each kind of application, with ids."""
    server = start_rsgi(*APPS[request.param], *FORMAT, "--request-id", "X-Request-ID")
    yield server
    server.stop()


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("given", ["abc.DEF_1-2:3+4/5=6@7", "x" * 128])
def test_a_good_id_of_the_client_is_kept(named: Server, version: str, given: str) -> None:
    path = f"/kept-{len(given)}-{version}"
    response = (
        get(named, path, ("X-Request-ID", given)) if version == "1" else get2(named, path, [("x-request-id", given)])
    )
    seen = response.json()
    assert (response.header("x-request-id"), seen["header"]) == (given, given)
    assert seen.get("environ", given) == given
    assert last_line(named, path) == f"{path} {given} -"


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("given", [None, "", "a b", 'a"b', "x" * 129, "<script>", "a,b"])
def test_else_a_new_one_is_made(named: Server, version: str, given: str | None) -> None:
    path = f"/made-{abs(hash(given))}-{version}"
    fields = [] if given is None else [("x-request-id", given)]
    responses = [get(named, path, *fields) if version == "1" else get2(named, path, fields) for _ in range(2)]
    ids = [response.header("x-request-id") or "" for response in responses]
    assert ids[0] != ids[1]
    for response, made in zip(responses, ids, strict=True):
        assert re.fullmatch("[0-9a-f]{32}", made)
        assert response.json()["header"] == made
        assert last_line(named, f"{path} {made}") == f"{path} {made} -"


def test_two_ids_are_none(named: Server) -> None:
    response = get(named, "/two", ("X-Request-ID", "one"), ("X-Request-ID", "two"))
    assert re.fullmatch("[0-9a-f]{32}", response.header("x-request-id") or "")
    assert response.json()["header"] == response.header("x-request-id")


def test_the_environ_has_it(start: Callable[..., Server]) -> None:
    for interface in ("wsgi", "bridge"):
        server = start(*APPS[interface], "--request-id", "X-Request-ID")
        assert get(server, "/", ("X-Request-ID", "mine")).json()["environ"] == "mine"


def test_a_trace_is_logged_and_passed_on(named: Server) -> None:
    parent = f"00-{TRACE}-00f067aa0ba902b7-01"
    response = get(named, "/traced", ("traceparent", parent), ("X-Request-ID", "t"))
    assert response.json()["traceparent"] == parent
    assert last_line(named, "/traced") == f"/traced t {TRACE}"
    assert (
        get(named, "/untraced", ("traceparent", "nonsense"), ("X-Request-ID", "t")).json()["traceparent"] == "nonsense"
    )
    assert last_line(named, "/untraced") == "/untraced t -"


def test_the_record_of_a_failure_has_both(named: Server) -> None:
    mark = named.log_mark()
    response = get(named, "/fail", ("X-Request-ID", "f-1"), ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01"))
    assert (response.status, response.header("x-request-id")) == (500, "f-1")
    log = named.wait_for_log("RuntimeError: the application failed", since=mark)
    assert re.search(rf"failed: GET /fail HTTP/1\.1 from \S+ request f-1 trace {TRACE}$", log, re.MULTILINE), log


def test_a_refusal_has_one(named: Server) -> None:
    response = exchange(named, b"GET / HTTP/1.1\r\n\r\n")
    assert response.status == 400
    assert re.fullmatch("[0-9a-f]{32}", response.header("x-request-id") or "")


@pytest.mark.parametrize("interface", APPS)
def test_without_the_setting_nothing_is_added(start: Callable[..., Server], interface: str) -> None:
    server = start(*APPS[interface])
    response = get(server, "/", ("X-Request-ID", "mine"))
    assert response.header("x-request-id") is None
    assert response.json() == {**response.json(), "header": "mine"}
    assert response.json().get("environ") is None


def test_what_is_no_name_of_a_header() -> None:
    ran = run_rsgi("--wsgi", "identity_app:old", "--request-id", "X Request")
    assert ran.returncode == 2
    assert "is not the name of a header; write for example X-Request-ID" in ran.stderr


@pytest.mark.parametrize(("trusted", "taken"), [("127.0.0.1", True), ("10.0.0.0/8", False)])
def test_behind_a_proxy_only_its_id_counts(start: Callable[..., Server], trusted: str, taken: bool) -> None:
    server = start("--asgi", "asgi_kitchen:app", "--request-id", "X-Request-ID", "--trust-proxy", trusted)
    response = get(server, "/hello", ("X-Request-ID", "from-the-proxy"), ("X-Forwarded-For", "192.0.2.7"))
    assert (response.header("x-request-id") == "from-the-proxy") == taken
