"""The pytest plugin: fixtures that ask both applications through the router of rsgi.

pytest imports this file in every project where rsgi is installed. So it imports nothing that a test without these
fixtures does not need. `docs/testing.md` describes it for users.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    import httpx
    import pluggy

    from rsgi.testing.child import ServerProcess
    from rsgi.testing.forwarding import Forward
    from rsgi.testing.in_process import InProcessServer

_Server = TypeVar("_Server", "InProcessServer", "ServerProcess")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting."""
    parser.addini("rsgi_args", "arguments of `rsgi serve` for the fixtures of rsgi", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Add the marker."""
    config.addinivalue_line(
        "markers", "rsgi(*arguments): arguments of `rsgi serve` for this test, instead of rsgi_args"
    )


# Inside of pytest's own wrapper, which captures what is written.
@pytest.hookimpl(hookwrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, pluggy.Result[None], None]:
    """Let a test that fails have the log: that of `rsgi_server` is added to its report, and the other one is captured."""
    outcome = yield
    if outcome.excinfo is None:
        return
    values = getattr(item, "funcargs", {})
    for server in values.get("_rsgi_in_process", {}).values():
        server.settle()
    if "rsgi_server" in values:
        item.add_report_section("call", "rsgi_server", values["rsgi_server"].log_of_test())


@pytest.fixture
def rsgi_args(request: pytest.FixtureRequest) -> Sequence[str] | str:
    """The arguments of `rsgi serve`: those of the marker `rsgi`, else those of the setting `rsgi_args`."""
    marker = request.node.get_closest_marker("rsgi")
    listed: Sequence[str] = request.config.getini("rsgi_args") if marker is None else marker.args
    return listed[0] if len(listed) == 1 else listed


@pytest.fixture(scope="session")
def _rsgi_in_process() -> Iterator[dict[tuple[str, ...], InProcessServer]]:
    servers: dict[tuple[str, ...], InProcessServer] = {}
    yield servers
    _stop(servers)


@pytest.fixture(scope="session")
def _rsgi_processes() -> Iterator[dict[tuple[str, ...], ServerProcess]]:
    servers: dict[tuple[str, ...], ServerProcess] = {}
    yield servers
    _stop(servers)


@pytest.fixture
def _rsgi_url(
    request: pytest.FixtureRequest,
    rsgi_args: Sequence[str] | str,
    _rsgi_in_process: dict[tuple[str, ...], InProcessServer],
) -> str:
    """Where the applications are served in this process; they stay for the next test with the same arguments."""

    def start(arguments: tuple[str, ...]) -> InProcessServer:
        from rsgi.testing.arguments import config_of
        from rsgi.testing.in_process import InProcessServer

        return InProcessServer(config_of(arguments, request.config.rootpath))

    return _running(_rsgi_in_process, rsgi_args, start).url


@pytest.fixture
def rsgi_client(_rsgi_url: str) -> Iterator[httpx.Client]:
    """An httpx client for both applications, which run in this process."""
    _need_httpx("rsgi_client")
    from rsgi.testing.clients import client_of

    with client_of(_rsgi_url) as client:
        yield client


@pytest.fixture
def rsgi_async_client(_rsgi_url: str) -> Iterator[httpx.AsyncClient]:
    """The same for `async def` tests. The plugin that runs these may be any."""
    _need_httpx("rsgi_async_client")
    import httpx

    from rsgi.testing.clients import async_client_of

    with httpx.HTTPTransport() as transport:
        yield async_client_of(_rsgi_url, transport)


@pytest.fixture
def rsgi_wsgi_app(_rsgi_url: str) -> Forward:
    """A WSGI application for the test clients of frameworks: it sends each request to both applications."""
    from rsgi.testing.forwarding import Forward

    return Forward(_rsgi_url)


@pytest.fixture
def rsgi_server(
    request: pytest.FixtureRequest,
    rsgi_args: Sequence[str] | str,
    _rsgi_processes: dict[tuple[str, ...], ServerProcess],
) -> ServerProcess:
    """`rsgi serve` in a process of its own, on a free port; it stays for the next test with the same arguments."""

    def start(arguments: tuple[str, ...]) -> ServerProcess:
        from rsgi.testing.arguments import config_of
        from rsgi.testing.child import ServerProcess

        config_of(arguments, request.config.rootpath)  # mistakes are found here, with a better message
        return ServerProcess(arguments, request.config.rootpath)

    server = _running(_rsgi_processes, rsgi_args, start)
    server.begin()
    return server


def _running(
    servers: dict[tuple[str, ...], _Server],
    given: Sequence[str] | str,
    start: Callable[[tuple[str, ...]], _Server],
) -> _Server:
    """The server for these arguments, which may run already."""
    from rsgi.errors import StartupError

    arguments, failed = tuple(shlex.split(given) if isinstance(given, str) else given), ""
    if arguments not in servers:
        try:
            servers[arguments] = start(arguments)
        except StartupError as error:
            failed = _told(error)
    if failed:  # not inside of `except`, where pytest would show the exceptions before
        pytest.fail(f"rsgi serve {shlex.join(arguments)}: {failed}", pytrace=False)
    return servers[arguments]


def _stop(servers: dict[tuple[str, ...], _Server]) -> None:
    """End them all, and say what did not end as it should."""
    from rsgi.errors import StartupError

    failed = []
    for server in servers.values():
        try:
            server.stop()
        except StartupError as error:
            failed.append(_told(error))
    if failed:
        pytest.fail("\n".join(failed), pytrace=False)


def _told(error: Exception) -> str:
    message, hint = getattr(error, "message", str(error)), getattr(error, "hint", None)
    return f"{message}\nhint: {hint}" if hint else str(message)


def _need_httpx(fixture: str) -> None:
    try:
        import httpx  # noqa: F401 - whether it is there
    except ImportError:
        pytest.fail(f"`{fixture}` needs httpx\nhint: pip install httpx", pytrace=False)
