"""What one request leaves to the next: context variables, and the state of the lifespan; beside uvicorn.

Apart from the tasks because nothing waits here. A request begins with the context that the server had when it started, so it
sees what modules set at import, and nothing that the lifespan or another request has set. Covers PEP 567 (tasks run in
copies of the context) and ASGI lifespan 2.0 "Lifespan State".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from server import Server, start_asgi_host
from websocket_wire import TEXT, WebSocketConnection
from wire import Connection, get

AT_FIRST = {
    "import": "set at import",
    "lifespan": None,
    "plain middleware": None,
    "middleware": None,
    "app": None,
    "task": None,
    "after the response": None,
}


@pytest.fixture(scope="module", params=["asyncio", "uvloop", "uvicorn"])
def host(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = start_asgi_host(request.param, "context_app:outermost")
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def plain_host(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Its outermost middleware is no coroutine function (uvicorn takes such for ASGI 2)."""
    server = start_asgi_host(request.param, "context_app:plain")
    yield server
    server.stop()


def check(shown: list[dict[str, str | None]], path: str, **own: str) -> None:
    """What a request saw when it came, when it answered, and in a task of its own."""
    before, after, in_the_task = shown
    mine = {**AT_FIRST, "middleware": path, "app": path, **own}
    assert before == AT_FIRST
    assert after == mine
    assert in_the_task == {**mine, "task": path}


def test_requests_see_what_was_set_at_import_and_by_themselves(host: Server) -> None:
    for number in range(3):
        check(get(host, f"/{number}").json(), f"/{number}")


def test_nothing_leaks_along_a_connection(host: Server) -> None:
    with Connection(host) as connection:
        for number in range(5):
            connection.send_request("POST", f"/kept/{number}", (), b"body")
            check(connection.read_response().json(), f"/kept/{number}")


def test_nothing_leaks_between_requests_that_wait_in_line(plain_host: Server) -> None:
    """In uvicorn a pipelined request begins in the context of the one before it."""
    with Connection(plain_host) as connection:
        paths = [f"/line/{number}" for number in range(5)]
        connection.send("".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n" for path in paths).encode())
        for path in paths:
            check(connection.read_response().json(), path, **{"plain middleware": path})


def test_nothing_leaks_out_of_middleware_that_is_no_coroutine_function(plain_host: Server) -> None:
    for number in range(3):
        check(get(plain_host, f"/{number}").json(), f"/{number}", **{"plain middleware": f"/{number}"})


def read_json(socket: WebSocketConnection) -> Any:
    return json.loads(socket.read_data_frame().payload)


def test_nothing_leaks_between_websockets(host: Server) -> None:
    with WebSocketConnection(host) as first, WebSocketConnection(host) as second:
        for path, socket in (("/first", first), ("/second", second)):
            assert socket.upgrade(path).status == 101
            assert read_json(socket)[0] == AT_FIRST
            socket.send_frame(TEXT, path.encode())
            assert read_json(socket) == {**AT_FIRST, "middleware": path}
        for path, socket in (("/first", first), ("/second", second)):
            socket.send_frame(TEXT, b"again")
            assert read_json(socket) == {**AT_FIRST, "middleware": path, "app": path}
    check(get(host, "/after").json(), "/after")


def test_state_is_copied_and_what_is_in_it_is_shared(host: Server) -> None:
    before, after = get(host, "/state/1").json()
    assert before.keys() == {"name", "shared"}
    assert before["name"] == "lifespan"
    assert after == {"name": "overwritten", "mine": "/state/1", "shared": [*before["shared"], "/state/1"]}
    with WebSocketConnection(host) as socket:
        assert socket.upgrade("/state/2").status == 101
        seen = read_json(socket)[1]
        assert seen == {"name": "lifespan", "mine": "/state/2", "shared": [*before["shared"], "/state/1", "/state/2"]}
    again, _ = get(host, "/state/3").json()
    assert again == {"name": "lifespan", "shared": [*before["shared"], "/state/1", "/state/2"]}
