"""Wrong command lines, run as processes: the exact `error:` and `hint:` lines, and the exit code.

Apart from `test_cli.py`, which is about what reaches the server. Here are targets without a flag, flags of other servers,
variables that are no settings, and projects that are started from the wrong folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rsgi.cli.serve import serve_command
from server import Server
from wire import get

APPS = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"wsgi\\n"]


async def new(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"asgi\\n"})


def either(*anything): ...
def create_app(): return app
"""
OURS = {name for option in serve_command.params for name in (*option.opts, *option.secondary_opts)} | {"-h", "--help"}
SETTINGS = "SECRET_KEY = 'x'\nROOT_URLCONF = 'mysite.urls'\n"
SITE = """
import os
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
application = get_wsgi_application()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `good.py`, and in `dj` a Django project `mysite`."""
    made = tmp_path_factory.mktemp("usage")
    site = made / "dj/mysite"
    site.mkdir(parents=True)
    (made / "good.py").write_text(APPS)
    for name, text in {"__init__": "", "settings": SETTINGS, "urls": "urlpatterns = []\n", "wsgi": SITE}.items():
        (site / f"{name}.py").write_text(text)
    return made


def environment(variables: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RSGI_", "DJANGO_"))}
    return {**kept, **variables}


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rsgi", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(variables), capture_output=True, text=True, timeout=30, check=False
    )


def said(ran: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    """The exit code, the line of the error and that of the hint."""
    lines = ran.stderr.splitlines()
    first = [line for line in lines if line.startswith("error: ")]
    last = [line for line in lines if line.startswith("hint: ")]
    assert len(first) == len(last) == 1, ran.stderr
    return ran.returncode, first[0].removeprefix("error: "), last[0].removeprefix("hint: ")


# Targets without a flag


@pytest.mark.parametrize(
    ("targets", "response"),
    [
        (("good:app",), "wsgi\n"),
        (("good:new",), "asgi\n"),
        (("good:create_app()",), "wsgi\n"),
        (("good:app", "good:new", "--prefer", "asgi"), "asgi\n"),
        (("good:app", "--asgi", "good:new"), "asgi\n"),
        (("/api=good:new", "good:app"), "wsgi\n"),
    ],
)
def test_a_target_without_a_flag_is_served_as_what_it_is(folder: Path, targets: tuple[str, ...], response: str) -> None:
    server = Server([sys.executable, "-m", "rsgi", "serve", *targets, "--port", "0"], folder=folder)
    assert get(server, "/").text == response
    if "/api=good:new" in targets:
        assert get(server, "/api/x").text == "asgi\n"
    assert server.stop() == 0


def test_workers_see_what_a_target_is_as_well(folder: Path) -> None:
    arguments = ["serve", "good:new", "--port", "0", "-w", "2"]
    server = Server([sys.executable, "-m", "rsgi", *arguments], folder=folder)
    assert get(server, "/").text == "asgi\n"
    assert server.stop() == 0


def test_targets_without_a_flag_take_the_place_of_those_in_the_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "rsgi.toml").write_text('[apps.old]\nwsgi = "good:missing"\n')
    ran = run(tmp_path, "check", "--app-dir", str(folder), "good:new")
    assert ran.returncode == 0, ran.stderr
    assert "good:new" in ran.stdout
    assert "old" not in ran.stdout


@pytest.mark.parametrize("command", ["serve", "check", "routes"])
def test_a_target_that_could_be_both_has_to_be_told(folder: Path, command: str) -> None:
    assert said(run(folder, command, "good:either")) == (
        1,
        "rsgi cannot detect whether `good:either` is a WSGI or an ASGI application",
        "say it with a flag: `--wsgi good:either` or `--asgi good:either`",
    )


def test_two_targets_of_a_kind_cannot_share(folder: Path) -> None:
    assert said(run(folder, "serve", "good:app", "good:create_app()")) == (
        1,
        "two WSGI applications have no prefix: `good:app` and `good:create_app()`",
        "give one a prefix, for example `--wsgi /api=good:create_app()`",
    )


