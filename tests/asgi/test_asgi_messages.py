"""Messages that are wrong raise inside of the application, and say what was wrong and what was expected.

Apart from `test_asgi.py` because only texts are compared; the same of WebSockets is in `test_websocket.py`. Covers ASGI
3.0 "Error Handling", ASGI HTTP 2.5 "Response Start" and "Response Body", and ASGI lifespan 2.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from server import Server, start_rsgi
from wire import Connection, get

SENDABLE = (
    "'http.response.start', 'http.response.body', 'http.response.pathsend', 'http.response.zerocopysend', "
    "'http.response.trailers' or 'http.response.early_hint'"
)
LIFESPAN = (
    "'lifespan.startup.complete', 'lifespan.startup.failed', 'lifespan.shutdown.complete' or 'lifespan.shutdown.failed'"
)

# In the order of `message_app.HTTP` and `message_app.AFTER_THE_START`.
OF_A_RESPONSE = [
    "TypeError: send() takes a dict, not NoneType (None)",
    "ValueError: the message has no 'type'",
    "TypeError: the 'type' of a message must be str, not int (7)",
    f"ValueError: send() does not take 'http.response' here; expected {SENDABLE}",
    f"ValueError: send() does not take 'websocket.accept' here; expected {SENDABLE}",
    "RuntimeError: 'http.response.body' was sent before 'http.response.start'",
    "ValueError: the message that starts the response has no 'status'",
    "TypeError: status must be an int from 200 to 999, not str ('200')",
    "ValueError: status must be from 200 to 999, not 1",
    "ValueError: status must be from 200 to 999, not 103",
    "ValueError: status must be from 200 to 999, not 1000",
    "TypeError: 'headers' must be an iterable of (name, value) pairs, not int (7)",
    "TypeError: each header must be a (name, value) pair, not bytes (b'x-one: 1')",
    "TypeError: each header must be a (name, value) pair, not tuple ((b'x-one', b'1', b'2'))",
    "TypeError: a header name must be bytes, not str ('x-one')",
    "TypeError: a header value must be bytes, not str ('1')",
    'ValueError: "x one" is not a header name',
    'ValueError: "" is not a header name',
    'ValueError: the value of header "x-one" has a control character: "1\\r\\nx-two: 2"',
    'ValueError: Content-Length is not a number: "five"',
    "ValueError: the response has two different Content-Length headers",
    "RuntimeError: 'http.response.start' was sent twice",
    "TypeError: 'body' must be bytes, not str ('text')",
    "TypeError: 'body' must be bytes, not int (5)",
    "TypeError: 'body' must be bytes, not NoneType (None)",
]

# In the order of `message_app.LIFESPAN`, and once more after the startup.
OF_THE_LIFESPAN = [
    "TypeError: send() takes a dict, not NoneType (None)",
    "ValueError: the message has no 'type'",
    f"ValueError: send() does not take 'http.response.start' here; expected {LIFESPAN}",
    "RuntimeError: 'lifespan.shutdown.complete' was sent before the startup was complete",
    "TypeError: 'message' must be str, not int (7)",
    "RuntimeError: 'lifespan.startup.complete' was sent after the startup was complete",
]


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    started = start_rsgi("--asgi", "message_app:app", "--lifespan", "on", "--loop", request.param)
    yield started
    started.stop()
    assert "Traceback" not in started.log()


def test_mistakes_in_a_response(server: Server) -> None:
    """The response is right all the same: what raised has left no trace."""
    response = get(server, "/")
    assert response.json()[0] == OF_A_RESPONSE
    assert (response.status, response.header("x-one"), response.header("x-two")) == (200, None, None)


def test_mistakes_in_the_lifespan(server: Server) -> None:
    assert get(server, "/").json()[1] == OF_THE_LIFESPAN


def test_mistakes_leave_the_connection_as_it_was(server: Server) -> None:
    with Connection(server) as connection:
        for _ in range(3):
            connection.send_request("GET", "/")
            assert connection.read_response().json()[0] == OF_A_RESPONSE


@pytest.mark.parametrize("interface", ["wsgi"])
def test_interim_status_raises_in_a_wsgi_application(start_kitchen: Callable[..., Server], interface: str) -> None:
    server = start_kitchen()
    assert get(server, "/status/103").status == 500
    server.wait_for_log("ValueError: status must be from 200 to 999, not 103")
