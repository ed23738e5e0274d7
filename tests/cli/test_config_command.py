"""`rsgi config`: what it shows is what `rsgi serve` would take, each value with its origin, and no secret."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rsgi.settings.config import Config, settings

FILE = """
port = 9000

[apps.old]
wsgi = "old:app"

[[routes]]
path = "/x"
app = "old"
"""


def run(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RSGI_", "WEB_", "COLUMNS"))}
    return subprocess.run(
        [sys.executable, "-m", "rsgi", "config", *arguments],
        cwd=folder,
        env={**kept, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def shown(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> dict[str, list[str]]:
    """The lines of a pipe: value and origin by the names of the settings."""
    ended = run(folder, *arguments, environment=environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = [line.split("\t") for line in ended.stdout.splitlines()]
    return {name: [value, origin] for name, value, origin in lines}


def document(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    ended = run(folder, "--json", *arguments, environment=environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    found = json.loads(ended.stdout)
    assert isinstance(found, dict)
    return found


def test_every_setting_is_there_with_its_default(tmp_path: Path) -> None:
    found = document(tmp_path)
    assert set(found) == {field.name for field, _ in settings()}
    for field, _ in settings():
        if field.name not in ("apps", "wsgi_threads"):
            value = getattr(Config(), field.name)
            value = list(value) if isinstance(value, tuple) else value
            assert found[field.name] == {"value": value, "from": "default", "where": None}, field.name
    assert found["apps"] == []
    lines = shown(tmp_path)
    assert lines["max_body"] == ["no limit", "default"]
    assert lines["request_buffer"] == ["1MiB", "default"]
    assert lines["debug"] == ["off", "default"]


def test_each_value_says_where_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "rsgi.toml").write_text(FILE)
    (tmp_path / ".env").write_text("# ours\nRSGI_WSGI_QUEUE=7\nRSGI_GRACE=8\n")
    lines = shown(
        tmp_path,
        *("--env-file", ".env", "--port", "9001", "--no-access-log", "--asgi", "/api=new:app"),
        environment={"RSGI_GRACE": "9", "RSGI_HOST": "::1", "WEB_CONCURRENCY": "3"},
    )
    assert lines["port"] == ["9001", "--port"]
    assert lines["access_log"] == ["off", "--no-access-log"]
    assert lines["grace"] == ["9s", "RSGI_GRACE"]
    assert lines["host"] == ["::1", "RSGI_HOST"]
    assert lines["wsgi_queue"] == ["7", "RSGI_WSGI_QUEUE in .env, line 2"]
    assert lines["workers"] == ["3", "WEB_CONCURRENCY"]
    assert lines["routes"] == ["/x=old", "rsgi.toml, line 7"]
    assert lines["config"] == ["rsgi.toml", "found"]
    assert lines["env_file"] == [".env", "--env-file"]
    assert lines["asgi"] == ["/api=new:app", "--asgi"]
    assert lines["wsgi"] == ["old: old:app", "rsgi.toml, line 5"]
    assert shown(tmp_path)["port"] == ["9000", "rsgi.toml, line 2"]


def test_applications_in_json(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.rsgi]\nwsgi = "old:app"\n')
    old = {"interface": "wsgi", "target": "old:app", "prefix": "", "name": None}
    assert document(tmp_path)["apps"] == [{**old, "from": "file", "where": "pyproject.toml, line 2"}]
    new = {"interface": "asgi", "target": "new:app", "prefix": "/api", "name": None}
    assert document(tmp_path, environment={"RSGI_ASGI": "/api=new:app"})["apps"] == [
        {**new, "from": "environment", "where": "RSGI_ASGI"},
        {**old, "from": "file", "where": "pyproject.toml, line 2"},
    ]
    plain = {"interface": "auto", "target": "some:app", "prefix": "", "name": None}
    assert document(tmp_path, "some:app")["apps"] == [{**plain, "from": "argument", "where": None}]


@pytest.mark.parametrize("door", ["flag", "environment", "file"])
def test_a_password_is_shown_to_nobody(tmp_path: Path, door: str) -> None:
    arguments = ("--tls-key-password", "sesame") if door == "flag" else ()
    environment = {"RSGI_TLS_KEY_PASSWORD": "sesame"} if door == "environment" else {}
    (tmp_path / "rsgi.toml").write_text('tls_key_password = "sesame"\n' if door == "file" else "")
    for more in ((), ("--json",)):
        ended = run(tmp_path, *arguments, *more, environment=environment)
        assert ended.returncode == 0
        assert "sesame" not in ended.stdout + ended.stderr
        assert "********" in ended.stdout


def test_a_pipe_gets_whole_lines(tmp_path: Path) -> None:
    names = [f"/{'x' * 40}/{number}" for number in range(20)]
    lines = shown(tmp_path, *(word for name in names for word in ("--access-log-skip", name)))
    assert lines["access_log_skip"] == ["; ".join(names), "--access-log-skip"]
    assert shown(tmp_path, "--tls-cert", "a\tb\nc")["tls_cert"] == ["a\\tb\\nc", "--tls-cert"]


def test_a_terminal_gets_columns(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rsgi", "config", "--port", "9001"],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"},
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 65536):
            text += part
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    assert process.wait(30) == 0
    lines = text.decode().splitlines()
    rows = {line.split()[0]: line for line in lines if line.strip()}
    assert rows["port"].split() == ["port", "9001", "--port"]
    assert rows["host"].split() == ["host", "127.0.0.1", "default"]
    assert rows["port"].index("9001") == rows["host"].index("127.0.0.1") == rows["setting"].index("value")


def test_what_serve_would_refuse_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rsgi.toml").write_text("prot = 1\n")
    ended = run(tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: rsgi.toml, line 1: there is no setting `prot`")
    assert run(tmp_path, "--port", "no").returncode == 2
