"""The command line: help, usage errors, start-up errors, environment variables, and what `serve` is given.

`rsgi.process.entry` is replaced here: these tests are about what reaches it and what becomes of what it returns or raises.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TypeAlias

import pytest

from rsgi.cli import main
from rsgi.errors import StartupError
from rsgi.settings.config import SECTIONS, AppTarget, Config, flag_of, settings
from rsgi.settings.values import write_value

Serve: TypeAlias = Callable[[Config], int]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("RSGI_"):
            monkeypatch.delenv(name)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Config]]:
    """The configurations that would have been served; each ends with the exit code 0."""
    configs: list[Config] = []

    def serve(config: Config) -> int:
        configs.append(config)
        return 0

    replace_serving(monkeypatch, serve)
    yield configs


def replace_serving(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    module = ModuleType("rsgi.process.entry")
    module.serve_config = lambda config, reread=None, **_: serve(config)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rsgi.process.entry", module)


def test_help_lists_every_setting_under_its_heading(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--help"]) == 0
    text = capsys.readouterr().out
    for section in SECTIONS:
        assert f"\n{section}:\n" in text
    for field, setting in settings():
        flags = ("--wsgi", "--asgi") if setting.unit == "apps" else (flag_of(field.name),)
        for flag in flags:
            assert re.search(rf"^  (?:-\w, )?{flag}\b", text, re.MULTILINE), flag
    words = " ".join(text.split())
    assert "[default: 127.0.0.1]" in words
    assert "[default: 64KiB]" in words
    assert "[default: 10s]" in words
    assert "Serve an ASGI application" in words


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_without_a_command_the_help_is_shown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert "rsgi serve --wsgi old:app --asgi new:app" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.match(r"rsgi \d+\.\d+\.\d+\S*\n  python: CPython ", capsys.readouterr().out)


def test_serving_nothing_is_a_usage_error_with_an_example(
    served: list[Config], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve"]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: no application to serve")
    assert "rsgi serve --wsgi old:app --asgi new:app" in captured.err
    assert "hint: `rsgi serve --help`" in captured.err
    assert captured.out == ""
    assert served == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--prot", "1"],
        ["serve", "--wsgi", "a:b", "--port", "http"],
        ["serve", "--wsgi", "a:b", "--port", "70000"],
        ["serve", "--wsgi", "a:b", "--port"],
        ["serve", "--wsgi", "a:b", "--grace", "soon"],
        ["serve", "--wsgi", "a:b", "--max-body", "much"],
        ["serve", "--wsgi", "a:b", "--loop", "trio"],
        ["serve", "--wsgi", "a:b", "--bind", "nowhere"],
        ["serve", "--wsgi", "api=a:b"],
        ["serve", "--wsgi", "a:b", "more"],
        ["walk"],
    ],
)
def test_a_wrong_usage_exits_with_2(
    served: list[Config], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert served == []


def test_the_order_of_the_application_flags_does_not_matter(served: list[Config]) -> None:
    one = ["--wsgi", "old:app"]
    two = ["--asgi", "/api=new:app"]
    assert main(["serve", *one, *two]) == 0
    assert main(["serve", *two, *one]) == 0
    assert served[0] == served[1]
    assert served[0].apps == (AppTarget("wsgi", "old:app"), AppTarget("asgi", "new:app", "/api"))


def test_what_is_not_given_keeps_its_default(served: list[Config]) -> None:
    assert main(["serve", "--wsgi", "old:app"]) == 0
    assert served == [Config(apps=(AppTarget("wsgi", "old:app"),))]


def test_values_reach_the_server_with_their_meaning(served: list[Config]) -> None:
    arguments = "serve --asgi a:b --port 0 --max-body 1MiB --grace 2m --limit-concurrency none --access-log --uds /x"
    assert main([*arguments.split(), "--bind", "h:1", "--bind", "unix:/s", "--route", "GET /x=asgi"]) == 0
    config = served[0]
    assert (config.port, config.max_body, config.grace) == (0, 2**20, 120.0)
    assert (config.limit_concurrency, config.access_log, config.uds) == (None, True, "/x")
    assert (config.bind, config.routes) == (("h:1", "unix:/s"), ("GET /x=asgi",))


def test_every_flag_can_be_given_as_its_own_default(served: list[Config]) -> None:
    defaults = Config()
    arguments = ["serve", "--wsgi", "old:app"]
    for field, setting in settings():
        value = getattr(defaults, field.name)
        if setting.unit == "flag":
            arguments.append(f"--no-{flag_of(field.name)[2:]}")
        elif value is None or not setting.repeatable:
            arguments += [flag_of(field.name), write_value(value, "words" if setting.unit == "words" else "text")]
    assert main(arguments) == 0
    assert served == [Config(apps=(AppTarget("wsgi", "old:app"),))]


def test_the_environment_says_what_flags_say(served: list[Config], monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "RSGI_WSGI": "old:app; /more=older:app",
        "RSGI_ASGI": "new:app",
        "RSGI_PORT": "0",
        "RSGI_BIND": "h:1 unix:/s",
        "RSGI_ROUTE": "GET,HEAD /x=new:app; /y=asgi",
        "RSGI_ACCESS_LOG": "1",
        "RSGI_GRACE": "5s",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["serve", "--grace", "7"]) == 0
    config = served[0]
    assert config.apps == (
        AppTarget("wsgi", "old:app"),
        AppTarget("wsgi", "older:app", "/more"),
        AppTarget("asgi", "new:app"),
    )
    assert (config.port, config.bind, config.access_log) == (0, ("h:1", "unix:/s"), True)
    assert config.routes == ("GET,HEAD /x=new:app", "/y=asgi")
    assert config.grace == 7.0


def test_a_wrong_value_in_the_environment_is_a_usage_error(
    served: list[Config], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RSGI_PORT", "http")
    assert main(["serve", "--wsgi", "old:app"]) == 2
    assert "--port" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 1])
def test_the_exit_code_is_the_servers(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    replace_serving(monkeypatch, lambda config: code)
    assert main(["serve", "--wsgi", "old:app"]) == code


@pytest.mark.parametrize("debug", [False, True])
def test_a_startup_error_is_an_error_and_a_hint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], debug: bool
) -> None:
    def serve(config: Config) -> int:
        try:
            raise ZeroDivisionError("deep inside")
        except ZeroDivisionError as error:
            raise StartupError("it does not start", "start it better") from error

    replace_serving(monkeypatch, serve)
    assert main(["serve", "--wsgi", "old:app", *(["--debug"] if debug else [])]) == 1
    captured = capsys.readouterr()
    assert captured.err.endswith("error: it does not start\n\nhint: start it better\n")
    assert ("Traceback" in captured.err) is debug
    assert ("deep inside" in captured.err) is debug
    assert captured.out == ""


def test_a_startup_error_without_a_hint_has_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def serve(config: Config) -> int:
        raise StartupError("it does not start")

    replace_serving(monkeypatch, serve)
    assert main(["serve", "--wsgi", "old:app"]) == 1
    assert capsys.readouterr().err == "error: it does not start\n"


def test_ctrl_c_before_serving_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def serve(config: Config) -> int:
        raise KeyboardInterrupt

    replace_serving(monkeypatch, serve)
    assert main(["serve", "--wsgi", "old:app"]) == 1
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "code"), [(["serve", "--port", "x"], 2), (["--version"], 0)])
def test_python_dash_m_is_the_same_command(arguments: list[str], code: int) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "rsgi", *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert finished.returncode == code
    assert "Traceback" not in finished.stderr


def test_what_only_some_commands_need_is_not_imported_at_the_start() -> None:
    code = "import sys, rsgi.cli; print(*{'rich', 'rsgi._rsgi', 'rsgi.process.entry', 'asyncio'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.strip() == ""


def test_serve_starts_without_the_other_commands() -> None:
    """Each of them has libraries of its own, which would make every start slower."""
    code = "import sys; from rsgi.cli import main; main(['serve', '--help']); print(*sorted(sys.modules), sep='\\n')"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    loaded = {line for line in shown.splitlines() if re.fullmatch(r"rsgi\.(cli|compare|migrate)\.\w+", line)}
    assert loaded == {f"rsgi.cli.{name}" for name in ("environment", "parameters", "serve", "usage")}
    assert "http.client" not in shown.splitlines()
