"""What an application keeps of a request, or writes into it, is never another request's.

Apart from `test_asgi_context.py`, which tests what asyncio gives each task. Here it is the server's own objects. The server
uses those again that no application has kept, and no application may notice. Covers PEP 3333 (`environ` is the call's
own) and ASGI HTTP 2.5 (`scope`, `receive` and `send` are of one connection).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from server import Server, start_rsgi
from wire import Connection, get, post

ROUNDS = 4


@pytest.fixture(params=["wsgi", "asgi"])
def interface(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(interface: str) -> Iterator[Server]:
    server = start_rsgi(f"--{interface}", f"keeping_app:{interface}", "--wsgi-threads", "1")
    yield server
    assert "Traceback" not in server.log()
    server.stop()


def show(server: Server, path: str = "/plain", *headers: tuple[str, str]) -> dict[str, Any]:
    shown = get(server, path, *headers).json()
    assert isinstance(shown, dict)
    return shown


def test_what_is_written_into_one_request_is_not_in_the_next(server: Server) -> None:
    for _ in range(ROUNDS):
        shown = show(server)["environ"]
        assert "spoilt" not in repr(shown)
        assert "GET" in repr(shown)


def test_what_was_kept_is_not_what_the_next_gets(server: Server, interface: str) -> None:
    for _ in range(ROUNDS):
        show(server, "/plain")
        show(server, "/keep")
    errors = show(server, "/use")["errors"]
    assert len(errors) == (3 if interface == "wsgi" else 4) * ROUNDS
    # None is the new request's own, and each says that its call is over.
    assert True not in errors
    assert errors.count(False) == ROUNDS
    for _ in range(ROUNDS):
        assert "kept" not in get(server, "/plain").body.decode().lower()


def test_variables_of_one_call_are_not_seen_by_the_next(server: Server) -> None:
    for _ in range(ROUNDS):
        assert show(server, "/set")["variable"] == "unset"
        assert show(server, "/plain")["variable"] == "unset"


def test_what_a_weak_reference_is_to_ends_with_its_call(server: Server) -> None:
    for number in range(ROUNDS):
        assert show(server, "/weak")["weak"] == [False] * number


def test_each_client_has_its_own_address_and_fields(server: Server, interface: str) -> None:
    with Connection(server) as first, Connection(server) as second:
        for number in range(ROUNDS):
            for name, connection in (("first", first), ("second", second)):
                value = f"{name} value" if number % 2 else name
                connection.send(f"GET /a%20b?{name} HTTP/1.1\r\nHost: {name}\r\nX-Name: {value}\r\n\r\n".encode())
                shown = connection.read_response().json()["environ"]
                port = connection.socket.getsockname()[1]
                if interface == "wsgi":
                    assert shown["REMOTE_PORT"] == repr(str(port))
                    assert (shown["HTTP_HOST"], shown["HTTP_X_NAME"]) == (repr(name), repr(value))
                    assert (shown["PATH_INFO"], shown["REQUEST_URI"]) == ("'/a b'", repr(f"/a%20b?{name}"))
                    assert shown["QUERY_STRING"] == repr(name)
                else:
                    assert shown["client"] == repr(("127.0.0.1", port))
                    assert shown["headers"] == [["host", name], ["x-name", value]]
                    assert (shown["path"], shown["raw_path"]) == ("'/a b'", repr(b"/a%20b"))
                    assert shown["query_string"] == repr(name.encode())


def test_methods_do_not_mix(server: Server, interface: str) -> None:
    key = "REQUEST_METHOD" if interface == "wsgi" else "method"
    for number in range(3 * ROUNDS):
        method = f"METHOD{number}"
        with Connection(server) as connection:
            connection.send(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert connection.read_response().json()["environ"][key] == repr(method)
        assert show(server)["environ"][key] == "'GET'"
        assert post(server, "/", b"x").json()["environ"][key] == "'POST'"


def test_fields_that_are_given_again_and_others_arrive_as_given(start: Callable[..., Server]) -> None:
    """Names are known by their objects, values by their bytes: neither may be taken for another's."""
    server = start("--wsgi", "given_fields_app:wsgi", "--asgi", "/asgi=given_fields_app:asgi")
    for number in range(30):
        for path in ("/", "/asgi"):
            response = get(server, f"{path}?{number}")
            assert response.all("x-constant") == ["constant"]
            assert response.all("x-number") == [str(number)]
            assert response.all(f"x-name-{number}") == [f"value {number}"]
            assert response.all("x-blank") == ["padded"]
            assert response.all("content-length") == [str(len(response.body))]
