"""What counts as a miss in probe mode: that a route was missed, not that a handler found nothing.

Apart from `test_probe.py`, where the new app is opaque. Here it is a Starlette app whose router leaves marks in the scope,
and both apps write down who ran, how often and with which body.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from server import Server, start_rsgi, wait_until
from wire import Connection, Response, get, request

pytest.importorskip("starlette")

CAP = 256 * 1024
APPS = ("--wsgi", "probe_apps:old", "--asgi", "probe_apps:new", "--fallback", "probe", "--replay-limit", str(CAP))
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def probing() -> Iterator[Server]:
    server = start_rsgi(*APPS)
    yield server
    server.stop()


def ran(server: Server, name: str) -> list[str]:
    """Who ran for a request, in order."""
    found: list[str] = get(server, f"/ran/{name}").json()
    return found


def body_of(length: int) -> bytes:
    return bytes(number * 7 % 251 for number in range(1000)) * (length // 1000 + 1)


SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "GET": ("GET", {}),
    "POST small": ("POST", {"body": body_of(3000)[:3000]}),
    "POST large": ("POST", {"body": body_of(200_000)[:200_000]}),
    "POST over cap": ("POST", {"body": body_of(3 * CAP)[: 3 * CAP]}),
    "chunked": ("POST", {"chunks": [b"one", b"two" * 9000, b"three"]}),
}

# Path, whether the old application gets it, and the response of the new one.
CASES = {
    "miss": ("/nowhere", True, 404),
    "handler 404": ("/handler-404", False, 404),
    "405": ("/only-put", True, 405),
    "handler 405": ("/handler-405", False, 405),
    "class 405": ("/only-patch", True, 405),
    "307": ("/slash", True, 307),
    "500": ("/broken", False, 500),
    "stream": ("/stream", False, 200),
    "mounted miss": ("/mounted/nowhere", True, 404),
    "mounted handler 404": ("/mounted/row", False, 404),
    "mounted file": ("/static/nowhere", False, 404),
    "explicit": ("/pass", True, 404),
}


@pytest.mark.parametrize("reads", [False, True], ids=["unread", "read"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("case", CASES)
def test_who_runs_and_how_often(probing: Server, case: str, shape: str, reads: bool) -> None:
    path, misses, status = CASES[case]
    method, payload = SHAPES[shape]
    name = f"r{next(NUMBERS)}"
    headers = [("x-id", name), *([("x-read", "1")] if reads else [])]
    sent = payload.get("body", b"".join(payload.get("chunks", [])))
    response = request(probing, method, path, headers, **payload)
    replayed = misses and len(sent) <= CAP
    if misses and len(sent) > CAP and not reads:
        # How much the server has read by then is not settled: all of it is handed over, or nothing.
        replayed = "old" in ran(probing, name)
    if replayed:
        assert ran(probing, name) == ["new", "old"]
        found = response.json()
        assert (found["hash"], found["length"]) == (hashlib.sha256(sent).hexdigest(), len(sent))
        assert response.all("set-cookie") == ["old=1"]
    else:
        assert ran(probing, name) == ["new"]
        assert response.status == status
        assert response.header("x-app") is None
    assert response.header("x-rsgi-pass") is None


def test_a_stream_that_stands_is_whole(probing: Server) -> None:
    assert get(probing, "/stream").text == "".join(f"chunk {number}\n" for number in range(5))


@pytest.mark.parametrize(("query", "steps"), [("", ["new"]), ("?go", ["new", "old"])])
def test_the_application_has_the_last_word(probing: Server, query: str, steps: list[str]) -> None:
    name = f"r{next(NUMBERS)}"
    get(probing, f"/stays{query}", ("x-id", name))
    assert ran(probing, name) == steps


def test_when_both_refuse_the_method_what_either_allows_is_allowed(probing: Server) -> None:
    response = request(probing, "DELETE", "/neither", body=b"x")
    assert (response.status, response.header("x-app")) == (405, "old")
    # Starlette keeps methods as a set, so the order of its own is any.
    assert sorted((response.header("allow") or "").split(", ")) == ["GET", "PATCH", "PUT"]


def test_what_the_router_redirects_elsewhere_stands_when_the_path_is_known(probing: Server) -> None:
    assert get(probing, "/slash/").text == "new"


@pytest.mark.parametrize("buffering", ["auto", "off"])
def test_a_client_that_leaves_during_the_replay(start: Callable[..., Server], buffering: str) -> None:
    """The old application is not called, or sees that the body broke off: never a short one that looks whole."""
    server = start(*APPS, "--wsgi-request-buffering", buffering)
    with Connection(server) as connection:
        connection.send(b"POST /nowhere HTTP/1.1\r\nHost: a\r\nx-id: left\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
        steps = ["new", "old"] if buffering == "off" else ["new"]
        wait_until(lambda: ran(server, "left") == steps, 5, "the applications are asked")
    if buffering == "off":
        wait_until(lambda: ran(server, "left")[1] != "old", 5, "the old application sees the end")
        assert ran(server, "left") == ["new", "old: RequestBodyError"]
    else:
        assert ran(server, "left") == ["new"]
    assert get(server, "/after").header("x-app") == "old"
    assert server.stop() == 0


def test_a_scope_that_was_copied_gives_no_proof() -> None:
    """Middleware that hands on a copy hides the marks: then a 404 is a miss, as for an opaque application."""
    server = start_rsgi("--wsgi", "probe_apps:old", "--asgi", "probe_apps:copying", "--fallback", "probe")
    try:
        assert get(server, "/handler-404").header("x-app") == "old"
        response: Response = get(server, "/slash")
        assert response.status == 307
    finally:
        server.stop()
