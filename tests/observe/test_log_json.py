"""`--log-format json` and `--log-config`: logs for programs, and logs as the operator sets them up.

Apart from `test_log.py`, which is about what a record says.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_access_log_format import APPS, TRACE

from server import APPS as FOLDER
from server import Server, run_rsgi
from wire import Connection, get

TIME = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z"


def objects(log: str) -> list[dict[str, Any]]:
    """Every line of the log; all of them have to be JSON objects."""
    lines = [json.loads(line) for line in log.splitlines()]
    for line in lines:
        assert re.fullmatch(TIME, line["time"])
        assert line["level"] in ("info", "warning", "error", "hint")
        assert isinstance(line["process"], int)
    return lines


@pytest.mark.parametrize("interface", APPS)
def test_a_failure_is_one_object(start: Callable[..., Server], interface: str) -> None:
    server = start(*APPS[interface], "--log-format", "json", "--request-id", "X-Request-ID")
    with Connection(server) as connection:
        fields = [("X-Request-ID", "j-1"), ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")]
        connection.send_request("GET", "/fail?a=%22", fields)
        assert connection.read_response().status == 500
        port = connection.socket.getsockname()[1]
    server.wait_for_log("the application failed")
    assert server.stop() == 0
    lines = objects(server.log())
    assert any(line["message"].startswith("listening on http://") for line in lines)
    (failure,) = [line for line in lines if line["level"] == "error"]
    assert failure["message"].startswith(f"app `{APPS[interface][1]}` failed: GET /fail?a=%22 HTTP/1.1 from ")
    assert (failure["app"], failure["method"], failure["target"]) == (APPS[interface][1], "GET", "/fail?a=%22")
    assert (failure["client"], failure["protocol"]) == (f"127.0.0.1:{port}", "HTTP/1.1")
    assert (failure["request_id"], failure["trace_id"]) == ("j-1", TRACE)
    assert failure["traceback"].startswith("Traceback (most recent call last):")
    assert failure["traceback"].endswith("RuntimeError: the application failed")


def test_workers_and_their_supervisor_write_objects(start: Callable[..., Server]) -> None:
    server = start(*APPS["wsgi"], "--log-format", "json", "--workers", "2")
    server.send_signal(signal.SIGTTIN)
    server.wait_for_log("3 workers from now on")
    get(server, "/fail")
    server.wait_for_log("the application failed")
    server.stop()
    lines = objects(server.log())
    assert {line["process"] for line in lines} > {server.pid}


def test_a_start_up_error_is_an_object_too() -> None:
    ran = run_rsgi("--wsgi", "missing:app", "--log-format", "json")
    assert ran.returncode == 1
    error, hint = objects(ran.stderr)
    assert (error["level"], hint["level"]) == ("error", "hint")
    assert "no module named `missing`" in error["message"]


CONFIG: dict[str, Any] = {
    "version": 1,
    "formatters": {"mine": {"format": "mine %(levelname)s %(name)s %(message)s"}},
    "handlers": {"mine": {"class": "logging.StreamHandler", "formatter": "mine"}},
    "root": {"handlers": ["mine"], "level": "INFO"},
}
TOML = """
version = 1
[formatters.mine]
format = "mine %(levelname)s %(name)s %(message)s"
[handlers.mine]
class = "logging.StreamHandler"
formatter = "mine"
[root]
handlers = ["mine"]
level = "INFO"
"""


@pytest.mark.parametrize(("name", "text"), [("log.json", json.dumps(CONFIG)), ("log.toml", TOML)])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_logging_is_set_up_before_the_applications(
    start: Callable[..., Server], tmp_path: Path, name: str, text: str, workers: str
) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "importing.py").write_text(
        "import logging\nlogging.getLogger('importing').info('imported')\nfrom identity_app import old\n"
    )
    apps = ("--wsgi", "importing:old", "--app-dir", str(tmp_path), "--log-config", str(tmp_path / name))
    server = start(*apps, "--workers", workers, environment={"PYTHONPATH": str(FOLDER)})
    assert "mine INFO importing imported" in server.log()
    get(server, "/fail")
    log = server.wait_for_log("RuntimeError: the application failed")
    assert "mine ERROR rsgi app `importing:old` failed: GET /fail" in log
    assert log.count("Traceback") == 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "is not JSON"),
        ("a.toml", "version =", "is not TOML"),
        ("a.json", "[]", "is not an object"),
        ("a.json", "{}", "is wrong"),
        ("a.json", json.dumps({"version": 1, "handlers": {"a": {"class": "no.such.Handler"}}}), "is wrong"),
        ("none.json", None, "cannot be read: No such file or directory"),
    ],
)
def test_a_configuration_that_is_none(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    ran = run_rsgi("--wsgi", "identity_app:old", "--log-config", str(tmp_path / name))
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"error: the log configuration `{tmp_path / name}` {message}")
    assert "hint: " in ran.stderr
