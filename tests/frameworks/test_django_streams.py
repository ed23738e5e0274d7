"""Django's `StreamingHttpResponse` of an async generator, over either half of a project: it ends with its client.

Apart from `test_asgi_disconnect.py` because Django listens and cancels in its own way, and because its WSGI half would
collect such a body to its end. uvicorn serves the same streams, which shows what Django's users are used to.

Spec: ASGI HTTP 2.5 "Disconnected Client"; PEP 3333 "Buffering and Streaming".
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from server import Server, start_rsgi, start_uvicorn, wait_until
from wire import Connection, ConnectionEnded, get

APP = "django_streams_app"
BOTH = ("--wsgi", f"{APP}:wsgi", "--asgi", f"{APP}:asgi")

WSGI: dict[str, Callable[[], Server]] = {
    "wsgi-half": lambda: start_rsgi(*BOTH),
    "wsgi-alone": lambda: start_rsgi("--wsgi", f"{APP}:wsgi"),
    "bridge-under-uvicorn": lambda: start_uvicorn(f"{APP}:bridged", "--lifespan", "off"),
}
ARRANGEMENTS = {
    **WSGI,
    "asgi-half": lambda: start_rsgi(*BOTH, "--route", "/{rest:path}=asgi"),
    "asgi-asyncio": lambda: start_rsgi("--asgi", f"{APP}:asgi", "--loop", "asyncio"),
    "asgi-uvloop": lambda: start_rsgi("--asgi", f"{APP}:asgi", "--loop", "uvloop"),
    "uvicorn": lambda: start_uvicorn(f"{APP}:asgi", "--lifespan", "off"),
}

_labels = itertools.count()


@pytest.fixture(scope="module", params=ARRANGEMENTS)
def arrangement(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(arrangement: str) -> Iterator[Server]:
    started = ARRANGEMENTS[arrangement]()
    yield started
    started.stop()


@pytest.fixture
def label() -> str:
    return f"label-{next(_labels)}"


def seen(server: Server, label: str) -> list[str]:
    found: list[str] = get(server, f"/seen/{label}").json()
    return found


@pytest.mark.parametrize("view", ["async", "sync"])
@pytest.mark.parametrize("pace", ["paced", "big", "silent"])
def test_stream_ends_when_its_client_leaves(server: Server, label: str, view: str, pace: str) -> None:
    """Once, and its response is closed: Django lets go of database connections then."""
    with Connection(server, receive_buffer=4096) as connection:
        connection.send_request("GET", f"/{view}/{pace}/{label}")
        assert connection.read_head().status == 200
        assert connection.read_chunk()
    wait_until(lambda: {"ended", "closed"} <= set(seen(server, label)), 5, "the stream has ended")
    assert sorted(seen(server, label)) == ["closed", "ended"]


def test_pieces_leave_as_they_come(server: Server, label: str) -> None:
    with Connection(server) as connection:
        connection.send_request("GET", f"/gated/{label}")
        assert connection.read_head().status == 200
        assert connection.read_chunk() == b"first\n"
        get(server, f"/open/{label}")
        assert connection.read_chunk() == b"second\n"
        assert connection.read_chunk() is None
    wait_until(lambda: seen(server, label), 5, "the response is closed")
    assert seen(server, label) == ["closed"]


def test_head_has_no_stream(server: Server, label: str) -> None:
    """And nobody iterates over it for ever."""
    with Connection(server) as connection:
        connection.send_request("HEAD", f"/async/paced/{label}")
        assert connection.read_head().status == 200
    wait_until(lambda: "closed" in seen(server, label), 5, "the response is closed")


@pytest.mark.parametrize("arrangement", WSGI, indirect=True)
def test_synchronous_code_of_a_stream_runs_in_the_thread_of_the_call(server: Server, label: str) -> None:
    """So that it uses the database connection of that thread, as under Django's own handler."""
    assert get(server, f"/threads/{label}").body == b"True\n"


@pytest.mark.parametrize("arrangement", WSGI, indirect=True)
def test_failure_in_a_stream_is_a_cut_and_logged(server: Server, label: str) -> None:
    mark = server.log_mark()
    with Connection(server) as connection, pytest.raises(ConnectionEnded):
        connection.send_request("GET", f"/fails/{label}")
        assert connection.read_head().status == 200
        assert connection.read_chunk() == b"first\n"
        connection.read_chunk()
    server.wait_for_log(f"LookupError: raised in the stream {label}", since=mark)
    assert seen(server, label) == ["closed"]
