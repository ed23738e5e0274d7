"""`rsgi doctor`: what it finds on a machine and in settings, run as a process with the limits that it should see."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Row = dict[str, str | None]


def doctor(
    *arguments: str, folder: Path, prepare: Callable[[], None] | None = None, **variables: str
) -> tuple[int, list[Row]]:
    """The exit code, and what `--json` lists."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RSGI_", "WEB_CONCURRENCY"))}
    made = subprocess.run(
        [sys.executable, "-m", "rsgi", "doctor", "--json", *arguments],
        cwd=folder,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=prepare,
    )
    assert made.stdout, made.stderr
    return made.returncode, json.loads(made.stdout)


def about(rows: list[Row], what: str, level: str | None = None) -> list[Row]:
    return [row for row in rows if row["about"] == what and level in (None, row["level"])]


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def one_processor() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def test_everything_is_looked_at(tmp_path: Path) -> None:
    code, rows = doctor(folder=tmp_path)
    assert code == 0
    seen = [row["about"] for row in rows]
    assert list(dict.fromkeys(seen)) == [
        "rsgi", "python", "event loop", "processors", "open files", "backlog", "temporary files", "settings",
    ]  # fmt: skip
    assert all((row["hint"] is None) == (row["level"] == "ok") for row in rows)


def test_few_open_files_are_a_warning(tmp_path: Path) -> None:
    _, rows = doctor(folder=tmp_path, prepare=few_files)
    (found,) = about(rows, "open files")
    assert found["level"] == "warning"
    assert str(found["message"]).startswith("at most 512 ")
    assert str(found["hint"]).startswith("`ulimit -n 65536`")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_more_workers_than_usable_processors(tmp_path: Path) -> None:
    _, rows = doctor("--workers", "3", folder=tmp_path, prepare=one_processor)
    (found,) = about(rows, "processors")
    assert found["level"] == "warning"
    assert str(found["message"]).startswith("1 usable")
    assert "more workers than processors" in str(found["message"])


def test_a_missing_package_is_an_error(tmp_path: Path) -> None:
    # A folder before all others, in which the package cannot be found.
    hidden = "import sys\nsys.modules['watchfiles'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(hidden)
    code, rows = doctor("--reload", folder=tmp_path, PYTHONPATH=str(tmp_path))
    assert code == 1
    assert about(rows, "reload") == [
        {
            "about": "reload",
            "level": "error",
            "message": "`reload` is on, and watchfiles is not installed",
            "hint": "`pip install 'rsgi[reload]'`",
        }
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--request-timeout", "45s"), "`request_timeout` (45s) is longer than `grace` (30s)"),
        (("--stream-grace", "40s"), "`stream_grace` (40s) is longer than `grace` (30s)"),
        (("--wsgi", "a:b", "--limit-concurrency", "2", "--wsgi-threads", "8"), "6 never have work"),
        (("--max-connections", "5", "--limit-concurrency", "9"), "`max_connections` (5) is less than"),
        (("--fallback", "probe"), "the 404 of the ASGI application stands"),
        (("--trust-proxy", "10.0.0.1", "--keep-alive-timeout", "20s"), "answers 502"),
        (("--http", "2"), "`http` is 2 without TLS"),
        (("--access-log-skip", "/x"), "`access_log_skip` has no effect without `access_log`"),
        (("--compress-types", "text/html"), "`compress_types` has no effect without `compress`"),
    ],
)
def test_settings_that_do_not_go_together(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    def said(rows: list[Row]) -> list[Row]:
        return [row for row in about(rows, "settings", "warning") if message in str(row["message"])]

    code, rows = doctor("--strict", *arguments, folder=tmp_path)
    assert code == 1
    assert len(said(rows)) == 1, rows
    assert said(doctor(folder=tmp_path)[1]) == []


def test_the_file_and_the_environment_are_read(tmp_path: Path) -> None:
    (tmp_path / "rsgi.toml").write_text('request_timeout = "50s"\n')
    _, rows = doctor(folder=tmp_path, RSGI_GRACE="20s", RSGI_WOKERS="2")
    assert any("`request_timeout` (50s) is longer than `grace` (20s)" in str(row["message"]) for row in rows)
    (unknown,) = about(rows, "environment")
    assert unknown["message"] == "the environment variable `RSGI_WOKERS` is not a setting; did you mean `RSGI_WORKERS`?"


def test_for_people_it_is_a_table(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "rsgi", "doctor", "--grace", "1s", "--request-timeout", "9s"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "\nok       python           CPython " in made.stdout
    assert "\nwarning  settings         `request_timeout` (9s) is longer than `grace` (1s)" in made.stdout
    assert "\n                          hint: `--grace 9s`" in made.stdout
