"""The documentation is true: what it shows runs, what it links to is there, and what it lists is complete.

The tests of behaviour are elsewhere; these read text. In the pages of `SHOWN`, a Python block whose first line is a file
name is written to a folder. Commands in `sh` blocks run there, and `curl` lines in `console` blocks are sent to a server.
The settings page is generated here: `UPDATE_DOCS=1 python -m pytest tests/docs/test_docs.py` rewrites it.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from access_log import LINE
from behaviour_limits import GAPS
from behaviours.themes import BEHAVIOURS
from certificates import Certificates, TlsConnection
from rsgi import _rsgi
from rsgi.cli.parameters import options
from rsgi.migrate.page import fill
from rsgi.migrate.servers import SERVERS
from rsgi.settings.config import Config, settings
from server import UVICORN_READY, Server, run_rsgi
from wire import get, request

PROJECT = Path(__file__).parents[2]
README = PROJECT / "README.md"
DOCS = PROJECT / "docs"
# The pages whose blocks are run.
SHOWN = [
    README,
    *(
        DOCS / f"{name}.md"
        for name in (
            "getting-started",
            "routing",
            "configuration",
            "wsgi-to-asgi",
            "https",
            "proxies",
            "workers",
            "metrics",
            "compression",
            "development",
            "limits",
        )
    ),
]
PAGES = sorted([*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("examples/**/*.md")])
HEADLINE = "rsgi serve --wsgi old:app --asgi new:app"

STUBS = {
    "shop.py": "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'shop']\n",
    "chat.py": "async def app(scope, receive, send):\n    raise RuntimeError('never asked here')\n",
}


def name_of(page: Path) -> str:
    return str(page.relative_to(PROJECT))


def blocks(page: Path, language: str) -> list[str]:
    """The text of the fenced blocks in one language."""
    fences = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [text for found, text in fences if found == language]


def shown(language: str) -> list[str]:
    """The blocks in one language of all pages whose blocks are run."""
    return [block for page in SHOWN for block in blocks(page, language)]


def commands() -> list[str]:
    """Each command line of their `sh` blocks that serves the old application at `/`."""
    lines = dict.fromkeys(line for block in shown("sh") for line in block.splitlines())
    return [line for line in lines if re.match(r"rsgi serve .*--wsgi old:app|uvicorn ", line)]


# What these pages show


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The certificate that docs/https.md names, in a folder of its own."""
    return Certificates.make(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def folder(certificates: Certificates) -> Path:
    """The files that the pages show, and stubs of those that they only name."""
    made = certificates.folder
    for name, text in STUBS.items():
        (made / name).write_text(text)
    for block in shown("python"):
        name = re.match(r"# (\w+\.py)\n", block)
        assert name is not None, f"a Python block has no file name in its first line:\n{block}"
        (made / name[1]).write_text(block.replace("port=8000", "port=0"))
    return made


def start(command: list[str], folder: Path) -> Server:
    """Run a command on a free port."""
    match command:
        case ["rsgi", "serve", *arguments]:
            arguments = [each.replace("127.0.0.1:9090", "127.0.0.1:0") for each in arguments]
            return Server([sys.executable, "-m", "rsgi", "serve", *arguments, "--port", "0"], folder=folder)
        case ["uvicorn", *arguments]:
            return Server(
                [sys.executable, "-m", "uvicorn", *arguments, "--port", "0"], folder=folder, ready=UVICORN_READY
            )
        case ["python", script]:
            return Server([sys.executable, script], folder=folder)
    raise AssertionError(f"no test knows how to run `{shlex.join(command)}`")


@pytest.fixture(scope="module")
def headline(folder: Path) -> Iterator[Server]:
    """The command in the first screen."""
    assert HEADLINE in blocks(README, "sh")[0].splitlines()
    server = start(shlex.split(HEADLINE), folder)
    yield server
    server.stop()


def test_commands_are_found() -> None:
    assert len(commands()) > 12


@pytest.mark.parametrize("line", commands())
def test_commands_of_the_pages_serve(folder: Path, certificates: Certificates, line: str) -> None:
    server = start(shlex.split(line), folder)
    if "--tls-cert" in line:
        with TlsConnection(server, certificates.context()) as connection:
            connection.send_request("GET", "/")
            assert connection.read_response().body == b"the old home page\n"
    else:
        assert get(server, "/").body == b"the old home page\n"
    # uvicorn ends with the signal that it was sent.
    assert server.stop() == (-signal.SIGTERM if line.startswith("uvicorn") else 0)
    assert "Traceback" not in server.log()


def test_serving_from_python_as_the_page_shows(folder: Path) -> None:
    server = start(["python", "serve.py"], folder)
    assert get(server, "/").body == b"the old home page\n"
    assert get(server, "/users/1").json()["from"] == "FastAPI"
    assert server.stop() == 0


def test_the_configuration_file_on_its_page_serves(folder: Path, tmp_path: Path) -> None:
    (text,) = blocks(DOCS / "configuration.md", "toml")
    (tmp_path / "rsgi.toml").write_text(text)
    server = start(["rsgi", "serve", "--app-dir", str(folder)], tmp_path)
    assert get(server, "/users/1").json()["from"] == "FastAPI"
    assert get(server, "/users/1", ("Cookie", "arm=old")).json()["from"] == "Flask"
    assert server.stop() == 0


def test_flask_below_fastapi_as_the_page_shows(folder: Path) -> None:
    server = start(["rsgi", "serve", "--asgi", "combined:app"], folder)
    assert get(server, "/users/7").json() == {"id": 7, "from": "Flask"}
    assert get(server, "/api/health").json() == {"status": "ok"}
    assert server.stop() == 0


@pytest.mark.parametrize("page", [README, DOCS / "getting-started.md"], ids=name_of)
def test_responses_of_the_headline(headline: Server, page: Path) -> None:
    asked = 0
    for block in blocks(page, "console"):
        for line, response in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            words = shlex.split(line)
            assert words[0] == "curl", line
            method = words[words.index("-X") + 1] if "-X" in words else "GET"
            target = words[-1].removeprefix("http://127.0.0.1:8000")
            assert request(headline, method, target).text.strip() == response.strip()
            asked += 1
    assert asked


def test_banner_of_the_headline(headline: Server) -> None:
    def without_details(text: str) -> list[str]:
        text = re.sub(r"\b(uvloop|asyncio) loop", "L loop", text)
        return [re.sub(r"\d+", "N", line) for line in text.strip().splitlines()]

    banner = next(block for block in blocks(DOCS / "getting-started.md", "text") if "listening on" in block)
    assert without_details(banner) == without_details(headline.log())


def test_map_in_the_readme(folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RSGI_", "COLUMNS"))}
    command = [sys.executable, "-m", "rsgi", "routes", "--wsgi", "old:app", "--asgi", "new:app"]
    made = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=True)
    table = next(block for block in blocks(README, "text") if block.startswith("  path "))
    assert "".join(f"{line.rstrip()}\n" for line in made.stdout.splitlines()).endswith(f"\n\n{table}")


def test_startup_error_on_its_page() -> None:
    message = next(block for block in blocks(DOCS / "logs.md", "text") if block.startswith("error: "))
    assert run_rsgi("--wsgi", "missing:app").stderr == message


def test_access_log_line_on_its_page() -> None:
    lines = [block for block in blocks(DOCS / "logs.md", "text") if re.match(r"\d{4}-\d\d-\d\dT", block)]
    assert len(lines) == 1
    assert LINE.fullmatch(lines[0])


def test_limits_on_their_page_are_the_defaults() -> None:
    made = {option.opts[0]: option for option in options() if isinstance(option, click.Option)}
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| `(--[\w-]+)` \|", (DOCS / "limits.md").read_text(), re.MULTILINE)
    assert len(rows) > 20
    assert {flag: default for default, flag in rows} == {flag: default_of(made[flag]) for _, flag in rows}


def test_the_example_is_what_its_page_says(start_example: Callable[[], Server]) -> None:
    server = start_example()
    page = (PROJECT / "examples/flask_and_fastapi/README.md").read_text()
    assert HEADLINE in page
    for method, path, answered_by in [
        ("GET", "/health", "flask"),
        ("GET", "/users", "flask"),
        ("GET", "/users/1", "fastapi"),
        ("DELETE", "/users/1", "flask"),
        ("GET", "/search?q=a", "fastapi"),
    ]:
        assert request(server, method, path).json()["answered_by"] == answered_by, path
    for path in ("/", "/about", "/guestbook", "/docs"):
        assert get(server, path).status == 200, path


@pytest.fixture
def start_example(request: pytest.FixtureRequest) -> Callable[[], Server]:
    """Start the first example with the command that its page and `make demo` give."""

    def start_one() -> Server:
        server = start(shlex.split(HEADLINE), PROJECT / "examples/flask_and_fastapi")
        request.addfinalizer(server.stop)
        return server

    return start_one


# What pages name


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors(linked), f"{target} has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_named_in_pages_exist(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for path in re.findall(
        r"`((?:src|bridge|python|tests|conformance|docs|benches|examples)/[\w./-]*)(?:::[\w]+)?`", text
    ):
        assert (PROJECT / path).exists(), f"{path} is not there"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_named_in_pages_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^|`)make ((?:[a-z][a-z-]* ?)+)(?=`|$|#| )", page.read_text(), re.MULTILINE)
    assert {word for words in named for word in words.split()} <= targets