def test_a_factory_without_parentheses_is_noticed(folder: Path) -> None:
    code, error, hint = said(run(folder, "serve", "good:create_app"))
    assert code == 1
    assert error.startswith("`good:create_app` cannot be called with (environ, start_response) or")
    assert hint == "if it is a factory that returns the application, write `good:create_app()`"


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("good", "name the object in the module, for example `good:app`"),
        ("mysite.wsgi", "name the object in the module, for example `mysite.wsgi:application`"),
        ("dj/mysite/wsgi.py", "name the module, not its file: `wsgi:application`, with `--app-dir dj/mysite`"),
    ],
)
def test_an_incomplete_target_is_a_wrong_usage(folder: Path, target: str, hint: str) -> None:
    error = f"`{target}` is not a target of the form `module:attr`"
    assert said(run(folder, "serve", target)) == (2, error, hint)


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (
            ("good:app", "-w", "4"),
            "there is no command `good:app`",
            "to serve an application write `rsgi serve good:app -w 4`",
        ),
        (("srve",), "there is no command `srve`", "did you mean `rsgi serve`?"),
        (
            ("--wsgi", "good:app"),
            "`rsgi` has no option `--wsgi`",
            "options follow the command: `rsgi serve … --wsgi …`",
        ),
    ],
)
def test_a_forgotten_serve_is_noticed(folder: Path, arguments: tuple[str, ...], error: str, hint: str) -> None:
    assert said(run(folder, *arguments)) == (2, error, hint)


# Flags of other servers


@pytest.mark.parametrize(
    ("flag", "hint"),
    [
        ("--threads", "`--threads` of gunicorn, waitress and uWSGI is `--wsgi-threads` here"),
        ("--ssl-keyfile", "`--ssl-keyfile` of uvicorn and Granian is `--tls-key` here"),
        ("--certfile", "`--certfile` of gunicorn and Hypercorn is `--tls-cert` here"),
        ("--timeout-keep-alive", "is `--keep-alive-timeout` here"),
        ("--graceful-timeout", "is `--grace` here"),
        ("--factory", "is `module:factory()` here"),
        ("--interface", "is `--wsgi TARGET` or `--asgi TARGET` here; `rsgi serve TARGET` detects the interface"),
        ("-k", "`-k` of Hypercorn is `--loop` here"),
        ("--blocking-threads", "`--blocking-threads` of Granian is `--wsgi-threads` here"),
        ("--listen", "`--listen` of waitress is `--bind` here"),
        ("--processes", "`--processes` of uWSGI is `--workers` here"),
        ("--prot", "did you mean `--port`?"),
        ("--nothing-like-it", "`rsgi serve --help` lists all options"),
    ],
)
def test_a_flag_of_another_server_names_ours(flag: str, hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    from rsgi.cli import main

    assert main(["serve", "good:app", flag, "3"]) == 2
    error, _, said_hint = capsys.readouterr().err.partition("\n\nhint: ")
    assert error == f"error: `rsgi serve` has no option `{flag}`"
    assert hint in said_hint


def test_no_known_flag_is_sent_to_one_that_only_looks_like_it(capsys: pytest.CaptureFixture[str]) -> None:
    """`--reload` is about code; `--reload-rules`, which is spelled alike, is not."""
    from rsgi.cli import main
    from rsgi.migrate.servers import SERVERS

    asked = 0
    for name in {name for server in SERVERS for flag in server.flags for name in flag.names} - OURS:
        if name.startswith("-"):
            asked += 1
            assert main(["serve", "good:app", name]) == 2, name
            said = capsys.readouterr().err
            assert f"\nhint: `{name}` of " in said, name
            assert "did you mean" not in said, name
    assert asked > 200


def test_the_short_flags_of_gunicorn_are_ours_as_well(folder: Path) -> None:
    arguments = ["serve", "-w", "2", "-b", "127.0.0.1:0", "good:app"]
    server = Server([sys.executable, "-m", "rsgi", *arguments], folder=folder)
    assert "with 2 workers" in server.log()
    assert get(server, "/").text == "wsgi\n"
    assert server.stop() == 0


def test_an_address_without_a_host_says_what_to_write(folder: Path) -> None:
    code, error, _ = said(run(folder, "serve", "-b", ":8000", "good:app"))
    assert code == 2
    assert "':8000' has no host; write 0.0.0.0:8000 for every interface, or 127.0.0.1:8000" in error


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (
            ("serve", "--wsgi"),
            "the option `--wsgi` needs a value",
            "write `--wsgi [PREFIX=]TARGET`; `rsgi serve --help`",
        ),
        (
            ("explain",),
            "`rsgi explain` needs `[METHOD] URL`",
            "write `rsgi explain [OPTIONS] [METHOD] URL`; `rsgi explain",
        ),
        (("status", "h:1"), "`rsgi status` does not take `h:1`", "write `rsgi status [OPTIONS]`; `rsgi status --help`"),
        (
            ("completion",),
            "`rsgi completion` needs `bash|zsh|fish`",
            "write `rsgi completion [OPTIONS] bash|zsh|fish`;",
        ),
    ],
)
def test_words_that_are_missing_or_too_many(folder: Path, arguments: tuple[str, ...], error: str, hint: str) -> None:
    code, told, shown = said(run(folder, *arguments))
    assert (code, told) == (2, error)
    assert shown.startswith(hint)
    assert shown.endswith("lists all options")


