"""Probe mode: the new app is asked first, and its 404 hands the request, body and all, to the old one.

Apart from `test_routing.py` because here nothing is known before the response: bodies are replayed, and every other
answer of the new app stands.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from server import Server, run_rsgi, start_rsgi
from wire import Connection, get, post, request


@pytest.fixture(scope="module")
def probing() -> Iterator[Server]:
    """An ASGI callable whose routes nobody can read, in front of an old app."""
    server = start_rsgi("--wsgi", "routing_apps:old_a", "--asgi", "routing_apps:opaque", "--replay-limit", "1MiB")
    yield server
    server.stop()


def test_new_app_answers_what_it_knows(probing: Server) -> None:
    seen = post(probing, "/new", b"body").json()
    assert (seen["app"], seen["body"]) == ("new_a", "body")


def test_404_falls_through(probing: Server) -> None:
    seen = get(probing, "/old/path?x=1").json()
    assert (seen["app"], seen["path"], seen["query"]) == ("old_a", "/old/path", "x=1")


@pytest.mark.parametrize("path", ["/not-read", "/reads-then-404"])
@pytest.mark.parametrize("size", [0, 5, 70_000, 900_000])
def test_body_is_replayed(probing: Server, path: str, size: int) -> None:
    """Whether the new app read the body before its 404, or not."""
    body = bytes(number % 251 for number in range(1000)) * (size // 1000 + 1)
    response = post(probing, path, body[:size])
    assert response.header("x-app") == "old_a"
    assert response.json()["body"].encode("latin-1") == body[:size]


@pytest.mark.parametrize("path", ["/not-read", "/reads-then-404"])
def test_chunked_body_is_replayed(probing: Server, path: str) -> None:
    response = request(probing, "POST", path, chunks=[b"one ", b"two ", b"three"])
    assert response.header("x-app") == "old_a"
    assert response.json()["body"] == "one two three"


@pytest.mark.parametrize(("path", "status"), [("/broken", 500), ("/forbidden", 403)])
def test_other_responses_stand(probing: Server, path: str, status: int) -> None:
    response = get(probing, path)
    assert response.status == status
    assert response.header("x-app") == "opaque"


def test_exception_does_not_fall_through(probing: Server) -> None:
    mark = probing.log_mark()
    response = get(probing, "/raise")
    assert response.status == 500
    assert response.text == "500 Internal Server Error: the application failed\n"
    probing.wait_for_log("app `routing_apps:opaque` failed: GET /raise", since=mark)


def test_response_of_the_new_app_stands_over_the_replay_limit(probing: Server) -> None:
    """What can no longer be replayed is not handed over in part."""
    response = post(probing, "/reads-then-404", b"x" * 1_500_000)
    assert response.status in (404, 413)
    assert response.header("x-app") in ("opaque", None)
    assert get(probing, "/after").json()["app"] == "old_a"


def test_every_method_falls_through(probing: Server) -> None:
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH"):
        assert request(probing, method, "/old").json()["method"] == method
    assert request(probing, "HEAD", "/old").header("x-app") == "old_a"


def test_connection_stays_usable(probing: Server) -> None:
    with Connection(probing) as connection:
        for number in range(10):
            target, app = ("/new", "new_a") if number % 2 else ("/old", "old_a")
            connection.send_request("POST", target, body=b"number %d" % number)
            seen = connection.read_response().json()
            assert (seen["app"], seen["body"]) == (app, f"number {number}")


def test_banner_names_the_mode_and_why(probing: Server) -> None:
    assert "probe" in probing.log()


def test_probe_can_be_chosen_for_a_readable_app() -> None:
    server = start_rsgi("--wsgi", "flask_app:app", "--asgi", "fastapi_app:app", "--fallback", "probe")
    try:
        assert "probe" in server.log()
        assert get(server, "/users/7").json()["app"] == "fastapi"
        assert get(server, "/go").status == 302
    finally:
        server.stop()


def test_table_cannot_be_chosen_for_an_opaque_app() -> None:
    ended = run_rsgi("--wsgi", "routing_apps:old_a", "--asgi", "routing_apps:opaque", "--fallback", "table")
    assert ended.returncode == 1
    assert "error: " in ended.stderr
    assert "routing_apps:opaque" in ended.stderr