def test_tests_named_in_the_contract_exist() -> None:
    named = re.findall(r"`((?:tests|conformance)/[\w/]+\.py)::(\w+)`", (PROJECT / "docs/contract.md").read_text())
    assert len(named) > 80
    behaviours = {(Path(inspect.getfile(each.check)).name, each.name) for each in BEHAVIOURS}
    assert {(Path(path).name, name) for path, name in named if "/behaviours/" in path} <= behaviours
    for path in sorted({path for path, _ in named if "/behaviours/" not in path}):
        tree = ast.parse((PROJECT / path).read_text())
        there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        missing = {test for file, test in named if file == path} - there
        assert not missing, f"{path} has no {', '.join(sorted(missing))}"


def test_every_clause_of_the_contract_names_a_test() -> None:
    rows = re.findall(r"^\| (?!clause|---)(.*) \|$", (PROJECT / "docs/contract.md").read_text(), re.MULTILINE)
    for row in rows:
        clause, _, tests = row.split(" | ")
        assert re.fullmatch(
            r"`(?:tests|conformance)/[\w/]+\.py::\w+`(, `(?:tests|conformance)/[\w/]+\.py::\w+`)*", tests
        ), clause


# The conformance page


def test_conformance_page_has_every_behaviour() -> None:
    """After a change of the list `make conformance` writes the page anew."""
    lines = (PROJECT / "docs/conformance.md").read_text().splitlines()
    rows = {line.split(" | ")[0].removeprefix("| ") for line in lines if line.startswith("| ")}
    assert {each.wanted for each in BEHAVIOURS} <= rows