def test_an_option_of_serve_is_not_one_of_check(capsys: pytest.CaptureFixture[str]) -> None:
    from rsgi.cli import main

    assert main(["check", "good:app", "-w", "2"]) == 2
    said = capsys.readouterr().err
    assert said == "error: `rsgi check` has no option `-w`\n\nhint: `-w` is an option of `rsgi serve`\n"


def test_explain_takes_applications_by_flag(capsys: pytest.CaptureFixture[str]) -> None:
    from rsgi.cli import main

    assert main(["explain", "good:app", "GET", "/x"]) == 2
    hint = "name applications with flags here, for example `rsgi explain --wsgi good:app GET /`"
    assert capsys.readouterr().err == f"error: `good:app` is not part of a request\n\nhint: {hint}\n"


def test_the_file_of_another_server_is_no_configuration(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("import os\nworkers = os.cpu_count()\n")
    code, error, hint = said(run(folder, "serve", "good:app", "--config", str(tmp_path / "gunicorn.conf.py")))
    assert code == 1
    assert "gunicorn.conf.py, line 1: " in error
    assert hint.startswith("the file must be TOML. rsgi does not read files of other servers")


# The environment


@pytest.mark.parametrize(
    ("name", "value", "flag"), [("RSGI_PORT", "abc", "--port"), ("RSGI_ACCESS_LOG", "maybe", "--access-log")]
)
def test_a_wrong_value_names_its_variable(folder: Path, name: str, value: str, flag: str) -> None:
    code, error, _ = said(run(folder, "serve", "good:app", **{name: value}))
    assert code == 2
    assert error.startswith(f"Invalid value for the environment variable `{name}` ({flag}): '{value}' is not a ")


def test_the_variables_of_kubernetes_are_recognised(folder: Path) -> None:
    """A Service that is called `rsgi` puts its address into RSGI_PORT, and more beside it."""
    code, _, hint = said(run(folder, "serve", "good:app", RSGI_PORT="tcp://10.0.0.1:8000"))
    assert code == 2
    assert hint.startswith("Kubernetes sets `RSGI_PORT` for a Service that is called `rsgi`")
    others = {"RSGI_SERVICE_HOST": "10.0.0.1", "RSGI_PORT_8000_TCP_ADDR": "10.0.0.1"}
    assert run(folder, "check", "good:app", **others).stderr == ""


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_variable_that_is_no_setting_is_warned_about(folder: Path, command: str) -> None:
    ran = run(folder, command, "good:missing", RSGI_WORKRS="3", RSGI_XYZZY="1")
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[:2] == [
        "warning: the environment variable `RSGI_WORKRS` is not a setting; did you mean `RSGI_WORKERS`?",
        "warning: the environment variable `RSGI_XYZZY` is not a setting",
    ]


def test_strict_takes_such_a_variable_for_a_warning_as_any(folder: Path) -> None:
    codes = [run(folder, "check", "good:app", *more, RSGI_XYZZY="1").returncode for more in ((), ("--strict",))]
    assert codes == [0, 1]
    assert run(folder, "check", "good:app", "--strict").returncode == 0


# Django


def test_django_without_settings_says_which_variable(folder: Path) -> None:
    served = "or serve `mysite.wsgi:application`, which sets it itself"
    code, _, hint = said(run(folder / "dj", "serve", "django.core.wsgi:get_wsgi_application()"))
    assert code == 1
    assert hint == f"set the variable, for example `DJANGO_SETTINGS_MODULE=mysite.settings rsgi serve …`, {served}"


def test_a_project_named_through_its_folder_says_app_dir(folder: Path) -> None:
    code, error, hint = said(run(folder, "serve", "dj.mysite.wsgi:application"))
    assert code == 1
    assert error == "could not import `dj.mysite.wsgi:application`: `dj.mysite.wsgi` needs the module `mysite`"
    assert hint == "`mysite` is in `dj`: pass `--app-dir dj`, and write `mysite.wsgi:application`"
    assert run(folder, "check", "--app-dir", "dj", "mysite.wsgi:application").returncode == 0


# What one application alone is told


def test_one_application_hears_nothing_of_a_rest(folder: Path) -> None:
    server = Server([sys.executable, "-m", "rsgi", "serve", "good:app", "--port", "0"], folder=folder)
    banner = server.log()
    assert server.stop() == 0
    assert "good:app" in banner
    assert "everything  " in banner
    for word in ("the rest", "everything else", "mounts:"):
        assert word not in banner
    explained = run(folder, "explain", "--wsgi", "good:app", "/x")
    assert explained.returncode == 0
    assert "the rest" not in explained.stdout
