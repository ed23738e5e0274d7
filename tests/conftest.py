"""The servers that tests share, and the factory for those that a test needs for itself.

The three `*_server` fixtures live for the whole run, so no test may leave one of them busy, stopped or changed.
`kitchen` runs a test three times: over WSGI, over ASGI, and over the bridge (the WSGI kitchen as an ASGI app).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kitchens import INTERFACES, KITCHENS
from server import Server, start_rsgi


@pytest.fixture(scope="session")
def wsgi_server() -> Iterator[Server]:
    """The WSGI kitchen on the native WSGI gateway."""
    server = start_rsgi(*KITCHENS["wsgi"])
    yield server
    server.stop()


@pytest.fixture(scope="session")
def asgi_server() -> Iterator[Server]:
    """The ASGI kitchen."""
    server = start_rsgi(*KITCHENS["asgi"])
    yield server
    server.stop()


@pytest.fixture(scope="session")
def bridge_server() -> Iterator[Server]:
    """The WSGI kitchen through `rsgi.WsgiToAsgi`, served as an ASGI app."""
    server = start_rsgi(*KITCHENS["bridge"])
    yield server
    server.stop()


@pytest.fixture(params=INTERFACES)
def interface(request: pytest.FixtureRequest) -> str:
    """`wsgi`, `asgi` and `bridge`, one after the other."""
    return str(request.param)


@pytest.fixture
def kitchen(interface: str, request: pytest.FixtureRequest) -> Server:
    """The shared kitchen server of each interface; it must still run when the test is over."""
    server: Server = request.getfixturevalue(f"{interface}_server")
    assert server.running(), f"the {interface} server was ended by an earlier test:\n{server.log()}"
    return server


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Callable[..., Server]:
    """Start a server of the test's own (`start_rsgi`); stopped when the test is over."""

    def start_one(*arguments: str, **options: object) -> Server:
        server = start_rsgi(*arguments, **options)  # type: ignore[arg-type]
        request.addfinalizer(server.stop)
        return server

    return start_one


@pytest.fixture
def start_kitchen(start: Callable[..., Server], interface: str) -> Callable[..., Server]:
    """Start a kitchen of the test's own, over each interface."""

    def start_one(*arguments: str, **options: object) -> Server:
        return start(*KITCHENS[interface], *arguments, **options)

    return start_one
