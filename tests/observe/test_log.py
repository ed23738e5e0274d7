"""The record of an application's failure: when, which request of which client, and that it cannot be switched off by chance.

Apart from `test_errors.py`, which is about what clients get.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from server import Server, start_uvicorn
from wire import Connection, get

TIME = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z"


def test_a_record_says_when_who_and_what(kitchen: Server, interface: str) -> None:
    mark = kitchen.log_mark()
    with Connection(kitchen) as connection:
        connection.send_request("GET", "/raise-before?id=7&name=%41")
        assert connection.read_response().status == 500
        host, port = connection.socket.getsockname()[:2]
    log = kitchen.wait_for_log("kitchen: raised before the response", since=mark)
    subject = rf"GET /raise-before\?id=7&name=%41 HTTP/1\.1 from {host}:{port}"
    record = rf"^{TIME} error: app `{interface}_kitchen:app` failed: {subject}$"
    assert re.search(record, log, re.MULTILINE), log


def test_a_bridge_says_so_too_where_it_is_hosted() -> None:
    server = start_uvicorn("logging_app:bridged")
    try:
        with Connection(server) as connection:
            connection.send_request("GET", "/closing?x=1")
            connection.read_response()
            host, port = connection.socket.getsockname()[:2]
        log = server.wait_for_log("RuntimeError: close failed")
        subject = rf"GET /closing\?x=1 HTTP/1\.1 from {host}:{port}"
        record = rf"^{TIME} error: close\(\) of the response of app `logging_app[:.]closing` failed: {subject}$"
        assert re.search(record, log, re.MULTILINE), log
    finally:
        server.stop()


@pytest.mark.parametrize("how", ["disabled", "named", "without handlers"])
@pytest.mark.parametrize("app", ["old", "new"])
def test_a_failure_is_said_when_logging_was_switched_off(start: Callable[..., Server], app: str, how: str) -> None:
    interface = "--wsgi" if app == "old" else "--asgi"
    server = start(interface, f"logging_app:{app}", environment={"LOGGING_APP": how})
    assert get(server, "/fail").status == 500
    log = server.wait_for_log(f"RuntimeError: the {app} application failed")
    assert re.search(rf"^{TIME} error: app `logging_app:{app}` failed: GET /fail HTTP/1\.1 from ", log, re.MULTILINE), (
        log
    )
    assert log.count("Traceback") == 1


def test_an_application_may_log_in_its_own_way(start: Callable[..., Server]) -> None:
    server = start("--asgi", "logging_app:new", environment={"LOGGING_APP": "own"})
    assert get(server, "/fail").status == 500
    log = server.wait_for_log("RuntimeError: the new application failed")
    assert "their format: app `logging_app:new` failed: GET /fail HTTP/1.1 from " in log
    assert log.count("Traceback") == 1