def test_conformance_page_has_no_failure_of_ours_but_known_gaps() -> None:
    lines = (PROJECT / "docs/conformance.md").read_text().splitlines()
    known = {each.wanted for each in BEHAVIOURS if each.name in GAPS}
    failed = {row.split(" | ")[0].removeprefix("| ") for row in lines if re.match(r"\| [^|]* \| ✗", row)}
    assert failed <= known
    assert sum(re.match(r"\| [^|]* \| ✓", row) is not None for row in lines) > 90


# Settings and versions

# The settings that never reach the compiled part, and what acts on them instead.
ONLY_PYTHON = {
    "apps": "become the plan",
    "routes": "become the plan",
    "fallback": "becomes the plan's mode",
    "prefer": "becomes the plan's tables",
    "share_by": "becomes part of the plan",
    "history_folder": "the history is Python's",
    "history_quiet_days": "the history is Python's",
    "share_testers": "becomes part of the plan",
    "shadow": "becomes part of the plan",
    "record_size": "the recording is Python's",
    "shadow_store_folder": "the comparison is Python's",
    "shadow_store_redact": "the comparison is Python's",
    "shadow_store_samples": "the comparison is Python's",
    "shadow_store_size": "the comparison is Python's",
    "static": "becomes the plan's folders",
    "static_cache_control": "becomes part of the plan's folders",
    "static_immutable": "becomes part of the plan's folders",
    "static_fallback_to_app": "becomes part of the plan's folders",
    "static_follow_links": "becomes part of the plan's folders",
    "config": "is read before the settings are made",
    "env_file": "is read before the settings are made",
    "reload": "restarts are Python's",
    "reload_dir": "files are watched in Python",
    "reload_include": "files are watched in Python",
    "reload_exclude": "files are watched in Python",
    "reload_rules": "the file is watched in Python",
    "host": "becomes an address to bind",
    "port": "becomes an address to bind",
    "uds": "becomes an address to bind",
    "user": "is the process's, before anything is served",
    "group": "is the process's, before anything is served",
    "pid_file": "is written in Python",
    "preload": "workers are forked in Python",
    "routes_from": "becomes the plan's table",
    "app_dir": "is for importing",
    "log_format": "is said to both, by a call",
    "log_config": "the logging is Python's",
    "max_requests_jitter": "is added to `max_requests` before the settings are made",
    "worker_timeout": "is the supervisor's",
    "debug": "start-up errors are printed by the command line",
}


