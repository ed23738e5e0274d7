"""`rsgi.toml` and `[tool.rsgi]`: what they may say, where a mistake stands, and what wins over them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rsgi.errors import StartupError
from rsgi.settings.config import AppTarget, Config, settings
from rsgi.settings.config_file import find_file, load_config, read_file
from rsgi.settings.toml_lines import TomlLines
from rsgi.settings.values import write_value
from server import APPS, Server, run_rsgi
from wire import get

FILE = """\
port = 0
wsgi_threads = 3
header_timeout = "2m"
max_body = "1MiB"
access_log = true

[apps.old]
wsgi = "routing_apps:old_a"

[apps.new]
asgi = "routing_apps:new_a"
prefix = "/api"

[[routes]] # the first that matches
path = "/api/legacy/{rest:path}"
methods = ["GET", "post"]
app = "old"
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Write a file; gives its path."""

    def write_one(text: str, name: str = "rsgi.toml") -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(path)

    return write_one


def failure(path: str) -> StartupError:
    with pytest.raises(StartupError) as raised:
        read_file(path)
    return raised.value


def test_a_file_says_what_flags_say(write: Callable[..., str]) -> None:
    path = write(FILE)
    config = load_config({"config": path})
    assert (config.port, config.wsgi_threads, config.header_timeout, config.max_body) == (0, 3, 120.0, 2**20)
    assert config.access_log is True
    assert config.config == path
    assert config.apps == (
        AppTarget("wsgi", "routing_apps:old_a", "", "old"),
        AppTarget("asgi", "routing_apps:new_a", "/api", "new"),
    )
    (rule,) = config.routes
    assert rule.source == f"{path}, line 14"  # type: ignore[union-attr]
    assert rule.text == "GET,POST /api/legacy/{rest:path}=old"  # type: ignore[union-attr]


def test_every_setting_can_stand_in_a_file(write: Callable[..., str]) -> None:
    """With the default that the help shows; what has none takes a value of its kind."""
    files = {"tls_cert": ["a.pem", "b.pem"], "tls_key": ["a.key", "b.key"]}
    special = {
        **files,
        "uds": "/run/a",
        "max_body": 1,
        "limit_concurrency": 1,
        "fallback": "probe",
        "bind": ["[::1]:1"],
        "routes_from": ["new:app"],
    }
    lines, expected = [], {}
    for field, setting in settings():
        if field.name in ("apps", "routes", "config"):
            continue
        value = special.get(field.name, getattr(Config(), field.name))
        text = str(value).lower() if isinstance(value, (bool, int)) else repr(value)
        if isinstance(value, tuple):
            text = repr(list(value))
        if isinstance(value, float):
            text = repr(write_value(value, setting.unit))
        if value is not None:
            lines.append(f"{field.name} = {text}")
            expected[field.name] = setting.check(value)
    assert read_file(write("\n".join(lines))) == expected
    assert len(expected) > 25


def test_applications_can_be_written_as_for_the_flags(write: Callable[..., str]) -> None:
    values = read_file(write('wsgi = "old:app"\nasgi = ["/a=a:app", "/b=b:app()"]\nroutes = ["GET /x=wsgi"]'))
    assert values == {
        "apps": (AppTarget("wsgi", "old:app"), AppTarget("asgi", "a:app", "/a"), AppTarget("asgi", "b:app()", "/b")),
        "routes": ("GET /x=wsgi",),
    }


@pytest.mark.parametrize(
    ("text", "line", "problem", "hint"),
    [
        ("port = 1\nprot = 2", 2, "there is no setting `prot`", "did you mean `port`?"),
        ("wsgi-threads = 2", 1, "there is no setting `wsgi-threads`", "did you mean `wsgi_threads`?"),
        ("config = 'x'", 1, "there is no setting `config`", None),
        ("\nport = 70000", 2, "`port` cannot be 70000: 70000 is more than 65535", None),
        ("port = 1.5", 1, "`port` cannot be 1.5: 1.5 is not a whole number", None),
        ("port = 'http'", 1, "`port` cannot be 'http': 'http' is not a whole number", None),
        ("host = 1", 1, "`host` cannot be 1: 1 is not text", None),
        ("access_log = 1", 1, "`access_log` cannot be 1: 1 is not true or false", None),
        ("bind = 8000", 1, "`bind` cannot be 8000", None),
        ("[port]\nx = 1", 1, "`port` is a setting, not a table", None),
        ("wsgi = 7", 1, "`wsgi` is a target or a list of targets, not 7", None),
        ("wsgi = ['api=x:y']", 1, "the prefix `api` does not start with `/`", None),
        ("apps = 'old:app'", 1, "an application is a table with a name", "[apps.old]"),
        ("[apps.old]\nwsgi = 'a:b'\nprefx = '/x'", 3, "there is no setting `prefx`", "did you mean `prefix`?"),
        ("[apps.old]\n\n[apps.new]\nasgi = 'a:b'", 1, "has neither `wsgi` nor `asgi`", None),
        ("[apps.x]\nasgi = 'a:b'\nwsgi = 'a:b'", 1, "has both `wsgi` and `asgi`", None),
        ("[apps.x]\nasgi = ['a:b']", 2, "`asgi` is text, not ['a:b']", None),
        ("[apps.wsgi]\nwsgi = 'a:b'", 1, "`wsgi` cannot be the name of an application", None),
        ("[apps.'a b']\nwsgi = 'a:b'", 1, "`a b` cannot be the name of an application", None),
        ("routes = 'GET /x=y'", 1, "rules are tables with two brackets", None),
        ("[routes]\npath = '/x'", 1, "rules are tables with two brackets", None),
        ("[[routes]]\npath = '/x'\napp = 'a'\n[[routes]]\npth = '/x'", 4, "a rule has no key `pth`", "`path`"),
        ("[[routes]]\npath = '/x'", 1, "a rule must name its `app`", None),
        ("[[routes]]\napp = 'x'", 1, "a rule needs a condition", None),
        ("port = ", 1, "invalid value", "TOML"),
        ("a = 1\na = 2", 2, "cannot overwrite a value", "TOML"),
        ("a = '''", 1, "expected", "TOML"),
    ],
)
def test_a_mistake_names_its_line(
    write: Callable[..., str], text: str, line: int, problem: str, hint: str | None
) -> None:
    path = write(text)
    error = failure(path)
    assert error.message.startswith(f"{path}, line {line}: "), error.message
    assert problem.lower() in error.message.lower()
    assert hint is None or hint in (error.hint or "")


def test_lines_are_found_behind_strings_arrays_and_comments() -> None:
    lines = TomlLines(
        'a = """\n[x]\nb = 1\n"""\n'
        "c = [ # d = 1\n  '[e]',\n  'f = 2',\n]\n"
        '[g."h i"] # [j]\nk = { l = 1 }\n'
        "[[m]]\nn = 1\n[m.o]\np = 1\n[[m]]\n[m.o]\nq . r = 1\n"
    )
    found = {path: lines.line_of(path) for path in [("a",), ("c",), ("x",), ("b",), ("f",), ("d",)]}
    assert found == {("a",): 1, ("c",): 5, ("x",): None, ("b",): None, ("f",): None, ("d",): None}
    assert lines.line_of(("g", "h i")) == 9
    assert lines.line_of(("g", "h i", "k", "l")) == 10
    assert lines.line_of(("m", 0)) == 11
    assert lines.line_of(("m", 0, "o", "p")) == 14
    assert lines.line_of(("m", 1)) == 15
    assert lines.line_of(("m", 1, "o", "q", "r")) == 17


def test_a_file_is_found_in_its_order(tmp_path: Path, write: Callable[..., str]) -> None:
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    write("", "here/other.toml")
    assert find_file([here, there]) is None
    write("[tool.ruff]\n", "here/pyproject.toml")
    last = write("port = 1", "there/rsgi.toml")
    assert find_file([here, there]) == last
    project = write("[tool.ruff]\nx = 1\n[tool.rsgi]\nport = 2\nfoo = 1\n", "here/pyproject.toml")
    assert find_file([here, there]) == project
    assert failure(project).message == f"{project}, line 5: there is no setting `foo`"
    own = write("port = 3", "here/rsgi.toml")
    assert find_file([here, there]) == own


@pytest.mark.parametrize("text", ["[tool.ruff\n", "# like tool.rsgi\n[tool.rsgix]\n", "[tool]\n"])
def test_a_project_file_of_others_is_not_ours(write: Callable[..., str], tmp_path: Path, text: str) -> None:
    write(text, "pyproject.toml")
    assert find_file([str(tmp_path)]) is None


@pytest.mark.parametrize("text", ["[tool.ruff]\n", "tool.rsgi = 1\n"])
def test_a_project_file_that_is_named_has_to_have_the_table(write: Callable[..., str], text: str) -> None:
    path = write(text, "pyproject.toml")
    error = failure(path)
    assert "there is no table `[tool.rsgi]`" in error.message
    assert error.message.startswith(path)


def test_what_is_given_wins(write: Callable[..., str]) -> None:
    path = write(FILE)
    chosen = AppTarget("asgi", "routing_apps:new_b")
    config = load_config({"config": path, "port": 9, "asgi": [chosen], "routes": ()})
    assert (config.port, config.wsgi_threads, config.routes) == (9, 3, ())
    assert config.apps == (chosen, AppTarget("wsgi", "routing_apps:old_a", "", "old"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    ended = run_rsgi("--config", str(tmp_path / "no.toml"))
    assert ended.returncode == 1
    assert "error: cannot read the configuration file `" in ended.stderr
    assert "No such file" in ended.stderr


def test_the_server_reads_the_file_in_its_folder(
    start: Callable[..., Server], write: Callable[..., str], tmp_path: Path
) -> None:
    write(FILE.replace("[apps.old]", 'lifespan = "off"\n\n[apps.old]'))
    server = start("--wsgi-threads", "2", folder=tmp_path, environment={"RSGI_LIFESPAN": "auto"})
    assert get(server, "/api/x").json()["app"] == "new_a"
    assert get(server, "/api/legacy/x").json()["app"] == "old_a"
    log = server.log()
    assert "settings: rsgi.toml" in log
    assert "old = routing_apps:old_a" in log
    assert "2 threads" in log, "a flag wins over the file"
    assert "lifespan auto" in log, "the environment wins over the file"
    server.wait_for_access_log("GET /api/legacy/x")


def test_a_mistake_in_the_file_ends_the_start(write: Callable[..., str]) -> None:
    path = write('wsgi_thread = 1\n[apps.old]\nwsgi = "routing_apps:old_a"\n')
    ended = run_rsgi("--config", path)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"error: {path}, line 1: there is no setting `wsgi_thread`\n\nhint: did you mean `wsgi_threads`?\n"
    )


def test_python_takes_a_file_too(write: Callable[..., str], start: Callable[..., Server], tmp_path: Path) -> None:
    path = write(FILE)
    (tmp_path / "serve.py").write_text(f"import rsgi\nrsgi.serve(config={path!r}, app_dir={str(APPS)!r}, port=0)\n")
    server = Server([sys.executable, "serve.py"], folder=tmp_path)
    try:
        assert get(server, "/x").json()["app"] == "old_a"
    finally:
        server.stop()