def test_rust_and_python_have_the_same_settings() -> None:
    names = [each.name for each, _ in settings()]
    assert len(set(names)) == len(names)
    assert sorted(_rsgi.SETTINGS) == sorted(set(names) - ONLY_PYTHON.keys())
    assert ONLY_PYTHON.keys() <= set(names)


def default_of(option: click.Option) -> str:
    """The default as `--help` has it."""
    found = re.search(r"\[default: (.*)\]$", option.help or "")
    if found is not None:
        return found[1]
    return "off" if option.is_flag else "none"


def settings_page() -> str:
    """`docs/settings.md`, made of the same definitions as the command line."""
    lines = [
        "# Settings",
        "",
        "`tests/docs/test_docs.py` generates this page from `python/rsgi/settings/config.py`. Do not edit it.",
        "",
        "Each setting is a flag of `rsgi serve`, an environment variable, and an argument of `rsgi.serve(...)`. Under the",
        "name of the argument, it is also a key of `rsgi.toml`, or of `[tool.rsgi]` in `pyproject.toml`. (Only `config` and",
        "`env_file` cannot be in the file.) A flag wins over the environment, and both win over the file.",
        "[configuration.md](configuration.md) shows how the file names applications and rules.",
        "",
        "- Durations are seconds, or text such as `250ms`, `10s`, `2m`.",
        "- Sizes are bytes, or text such as `64KiB`, `16MiB`.",
        "- The variable of a repeatable flag takes several values, separated by `;`.",
        "- If the default is no limit, you can also write `none`.",
    ]
    section = None
    for option in options():
        assert isinstance(option, click.Option)
        if option.section != section:  # type: ignore[attr-defined]
            section = option.section  # type: ignore[attr-defined]
            lines += ["", f"## {section}", "", "| flag | environment | Python | default | |", "|---|---|---|---|---|"]
        lines.append(settings_row(option))
    return "\n".join(lines) + "\n"


def settings_row(option: click.Option) -> str:
    shown = ", ".join([*option.opts[1:], option.opts[0]])
    flag = shown if option.is_flag else f"{shown} {option.metavar}"
    meaning = re.sub(r"\s*\[default: .*\]$", "", option.help or "").replace("|", "\\|")
    flag, name = flag.replace("|", "\\|"), str(option.name)
    return f"| `{flag}` | `{option.envvar}` | `{name}` | {default_of(option)} | {meaning} |"


def test_settings_page_is_up_to_date() -> None:
    page = PROJECT / "docs/settings.md"
    if os.environ.get("UPDATE_DOCS") == "1":
        page.write_text(settings_page())
    assert page.read_text() == settings_page(), "UPDATE_DOCS=1 python -m pytest tests/docs/test_docs.py rewrites it"


def test_page_for_those_who_come_from_other_servers_is_up_to_date() -> None:
    page = PROJECT / "docs/coming-from.md"
    filled = fill(page.read_text())
    if os.environ.get("UPDATE_DOCS") == "1":
        page.write_text(filled)
    for server in SERVERS:
        assert f"## {server.name}\n" in filled
        assert filled.count(f"<!-- {server.name} -->\n- ") == 1
    assert page.read_text() == filled, "UPDATE_DOCS=1 python -m pytest tests/docs/test_docs.py rewrites it"


def test_translation_on_that_page() -> None:
    (shown,) = blocks(PROJECT / "docs/coming-from.md", "console")
    command, _, printed = shown.partition("\n")
    words = shlex.split(command.removeprefix("$ rsgi"))
    ran = subprocess.run(
        [sys.executable, "-m", "rsgi", *words], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout + ran.stderr == printed


def test_python_names_on_the_settings_page_are_arguments() -> None:
    names = set(re.findall(r"^\| `[^`]+` \| `[^`]+` \| `(\w+)`", settings_page(), re.MULTILINE))
    assert names == {each.name for each, _ in settings()} - {"apps"} | {"wsgi", "asgi"}
    Config()  # every default is one that the setting takes


def test_versions_agree(capsys: pytest.CaptureFixture[str]) -> None:
    from rsgi.cli import main

    cargo = re.search(r'^version = "([^"]+)"$', (PROJECT / "Cargo.toml").read_text(), re.MULTILINE)
    entries = re.findall(r"^## \[(\d[^\]]*)\]", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert cargo is not None
    assert main(["--version"]) == 0
    said = capsys.readouterr().out.split()[1]
    assert {cargo[1], entries[0], said, _rsgi.VERSION} == {cargo[1]}
